/**
 * Outcomes that the store could not take are kept here and written when it can: the process that tried the mail knows
 * them, but the next one, or another machine that is given the queue, would not.
 */
import { comparableAddress } from './address'
import { freshRecord, joinRecords } from './recipient-record'
import type { RecipientRecords } from './recipients'
import type { RecipientRecord } from './types'

/** Milliseconds between two tries. */
const EVERY = 5_000
/** Records kept; of more than that the oldest are given up, as all were before. */
const MOST = 20_000

interface Unsaved {
  mailId: string
  recipient: string
  record: RecipientRecord
}

export interface PersistentRecords extends RecipientRecords {
  /** Try once more what is left. Never rejects; the store must still be open. */
  stop(): Promise<void>
}

/**
 * The same records; what `save` could not write (it still rejects) is tried again until it is written, and `load`
 * gives it meanwhile. Writing a record late is harmless: it is joined with what stands there.
 */
export function savedAgain(records: RecipientRecords, every = EVERY): PersistentRecords {
  const unsaved = new Map<string, Unsaved>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const nameOf = (mailId: string, recipient: string) => JSON.stringify([mailId, comparableAddress(recipient)])

  const save = async (mailId: string, recipient: string, record: RecipientRecord): Promise<RecipientRecord> => {
    const name = nameOf(mailId, recipient)
    const known = joinRecords(unsaved.get(name)?.record, record)
    const mine: Unsaved = { mailId, recipient, record: known }
    // before it is written: a save of the same record that follows must not be taken back by this one's failure
    unsaved.delete(name)
    unsaved.set(name, mine)
    try {
      const written = await records.save(mailId, recipient, known)
      if (unsaved.get(name) === mine) unsaved.delete(name)
      return written
    } catch (error) {
      for (const oldest of unsaved.keys()) {
        if (unsaved.size <= MOST) break
        unsaved.delete(oldest)
      }
      if (!stopped) timer ??= setTimeout(tick, every).unref()
      throw error
    }
  }

  /** In order, until one fails: the store is then still away. */
  const again = async (): Promise<void> => {
    for (const [name, left] of [...unsaved]) {
      if (unsaved.get(name) !== left) continue
      await records.save(left.mailId, left.recipient, left.record)
      if (unsaved.get(name) === left) unsaved.delete(name)
    }
  }

  const tick = (): void => {
    again()
      .catch(() => undefined) // whoever called `save` has been told
      .finally(() => {
        timer = unsaved.size > 0 && !stopped ? setTimeout(tick, every).unref() : undefined
      })
      .catch(() => undefined)
  }

  return {
    ...records,
    save,
    load: (async (mailId: string, recipient: string, queuedAt?: number) => {
      const kept = unsaved.get(nameOf(mailId, recipient))?.record
      const found = await records.load(mailId, recipient)
      if (kept !== undefined) return joinRecords(found, kept)
      return found ?? (queuedAt === undefined ? undefined : freshRecord(queuedAt))
    }) as RecipientRecords['load'],
    async forget(mailId, recipient) {
      unsaved.delete(nameOf(mailId, recipient))
      await records.forget(mailId, recipient)
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await again().catch(() => undefined)
    },
  }
}
