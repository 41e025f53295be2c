/** The delivery room: what deliveries share, how they begin, and how all of them end. */
import { createContexts } from './contexts'
import { Delivery } from './delivery'
import { BELIEVED, createHostStatus } from './host-status'
import { createLimiter, MAX_RUNNING } from './limiter'
import { createOpenSockets } from './open-sockets'
import { createPool, type PoolLimits } from './pool'
import { destination, mostSockets, type Shared } from './shared'
import { createShares, type Shares } from './shares'
import { RoomStops } from './stop'
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
  const stops = new RoomStops()

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

  function remember(request: DeliveryRequest): void {
    const { routed } = shared
    const key = destination(request)
    if (key === request.domain) routed.delete(key)
    else if (routed.size < MAX_ROUTED) routed.set(request.domain, key)
    else routed.clear()
  }

  return {
    async deliver(request) {
      remember(request)
      const stop = stops.join(request.signal)
      const delivery = new Delivery(request, deps, shared, stop)
      try {
        await delivery.run()
      } finally {
        // Goodbyes are said in the background; until then they listen to the stop.
        void delivery.parted().finally(() => stops.leave(stop))
      }
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
      stops.close()
      await stops.empty()
      await pool.close()
      await shares?.close()
    },
  }
}
