/** Which sessions of a delivery are counted for TLS reports (RFC 8460), and under which domain. */
import type { DeliveryRequest, StaticRoute, TriedSession } from '../lib/deliver/types'
import { isInternalDomain } from '../lib/policy/internal'
import type { StsEvent } from '../lib/policy/sts'
import type { MtaStsState, Requirement, Route } from '../lib/policy/types'
import { asPublished, fetchFailure, sightingOf, type SessionCounter } from '../lib/report/tlsrpt'
import { background } from './guard'
import type { MailFacts } from './mail-facts'
import { policyDomain } from './mta-sts'
import type { Runtime } from './runtime'

/** What a delivery is given so that its sessions are counted; empty = they are not. */
export type Counting = Pick<DeliveryRequest, 'published' | 'onSession'>

/**
 * Not counted: sessions that carry a TLS report (RFC 8460 section 3: they are in no report), ones with the
 * organisation's own domains, ones that stay on this machine, and next hops without a name that could ask for reports.
 */
export function countingOf(
  { runtime, facts }: { runtime: Runtime; facts: MailFacts },
  { requirement }: { requirement: Requirement },
  chosen: { route: Route; routes?: readonly StaticRoute[] },
  looked: { mtaSts: MtaStsState | undefined; published: Requirement | undefined },
): Counting {
  const domain = policyDomain(facts.domain, chosen.route, chosen.routes)
  if (facts.kind === 'tlsrpt' || domain === undefined || domain.startsWith('[')) return {}
  if (isInternalDomain(facts.domain, runtime.settings().main.internalDomains)) return {}
  const { mtaSts, published } = looked
  const applied = (published ?? requirement).sts !== undefined && mtaSts?.state === 'policy' ? mtaSts : undefined
  const count = async (session: TriedSession): Promise<void> => {
    const sighting = sightingOf(await asPublished(session), domain, applied)
    if (sighting !== undefined) runtime.sessions.add(domain, sighting)
  }
  return {
    onSession(session) {
      background(
        'tlsrpt',
        (what, error) => runtime.reportError(what, error),
        () => count(session),
      )
    },
    ...(published === undefined ? {} : { published }),
  }
}

/** A policy that is published and cannot be had is a failure of its own (RFC 8460 section 4.3.2.2). */
export function countPolicyFailure(sessions: SessionCounter, event: StsEvent): void {
  if (event.kind !== 'fetch-failed') return
  const { domain, resultType, detail } = event
  sessions.add(domain, fetchFailure(domain, resultType, detail))
}
