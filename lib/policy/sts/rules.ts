/** When what is remembered holds, may be fetched again, is refreshed, and is forgotten. Pure. */
import type { CachedPolicy, Remembered } from './memory'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** RFC 8461 section 3.3: after a failed fetch "a period of five minutes or longer per version ID". */
const BACK_OFF = 5 * MINUTE
/** Ids with a failed fetch that are remembered; a record whose id changes all the time does not get around the wait. */
const MAX_FAILED = 8
/** How long a TXT record that cannot be looked up is waited for. */
const PATIENCE = 15 * MINUTE
/** Failed look-ups further apart than this belong to different outages. */
const OUTAGE_GAP = 2 * HOUR
/** RFC 8461 section 3.3: "a suggested refresh frequency is once per day". */
const REFRESH_AFTER = DAY
/** After a failed refresh. */
const REFRESH_AGAIN = HOUR
/** Policies of domains that nobody writes to any more are left to run out. */
const UNUSED = 180 * DAY

/** Policies refreshed in one pass at most; the others wait for the next one. */
export const REFRESH_PASS = 200

/** Does the policy still hold? One that was fetched in what is now the future (the clock was set back) does. */
export function isLive(policy: CachedPolicy | undefined, now: number): policy is CachedPolicy {
  return policy !== undefined && now < policy.expires
}

/** May version `id` be fetched, or did it fail too short a while ago? */
export function mayFetch({ failed }: Remembered, id: string, now: number): boolean {
  const recent = recentFailures(failed, now)
  return recent[id] === undefined && Object.keys(recent).length < MAX_FAILED
}

export function withFailure(old: Remembered, id: string, now: number): Remembered {
  const others = Object.entries(recentFailures(old.failed, now))
    .filter(([other]) => other !== id)
    .sort(([, a], [, b]) => b - a)
  const failed: [string, number][] = [[id, now], ...others]
  return { ...old, failed: Object.fromEntries(failed.slice(0, MAX_FAILED)) }
}

function recentFailures(failed: Remembered['failed'], now: number): Record<string, number> {
  return Object.fromEntries(Object.entries(failed ?? {}).filter(([, at]) => Math.abs(now - at) < BACK_OFF))
}

/** What is remembered after a successful fetch; a policy with max_age 0 holds for the mail at hand alone. */
export function withPolicy(policy: CachedPolicy, now: number): Remembered {
  return isLive(policy, now) ? { policy } : {}
}

/** One more failed look-up of the TXT record. `over`: it has been failing for longer than anybody waits. */
export function withOutage(old: Remembered, now: number): { remembered: Remembered; since: number; over: boolean } {
  const { outage } = old
  const goesOn = outage !== undefined && Math.abs(now - outage.last) <= OUTAGE_GAP && outage.since <= now
  const since = goesOn ? outage.since : now
  return { remembered: { ...old, outage: { since, last: now } }, since, over: now - since >= PATIENCE }
}

/**
 * Refresh when a day or half of max_age has passed, whichever is sooner, or up to a quarter of that earlier.
 *
 * @param spread 0 to 1, how much earlier
 */
export function dueForRefresh({ policy, failed }: Remembered, now: number, spread: number): boolean {
  if (policy === undefined) return false
  const latest = Math.min(REFRESH_AFTER, (policy.expires - policy.fetchedAt) / 2)
  if (now - policy.fetchedAt < latest * (1 - spread / 4)) return false
  const last = Math.max(...Object.values(failed ?? {}), -Infinity)
  // a policy that is about to run out is worth trying for more often
  return Math.abs(now - last) >= Math.min(REFRESH_AGAIN, Math.max(BACK_OFF, (policy.expires - now) / 4))
}

/** Is there nothing left that is worth keeping? */
export function isIdle({ policy, failed, outage }: Remembered, now: number): boolean {
  const wanted = isLive(policy, now) && now - policy.lastUsed < UNUSED
  const failing = Object.keys(recentFailures(failed, now)).length > 0
  const waiting = outage !== undefined && Math.abs(now - outage.last) <= OUTAGE_GAP
  return !wanted && !failing && !waiting
}
