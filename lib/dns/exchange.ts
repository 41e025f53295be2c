/** One question to one server: UDP, then TCP when the answer did not fit. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, isIPv6, type Socket as TcpSocket } from 'node:net'
import type { Server } from './servers'
import type { DnsErrorKind } from './types'
import { decodeReply, isReplyTo, isTruncated, type Query, type Reply } from './wire'

export type Exchanged = { ok: true; reply: Reply } | { ok: false; error: DnsErrorKind; detail: string }

type UdpResult = Exchanged | { ok: 'truncated' }

/**
 * @param timeout milliseconds for UDP, and once more for TCP
 * @param signal ends the exchange with `unreachable`
 */
export async function exchange(server: Server, query: Query, timeout: number, signal: AbortSignal): Promise<Exchanged> {
  const answer = await overUdp(server, query, timeout, signal)
  if (answer.ok !== 'truncated') return answer
  const whole = await overTcp(server, query, timeout, signal)
  // a cut-off answer is no answer: what is missing could be the record that matters
  return whole.ok ? whole : { ...whole, detail: `the answer needs TCP, but ${whole.detail}` }
}

function failure(error: DnsErrorKind, detail: string): Exchanged {
  return { ok: false, error, detail }
}

/**
 * What both ways have in common: one answer, whatever comes first, and nothing left open behind it.
 *
 * @param close gives the socket up
 * @param late what it means that the time is over
 * @param begin asks, and settles with the answer
 */
function settled<R>(
  socket: UdpSocket | TcpSocket,
  close: () => void,
  timeout: number,
  signal: AbortSignal,
  late: () => R | Exchanged,
  begin: (settle: (result: R | Exchanged) => void) => void,
): Promise<R | Exchanged> {
  return new Promise((resolve) => {
    let done = false
    const settle = (result: R | Exchanged) => {
      if (done) return
      done = true
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      socket.removeAllListeners()
      socket.on('error', ignore)
      close()
      resolve(result)
    }
    const onAbort = () => settle(failure('unreachable', 'the resolver was closed'))
    const timer = setTimeout(() => settle(late()), timeout)
    signal.addEventListener('abort', onAbort)
    socket.on('error', (error: Error) => settle(failure('unreachable', error.message)))
    if (signal.aborted) onAbort()
    else begin(settle)
  })
}

/** Each query has a socket of its own, so the kernel picks a new unpredictable port (RFC 5452 section 9.2). */
function overUdp(server: Server, query: Query, timeout: number, signal: AbortSignal): Promise<UdpResult> {
  let malformed = false
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  const late = () =>
    malformed ? failure('malformed', 'only unreadable replies') : failure('timeout', 'no reply in time')
  return settled<UdpResult>(
    socket,
    () => socket.close(),
    timeout,
    signal,
    late,
    (settle) => {
      socket.on('message', (bytes) => {
        // what does not fit may be forged: the right answer can still come
        if (!isReplyTo(query, bytes)) return
        if (isTruncated(bytes)) {
          settle({ ok: 'truncated' })
          return
        }
        const reply = read(query, bytes)
        if (reply === null) malformed = true
        else settle({ ok: true, reply })
      })
      // a connected socket only receives from the address and port it is connected to (RFC 5452 section 9.1)
      socket.connect(server.port, server.address, () => {
        socket.send(query.bytes, (error) => {
          if (error) settle(failure('unreachable', error.message))
        })
      })
    },
  )
}

/** RFC 7766 section 8: two bytes of length before each message; at most 65535 bytes are ever held. */
function overTcp(server: Server, query: Query, timeout: number, signal: AbortSignal): Promise<Exchanged> {
  const socket = connect({ port: server.port, host: server.address })
  let received = Buffer.alloc(0)
  const late = () => failure('timeout', 'no whole reply in time')
  return settled<Exchanged>(
    socket,
    () => socket.destroy(),
    timeout,
    signal,
    late,
    (settle) => {
      socket.on('close', () => settle(failure('unreachable', 'the connection was closed before the reply was whole')))
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk])
        if (received.length < 2) return
        const end = 2 + received.readUInt16BE(0)
        if (received.length < end) return
        const bytes = received.subarray(2, end)
        if (!isReplyTo(query, bytes)) {
          settle(failure('malformed', 'the reply is not to this question'))
          return
        }
        const reply = isTruncated(bytes) ? null : read(query, bytes)
        settle(reply === null ? failure('malformed', 'the reply cannot be read') : { ok: true, reply })
      })
      socket.on('connect', () => {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(query.bytes.length)
        // one write, so that both leave in one segment (RFC 7766 section 8)
        socket.write(Buffer.concat([length, query.bytes]))
      })
    },
  )
}

function read(query: Query, bytes: Buffer): Reply | null {
  try {
    return decodeReply(query, bytes)
  } catch {
    return null
  }
}

/** A socket that is being closed may still report what no longer matters. */
function ignore(): void {
  return
}
