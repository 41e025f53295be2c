/**
 * One account over all worker threads of what messages hold in memory outside of the JavaScript heap: the message,
 * what is decoded and unpacked from it, and the memory of WebAssembly. `resourceLimits` of a thread know nothing of it.
 */
import type { MemoryAccount } from '../message/files/budget'

/** What all messages that are read at one time may hold together, in bytes. */
export const POOL_BYTES = 160 * 1024 * 1024

/** Entries are in kibibytes, so that 32 bits hold any. */
const UNIT = 1024

/** The account: an entry for each message, in memory that threads share. */
export interface MemoryLedger {
  readonly shared: SharedArrayBuffer
  /** @returns the entry of a message that begins, or null when all are taken */
  open(): number | null
  /** The message has ended, however it did: a thread that broke gives nothing back itself. */
  close(entry: number): void
}

/** @param entries messages at one time */
export function createLedger(entries: number): MemoryLedger {
  const shared = new SharedArrayBuffer(entries * Int32Array.BYTES_PER_ELEMENT)
  const cells = new Int32Array(shared)
  const free = Array.from(cells.keys())
  return {
    shared,
    open: () => free.pop() ?? null,
    close(entry) {
      Atomics.store(cells, entry, 0)
      free.push(entry)
    },
  }
}

/**
 * The account as one message sees it. A message that is alone may hold what its own budgets allow; beside others it is
 * told no as soon as all together would hold more than the limit, so that one that is read to its end is always read.
 *
 * @param limit bytes of all together
 */
export function accountOf(shared: SharedArrayBuffer, entry: number, limit = POOL_BYTES): MemoryAccount {
  const cells = new Int32Array(shared)
  return {
    take(bytes) {
      Atomics.add(cells, entry, Math.ceil(bytes / UNIT))
      let all = 0
      for (let n = 0; n < cells.length; n++) all += Atomics.load(cells, n)
      return all * UNIT <= limit || all === Atomics.load(cells, entry)
    },
  }
}
