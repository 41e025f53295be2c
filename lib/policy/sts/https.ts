/**
 * One GET over HTTPS, as little of it as a policy needs (RFC 8461 section 3.3): one request on one connection of its
 * own, no redirects, no cache, a limit on bytes and one deadline for everything.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import tls from 'node:tls'

export interface HttpsRequest {
  /** Host name: for SNI, the certificate and the Host field. */
  host: string
  /** IP addresses, tried in this order until one gives a verified connection. */
  addresses: readonly string[]
  port: number
  path: string
  /** PEM file of the roots to trust; absent = Node's own list. */
  caFile?: string
  maxBytes: number
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
 * @returns the body of an answer with status 200 and media type text/plain
 * @throws HttpsTrouble
 */
export async function httpsGet(request: HttpsRequest): Promise<Buffer> {
  const socket = await connect(request)
  const onAbort = (): void => void socket.destroy(new HttpsTrouble('connection', reasonOf(request.signal)))
  request.signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (request.signal.aborted) onAbort()
    return await get(socket, request)
  } catch (error) {
    throw error instanceof HttpsTrouble ? error : new HttpsTrouble('http', textOf(error))
  } finally {
    request.signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}

async function connect(request: HttpsRequest): Promise<tls.TLSSocket> {
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

function connectTo(address: string, request: HttpsRequest, secureContext: tls.SecureContext): Promise<tls.TLSSocket> {
  const { host, port, signal } = request
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: address,
      port,
      servername: host,
      secureContext,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
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

function get(socket: tls.TLSSocket, request: HttpsRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = http.request({
      createConnection: () => socket,
      path: request.path,
      method: 'GET',
      // RFC 8461 section 3.3: HTTP caching must not be used, so not on the way either
      headers: { Host: request.host, Accept: 'text/plain', 'Cache-Control': 'no-cache', Connection: 'close' },
    })
    let answered = false
    asked.on('response', (response) => {
      answered = true
      readBody(response, request.maxBytes).then(resolve, reject)
    })
    asked.on('error', reject)
    asked.on('close', () => {
      if (!answered) reject(new HttpsTrouble('http', 'the connection ended without an answer'))
    })
    asked.end()
  })
}

async function readBody(response: http.IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { statusCode, headers } = response
  // RFC 8461 section 3.3: only 200 is an answer, and redirects must not be followed
  if (statusCode !== 200) throw new HttpsTrouble('http', `the answer has status ${statusCode ?? '?'}, not 200`)
  // RFC 8461 section 3.3: text/plain, so that nobody can plant a policy where users may upload files
  if (!/^text\/plain[ \t]*(;|$)/i.test(headers['content-type'] ?? '')) {
    throw new HttpsTrouble('http', `the media type is ${JSON.stringify(headers['content-type'] ?? '')}, not text/plain`)
  }
  const coding = headers['content-encoding'] ?? 'identity'
  if (coding.toLowerCase() !== 'identity') {
    throw new HttpsTrouble('http', 'the answer is compressed, which was not asked for')
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new HttpsTrouble('http', `the answer is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  if (!response.complete) throw new HttpsTrouble('http', 'the answer was cut short')
  return Buffer.concat(chunks)
}

function reasonOf(signal: AbortSignal): string {
  return textOf(signal.reason)
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : ''
  return `${code}${error.message}`.slice(0, 300)
}
