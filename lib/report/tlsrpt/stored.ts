/**
 * The counts in the store, one entry per UTC day and next-hop domain: what any process of any machine counted is added
 * to it in one transaction, so its bounds hold for all of them together.
 */
import type { Store, StoreKey } from '../../store/types'
import { addCounts, noCounts } from './counts'
import type { AppliedPolicy, DayCounts, FailureCount, PolicyCounts } from './types'

/** Kept for the day itself, the day on which it is reported, the day of retries, and one to look at it. */
const COUNTS_TTL = 4 * 24 * 3_600_000

const prefix = (day: string): StoreKey => ['tlsrpt', 'counts', day]

/** Add to what is there. Rejects when that is not certain. */
export async function storeCounts(
  store: Pick<Store, 'update'>,
  day: string,
  domain: string,
  counts: DayCounts,
): Promise<void> {
  const add = (old: unknown): DayCounts => addCounts(readCounts(old), counts)
  await store.update<unknown>([...prefix(day), domain], add, { ttl: COUNTS_TTL })
}

/** Everything that was counted on a day; rejects when it cannot be read. */
export async function storedCounts(
  store: Pick<Store, 'list'>,
  day: string,
): Promise<{ domain: string; counts: DayCounts }[]> {
  const entries = await store.list<unknown>(prefix(day))
  return entries.map(({ key, value }) => ({ domain: String(key[3]), counts: readCounts(value) }))
}

/** What another version of this program wrote is read as far as it makes sense, and is nothing otherwise. */
export function readCounts(value: unknown): DayCounts {
  if (!isObject(value) || !Array.isArray(value.policies)) return noCounts()
  return {
    policies: value.policies.flatMap((one: unknown) => readPolicyCounts(one) ?? []),
    uncounted: isCount(value.uncounted) ? value.uncounted : 0,
  }
}

function readPolicyCounts(value: unknown): PolicyCounts | undefined {
  if (!isObject(value) || !isCount(value.successes) || !Array.isArray(value.failures)) return undefined
  const policy = readPolicy(value.policy)
  if (policy === undefined) return undefined
  const failures = value.failures.filter(isFailure)
  return { policy, successes: value.successes, failures }
}

function readPolicy(value: unknown): AppliedPolicy | undefined {
  if (!isObject(value)) return undefined
  const { type, domain, strings, mxHosts } = value
  if (type !== 'tlsa' && type !== 'sts' && type !== 'no-policy-found') return undefined
  if (typeof domain !== 'string' || !isTexts(strings) || !isTexts(mxHosts)) return undefined
  return { type, domain, strings, mxHosts }
}

function isFailure(value: unknown): value is FailureCount {
  if (!isObject(value) || typeof value.resultType !== 'string' || !isCount(value.sessions)) return false
  const { mx, receivingIp, sendingIp, reason } = value
  return [mx, receivingIp, sendingIp, reason].every((text) => text === undefined || typeof text === 'string')
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
