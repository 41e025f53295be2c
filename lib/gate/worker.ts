/** A worker thread: reads one message after the other. Started by the pool. */
import type { ReadingTask } from './pool'
import { accountOf } from './memory'
import { readWithin, type Found } from './reading'

/** @returns plain values only */
export default async function read({ raw, rules, now, memory }: ReadingTask): Promise<Found> {
  const started = performance.now()
  // the date is the caller's; the time that passes is this thread's
  const clock = { now: () => now + performance.now() - started }
  const account = accountOf(memory.shared, memory.entry)
  return await readWithin(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), rules, clock, account)
}
