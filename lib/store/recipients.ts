/**
 * What is known of each recipient of a mail across attempts, queue files, restarts and processes. Every write is
 * durable when its promise resolves; one that rejects means "not recorded", and the caller must not go on as if it were.
 */
import type { HostAttempt } from '../deliver/types'
import type { Failure } from '../failure'
import { comparableAddress } from './address'
import { afterFailure, freshRecord, joinRecords, parseRecord, withHistory } from './recipient-record'
import type { RecipientRecord, Store, StoreKey } from './types'

/** Milliseconds that a record outlives its last change: far longer than any mail waits, so that nothing stays for ever. */
export const RECORD_TTL = 30 * 24 * 3600 * 1000

/** All addresses are compared by `comparableAddress`; all times are milliseconds. */
export interface RecipientRecords {
  /** @throws (rejects) when the record is damaged or the store cannot be read: never read as "not tried yet" */
  load(mailId: string, recipient: string): Promise<RecipientRecord | undefined>
  /** As above; a recipient without a record gets a fresh one, which is not written. */
  load(mailId: string, recipient: string, queuedAt: number): Promise<RecipientRecord>
  /** Joins `record` with what is there (see `joinRecords`); resolves with what stands. */
  save(mailId: string, recipient: string, record: RecipientRecord): Promise<RecipientRecord>
  /**
   * The remote server has taken the mail: call before anything else happens on the connection.
   *
   * @param queuedAt for the case that this is the first that is recorded
   * @param hosts hosts tried in this attempt, in order
   */
  markDelivered(
    mailId: string,
    recipient: string,
    queuedAt: number,
    hosts?: readonly HostAttempt[],
  ): Promise<RecipientRecord>
  /** No further attempt will be made. `now` is when this attempt ended. */
  markFailed(
    mailId: string,
    recipient: string,
    queuedAt: number,
    failure: Failure,
    now: number,
    hosts?: readonly HostAttempt[],
  ): Promise<RecipientRecord>
  /** The sender's report about this recipient is safely queued. Rejects when nothing is known of the recipient. */
  markReported(mailId: string, recipient: string): Promise<RecipientRecord>
  /** The queue file is gone: nobody will ask again. */
  forget(mailId: string, recipient: string): Promise<void>
}

export function recipientRecords(store: Store): RecipientRecords {
  const change = async (
    mailId: string,
    recipient: string,
    next: (old: RecipientRecord | undefined) => RecipientRecord,
  ): Promise<RecipientRecord> => {
    const written = await store.update<unknown>(
      recordKey(mailId, recipient),
      (found) => {
        const old = found === undefined ? undefined : parseRecord(found)
        return joinRecords(old, next(old))
      },
      { ttl: RECORD_TTL },
    )
    return parseRecord(written)
  }

  const load = async (mailId: string, recipient: string): Promise<RecipientRecord | undefined> => {
    const found = await store.get<unknown>(recordKey(mailId, recipient))
    return found === undefined ? undefined : parseRecord(found)
  }

  return {
    load: (async (mailId, recipient, queuedAt?: number) => {
      const found = await load(mailId, recipient)
      return found ?? (queuedAt === undefined ? undefined : freshRecord(queuedAt))
    }) as RecipientRecords['load'],

    save: (mailId, recipient, record) => change(mailId, recipient, () => parseRecord(record)),

    markDelivered: (mailId, recipient, queuedAt, hosts = []) =>
      change(mailId, recipient, (old = freshRecord(queuedAt)) => ({
        ...withHistory(old, hosts),
        state: 'delivered',
        attempts: old.attempts + 1,
        tlsFailingSince: null,
      })),

    markFailed: (mailId, recipient, queuedAt, failure, now, hosts = []) =>
      change(mailId, recipient, (old = freshRecord(queuedAt)) => ({
        ...afterFailure(old, failure, hosts, now),
        state: 'failed',
      })),

    markReported: (mailId, recipient) =>
      change(mailId, recipient, (old) => {
        if (old === undefined) throw new Error('store: a report about a recipient of whom nothing is recorded')
        return { ...old, reported: true }
      }),

    forget: (mailId, recipient) => store.remove(recordKey(mailId, recipient)),
  }
}

function recordKey(mailId: string, recipient: string): StoreKey {
  return ['rcpt', mailId, comparableAddress(recipient)]
}

/**
 * The id that all queue files of one mail share: Haraka names them `<transaction uuid>.<n>`, and a transaction's own
 * uuid ends in `.<n>` as well, so exactly one suffix is taken off.
 */
export function mailIdOf(uuid: string): string {
  return uuid.replace(/\.\d+$/, '')
}
