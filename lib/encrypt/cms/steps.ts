/** Work on a message in steps that leave the event loop free for others in between. */
import { setImmediate } from 'node:timers/promises'

/**
 * Bytes of one step. What a step makes (ciphertext, base64) stays so small that the allocator gives out the same memory
 * again, which is in the processor's cache; with a mebibyte the operating system is asked for new pages each time, and
 * encryption takes three times as long.
 */
export const STEP = 64 * 1024
/** Bytes after which the event loop has its turn: encrypted and encoded in about a millisecond. */
const TURN = 4 * STEP

/** The same bytes in pieces of at most `STEP`; after about `TURN` the event loop has its turn. */
export async function* inSteps(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let done = 0
  for await (const piece of content) {
    for (let at = 0; at < piece.length; at += STEP) {
      const step = piece.subarray(at, at + STEP)
      yield step
      done += step.length
      if (done >= TURN) {
        done = 0
        await setImmediate()
      }
    }
  }
}
