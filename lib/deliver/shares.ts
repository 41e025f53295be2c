/**
 * This process's part of the connections that a destination allows, where several processes or machines share them:
 * places are leased in the store, as many at a time as there is use for, kept for as long as they are used and renewed
 * all together every few seconds. A mail that finds a place free costs a look into a table.
 *
 * While the store is away, leases go on until they run out; then every process takes its part of the limit. So mail
 * never waits for the store alone, and the limit still holds, as long as there are no more processes than places.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock'
import type { Store, StoreKey } from '../store/types'
import { CLOCK_SKEW, settle, SHARE_TTL, shareAlone, type Settled } from './share-rules'

/** Milliseconds between two renewals of a lease. */
const RENEW = 3_000
/** How often it is looked whether something is to be asked for, given back or renewed, in milliseconds. */
const TICK = 1_000
/** How often a process says that it exists, and how long that is believed, in milliseconds. */
const HEARTBEAT = 20_000
const HEARTBEAT_TTL = 60_000
/** Milliseconds after which a record that nobody renews is gone from the store. */
const RECORD_TTL = 60_000
/** Milliseconds that the end waits for leases to be given back; those that are not run out by themselves. */
const GOODBYE = 2_000

const PROCESSES: StoreKey = ['processes']

export interface Shares {
  /**
   * Places of this process now. Where they are fewer than `wanted`, more are asked for, and `onChange` tells when they
   * are there.
   */
  places(key: string, wanted: number): number
  /** Gives everything back. Never rejects; the store must still be open. */
  close(): Promise<void>
}

export interface ShareDeps {
  store: Pick<Store, 'update'>
  clock: Clock
  /** Connections to one destination, all processes together; read each time. */
  limit(): number
  /** What goes on at a destination: places that are taken (connections that rest included), and how many are of use. */
  use(key: string): { used: number; want: number }
  /** There are more places, or fewer: let in who waits, close what rests beyond. */
  onChange(key: string): void
  /** Told of failures that nobody waits for. */
  log(message: string): void
  /** Unlike that of every other process, now and later. Default: random. */
  id?: string
}

interface Lease {
  held: number
  /** What would be fair of it; nobody is let in beyond that. */
  fair: number
  /** The lease ends then (milliseconds since the epoch). */
  until: number
  /** The greatest use since it was renewed. */
  peak: number
  /** How many were asked for last. */
  asked: number
  /** When to renew it, or to try again. */
  due: number
  /** Since when the store has not answered about it. */
  failingSince: number | undefined
  exchange: Promise<void> | undefined
}

export function createShares(deps: ShareDeps): Shares {
  const { store, clock } = deps
  const me = deps.id ?? randomBytes(6).toString('hex')
  const leases = new Map<string, Lease>()
  let processes = 1
  let nextHeartbeat = -Infinity
  let beating: Promise<void> | undefined
  /** Since when the store has answered nothing at all. */
  let awaySince: number | undefined
  let closed = false

  function leaseOf(key: string): Lease {
    const known = leases.get(key)
    if (known !== undefined) return known
    const lease: Lease = {
      held: 0,
      fair: 0,
      until: -Infinity,
      peak: 0,
      asked: 0,
      due: -Infinity,
      failingSince: undefined,
      exchange: undefined,
    }
    leases.set(key, lease)
    return lease
  }

  function placesNow(lease: Lease, now: number): number {
    if (now < lease.until) return Math.min(lease.held, lease.fair)
    // until then somebody may still hold what was leased before the store went away
    const since = Math.min(awaySince ?? Infinity, lease.failingSince ?? Infinity)
    return now >= since + SHARE_TTL + CLOCK_SKEW ? shareAlone(deps.limit(), processes) : 0
  }

  function exchange(key: string, lease: Lease): void {
    lease.exchange ??= settleWith(key, lease).finally(() => {
      lease.exchange = undefined
      // more came while the store was asked
      if (!closed && lease.failingSince === undefined && lease.peak > lease.asked) exchange(key, lease)
    })
  }

  /** One visit to the store: renew, ask for more, give back. Never rejects. */
  async function settleWith(key: string, lease: Lease): Promise<void> {
    const now = clock.now()
    // at the end every connection is closed, or closing
    const { used, want } = closed ? { used: 0, want: 0 } : deps.use(key)
    const wish = closed ? 0 : Math.max(want, lease.peak)
    // What is given back is decided here, before the store hears of it: nobody is let in beyond it from now on.
    const leased = now < lease.until ? Math.min(lease.held, lease.fair, wish) : 0
    const keep = Math.max(used, leased)
    lease.held = Math.min(lease.held, keep)
    lease.peak = 0
    lease.asked = wish
    lease.due = now + RENEW
    let settled: Settled | undefined
    try {
      await store.update<unknown>(
        ['connections', key],
        (found) => {
          settled = settle(found, { me, keep, want: wish }, { limit: deps.limit(), processes, now })
          return settled.record
        },
        { ttl: RECORD_TTL },
      )
    } catch (error) {
      const failedAt = clock.now()
      lease.failingSince ??= failedAt
      awaySince ??= failedAt
      deps.log(`connections to ${key} are not shared: ${error instanceof Error ? error.message : String(error)}`)
      return
    }
    awaySince = undefined
    if (settled === undefined) return
    lease.failingSince = undefined
    lease.held = settled.held
    lease.fair = settled.fair
    lease.until = now + SHARE_TTL
    // others have use for the same places: what becomes free should not wait
    if (settled.fair < wish) lease.due = now + TICK
    if (settled.held === 0 && wish === 0 && lease.peak === 0) leases.delete(key)
    deps.onChange(key)
  }

  function look(key: string, lease: Lease, now: number): void {
    const { used, want } = deps.use(key)
    const places = placesNow(lease, now)
    // has less than its part, or waits for its turn
    const starved = want > places && (lease.held < lease.fair || lease.held === 0) && lease.failingSince === undefined
    const owing = lease.held > Math.max(lease.fair, used)
    if (starved || owing || now >= lease.due) exchange(key, lease)
    // a lease that has run out, or the part of one that is cut off: nothing else says so
    if (now >= lease.until && want > used) deps.onChange(key)
  }

  function tick(): void {
    const now = clock.now()
    if (now >= nextHeartbeat) {
      nextHeartbeat = now + HEARTBEAT
      beating = heartbeat(now)
    }
    for (const [key, lease] of leases) look(key, lease, now)
  }

  /** Says that this process exists and sees who else does. Never rejects. */
  async function heartbeat(now: number): Promise<void> {
    try {
      let count = 1
      await store.update<unknown>(
        PROCESSES,
        (found) => {
          const others = livingProcesses(found, now).filter(([id]) => id !== me)
          count = others.length + 1
          const mine: readonly (readonly [string, number])[] = closed ? [] : [[me, now + HEARTBEAT_TTL]]
          const all = [...others, ...mine]
          return all.length === 0 ? undefined : Object.fromEntries(all)
        },
        { ttl: 2 * HEARTBEAT_TTL },
      )
      awaySince = undefined
      processes = count
    } catch {
      awaySince ??= clock.now()
      // or what was a moment would be taken for all the time until the next one
      nextHeartbeat = now + RENEW
    }
  }

  const timer = setInterval(tick, TICK).unref()
  tick()

  return {
    places(key, wanted) {
      if (wanted === 0 && !leases.has(key)) return 0
      const lease = leaseOf(key)
      lease.peak = Math.max(lease.peak, wanted)
      const places = placesNow(lease, clock.now())
      if (places < wanted && wanted > lease.asked && lease.failingSince === undefined && !closed) exchange(key, lease)
      return places
    },
    async close() {
      closed = true
      clearInterval(timer)
      const given = async (): Promise<void> => {
        await Promise.all([...leases.values()].flatMap(({ exchange: under }) => (under === undefined ? [] : [under])))
        await beating
        await Promise.all([heartbeat(clock.now()), ...[...leases].map(([key, lease]) => settleWith(key, lease))])
      }
      let patience: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        patience = setTimeout(resolve, GOODBYE)
      })
      await Promise.race([given(), late])
      clearTimeout(patience)
    },
  }
}

function livingProcesses(found: unknown, now: number): [id: string, until: number][] {
  if (typeof found !== 'object' || found === null) return []
  return Object.entries(found).filter(
    (entry: [string, unknown]): entry is [string, number] =>
      typeof entry[1] === 'number' && entry[1] + CLOCK_SKEW > now,
  )
}
