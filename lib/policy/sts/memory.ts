/**
 * What is remembered of each policy domain, in the store and so for every process and across restarts; with a copy in
 * this process for the time in which the store cannot be read.
 */
import type { Store, StoreKey } from '../../store/types'
import { MAX_MAX_AGE, type StsPolicy } from './policy-file'

/** A policy in the cache. Times are milliseconds since the epoch. */
export interface CachedPolicy extends StsPolicy {
  /** Of the TXT record that was there when it was fetched. */
  id: string
  fetchedAt: number
  /** fetchedAt + max_age */
  expires: number
  /** Last time that mail asked for it, to the hour. */
  lastUsed: number
}

/** Everything about one domain; JSON-safe. */
export interface Remembered {
  policy?: CachedPolicy
  /** Fetches that failed of late: id of the TXT record and when. */
  failed?: Readonly<Record<string, number>>
  /** The unbroken row of failed TXT look-ups, first and last. */
  outage?: { since: number; last: number }
}

/** `known: false`: the store cannot be read, and this process knows nothing either. */
export type Recalled = { known: true; remembered: Remembered } | { known: false; detail: string }

export interface StsMemory {
  recall(domain: string): Promise<Recalled>
  /** Change what is remembered, in one transaction; nothing left = the entry is removed. Never rejects. */
  change(domain: string, how: (old: Remembered) => Remembered): Promise<void>
  /** Every domain that something is remembered of; rejects when the store cannot be read. */
  all(): Promise<{ domain: string; remembered: Remembered }[]>
}

/** First element of every key. */
export const PREFIX = 'sts'

/** How many policies a store has; failures that are remembered do not count. */
export async function countPolicies(store: Pick<Store, 'list'>): Promise<number> {
  const entries = await store.list<unknown>([PREFIX])
  return entries.filter(({ value }) => readRemembered(value).policy !== undefined).length
}

/** No entry is of use for longer than the longest max_age; who refreshes the policies removes them earlier. */
const TTL = MAX_MAX_AGE * 1000
/** Domains in the copy. */
const COPIES = 10_000

/** @param report told when the store fails; must not throw */
export function stsMemory(store: Store, report: (error: unknown) => void): StsMemory {
  const copies = new Map<string, Remembered>()
  const keyOf = (domain: string): StoreKey => [PREFIX, domain]

  const copy = (domain: string, remembered: Remembered): void => {
    copies.delete(domain)
    if (isEmpty(remembered)) return
    copies.set(domain, remembered)
    for (const oldest of copies.keys()) {
      if (copies.size <= COPIES) break
      copies.delete(oldest)
    }
  }

  return {
    async recall(domain) {
      try {
        const remembered = readRemembered(await store.get<unknown>(keyOf(domain)))
        copy(domain, remembered)
        return { known: true, remembered }
      } catch (error) {
        report(error)
        const remembered = copies.get(domain)
        if (remembered !== undefined) return { known: true, remembered }
        return { known: false, detail: error instanceof Error ? error.message : String(error) }
      }
    },
    async change(domain, how) {
      try {
        const result = await store.update<unknown>(
          keyOf(domain),
          (old) => {
            const next = how(readRemembered(old))
            return isEmpty(next) ? undefined : next
          },
          { ttl: TTL },
        )
        copy(domain, readRemembered(result))
      } catch (error) {
        report(error)
        copy(domain, how(copies.get(domain) ?? {}))
      }
    },
    async all() {
      const entries = await store.list<unknown>([PREFIX])
      return entries.map(({ key, value }) => ({ domain: String(key[1]), remembered: readRemembered(value) }))
    },
  }
}

function isEmpty({ policy, failed, outage }: Remembered): boolean {
  return policy === undefined && outage === undefined && Object.keys(failed ?? {}).length === 0
}

/** What another version of this program wrote is read as far as it makes sense, and is nothing otherwise. */
export function readRemembered(value: unknown): Remembered {
  if (!isObject(value)) return {}
  const policy = readPolicy(value.policy)
  const failed = isObject(value.failed)
    ? Object.fromEntries(Object.entries(value.failed).filter((one): one is [string, number] => isTime(one[1])))
    : {}
  const { outage } = value
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(Object.keys(failed).length === 0 ? {} : { failed }),
    ...(isObject(outage) && isTime(outage.since) && isTime(outage.last)
      ? { outage: { since: outage.since, last: outage.last } }
      : {}),
  }
}

function readPolicy(value: unknown): CachedPolicy | undefined {
  if (!isObject(value)) return undefined
  const { mode, maxAge, mx, id, fetchedAt, expires, lastUsed } = value
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return undefined
  if (typeof id !== 'string' || !Array.isArray(mx) || !mx.every((one) => typeof one === 'string')) return undefined
  if (!isTime(maxAge) || !isTime(fetchedAt) || !isTime(expires) || !isTime(lastUsed)) return undefined
  return { mode, maxAge, mx, id, fetchedAt, expires, lastUsed }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
