/**
 * Records that are waited for: a mail whose turn comes while the store is away goes on the moment it is back, instead
 * of being put off for a minute each time.
 */
import type { Clock } from '../clock'
import type { Patience } from './patience'
import type { PersistentRecords } from './recipients-again'
import type { RecipientRecords } from './recipients'
import type { RecipientRecord } from './types'

/**
 * The same records; `load` for a mail that was queued at a given time waits while the store is away, until that mail's
 * time is up. A record that cannot be read although the store answers rejects, as before.
 *
 * @param longest milliseconds after which a mail's time is up, read each time
 * @param signal ends all waiting
 */
export function waitedFor(
  records: PersistentRecords,
  options: { patience: Patience; longest: () => number; clock: Clock; signal: AbortSignal },
): PersistentRecords {
  const { patience, longest, clock, signal } = options
  const load = async (mailId: string, recipient: string, queuedAt?: number): Promise<RecipientRecord | undefined> => {
    for (;;) {
      try {
        return await (queuedAt === undefined
          ? records.load(mailId, recipient)
          : records.load(mailId, recipient, queuedAt))
      } catch (error) {
        if (queuedAt === undefined) throw error
        const state = await patience(queuedAt + longest() - clock.now(), signal)
        if (state !== 'back') throw error
      }
    }
  }
  return { ...records, load: load as RecipientRecords['load'] }
}
