/**
 * MTA-STS for the sending side (RFC 8461): which policy holds for a domain now. TXT record, policy file and what is
 * remembered of both, in the order of RFC 8461 section 5.1:
 *
 * - a policy in the cache holds until its max_age has passed, whatever DNS and HTTPS say or fail to say;
 * - a TXT record with another id brings a new fetch, and a fetch that fails takes nothing away;
 * - nothing cached and nothing to be had: the domain is as one without MTA-STS (section 3.3), except that a *failing*
 *   look-up of the TXT record is waited out for a quarter of an hour first.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../../clock'
import { normaliseName } from '../../dns/names'
import type { Resolver } from '../../dns/types'
import { turnOf } from '../../store/turns'
import type { Store } from '../../store/types'
import type { MtaStsState } from '../types'
import { discover, type Discovery } from './discover'
import type { StsEvent } from './events'
import { fetchPolicy, type Fetched, type FetchOptions } from './fetch'
import { stsMemory, type CachedPolicy, type Remembered } from './memory'
import { dueForRefresh, isIdle, isLive, mayFetch, REFRESH_PASS, withFailure, withOutage, withPolicy } from './rules'

export interface StsDeps {
  /** The resolver in force now. */
  resolver(): Resolver
  store: Store
  clock: Clock
  /** Asked at each fetch. */
  fetchOptions(): FetchOptions
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void
  /** Told of what a postmaster or TLSRPT wants to know; must not throw. */
  onEvent(event: StsEvent): void
  /** Told whether the policy of a domain that has one was in the cache; must not throw. */
  onLookUp?(hit: boolean): void
  /** Keep policies in use fresh, by a timer; of all processes that share the store one does it at a time. Default false. */
  refresh?: boolean
}

export interface Sts {
  /**
   * The policy that holds for a domain now; parallel questions about one domain share the answer.
   *
   * @param domain next-hop domain (RFC 8461 section 3.4: of a smart host its own name), A- or U-labels
   * @returns `error` = unknown for now, wait; never rejects
   */
  lookup(domain: string): Promise<MtaStsState>
  /**
   * RFC 8461 section 5.1: before a mail is given up because of a policy, look for a newer one, also where a fetch failed
   * a moment ago.
   *
   * @param id of the policy that was applied
   * @returns true when another one holds now; never rejects
   */
  recheck(domain: string, id: string): Promise<boolean>
  /** One pass over the cache: fetch what is due, remove what nobody asks for. @returns how many were fetched */
  refresh(): Promise<number>
  /** Stop the timer and what is being fetched; look-ups that need a fetch are answered `error` from then on. */
  close(): Promise<void>
}

/** Milliseconds between two passes of the refresher, and the policies it fetches at once. */
const PASS_INTERVAL = 60_000
const REFRESHED_AT_ONCE = 4
/** Shorter than the interval, so that a process alone has its turn each time. */
const TURN = 0.9 * PASS_INTERVAL
/** `lastUsed` is written at most once in this time. */
const USE_GRAIN = 3_600_000

/** @returns no timer keeps the process alive */
export function createSts(deps: StsDeps): Sts {
  const { clock } = deps
  const log: StsDeps['log'] = (level, message) => deps.log(level, message)
  const memory = stsMemory(deps.store, (error) => {
    log('error', `MTA-STS: the store failed: ${error instanceof Error ? error.message : String(error)}`)
  })
  const running = new Map<string, Promise<unknown>>()
  const closing = new AbortController()

  /** One run per name at a time; who comes later gets the same result. */
  function shared<T>(name: string, run: () => Promise<T>): Promise<T> {
    const known = running.get(name) as Promise<T> | undefined
    if (known !== undefined) return known
    const started = run().finally(() => running.delete(name))
    running.set(name, started)
    return started
  }

  async function findPolicy(domain: string): Promise<MtaStsState> {
    const [recalled, found] = await Promise.all([memory.recall(domain), discover(domain, deps.resolver())])
    const remembered = recalled.known ? recalled.remembered : {}
    const cached = isLive(remembered.policy, clock.now()) ? remembered.policy : undefined
    if (found.kind !== 'error' && remembered.outage !== undefined) await memory.change(domain, withoutOutage)

    // RFC 8461 section 5.1: the cached policy, unless the TXT record names another version of it
    if (cached !== undefined && (found.kind !== 'record' || found.id === cached.id)) {
      deps.onLookUp?.(true)
      return used(domain, cached, found)
    }
    if (found.kind === 'record') {
      deps.onLookUp?.(false)
      const fetched = await fetchVersion(domain, found.id, remembered)
      if (fetched !== undefined) return fetched
      // a fetch that we broke off says nothing about the domain
      if (closing.signal.aborted) return { state: 'error', resultType: 'local-error', detail: 'shutting down' }
      // RFC 8461 section 3.3: "if a valid (non-expired) policy exists in the sender's cache, the sender MUST apply" it
      if (cached !== undefined) return used(domain, cached, found)
    }
    if (!recalled.known) {
      // there may be a policy that we cannot read: going on as without one could be weaker
      return {
        state: 'error',
        resultType: 'local-error',
        detail: `the policy cache cannot be read: ${recalled.detail}`,
      }
    }
    return found.kind === 'error' ? waitOut(domain, remembered, found.detail) : { state: 'absent' }
  }

  function used(domain: string, policy: CachedPolicy, found: Discovery): MtaStsState {
    if (found.kind !== 'record') log('debug', `MTA-STS: ${domain}: cached policy ${policy.id}, TXT: ${whyOf(found)}`)
    const now = clock.now()
    if (Math.abs(now - policy.lastUsed) > USE_GRAIN) {
      // nobody waits for it: a use that is not noted only means an earlier refresh the less
      void shared(`use ${domain}`, () =>
        memory.change(domain, (old) =>
          old.policy === undefined ? old : { ...old, policy: { ...old.policy, lastUsed: now } },
        ),
      )
    }
    return stateOf(policy)
  }

  /** @returns undefined when there is nothing new: the fetch failed, now or a moment ago */
  async function fetchVersion(domain: string, id: string, remembered: Remembered): Promise<MtaStsState | undefined> {
    if (!mayFetch(remembered, id, clock.now())) return undefined
    const fetched = await fetchAndKeep(domain, id, remembered, clock.now())
    return fetched === undefined ? undefined : stateOf(fetched)
  }

  /** @param usedAt what `lastUsed` becomes: now, or, when nobody asked for it, as before */
  async function fetchAndKeep(
    domain: string,
    id: string,
    { policy: old }: Remembered,
    usedAt: number,
  ): Promise<CachedPolicy | undefined> {
    const fetched = await shared(`fetch ${domain} ${id}`, () =>
      fetchPolicy(domain, deps.resolver(), deps.fetchOptions(), closing.signal),
    )
    if (closing.signal.aborted) return undefined
    const now = clock.now()
    if (!fetched.ok) {
      await memory.change(domain, (before) => withFailure(before, id, now))
      tellFailure(domain, id, fetched, isLive(old, now) ? old : undefined)
      return undefined
    }
    const policy: CachedPolicy = {
      ...fetched.policy,
      id,
      fetchedAt: now,
      expires: now + fetched.policy.maxAge * 1000,
      lastUsed: usedAt,
    }
    await memory.change(domain, () => withPolicy(policy, now))
    if (old?.id !== id || old.mode !== policy.mode) {
      deps.onEvent({ kind: 'fetched', domain, id, mode: policy.mode, maxAge: policy.maxAge, mx: policy.mx })
    }
    log('debug', `MTA-STS: ${domain}: policy ${id}, mode ${policy.mode}, for ${policy.maxAge} s`)
    return policy
  }

  function tellFailure(
    domain: string,
    id: string,
    { resultType, detail }: Extract<Fetched, { ok: false }>,
    cached: CachedPolicy | undefined,
  ): void {
    deps.onEvent({
      kind: 'fetch-failed',
      domain,
      id,
      resultType,
      detail,
      ...(cached === undefined ? {} : { cached: cached.id }),
    })
    // RFC 8461 section 3.3: administrators are alerted, unless the cached policy has mode none
    const level = cached?.mode === 'none' ? 'debug' : 'warn'
    const instead = cached === undefined ? 'no policy is known' : `the cached policy ${cached.id} stays in force`
    log(level, `MTA-STS: ${domain}: ${detail} (${resultType}); ${instead}`)
  }

  /** The TXT record cannot be looked up and nothing is cached: a quarter of an hour of patience, then as without. */
  async function waitOut(domain: string, remembered: Remembered, detail: string): Promise<MtaStsState> {
    const now = clock.now()
    const { since, over } = withOutage(remembered, now)
    await memory.change(domain, (old) => withOutage(old, now).remembered)
    deps.onEvent({ kind: over ? 'outage-ignored' : 'outage', domain, detail, since })
    if (!over) return { state: 'error', resultType: 'dns-error', detail }
    log('warn', `MTA-STS: ${domain}: ${detail}, since ${new Date(since).toISOString()}; going on as without a policy`)
    return { state: 'absent' }
  }

  async function newerThan(domain: string, id: string): Promise<boolean> {
    const [recalled, found] = await Promise.all([memory.recall(domain), discover(domain, deps.resolver())])
    const remembered = recalled.known ? recalled.remembered : {}
    // another process may have fetched it since
    const cached = isLive(remembered.policy, clock.now()) ? remembered.policy : undefined
    if (found.kind !== 'record' || found.id === cached?.id) return cached !== undefined && cached.id !== id
    const fetched = await fetchAndKeep(domain, found.id, remembered, clock.now())
    return fetched !== undefined && fetched.id !== id
  }

  async function refreshAll(): Promise<number> {
    const now = clock.now()
    const all = await memory.all()
    for (const { domain } of all.filter(({ remembered }) => isIdle(remembered, now))) {
      // asked again inside the transaction: mail may have come for it since
      await memory.change(domain, (old) => (isIdle(old, now) ? {} : old))
    }
    const due = all.filter(
      ({ domain, remembered }) => !isIdle(remembered, now) && dueForRefresh(remembered, now, spreadOf(domain)),
    )
    const work = due.slice(0, REFRESH_PASS)
    let count = 0
    const worker = async (): Promise<void> => {
      for (let next = work.shift(); next !== undefined && !closing.signal.aborted; next = work.shift()) {
        if (await refreshOne(next.domain, next.remembered)) count += 1
      }
    }
    await Promise.all(Array.from({ length: REFRESHED_AT_ONCE }, worker))
    return count
  }

  /**
   * RFC 8461 section 10.2: somebody who keeps us from seeing the TXT record must not be able to let a policy run out, so
   * the policy file is asked for whether or not there is a record.
   */
  async function refreshOne(domain: string, remembered: Remembered): Promise<boolean> {
    const { policy } = remembered
    if (policy === undefined) return false
    const found = await discover(domain, deps.resolver())
    const id = found.kind === 'record' ? found.id : policy.id
    return (await fetchAndKeep(domain, id, remembered, policy.lastUsed)) !== undefined
  }

  async function refreshPass(): Promise<number> {
    try {
      return await refreshAll()
    } catch (error) {
      log(
        'error',
        `MTA-STS: policies could not be refreshed: ${error instanceof Error ? error.message : String(error)}`,
      )
      return 0
    }
  }

  /** Whoever of all processes comes first; one that ends in its turn holds the others up for no longer than a pass. */
  async function refreshInTurn(): Promise<number> {
    try {
      return (await turnOf(deps.store, 'mta-sts', TURN)) ? await refreshPass() : 0
    } catch (error) {
      log('error', `MTA-STS: the store failed: ${error instanceof Error ? error.message : String(error)}`)
      return 0
    }
  }

  const timer =
    deps.refresh === true ? setInterval(() => void shared('refresh', refreshInTurn), PASS_INTERVAL) : undefined
  timer?.unref()

  return {
    async lookup(given) {
      const domain = normaliseName(given)
      // an address literal, or a name that cannot be in DNS
      if (domain === null || domain === '') return { state: 'absent' }
      try {
        return await shared(`lookup ${domain}`, () => findPolicy(domain))
      } catch (error) {
        return {
          state: 'error',
          resultType: 'local-error',
          detail: error instanceof Error ? error.message : String(error),
        }
      }
    },
    async recheck(given, id) {
      const domain = normaliseName(given)
      if (domain === null || domain === '' || closing.signal.aborted) return false
      try {
        return await newerThan(domain, id)
      } catch (error) {
        log('error', `MTA-STS: ${domain}: ${error instanceof Error ? error.message : String(error)}`)
        return false
      }
    },
    refresh: () => shared('refresh', refreshPass),
    async close() {
      clearInterval(timer)
      closing.abort()
      while (running.size > 0) await Promise.allSettled(running.values())
    },
  }
}

function withoutOutage({ policy, failed }: Remembered): Remembered {
  return { ...(policy === undefined ? {} : { policy }), ...(failed === undefined ? {} : { failed }) }
}

function stateOf({ mode, id, mx, maxAge }: CachedPolicy): MtaStsState {
  return { state: 'policy', mode, id, mx, maxAge }
}

function whyOf(found: Exclude<Discovery, { kind: 'record' }>): string {
  return found.kind === 'error' ? found.detail : found.why
}

/** 0 to 1, always the same for a domain: policies that were fetched together are not refreshed together. */
function spreadOf(domain: string): number {
  return createHash('sha256').update(domain).digest().readUInt32BE(0) / 0x1_0000_0000
}
