/** What an engine must be able to do; everything else of `Store` is written once, in `store-over.ts`. */

/** Sorted bytes to bytes, inside one transaction. */
export interface Transaction {
  get(key: Buffer): Buffer | undefined
  put(key: Buffer, value: Buffer): void
  remove(key: Buffer): void
}

/** An ordered table of bytes with transactions that exclude each other, or repeat, across processes and machines. */
export interface Engine {
  /** The newest committed value. Rejects when it cannot be read. */
  get(key: Buffer): Promise<Buffer | undefined>
  /**
   * Show the entries with start <= key < end, in byte order, until `visit` says false. `visit` must be quick and do
   * nothing else with the engine; what it throws rejects.
   */
  scan(start: Buffer, end: Buffer, visit: (key: Buffer, value: Buffer) => boolean): Promise<void>
  /**
   * Run `work` in a write transaction; resolves with its result once that is durable. A throw inside `work` rejects
   * this call alone; `work` must throw before its first write or not at all.
   *
   * @param reads every key that `work` may read: an engine on another machine fetches them first
   * @param work may be run again, when another machine was faster: only the result of the last run counts
   */
  write<T>(reads: readonly Buffer[], work: (transaction: Transaction) => T): Promise<T>
  close(): Promise<void>
}
