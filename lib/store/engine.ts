/** What an embedded engine must be able to do; everything else of `Store` is written once, in `store-over.ts`. */

/** Sorted bytes to bytes, inside one transaction. */
export interface Transaction {
  get(key: Buffer): Buffer | undefined
  put(key: Buffer, value: Buffer): void
  remove(key: Buffer): void
}

/** An ordered table of bytes with transactions that exclude each other across processes. */
export interface Engine {
  /** The newest committed value. Throws when it cannot be read. */
  get(key: Buffer): Buffer | undefined
  /** Entries with start <= key < end, in byte order, read lazily; nothing else may happen during the iteration. */
  range(start: Buffer, end: Buffer): Iterable<{ key: Buffer; value: Buffer }>
  /**
   * Run `work` in a write transaction; resolves with its result once that is durable. A throw inside `work` rejects
   * this call alone; `work` must throw before its first write or not at all.
   */
  write<T>(work: (transaction: Transaction) => T): Promise<T>
  close(): Promise<void>
}
