/**
 * The receiving half of SMTP (RFC 5321) as far as a sink needs it, without any socket: bytes in, reply and next step
 * out. Everything is accepted; what matters is that the sink is cheap, answers a whole group of pipelined commands
 * (RFC 2920 section 3.2) with one write, and counts a message only at its final dot.
 */

/** What the connection must do after the reply has been written. */
export type SessionStep = 'continue' | 'starttls' | 'close'

export interface SessionOutput {
  /** Replies to everything fed in, in order; empty when nothing wants an answer yet. */
  reply: string
  step: SessionStep
}

export interface Session {
  /** @param chunk bytes as they came from the connection */
  feed(chunk: Buffer): SessionOutput
}

const CR = 0x0d
const LF = 0x0a
const END_OF_DATA = Buffer.from('\r\n.\r\n')
/** Longer than any line a relay sends here; a peer that goes beyond it is not speaking SMTP. */
const LINE_LIMIT = 8192

/** Greeting that the connection sends before it feeds anything. */
export const GREETING = '220 sink.bench.test ESMTP\r\n'

/**
 * @param offerStartTls false when there is no certificate, or TLS is on already (RFC 3207 section 4.2)
 * @param onMessage called once for every message, with its size in bytes as on the wire
 * @param onEnvelope called for every MAIL command
 */
export function createSession(
  offerStartTls: boolean,
  onMessage: (bytes: number) => void,
  onEnvelope: () => void = () => undefined,
): Session {
  let pending: Buffer = Buffer.alloc(0)
  let inData = false
  let bytes = 0
  /** The last bytes of the message so far, where an end marker may have begun. */
  let tail: Buffer = Buffer.alloc(0)

  /** Takes message bytes off the front of `chunk`; gives what is left after the final dot, or undefined if it is not there yet. */
  const takeData = (chunk: Buffer): Buffer | undefined => {
    const seam = Buffer.concat([tail, chunk.subarray(0, END_OF_DATA.length - 1)])
    const atSeam = seam.indexOf(END_OF_DATA)
    const at = atSeam >= 0 ? atSeam - tail.length : chunk.indexOf(END_OF_DATA)
    if (atSeam < 0 && at < 0) {
      bytes += chunk.length
      const keep = END_OF_DATA.length - 1
      tail = chunk.length >= keep ? chunk.subarray(chunk.length - keep) : Buffer.concat([tail, chunk]).subarray(-keep)
      return undefined
    }
    const end = at + END_OF_DATA.length
    inData = false
    onMessage(bytes + end)
    return chunk.subarray(end)
  }

  const command = (line: string): SessionOutput => {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        return {
          reply: `250-sink.bench.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n${
            offerStartTls ? '250-STARTTLS\r\n' : ''
          }250 ENHANCEDSTATUSCODES\r\n`,
          step: 'continue',
        }
      case 'HELO':
        return { reply: '250 sink.bench.test\r\n', step: 'continue' }
      case 'MAIL':
        onEnvelope()
        return { reply: '250 2.0.0 Ok\r\n', step: 'continue' }
      case 'RCPT':
      case 'RSET':
      case 'NOOP':
        return { reply: '250 2.0.0 Ok\r\n', step: 'continue' }
      case 'DATA':
        inData = true
        bytes = 0
        // The line break that ends the DATA command may be the one before the final dot of an empty message.
        tail = Buffer.from('\r\n')
        return { reply: '354 End data with <CR><LF>.<CR><LF>\r\n', step: 'continue' }
      case 'STAR':
        return offerStartTls
          ? { reply: '220 2.0.0 Ready to start TLS\r\n', step: 'starttls' }
          : { reply: '502 5.5.1 Not offered\r\n', step: 'continue' }
      case 'QUIT':
        return { reply: '221 2.0.0 Bye\r\n', step: 'close' }
      default:
        return { reply: '500 5.5.2 Not understood\r\n', step: 'continue' }
    }
  }

  return {
    feed(chunk) {
      let rest = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk
      pending = Buffer.alloc(0)
      let reply = ''
      for (;;) {
        if (inData) {
          const after = takeData(rest)
          if (!after) return { reply, step: 'continue' }
          reply += '250 2.0.0 Ok: taken\r\n'
          rest = after
        }
        const lf = rest.indexOf(LF)
        if (lf < 0) {
          if (rest.length > LINE_LIMIT) return { reply: `${reply}500 5.5.2 Line too long\r\n`, step: 'close' }
          pending = rest
          return { reply, step: 'continue' }
        }
        const output = command(rest.toString('latin1', 0, rest[lf - 1] === CR ? lf - 1 : lf))
        reply += output.reply
        // RFC 3207 section 4.2: whatever was sent in clear after STARTTLS is thrown away.
        if (output.step !== 'continue') return { reply, step: output.step }
        rest = rest.subarray(lf + 1)
      }
    },
  }
}
