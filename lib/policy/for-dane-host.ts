import type { TlsFacts } from '../failure'
import type { Requirement } from './types'

/**
 * The requirement as it was for one host: where usable TLSA records raised it, what was asked of that host is DANE, and
 * logs and reports say so. Everywhere else it is the requirement itself.
 *
 * @param facts the handshake with that host, successful or not
 */
export function forDaneHost(requirement: Requirement, facts: Pick<TlsFacts, 'auth'> | null | undefined): Requirement {
  if (!requirement.daneRaises || facts?.auth !== 'dane') return requirement
  return {
    ...requirement,
    level: 'dane',
    source: 'dane',
    reason: `the host has usable TLSA records, which count instead (DANE); without them: ${requirement.reason}`,
  }
}
