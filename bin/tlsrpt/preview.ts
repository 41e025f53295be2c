/** `secure-mail tlsrpt preview`: counts, addressees and reports of a day, from the store and DNS; nothing is changed. */
import type { Clock } from '../../lib/clock'
import { createResolver } from '../../lib/dns'
import {
  addressees,
  buildReport,
  countsByPolicyDomain,
  failedSessions,
  jobsOf,
  reportingParty,
  type Addressed,
  type DomainCounts,
  type Job,
  type TlsReport,
} from '../../lib/report/tlsrpt'
import { secretKey } from '../../lib/store/keys'
import type { CommonOptions, Io } from '../io'
import type { WantedReports } from '../commands/tlsrpt'
import { openExistingStore } from '../open-store'
import { fail, readyInstance } from '../ready'

/** `secure-mail tlsrpt preview --json`. */
export interface TlsrptPreview {
  day: string
  /** Does the gateway send reports by itself? */
  enabled: boolean
  domains: DomainPreview[]
}

interface DomainPreview {
  /** Policy domain. */
  domain: string
  successes: number
  failures: number
  /** Sessions that are in no report, because the domain had more policies that day than are kept apart. */
  uncounted: number
  /** URIs of the domain's record; empty = it gets no report, and `why` says why. */
  to: string[]
  why: string | null
  /** What became of the report at each URI so far. */
  sent: { to: string; state: string; at: string; tries: number; detail: string | null }[]
  /** Null where there is no address to report from. */
  report: TlsReport | null
}

/** Domains that are looked up at the same time. */
const AT_ONCE = 8

export async function previewReports(
  options: CommonOptions,
  { day, domain, json }: WantedReports,
  clock: Clock,
  io: Io,
): Promise<void> {
  const ready = readyInstance(options, clock)
  if (!ready.ok) {
    fail(io, ready.problems)
    return
  }
  const { settings } = ready
  const { store, problem, close } = await openExistingStore(settings, clock)
  const resolver = createResolver(settings.dns)
  try {
    if (problem !== null) {
      fail(io, [`the store cannot be read: ${problem}; run this as the user of the gateway or as root`])
      return
    }
    const all = store === null ? [] : await countsByPolicyDomain(store, day)
    const jobs = store === null ? new Map<string, Job>() : await jobsOf(store, day)
    const key = store === null ? Buffer.alloc(0) : await secretKey(store, 'tlsrpt')
    const party = reportingParty(settings)
    const meant = all.filter((one) => domain === undefined || one.domain === domain)
    const domains: DomainPreview[] = []
    const work = [...meant.entries()]
    const worker = async (): Promise<void> => {
      for (let next = work.shift(); next !== undefined; next = work.shift()) {
        const [at, counts] = next
        const found = await addressees(counts, settings.tlsrpt, resolver)
        const report =
          party === undefined
            ? null
            : buildReport({ party, day, domain: counts.domain, policies: counts.policies, key })
        domains[at] = previewOf(
          counts,
          found,
          jobs.get(counts.domain),
          report && (JSON.parse(report.json) as TlsReport),
        )
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    const preview: TlsrptPreview = { day, enabled: settings.tlsrpt.enabled, domains }
    if (domains.length === 0) io.exitCode = 1
    if (json) io.out(`${JSON.stringify(preview, null, 2)}\n`)
    else show(preview, domain, io)
  } finally {
    await Promise.allSettled([close(), resolver.close()])
  }
}

function previewOf(
  counts: DomainCounts,
  found: Addressed,
  job: Job | undefined,
  report: TlsReport | null,
): DomainPreview {
  const { domain, policies, uncounted } = counts
  return {
    domain,
    successes: policies.reduce((sum, { successes }) => sum + successes, 0),
    failures: policies.reduce((sum, one) => sum + failedSessions(one), 0),
    uncounted,
    to: found.kind === 'to' ? found.destinations.map(({ uri }) => uri) : [],
    why: found.kind === 'to' ? null : found.why,
    sent: Object.entries(job?.destinations ?? {}).map(([to, { state, at, tries, detail }]) => ({
      ...{ to, state, at: new Date(at).toISOString(), tries, detail: detail ?? null },
    })),
    report,
  }
}

function show({ day, enabled, domains }: TlsrptPreview, wanted: string | undefined, io: Io): void {
  if (domains.length === 0) {
    io.err(`secure-mail: no session with ${wanted ?? 'any domain'} was counted on ${day} (UTC)\n`)
    return
  }
  io.out(`TLS sessions of ${day} (UTC), by policy domain\n`)
  for (const one of domains) {
    io.out(`\n${one.domain}: ${one.successes} succeeded, ${one.failures} failed\n`)
    for (const line of domainLines(one)) io.out(`  ${line}\n`)
    // one domain was asked for: all of it
    if (wanted !== undefined && one.report !== null) io.out(`\n${JSON.stringify(one.report, null, 2)}\n`)
  }
  if (wanted === undefined) io.out('\nThe report itself: secure-mail tlsrpt preview --domain DOMAIN\n')
  if (!enabled) io.out('Nothing is sent by itself: [tlsrpt] enabled=false\n')
}

function domainLines({ to, why, sent, uncounted, report }: DomainPreview): string[] {
  return [
    ...(why === null ? to.map((uri) => `goes to ${uri}`) : [`goes nowhere: ${why}`]),
    ...sent.map((one) => {
      const detail = one.detail === null ? '' : `: ${one.detail}`
      return `${one.state} at ${one.at}, ${one.to}, try ${one.tries}${detail}`
    }),
    ...(report?.policies ?? []).flatMap(({ policy, summary, 'failure-details': details = [] }) => [
      `${policy['policy-type']}: ${summary['total-successful-session-count']} succeeded, ${summary['total-failure-session-count']} failed`,
      ...details.map((one) => {
        const where = [one['receiving-mx-hostname'], one['receiving-ip']].filter(Boolean).join(' ')
        const reason = one['failure-reason-code'] === undefined ? '' : ` (${one['failure-reason-code']})`
        return `  ${one['failed-session-count']} x ${one['result-type']} ${where}${reason}`.trimEnd()
      }),
    ]),
    ...(uncounted === 0 ? [] : [`${uncounted} sessions are in no report: too many policies in one day`]),
    ...(report === null ? ['no report can be made: set from in [tlsrpt]'] : []),
  ]
}
