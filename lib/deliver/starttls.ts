/** The TLS handshake after `220` to STARTTLS (RFC 3207), and the judgement of it. */
import { isIP, type Socket } from 'node:net'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { TlsFacts } from '../failure'
import type { HostRequirement } from '../policy/types'
import { abortedFailure, describe, HostTrouble, tlsFailure } from './failures'
import type { StopSignal } from './stop'
import type { KeptSession } from './tls-sessions'
import { presentedBy, tlsFacts, verifyPeer, type Presented } from './verify'

export interface HandshakeRequest {
  need: HostRequirement
  /** Name of the MX host, or its address where it has none. */
  host: string
  context: SecureContext
  /** Milliseconds for the whole handshake, whatever drips in. */
  deadline: number
  /** Wall clock, for certificate dates. */
  now: number
  signal: StopSignal
  /** To be resumed if the server agrees. */
  resume?: KeptSession
  /** Told of each session that the server gives out, of a handshake that met the requirement only. */
  onSession?(session: KeptSession): void
  /** Told what the handshake showed, before it is judged. */
  onHandshake?(facts: TlsFacts, presented: Presented): void
}

/**
 * @param socket plain and silent: nothing that came over it may be left in a buffer
 * @returns the TLS socket, verified under the requirement; nothing has been written into the session yet
 * @throws HostTrouble (rejects) with a TLS failure; the socket is closed then
 */
export async function handshake(
  socket: Socket,
  request: HandshakeRequest,
): Promise<{ socket: TLSSocket; facts: TlsFacts; presented: Presented }> {
  const { need } = request
  // RFC 6066 section 3: SNI holds a host name, never an address.
  const servername = need.sni !== undefined && isIP(need.sni) === 0 ? need.sni : undefined
  let secure: TLSSocket
  try {
    secure = connect({
      socket,
      secureContext: request.context,
      // Judged below by our own rules, on the certificates of this handshake; a failed check must not be Node's.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(servername === undefined ? {} : { servername }),
      ...(request.resume === undefined ? {} : { session: request.resume.ticket }),
    })
  } catch (error) {
    socket.destroy()
    throw new HostTrouble(handshakeFailure(error))
  }
  return await new Promise((resolve, reject) => {
    const end = (trouble: HostTrouble): void => {
      settle()
      secure.destroy()
      socket.destroy()
      reject(trouble)
    }
    const onError = (error: unknown): void => end(new HostTrouble(handshakeFailure(error)))
    const onClose = (): void => onError(new Error('the server closed the connection during the TLS handshake'))
    const onAbort = (): void => end(new HostTrouble(abortedFailure()))
    const timer = setTimeout(
      () => onError(new Error(`TLS handshake not finished within ${request.deadline / 1000} s`)),
      request.deadline,
    )
    const settle = (): void => {
      clearTimeout(timer)
      request.signal.removeEventListener('abort', onAbort)
      secure.off('error', onError).off('close', onClose).off('end', onClose)
      secure.on('error', () => undefined)
    }
    secure.on('error', onError).on('close', onClose).on('end', onClose)
    request.signal.addEventListener('abort', onAbort)
    const given: Buffer[] = []
    const onTicket = (ticket: Buffer): void => void given.push(ticket)
    if (request.onSession !== undefined) secure.on('session', onTicket)
    const keepSessions = (presented: Presented): void => {
      secure.off('session', onTicket)
      const first = presented.first ?? presented
      const keep = (ticket: Buffer): void => request.onSession?.({ ticket, first })
      for (const ticket of given) keep(ticket)
      // TLS 1.3 gives them out after the handshake
      if (request.onSession !== undefined) secure.on('session', keep)
    }
    secure.once('secureConnect', () => {
      try {
        const presented = presentedBy(secure, request.resume?.first)
        const facts = tlsFacts(secure, presented, need.auth, {
          host: request.host,
          now: request.now,
          ...(servername === undefined ? {} : { servername }),
        })
        request.onHandshake?.(facts, presented)
        const verdict = verifyPeer(presented, need, request.now)
        settle()
        if (verdict.ok) {
          keepSessions(presented)
          resolve({ socket: secure, facts: { ...facts, verified: need.auth !== 'none' }, presented })
          return
        }
        // RFC 3207 section 4.1 allows QUIT here, RFC 8689 section 4.2.1 demands it; otherwise not even that is said to a
        // peer that is not who it should be.
        secure.end(need.requiretls ? 'QUIT\r\n' : '')
        secure.destroySoon()
        const more = { tls: facts, ...(verdict.detail === undefined ? {} : { privateDetail: verdict.detail }) }
        reject(new HostTrouble(tlsFailure(verdict.resultType, verdict.text, more)))
      } catch (error) {
        onError(error)
      }
    })
    if (request.signal.aborted) onAbort()
  })
}

/** OpenSSL's reasons that mean "no common protocol version". */
const VERSION_ERRORS = new Set([
  'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'ERR_SSL_VERSION_TOO_LOW',
  'ERR_SSL_NO_PROTOCOLS_AVAILABLE',
])

/** OpenSSL's reasons for a first record that is no TLS record. */
const NOT_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_HTTP_REQUEST'])

function handshakeFailure(error: unknown): ReturnType<typeof tlsFailure> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const privateDetail = describe(error)
  if (VERSION_ERRORS.has(code)) {
    return tlsFailure('tls-version-too-low', 'The server and this gateway have no TLS version in common.', {
      privateDetail,
    })
  }
  // RFC 3207 section 6: unencrypted bytes after 220 are what an attacker in the middle would put there.
  if (NOT_TLS.has(code)) return injection(privateDetail)
  return tlsFailure('validation-failure', 'The TLS handshake with the server failed.', { privateDetail })
}

/** Something that is not TLS came after the answer to STARTTLS. */
export function injection(privateDetail: string): ReturnType<typeof tlsFailure> {
  return tlsFailure('starttls-injection', 'Unencrypted data came after the server had agreed to start TLS.', {
    privateDetail,
  })
}
