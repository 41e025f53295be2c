/** Work on a message in steps that leave the event loop free for others in between. */
import { setImmediate } from 'node:timers/promises'

/** Bytes of one step: well below a millisecond each of encryption, hashing and encoding. */
export const STEP = 256 * 1024

/** The same bytes in pieces of at most `STEP`; after about so many the event loop has its turn. */
export async function* inSteps(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let done = 0
  for await (const piece of content) {
    for (let at = 0; at < piece.length; at += STEP) {
      const step = piece.subarray(at, at + STEP)
      yield step
      done += step.length
      if (done >= STEP) {
        done = 0
        await setImmediate()
      }
    }
  }
}
