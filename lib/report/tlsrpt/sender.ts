/**
 * Sending reports: the day that is over, domain by domain, each at a time of its own within the window after midnight
 * UTC; what fails is tried again for 24 hours. Which process does it does not matter, see `jobs.ts`.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../clock'
import type { Settings } from '../../config/settings'
import type { Resolver } from '../../dns/types'
import type { Store } from '../../store/types'
import { oneLine } from '../../util/one-line'
import { buildReport, type BuiltReport } from './build'
import { DAY, dayOf, startOf } from './day'
import { claim, conclude, jobsOf, LEASE, settle, type Claim, type Job, type Settled } from './jobs'
import { addressees, countsByPolicyDomain, reportingParty, type DomainCounts } from './plan'
import type { Destination } from './record'
import type { SendResult } from './result'

export interface SenderDeps {
  store: Pick<Store, 'list' | 'update'>
  clock: Clock
  settings(): Pick<Settings, 'tlsrpt' | 'main' | 'ndr'>
  resolver(): Resolver
  /** Makes report ids and times; the same for all processes that share the store. */
  key: Buffer
  /**
   * Queue a mail, or post a report. Rejects when it is certain that it was not done; while it is not known, it stays
   * pending.
   */
  deliver(report: BuiltReport, to: Destination): Promise<Delivered>
  /** Told of each report that went out, was taken over, or was given up; must not throw. */
  onReport(event: ReportEvent): void
  /** Told of what could not be done now and is tried again; must not throw. */
  onTrouble(error: Error): void
  /** Aborted at shutdown. */
  signal: AbortSignal
}

export interface Delivered {
  /** How, for the event. */
  detail: string
}

export type ReportEvent = { domain: string; day: string; id: string; to: string; takenOver: boolean } & (
  | { result: 'sent'; detail: string }
  | { result: 'failed'; detail: string; again: number }
  | { result: 'given-up'; detail: string }
)

export interface ReportSender {
  /** Whatever is due now. Never rejects. */
  pass(): Promise<void>
  /**
   * Send the reports of a day now.
   *
   * @param domain one policy domain; undefined = all
   * @throws Error (rejects) in one clause when it cannot be begun: the day is not over, or nobody to report from
   */
  send(day: string, domain?: string): Promise<SendResult[]>
}

/** After midnight other processes write the last counts of the day. */
const GRACE = 60_000
/** Domains that are worked on at the same time. */
const AT_ONCE = 4
/** A claim is used within this, or given back: whoever slept longer may have been taken for dead. */
const USE_WITHIN = LEASE / 3
/** How long a queueing that does not answer is waited for, in milliseconds; its claim stands meanwhile. */
const PATIENCE = LEASE / 3

export function reportSender(deps: SenderDeps): ReportSender {
  const { store, clock } = deps
  /** The days of which nothing is left to do: yesterday, and the one before. */
  let finished = ''
  let finishedBefore = ''
  let running: Promise<void> | undefined

  async function oneDay(day: string, isDue: (domain: string, job: Job | undefined) => boolean, early: boolean) {
    const jobs = await jobsOf(store, day)
    const all = await countsByPolicyDomain(store, day)
    const results: SendResult[] = []
    let left = 0
    const work = all.filter(({ domain }) => {
      const job = jobs.get(domain)
      if (job?.settled !== undefined) return early
      const due = isDue(domain, job)
      if (!due) left += 1
      return due
    })
    const worker = async (): Promise<void> => {
      for (let next = work.shift(); next !== undefined && !deps.signal.aborted; next = work.shift()) {
        try {
          const states = await oneDomain(day, next, jobs.get(next.domain), early)
          results.push(...states)
          if (states.some(({ state }) => OPEN.has(state))) left += 1
        } catch (error) {
          left += 1
          deps.onTrouble(asError(error))
          results.push({ domain: next.domain, state: 'unknown', why: asError(error).message })
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return { results: results.sort((a, b) => (a.domain < b.domain ? -1 : 1)), left: left + work.length }
  }

  async function oneDomain(
    day: string,
    counts: DomainCounts,
    job: Job | undefined,
    early: boolean,
  ): Promise<SendResult[]> {
    const { domain } = counts
    if (job?.settled === 'sent' || job?.settled === 'given-up') return settledResults(domain, job)
    const settings = deps.settings()
    const found = await addressees(counts, settings.tlsrpt, deps.resolver())
    if (found.kind === 'unknown') return [{ domain, state: 'unknown', why: found.why }]
    if (found.kind === 'nowhere') {
      if (job?.settled === undefined) await settle(store, { day, domain }, found.settled, found.why)
      return [{ domain, state: found.settled, why: found.why }]
    }
    const party = reportingParty(settings)
    if (party === undefined) throw new Error(NOBODY)
    const report = buildReport({ party, day, domain, policies: counts.policies, key: deps.key })
    const results = []
    for (const destination of found.destinations) results.push(await oneDestination(report, destination, early))
    const settled = settledBy(results)
    if (settled !== undefined) await settle(store, { day, domain }, settled, '')
    return results
  }

  async function oneDestination(report: BuiltReport, to: Destination, early: boolean): Promise<SendResult> {
    const { day, domain } = report
    const by = randomBytes(9).toString('base64url')
    const mine = await claim(store, { day, domain, uri: to.uri }, by, clock.now(), early)
    if (mine === undefined) {
      const known = (await jobsOf(store, day)).get(domain)?.destinations[to.uri]
      return {
        ...{ domain, to: to.uri, state: known?.state === 'sent' ? 'sent-before' : (known?.state ?? 'unknown') },
        ...(known?.detail === undefined ? {} : { why: known.detail }),
      }
    }
    return await useClaim(report, to, mine)
  }

  async function useClaim(report: BuiltReport, to: Destination, mine: Claim): Promise<SendResult> {
    const { domain } = report
    if (Math.abs(clock.now() - mine.at) > USE_WITHIN) return { domain, to: to.uri, state: 'claimed' }
    const ending = deps.deliver(report, to).then(
      ({ detail }) => concluded(report, to, mine, { detail }),
      (error: unknown) => concluded(report, to, mine, { failed: oneLine(asError(error).message).slice(0, 300) }),
    )
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<SendResult>((resolve) => {
      const why = 'it is not known yet whether it could be queued'
      timer = setTimeout(() => resolve({ domain, to: to.uri, state: 'claimed', why }), PATIENCE)
      timer.unref()
    })
    // should it end later, it is marked then
    ending.catch((error: unknown) => deps.onTrouble(asError(error)))
    try {
      return await Promise.race([ending, patience])
    } finally {
      clearTimeout(timer)
    }
  }

  async function concluded(
    report: BuiltReport,
    to: Destination,
    mine: Claim,
    outcome: { detail: string } | { failed: string },
  ): Promise<SendResult> {
    const { domain, day, id } = report
    const common = { domain, day, id, to: to.uri, takenOver: mine.takenOver }
    if ('detail' in outcome) {
      deps.onReport({ ...common, result: 'sent', detail: outcome.detail })
      await conclude(store, mine, clock.now())
      return { domain, to: to.uri, state: 'sent' }
    }
    const after = await conclude(store, mine, clock.now(), outcome.failed)
    const why = outcome.failed
    if (after?.state === 'given-up') {
      deps.onReport({ ...common, result: 'given-up', detail: why })
      return { domain, to: to.uri, state: 'given-up', why }
    }
    deps.onReport({ ...common, result: 'failed', detail: why, again: after?.next ?? clock.now() })
    return { domain, to: to.uri, state: 'waiting', why }
  }

  /** Yesterday's reports, and what is left of the day before. */
  async function passes(): Promise<void> {
    const now = clock.now()
    const { enabled, window } = deps.settings().tlsrpt
    if (!enabled || deps.signal.aborted) return
    const yesterday = dayOf(now - DAY)
    const ended = startOf(dayOf(now)) ?? now
    if (finished !== yesterday) {
      const spread = (domain: string) => ended + GRACE + spreadOf(deps.key, yesterday, domain) * window
      const { left } = await oneDay(yesterday, (domain) => now >= spread(domain), false)
      if (left === 0) finished = yesterday
    }
    // never begun a day late, but gone on with
    const before = dayOf(now - 2 * DAY)
    if (finishedBefore === before) return
    if ([...(await jobsOf(store, before)).values()].some(isBegun)) await oneDay(before, (_, job) => isBegun(job), false)
    else finishedBefore = before
  }

  return {
    pass() {
      running ??= passes()
        .catch((error: unknown) => deps.onTrouble(asError(error)))
        .finally(() => {
          running = undefined
        })
      return running
    },
    async send(day, domain) {
      const start = startOf(day)
      if (start === undefined) throw new Error(`${day} is no day`)
      if (clock.now() < start + DAY + GRACE) throw new Error(`${day} is not over yet (days are UTC)`)
      if (reportingParty(deps.settings()) === undefined) throw new Error(NOBODY)
      const { results } = await oneDay(day, (one) => domain === undefined || one === domain, true)
      return results.filter((one) => domain === undefined || one.domain === domain)
    },
  }
}

const NOBODY = 'there is no address to report from: set from in [tlsrpt]'

/** States in which something is left to do. */
const OPEN: ReadonlySet<SendResult['state']> = new Set(['waiting', 'claimed', 'unknown'])

function isBegun(job: Job | undefined): boolean {
  return job !== undefined && job.settled === undefined && Object.keys(job.destinations).length > 0
}

/** Once every destination is through. */
function settledBy(results: readonly SendResult[]): Settled | undefined {
  if (results.some(({ state }) => OPEN.has(state))) return undefined
  return results.every(({ state }) => state === 'given-up') ? 'given-up' : 'sent'
}

function settledResults(domain: string, { destinations }: Job): SendResult[] {
  return Object.entries(destinations).map(([to, { state, detail }]) => ({
    ...{ domain, to, state: state === 'sent' ? ('sent-before' as const) : state },
    ...(detail === undefined ? {} : { why: detail }),
  }))
}

/** 0 to 1, the same for every process: so many domains' reports are not all sent in one moment. */
function spreadOf(key: Buffer, day: string, domain: string): number {
  return createHmac('sha256', key).update(`spread ${day} ${domain}`).digest().readUInt32BE(0) / 0x1_0000_0000
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
