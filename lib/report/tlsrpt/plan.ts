/** What there is to report about a day, and who is to get it: shared by what sends and what shows. */
import type { Settings } from '../../config/settings'
import type { Resolver } from '../../dns/types'
import { isInternalDomain } from '../../policy/internal'
import type { Store } from '../../store/types'
import type { ReportingParty } from './build'
import { failedSessions, REPORT_LIMITS, Tally } from './counts'
import { discoverTlsrpt, type Destination } from './record'
import { storedCounts } from './stored'
import type { PolicyCounts } from './types'

/** What was counted under the policies of one domain. */
export interface DomainCounts {
  /** Policy domain. */
  domain: string
  policies: PolicyCounts[]
  /** Sessions that are in none of them, see `DAY_LIMITS`. */
  uncounted: number
}

/** Rejects when the store cannot be read. @returns sorted by domain */
export async function countsByPolicyDomain(store: Pick<Store, 'list'>, day: string): Promise<DomainCounts[]> {
  const tallies = new Map<string, Tally>()
  const tallyOf = (domain: string): Tally => {
    const tally = tallies.get(domain) ?? new Tally(REPORT_LIMITS)
    tallies.set(domain, tally)
    return tally
  }
  for (const { domain, counts } of await storedCounts(store, day)) {
    for (const one of counts.policies) tallyOf(one.policy.domain).add({ policies: [one], uncounted: 0 })
    if (counts.uncounted > 0) tallyOf(domain).add({ policies: [], uncounted: counts.uncounted })
  }
  return [...tallies]
    .map(([domain, tally]) => ({ domain, ...tally.counts() }))
    .sort((a, b) => (a.domain < b.domain ? -1 : 1))
}

/** Where the reports about a domain go, or why nowhere. */
export type Addressed =
  | { kind: 'to'; destinations: readonly Destination[]; unusable: readonly string[] }
  | { kind: 'nowhere'; settled: 'not-wanted' | 'nothing-to-report' | 'excluded'; why: string }
  /** It cannot be found out now. */
  | { kind: 'unknown'; why: string }

/** @returns never rejects */
export async function addressees(
  { domain, policies }: DomainCounts,
  settings: Pick<Settings['tlsrpt'], 'onlyFailures' | 'excludeDomains' | 'https'>,
  resolver: Pick<Resolver, 'resolve'>,
): Promise<Addressed> {
  if (isInternalDomain(domain, settings.excludeDomains)) {
    return { kind: 'nowhere', settled: 'excluded', why: 'excluded by [tlsrpt] exclude_domains' }
  }
  if (policies.length === 0) return { kind: 'nowhere', settled: 'nothing-to-report', why: 'no session was counted' }
  if (settings.onlyFailures && policies.every((one) => failedSessions(one) === 0)) {
    return { kind: 'nowhere', settled: 'nothing-to-report', why: 'no session failed ([tlsrpt] only_failures=true)' }
  }
  const found = await discoverTlsrpt(domain, resolver)
  switch (found.kind) {
    case 'error':
      return { kind: 'unknown', why: found.detail }
    case 'none':
      return { kind: 'nowhere', settled: 'not-wanted', why: `the domain asks for no reports: ${found.why}` }
    case 'record': {
      const destinations = found.rua.filter(({ kind }) => kind !== 'https' || settings.https)
      const refused = found.rua.filter((one) => !destinations.includes(one))
      const unusable = [...found.unusable, ...refused.map(({ uri }) => `${uri}: [tlsrpt] https=false`)]
      if (destinations.length === 0) return { kind: 'nowhere', settled: 'not-wanted', why: unusable.join('; ') }
      return { kind: 'to', destinations, unusable }
    }
  }
}

/**
 * Who reports, from the settings.
 *
 * @returns undefined when there is no address to report from: neither `from` nor an internal domain is configured
 */
export function reportingParty(settings: Pick<Settings, 'tlsrpt' | 'main' | 'ndr'>): ReportingParty | undefined {
  const { tlsrpt, main, ndr } = settings
  const own = main.internalDomains.find((name) => !name.startsWith('.'))
  const from = tlsrpt.from ?? (own === undefined ? undefined : `postmaster@${own}`)
  if (from === undefined) return undefined
  const submitter = from.slice(from.lastIndexOf('@') + 1)
  return {
    from,
    submitter,
    organization: tlsrpt.organization ?? submitter,
    contact: tlsrpt.contact ?? ndr.postmaster ?? from,
  }
}
