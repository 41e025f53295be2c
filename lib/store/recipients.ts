/**
 * What is known of each recipient of a mail across attempts, queue files, restarts and processes. Every write is
 * durable when its promise resolves; one that rejects means "not recorded", and the caller must not go on as if it were.
 */
import { comparableAddress } from './address'
import { freshRecord, joinRecords, parseRecord } from './recipient-record'
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
  /** The queue file is gone: nobody will ask again. */
  forget(mailId: string, recipient: string): Promise<void>
}

export function recipientRecords(store: Store): RecipientRecords {
  const load = async (mailId: string, recipient: string): Promise<RecipientRecord | undefined> => {
    const found = await store.get<unknown>(recordKey(mailId, recipient))
    return found === undefined ? undefined : parseRecord(found)
  }

  return {
    load: (async (mailId, recipient, queuedAt?: number) => {
      const found = await load(mailId, recipient)
      return found ?? (queuedAt === undefined ? undefined : freshRecord(queuedAt))
    }) as RecipientRecords['load'],

    async save(mailId, recipient, record) {
      const newer = parseRecord(record)
      const written = await store.update<unknown>(
        recordKey(mailId, recipient),
        (found) => joinRecords(found === undefined ? undefined : parseRecord(found), newer),
        { ttl: RECORD_TTL },
      )
      return parseRecord(written)
    },

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
