import type { Level, Requirement, TlsVersion } from './types'

/** What a requirement protects, in one form: two requirements with the same protection give equal values. */
export interface Protection {
  level: Level
  minVersion: TlsVersion
  names: readonly string[]
  fingerprints: readonly string[]
  /** File with the roots; '' = the ones configured for everybody; null = no CA plays a part. */
  ca: string | null
  servername: string | null
  /** Patterns for MX host names; null = any host. */
  mx: readonly string[] | null
  requiretls: boolean
  daneRaises: boolean
}

/** Leaves out why (source, reason, rule, ids) and whatever has no effect under the level. */
export function protectionOf(requirement: Requirement): Protection {
  const { minVersion, requiretls } = requirement
  const level = levelOf(requirement)
  const pkix = level === 'verify' || level === 'secure' || (level === 'dane' && requiretls)
  // where there is never TLS, its parameters protect nothing
  const clear = level === 'none' && !requirement.daneRaises
  return {
    level,
    minVersion: clear ? 'TLSv1' : minVersion,
    names: sorted(requirement.names),
    fingerprints: sorted(requirement.fingerprints),
    ca: pkix ? (requirement.ca ?? '') : null,
    servername: clear ? null : (requirement.servername ?? null),
    mx: requirement.sts === undefined ? null : sorted(requirement.sts.mx),
    requiretls,
    daneRaises: requirement.daneRaises || level === 'dane' || level === 'dane-only',
  }
}

/** `encrypt` that usable TLSA records may raise is what `dane` means. */
function levelOf({ level, daneRaises }: Requirement): Level {
  return level === 'encrypt' && daneRaises ? 'dane' : level
}

function sorted(values: readonly string[]): string[] {
  return [...new Set(values)].sort()
}
