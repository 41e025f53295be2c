/** State shared between processes (LMDB) or machines (Redis). */
import type { Failure } from '../failure'
import type { HostAttempt } from '../deliver/types'

/** Keys are short arrays of strings and numbers, ordered element by element. */
export type StoreKey = readonly (string | number)[]

/** One entry of a list. */
export interface StoreEntry<T> {
  key: StoreKey
  value: T
}

/**
 * A small ordered key-value store. Values are JSON. Every write that resolves is durable (survives kill -9 and power
 * loss); a write that cannot be made durable rejects. All methods reject when the store is closed.
 * A value that was damaged on the disk rejects; it is never taken for an absent one. A write that rejects because it
 * took too long, or because the connection to the server broke meanwhile, may still appear later; every other rejected
 * write has not happened.
 */
export interface Store {
  get<T>(key: StoreKey): Promise<T | undefined>
  /** @param ttl milliseconds from now after which the value is gone; absent = kept until removed */
  put(key: StoreKey, value: unknown, options?: { ttl?: number }): Promise<void>
  /** Write only if nothing is there; returns what stands in the store afterwards. Atomic across processes. */
  putIfAbsent<T>(key: StoreKey, value: T, options?: { ttl?: number }): Promise<T>
  /**
   * Read, change, write in one transaction, which may hold up every other writer: `change` must be quick. It may be run
   * more than once, each time with what is there by then; only its last result counts.
   *
   * @param change gives the new value; undefined removes the entry; what it throws rejects, with nothing written
   * @param options.ttl as in `put`; absent = the expiry stays as it is
   * @returns the new value
   */
  update<T>(
    key: StoreKey,
    change: (old: T | undefined) => T | undefined,
    options?: { ttl?: number },
  ): Promise<T | undefined>
  remove(key: StoreKey): Promise<void>
  /** Entries whose key begins with `prefix`, in key order. */
  list<T>(prefix: StoreKey, limit?: number): Promise<StoreEntry<T>[]>
  /**
   * Add to a counter, read by `get<number>`; batched, at most a second of counts is lost on kill -9, or counted twice
   * when the connection to a server breaks. After `close` it does nothing.
   */
  increment(key: StoreKey, by?: number): void
  /** Remove what has expired; run by one process now and then. Returns how many. */
  sweep(): Promise<number>
  close(): Promise<void>
}

/** The host that took a mail, and its reply to the final dot. */
export interface RelayedTo {
  mx: string
  address: string
  port: number
  response: string
}

/** What is known of one mail and recipient across attempts; kept under (mail id, recipient). */
export interface RecipientRecord {
  /** Milliseconds: when the mail was queued. */
  queuedAt: number
  /** Final states are never left again. */
  state: 'pending' | 'delivered' | 'failed'
  /** Set once the sender's report about this recipient is safely queued. */
  reported: boolean
  delayNoticeSent: boolean
  attempts: number
  /** Start of the unbroken row of attempts that all ended in a TLS failure; null when the last one did not. */
  tlsFailingSince: number | null
  /** Of the last attempt. */
  lastFailure?: Failure
  /**
   * The sender asked to be told of success (RFC 3461), and the host that took the mail will not tell: the sender is owed a
   * `relayed` report until `reported` is set.
   */
  relayed?: RelayedTo
  /** What the last attempt required and why, for reports: `map: secure-mail.tls_policy:12 partner.dk`. */
  requirement?: { level: string; source: string; overrideNever: boolean }
  /** The last 20 host attempts, oldest first. */
  history: HostAttempt[]
}
