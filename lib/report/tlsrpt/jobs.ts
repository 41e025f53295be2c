/**
 * What became of each report: one entry per UTC day and policy domain, in the store that all processes and machines
 * share. A report is *claimed* before it is queued or posted, in one transaction, and marked as sent afterwards; so of
 * any number of processes one sends it.
 *
 * A process that dies between claim and mark leaves a claim that nobody marks. After `LEASE` another one takes it over
 * and sends. Which side this errs on: a report that was queued in the very moment before the process died goes out a
 * second time, byte for byte under the same report-id and Message-ID; it is never lost.
 */
import type { Store, StoreKey } from '../../store/types'

/** Why nothing is (or: was) to be done any more about a report. */
export type Settled = 'sent' | 'not-wanted' | 'nothing-to-report' | 'excluded' | 'given-up'

/** One place that a report goes to. Times are milliseconds since the epoch. */
export interface DestinationState {
  state: 'claimed' | 'sent' | 'waiting' | 'given-up'
  /** Of whom claimed it last. */
  by: string
  at: number
  /** When it was first tried: 24 hours later it is given up. */
  firstAt: number
  tries: number
  /** `waiting`: when it may be tried again. */
  next?: number
  /** Why it failed, one clause. */
  detail?: string
}

export interface Job {
  settled?: Settled
  /** One clause, for showing. */
  why?: string
  /** By URI of the record. */
  destinations: Record<string, DestinationState>
}

/** RFC 8460 section 5.5: tried for 24 hours. */
export const TRY_FOR = 24 * 3_600_000
/** A claim older than this was left by a process that died. */
export const LEASE = 15 * 60_000
/** Waits after the n-th failure; the last one repeats. */
const WAITS = [5 * 60_000, 15 * 60_000, 3_600_000, 2 * 3_600_000, 4 * 3_600_000]
/** As long as the counts. */
const TTL = 4 * 24 * 3_600_000

export interface Claim {
  key: StoreKey
  uri: string
  by: string
  at: number
  tries: number
  /** A process that died had claimed it: perhaps it was sent. */
  takenOver: boolean
}

const prefix = (day: string): StoreKey => ['tlsrpt', 'sent', day]

/**
 * @param by random, another one for each claim
 * @param early an operator does not wait for the time of the next try
 * @returns undefined when somebody else has it, or nothing is left to do. Rejects when that is not certain: nothing is
 *   sent then, and should the claim stand all the same, it runs out.
 */
export async function claim(
  store: Pick<Store, 'update'>,
  { day, domain, uri }: { day: string; domain: string; uri: string },
  by: string,
  now: number,
  early: boolean,
): Promise<Claim | undefined> {
  const key = [...prefix(day), domain]
  let takenOver = false
  const job = await store.update<unknown>(
    key,
    (old) => {
      const before = readJob(old)
      const known = before.destinations[uri]
      takenOver = known?.state === 'claimed'
      if (!isFree(known, now, early)) return before
      const next: DestinationState = {
        ...{ state: 'claimed', by, at: now },
        firstAt: known?.firstAt ?? now,
        tries: (known?.tries ?? 0) + 1,
      }
      return { ...before, destinations: { ...before.destinations, [uri]: next } }
    },
    { ttl: TTL },
  )
  const mine = readJob(job).destinations[uri]
  if (mine?.state !== 'claimed' || mine.by !== by) return undefined
  return { key, uri, by, at: now, tries: mine.tries, takenOver }
}

function isFree(known: DestinationState | undefined, now: number, early: boolean): boolean {
  switch (known?.state) {
    case undefined:
      return true
    case 'claimed':
      // a claim from what is now the future was made by a clock that is ahead, and runs out by it
      return now - known.at > LEASE
    case 'waiting':
      return early || now >= (known.next ?? 0)
    case 'sent':
    case 'given-up':
      return false
  }
}

/** What came of a claim; undefined `failed` = it was sent. @returns how it stands now */
export async function conclude(
  store: Pick<Store, 'update'>,
  { key, uri, by }: Claim,
  now: number,
  failed?: string,
): Promise<DestinationState | undefined> {
  const job = await store.update<unknown>(
    key,
    (old) => {
      const before = readJob(old)
      const known = before.destinations[uri]
      // who was taken for dead has nothing to say any more, except that it was sent
      if (known === undefined || known.state === 'sent' || (failed !== undefined && known.by !== by)) return before
      const next = failed === undefined ? sent(known, now) : afterFailure(known, now, failed)
      return { ...before, destinations: { ...before.destinations, [uri]: next } }
    },
    { ttl: TTL },
  )
  return readJob(job).destinations[uri]
}

function sent({ by, firstAt, tries }: DestinationState, now: number): DestinationState {
  return { state: 'sent', by, at: now, firstAt, tries }
}

function afterFailure(known: DestinationState, now: number, detail: string): DestinationState {
  const wait = WAITS[Math.min(known.tries, WAITS.length) - 1] ?? 0
  const over = now + wait - known.firstAt > TRY_FOR
  return { ...known, state: over ? 'given-up' : 'waiting', at: now, detail, ...(over ? {} : { next: now + wait }) }
}

/** Nothing is left to do about a report. */
export async function settle(
  store: Pick<Store, 'update'>,
  { day, domain }: { day: string; domain: string },
  settled: Settled,
  why: string,
): Promise<void> {
  await store.update<unknown>([...prefix(day), domain], (old) => ({ ...readJob(old), settled, why }), { ttl: TTL })
}

/** @returns by policy domain */
export async function jobsOf(store: Pick<Store, 'list'>, day: string): Promise<Map<string, Job>> {
  const entries = await store.list<unknown>(prefix(day))
  return new Map(entries.map(({ key, value }) => [String(key[3]), readJob(value)]))
}

/** What another version of this program wrote is read as far as it makes sense. */
export function readJob(value: unknown): Job {
  if (!isObject(value) || !isObject(value.destinations)) return { destinations: {} }
  const destinations = Object.entries(value.destinations).filter((one): one is [string, DestinationState] =>
    isDestination(one[1]),
  )
  const { settled, why } = value
  return {
    ...(typeof settled === 'string' ? { settled: settled as Settled } : {}),
    ...(typeof why === 'string' ? { why } : {}),
    destinations: Object.fromEntries(destinations),
  }
}

function isDestination(value: unknown): value is DestinationState {
  if (!isObject(value)) return false
  const { state, by, at, firstAt, tries } = value
  const known = state === 'claimed' || state === 'sent' || state === 'waiting' || state === 'given-up'
  return known && typeof by === 'string' && [at, firstAt, tries].every((one) => Number.isFinite(one))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
