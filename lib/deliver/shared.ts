/** What all deliveries of a room have in common, and what counts as one destination. */
import type { Settings } from '../config/settings'
import type { Contexts } from './contexts'
import type { HostStatus } from './host-status'
import type { Limiter } from './limiter'
import type { OpenSockets } from './open-sockets'
import type { Pool } from './pool'
import type { Shares } from './shares'
import type { TlsSessions } from './tls-sessions'
import type { DelivererDeps, DeliveryRequest } from './types'

/** What all deliveries of a room share. */
export interface Shared {
  limiter: Limiter
  contexts: Contexts
  pool: Pool
  sockets: OpenSockets
  sessions: TlsSessions
  hosts: HostStatus
  /** Domains whose mail went to a next hop that somebody chose, and the key of its limit. */
  routed: Map<string, string>
  /** Where other processes deliver, too. */
  shares?: Shares
  /** Those of the last delivery. */
  settings?: Settings
}

/** Connections that this process may have at a destination; deliveries under way keep theirs. */
export function mostSockets(key: string, { limiter, shares }: Shared, deps: DelivererDeps): number {
  const limit = deps.settings().delivery.connectionsPerDestination
  const running = limiter.running(key)
  const mine = shares === undefined ? limit : Math.min(limit, shares.places(key, limiter.demand(key)))
  return Math.max(running, mine)
}

/** The key of the concurrency limit: the next hop, not the recipient domain, where somebody chose one. */
export function destination(request: DeliveryRequest): string {
  const route = request.routes?.[0]
  if (!route) return request.domain
  return route.path ?? `[${route.host ?? ''}]:${route.port ?? 0}`
}
