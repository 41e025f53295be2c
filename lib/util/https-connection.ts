/** One verified HTTPS connection: the first of several addresses that gives one, within a deadline of its own. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import tls from 'node:tls'

export interface HttpsTarget {
  /** Host name: for SNI, the certificate and the Host field. */
  host: string
  /** IP addresses, tried in this order until one gives a verified connection. */
  addresses: readonly string[]
  port: number
  /** PEM file of the roots to trust; absent = Node's own list. */
  caFile?: string
  /** `ignored`: any certificate will do; `TLSSocket.authorized` says what it was worth. Default `required`. */
  certificate?: 'required' | 'ignored'
  /** Ends everything, wherever it stands. */
  signal: AbortSignal
}

/** What was wrong; `webpki`: the certificate, anything else: everything else. */
export class HttpsTrouble extends Error {
  constructor(
    readonly kind: 'webpki' | 'connection' | 'http',
    message: string,
  ) {
    super(message)
  }
}

/** Milliseconds for TCP and TLS with one address, so that one dead address does not use up the time of all. */
const CONNECT_DEADLINE = 10_000
const MAX_ADDRESSES = 4

/**
 * @returns whoever uses it hears of errors by its own listeners
 * @throws HttpsTrouble (rejects)
 */
export async function connectHttps(request: HttpsTarget): Promise<tls.TLSSocket> {
  const secureContext = await contextFor(request.caFile)
  let trouble = new HttpsTrouble('connection', 'there is no address to connect to')
  for (const address of request.addresses.slice(0, MAX_ADDRESSES)) {
    try {
      return await connectTo(address, request, secureContext)
    } catch (error) {
      // a certificate says more than a port that nobody listens on
      if (error instanceof HttpsTrouble && trouble.kind !== 'webpki') trouble = error
    }
    if (request.signal.aborted) break
  }
  throw trouble
}

function connectTo(address: string, request: HttpsTarget, secureContext: tls.SecureContext): Promise<tls.TLSSocket> {
  const { host, port, signal } = request
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: address,
      port,
      servername: host,
      secureContext,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: request.certificate !== 'ignored',
      checkServerIdentity: (_host, { raw }) => nameFault(host, raw),
    })
    const fail = (trouble: HttpsTrouble): void => {
      settle()
      socket.destroy()
      reject(trouble)
    }
    const onAbort = (): void => fail(new HttpsTrouble('connection', reasonOf(signal)))
    const onClose = (): void => fail(new HttpsTrouble('connection', `${address} closed the connection`))
    const onError = (error: Error): void => {
      // Node sets it when, and only when, it is the certificate that was refused
      const refused = Boolean(socket.authorizationError)
      fail(new HttpsTrouble(refused ? 'webpki' : 'connection', `${address}: ${textOf(error)}`))
    }
    const timer = setTimeout(() => {
      fail(new HttpsTrouble('connection', `${address} did not answer in time`))
    }, CONNECT_DEADLINE)
    const settle = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      socket.off('close', onClose)
    }
    socket.on('error', onError)
    socket.once('close', onClose)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('secureConnect', () => {
      settle()
      socket.off('error', onError)
      // whoever uses the socket hears of errors by its own listeners; without one Node would end the process
      socket.on('error', () => undefined)
      resolve(socket)
    })
    if (signal.aborted) onAbort()
  })
}

/**
 * RFC 8461 section 3.3: the host name as DNS-ID, in subjectAltName; a common name is never looked at, and a wildcard
 * stands for the whole left-most label.
 */
function nameFault(host: string, certificate: Buffer): Error | undefined {
  const fits = new X509Certificate(certificate).checkHost(host, { subject: 'never', partialWildcards: false })
  return fits === undefined ? new Error(`the certificate is not for ${host}`) : undefined
}

let standard: tls.SecureContext | undefined

/** With Node's list one context serves everybody, since building it costs 25 ms; a file is read anew each time. */
async function contextFor(caFile: string | undefined): Promise<tls.SecureContext> {
  const minVersion = 'TLSv1.2'
  if (caFile === undefined) return (standard ??= tls.createSecureContext({ minVersion }))
  try {
    return tls.createSecureContext({ minVersion, ca: await readFile(caFile) })
  } catch (error) {
    // never other roots than those that were asked for
    throw new HttpsTrouble('connection', `the roots in ${caFile} cannot be used: ${textOf(error)}`)
  }
}

/** Why the signal ended it, as text. */
export function reasonOf(signal: AbortSignal): string {
  return textOf(signal.reason)
}

/** An error as one clause. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : ''
  return `${code}${error.message}`.slice(0, 300)
}
