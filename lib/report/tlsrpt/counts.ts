/**
 * Adding up sessions. What a day of one domain takes is bounded, whatever its DNS says: sessions at more places than are
 * kept apart are counted without the place, and sessions under more policies than are kept are counted as such.
 */
import type { AppliedPolicy, DayCounts, FailureCount, PolicyCounts, Sighting } from './types'

export interface Limits {
  /** Different policies: changed ones, and one per MX host with TLSA records. */
  policies: number
  /** Different failures, of all policies together, that are kept with host and addresses. */
  failures: number
}

/** Per next-hop domain and UTC day. */
export const DAY_LIMITS: Limits = { policies: 32, failures: 200 }
/** A report can join the days of many next-hop domains that share an MX host. */
export const REPORT_LIMITS: Limits = { policies: 64, failures: 1000 }
/** Strings and hosts of one policy. */
const MOST_STRINGS = 64

export function noCounts(): DayCounts {
  return { policies: [], uncounted: 0 }
}

/** The counts of one session. */
export function countsOf({ policy, failure }: Sighting): DayCounts {
  const { type, domain, strings, mxHosts } = policy
  const kept = { type, domain, strings: strings.slice(0, MOST_STRINGS), mxHosts: mxHosts.slice(0, MOST_STRINGS) }
  const failures = failure === undefined ? [] : [{ ...failure, sessions: 1 }]
  return { policies: [{ policy: kept, successes: failure === undefined ? 1 : 0, failures }], uncounted: 0 }
}

/** The sum of two; every session of both is in it exactly once, in a policy or in `uncounted`. Pure. */
export function addCounts(a: DayCounts, b: DayCounts, limits: Limits = DAY_LIMITS): DayCounts {
  const sum = new Tally(limits)
  sum.add(a)
  sum.add(b)
  return sum.counts()
}

/** A sum that grows. */
export class Tally {
  readonly #policies = new Map<
    string,
    { policy: AppliedPolicy; successes: number; failures: Map<string, FailureCount> }
  >()
  #places = 0
  #uncounted = 0

  constructor(readonly limits: Limits = DAY_LIMITS) {}

  add({ policies, uncounted }: DayCounts): void {
    this.#uncounted += uncounted
    for (const added of policies) {
      const counts = this.#under(added.policy)
      if (counts === undefined) {
        this.#uncounted += added.successes + failedSessions(added)
        continue
      }
      counts.successes += added.successes
      for (const failure of added.failures) this.#addFailure(counts.failures, failure)
    }
  }

  #under(policy: AppliedPolicy) {
    const key = policyKey(policy)
    const known = this.#policies.get(key)
    if (known !== undefined || this.#policies.size >= this.limits.policies) return known
    const fresh = { policy, successes: 0, failures: new Map<string, FailureCount>() }
    this.#policies.set(key, fresh)
    return fresh
  }

  #addFailure(failures: Map<string, FailureCount>, added: FailureCount): void {
    const exact = failures.get(failureKey(added))
    if (exact !== undefined) {
      exact.sessions += added.sessions
    } else if (this.#places < this.limits.failures) {
      this.#places += 1
      failures.set(failureKey(added), { ...added })
    } else {
      // the result type is kept in any case: there are eleven of them
      const { resultType, sessions } = added
      const other = failures.get(failureKey({ resultType }))
      if (other === undefined) failures.set(failureKey({ resultType }), { resultType, sessions })
      else other.sessions += sessions
    }
  }

  counts(): DayCounts {
    const policies = [...this.#policies.values()].map(({ policy, successes, failures }) => ({
      policy,
      successes,
      failures: [...failures.values()].map((failure) => ({ ...failure })),
    }))
    return { policies, uncounted: this.#uncounted }
  }
}

/** Policies of the same text are one. */
function policyKey({ type, domain, strings }: AppliedPolicy): string {
  return JSON.stringify([type, domain, strings])
}

function failureKey({ resultType, mx, receivingIp, sendingIp, reason }: Omit<FailureCount, 'sessions'>): string {
  return JSON.stringify([resultType, mx ?? null, receivingIp ?? null, sendingIp ?? null, reason ?? null])
}

/** Sessions that failed under one policy. */
export function failedSessions({ failures }: Pick<PolicyCounts, 'failures'>): number {
  return failures.reduce((sum, { sessions }) => sum + sessions, 0)
}
