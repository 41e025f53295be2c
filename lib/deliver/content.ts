/** The DATA phase: bytes that are already in wire form (CRLF, dot-stuffed) go out as they are, then the final dot. */
import type { Readable } from 'node:stream'
import { ChannelError, type Channel } from './channel'
import { DeliveryStop, localFailure } from './failures'
import type { Reply } from './reply'

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e

/**
 * @param ms deadline of each block (RFC 5321 section 4.5.3.2.5), for the network as for the source
 * @returns `sent` when the final dot is out; the server's reply if it answered before, then no dot was sent
 * @throws DeliveryStop (rejects) when the source fails or is not in wire form, ChannelError when the connection is
 *   lost; the final dot has not been sent then, and the connection is cut
 */
export async function sendContent(channel: Channel, source: Readable, ms: number): Promise<'sent' | Reply> {
  let gone: ChannelError | undefined
  const offLost = channel.onLost((error) => {
    gone = error
    source.destroy()
  })
  const stall = setTimeout(() => source.destroy(new Error(`the message file gave nothing for ${ms / 1000} s`)), ms)
  // What a stream says after it has been given up has nobody to go to.
  source.on('error', () => undefined)
  const ending = createLineWatch()
  let held: Buffer | undefined
  try {
    for await (const piece of source as AsyncIterable<Buffer | string>) {
      const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece
      if (chunk.length === 0) continue
      stall.refresh()
      ending.push(chunk)
      const early = channel.early()
      if (early) return early
      // The last piece is kept back, so that it and the final dot leave in one write.
      if (held) {
        channel.write(held)
        await channel.flush(ms)
        stall.refresh()
      }
      held = chunk
    }
    // A source that ends without having ended (destroyed without an error) is half a message.
    if (!source.readableEnded) throw new Error('the message file ended too early')
  } catch (error) {
    if (gone) throw gone
    if (error instanceof ChannelError) throw error
    const stop = new DeliveryStop(localFailure('The message could not be read from the queue.', error))
    channel.destroy(new ChannelError('closed', 'message not readable'))
    throw stop
  } finally {
    clearTimeout(stall)
    offLost()
    source.destroy()
  }
  const early = channel.early()
  if (early) return early
  channel.writeAll([...(held ? [held] : []), Buffer.from(ending.finalDot())])
  return 'sent'
}

/**
 * A message in one piece, with the final dot behind it. What the network does not take at once is the caller's to wait
 * for.
 *
 * @returns as `sendContent`
 * @throws as `sendContent`
 */
export function sendPiece(channel: Channel, message: Buffer): 'sent' | Reply {
  const early = channel.early()
  if (early) return early
  let end: string
  try {
    const ending = createLineWatch()
    if (message.length > 0) ending.push(message)
    end = ending.finalDot()
  } catch (error) {
    channel.destroy(new ChannelError('closed', 'message not readable'))
    throw new DeliveryStop(localFailure('The message could not be read from the queue.', error))
  }
  channel.writeAll([message, Buffer.from(end)])
  return 'sent'
}

/**
 * Watches line ends while bytes pass: no lone dot may be among them (it would end the message there, and the rest would
 * be commands: SMTP smuggling), and the final dot must begin a line.
 */
export function createLineWatch(): {
  /** @throws Error at a line that consists of a dot */
  push(chunk: Buffer): void
  /** What ends the data (RFC 5321 section 4.1.1.4), without adding a blank line. */
  finalDot(): string
} {
  // The last two bytes before the current chunk; the data begins at the start of a line.
  let tail: Buffer = Buffer.from([CR, LF])
  const refuse = (): never => {
    throw new Error('the message holds an unstuffed dot line')
  }
  return {
    push(chunk) {
      // A dot that began a line at the very end of the chunk before.
      const first = chunk[0]
      if (tail[1] === DOT && tail[0] === LF && (first === CR || first === LF)) refuse()
      if (tail[1] === LF && first === DOT && (chunk[1] === CR || chunk[1] === LF)) refuse()
      for (let at = chunk.indexOf('\n.'); at >= 0; at = chunk.indexOf('\n.', at + 2)) {
        const next = chunk[at + 2]
        if (next === CR || next === LF) refuse()
      }
      tail = chunk.length > 1 ? Buffer.from(chunk.subarray(-2)) : Buffer.from([tail[1] ?? 0, chunk[0] ?? 0])
    },
    finalDot() {
      // A dot as the last byte of all would become a dot line together with what follows.
      if (tail[1] === DOT && tail[0] === LF) refuse()
      if (tail[1] === LF && tail[0] === CR) return '.\r\n'
      return tail[1] === CR ? '\n.\r\n' : '\r\n.\r\n'
    },
  }
}
