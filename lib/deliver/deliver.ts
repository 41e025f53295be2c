/** The delivery room: what deliveries share, how they begin, and how all of them end. */
import { setMaxListeners } from 'node:events'
import { createContexts } from './contexts'
import { Delivery } from './delivery'
import { BELIEVED, createHostStatus } from './host-status'
import { createLimiter, MAX_RUNNING } from './limiter'
import { createOpenSockets } from './open-sockets'
import { createPool, type PoolLimits } from './pool'
import { destination, mostSockets, type Shared } from './shared'
import { createShares, type Shares } from './shares'
import { createTlsSessions } from './tls-sessions'
import type { Deliverer, DelivererDeps, DeliveryRequest } from './types'

/** Domains with a next hop of their own that are remembered. */
const MAX_ROUTED = 5_000

/** @returns the room; while nothing is being delivered it holds connections for as long as they may rest, no longer */
export function createDeliverer(deps: DelivererDeps): Deliverer {
  const poolLimits = (): PoolLimits => {
    const { idle, messagesPerConnection: messages } = deps.settings().delivery
    return { idle, messages }
  }
  const sockets = createOpenSockets()
  const pool = createPool(poolLimits, () => deps.clock.now())
  const shares = deps.sharedWith === undefined ? undefined : shareBy(deps.sharedWith)
  const limiter =
    shares === undefined ? createLimiter() : createLimiter(MAX_RUNNING, (key, wanted) => shares.places(key, wanted))
  const shared: Shared = {
    limiter,
    contexts: createContexts(deps.clock),
    pool,
    sockets,
    sessions: createTlsSessions(deps.clock),
    routed: new Map(),
    hosts: createHostStatus(deps.clock, () => deps.settings().delivery.retry[0] ?? BELIEVED),
    ...(shares === undefined ? {} : { shares }),
  }
  const running = new Set<Promise<unknown>>()
  const stops = new Set<AbortController>()
  const listened = new WeakMap<AbortSignal, Set<AbortController>>()
  let closed = false

  function shareBy(store: NonNullable<DelivererDeps['sharedWith']>): Shares {
    return createShares({
      store,
      clock: deps.clock,
      limit: () => deps.settings().delivery.connectionsPerDestination,
      use: (key) => ({ used: Math.max(limiter.running(key), sockets.count(key)), want: limiter.demand(key) }),
      onChange(key) {
        pool.shrink(key, mostSockets(key, shared, deps) - limiter.running(key))
        limiter.admit(key)
      },
      log: (message) => deps.log('debug', message),
    })
  }

  /** Many deliveries share a signal, and an EventTarget looks through all its listeners for each new one: it gets one. */
  function listen(signal: AbortSignal): Set<AbortController> {
    const known = listened.get(signal)
    if (known !== undefined) return known
    const waiting = new Set<AbortController>()
    listened.set(signal, waiting)
    signal.addEventListener(
      'abort',
      () => {
        for (const stop of waiting) stop.abort()
      },
      { once: true },
    )
    return waiting
  }

  function remember(request: DeliveryRequest): void {
    const { routed } = shared
    const key = destination(request)
    if (key === request.domain) routed.delete(key)
    else if (routed.size < MAX_ROUTED) routed.set(request.domain, key)
    else routed.clear()
  }

  function track(work: Promise<unknown>): void {
    const entry = work.finally(() => running.delete(entry))
    running.add(entry)
  }

  return {
    async deliver(request) {
      remember(request)
      const stop = new AbortController()
      // Many connections listen to one signal; that is not a leak.
      setMaxListeners(0, stop.signal)
      const told = request.signal === undefined ? undefined : listen(request.signal)
      told?.add(stop)
      if (closed || request.signal?.aborted) stop.abort()
      stops.add(stop)
      const delivery = new Delivery(request, deps, shared, stop.signal)
      const work = delivery.run()
      track(work)
      await work
      // Goodbyes are said in the background; until then the stop belongs to them.
      track(
        delivery.parted().then(() => {
          told?.delete(stop)
          stops.delete(stop)
        }),
      )
      return await delivery.result()
    },
    ease(domain) {
      shared.limiter.ease(shared.routed.get(domain) ?? domain)
    },
    places: (domain) =>
      shared.limiter.places(shared.routed.get(domain) ?? domain, deps.settings().delivery.connectionsPerDestination),
    forgetFailures() {
      shared.hosts.forget()
    },
    async close() {
      closed = true
      for (const stop of stops) stop.abort()
      while (running.size > 0) await Promise.allSettled(running)
      await pool.close()
      await shares?.close()
    },
  }
}
