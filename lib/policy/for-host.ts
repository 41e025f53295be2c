/**
 * What a connection to one MX host must show before the first envelope byte. Pure, like `decide()`; delivery, probe
 * and explanation all call it.
 */
import { isIP } from 'node:net'
import { matchesStsPatterns } from './names'
import type { HostInputs, HostRequirement, Level, Requirement, TlsaRecord } from './types'

/** The two axes of a level (design: the table of levels), before anything is known about a host. */
export function axesOf(requirement: Pick<Requirement, 'level' | 'requiretls'>): Pick<HostRequirement, 'tls' | 'auth'> {
  const axes = axesOfLevel(requirement.level)
  // RFC 8689 section 4.2.1: the certificate is always verified
  if (requirement.requiretls && axes.auth === 'none') return { tls: 'must', auth: 'pkix' }
  return axes
}

function axesOfLevel(level: Level): Pick<HostRequirement, 'tls' | 'auth'> {
  switch (level) {
    case 'none':
      return { tls: 'none', auth: 'none' }
    case 'may':
      return { tls: 'may', auth: 'none' }
    case 'encrypt':
      return { tls: 'must', auth: 'none' }
    case 'dane':
      // without usable TLSA records `dane` is `encrypt`
      return { tls: 'must', auth: 'none' }
    case 'verify':
    case 'secure':
      return { tls: 'must', auth: 'pkix' }
    case 'dane-only':
      return { tls: 'must', auth: 'dane' }
    case 'fingerprint':
      return { tls: 'must', auth: 'fingerprint' }
    default:
      // a level that this version does not know: as strict as can be, so nothing is sent
      return { tls: 'must', auth: 'dane' }
  }
}

/**
 * @param requirement from `decide()`
 * @param host one MX host, with the state of the look-ups that led to it
 * @returns `usable: false` = not even a connection; never throws
 */
export function forHost(requirement: Requirement, host: HostInputs): HostRequirement {
  if (requirement.requiretls && !host.mxSecure && !requirement.sts) {
    // RFC 8689 section 4.2.1: the MX host must come from DNSSEC or from an MTA-STS policy
    const why = 'REQUIRETLS needs MX records secured by DNSSEC or by MTA-STS, and these are not'
    return unusable(requirement, 'requiretls-not-supported', why)
  }
  return usesDane(requirement) ? withDane(requirement, host) : withoutDane(requirement, host)
}

/** Can TLSA records change what a host must show? Where not, nobody needs to look them up. */
export function usesDane(requirement: Pick<Requirement, 'daneRaises' | 'level'>): boolean {
  return requirement.daneRaises || requirement.level === 'dane' || requirement.level === 'dane-only'
}

/** The same, or what monitor mode records of them. */
export function wantsTlsa(requirement: Requirement): boolean {
  return usesDane(requirement) || (requirement.enforced !== undefined && usesDane(requirement.enforced))
}

function withDane(requirement: Requirement, host: HostInputs): HostRequirement {
  // RFC 7672 section 2.2.1 and 2.2.2: TLSA records mean something only at the end of a secure chain
  const tlsa = host.mxSecure && host.addressSecure ? host.tlsa : ({ state: 'insecure' } as const)
  switch (tlsa.state) {
    case 'usable':
      return byDane(requirement, host, tlsa.records, tlsa.base)
    case 'error':
      // RFC 7672 section 2.1.2: a failed look-up makes the server unreachable, or an attacker could switch DANE off
      return unusable(requirement, 'dnssec-invalid', `the TLSA look-up failed: ${tlsa.detail}`)
    case 'absent':
    case 'insecure':
      return requirement.level === 'dane-only' ? daneRequired(requirement, tlsa.state) : withoutDane(requirement, host)
    case 'unusable':
      return requirement.level === 'dane-only' ? daneRequired(requirement, tlsa.state) : withUnusable(requirement, host)
    default:
      return unusable(requirement, 'dnssec-invalid', 'the TLSA look-up has an unknown state')
  }
}

function byDane(
  requirement: Requirement,
  host: HostInputs,
  tlsa: readonly TlsaRecord[],
  base: string,
): HostRequirement {
  if (tlsa.length === 0) return unusable(requirement, 'tlsa-invalid', 'the list of usable TLSA records is empty')
  // RFC 7672 section 3.2.2: base first, then the next-hop domain and its secure expansion
  const names = [base, host.domain, ...(host.expandedDomain === undefined ? [] : [host.expandedDomain])]
  return {
    tls: 'must',
    ...common(requirement),
    auth: 'dane',
    // RFC 7672 section 8.1: SNI is the TLSA base domain
    ...sni(base),
    refNames: [...new Set(names)],
    tlsa,
    usable: true,
    why: `${tlsa.length} usable TLSA record${tlsa.length === 1 ? '' : 's'} at ${base}: the certificate must match (DANE)`,
  }
}

function daneRequired(requirement: Requirement, state: 'absent' | 'insecure' | 'unusable'): HostRequirement {
  const words = { absent: 'there are none', insecure: 'DNSSEC does not secure this host', unusable: 'none is usable' }
  return unusable(requirement, 'dane-required', `dane-only needs usable TLSA records: ${words[state]}`)
}

/** RFC 7672 section 2.2: TLSA records of which none is usable still mean TLS, without authentication. */
function withUnusable(requirement: Requirement, host: HostInputs): HostRequirement {
  const plain = withoutDane(requirement, host)
  if (!plain.usable || plain.auth !== 'none') return plain
  return {
    ...plain,
    tls: 'must',
    ...sniFor(requirement, host.host),
    why: 'TLSA records exist but none is usable: TLS without checking the certificate',
  }
}

function withoutDane(requirement: Requirement, host: HostInputs): HostRequirement {
  if (requirement.sts !== undefined && !matchesStsPatterns(host.host, requirement.sts.mx)) {
    // RFC 8461 section 5: enforce = no delivery to a host that the policy does not name
    const why = `the MTA-STS policy ${requirement.sts.id} does not name ${host.host}`
    return unusable(requirement, 'validation-failure', why)
  }
  if (requirement.level === 'fingerprint' && requirement.fingerprints.length === 0) {
    return unusable(requirement, 'fingerprint-mismatch', 'the level is fingerprint, but no fingerprint is given')
  }
  const axes = axesOf(requirement)
  const refNames = axes.auth === 'pkix' ? pkixNames(requirement, host) : []
  return {
    refNames,
    ...common(requirement),
    ...axes,
    ...(axes.tls === 'none' ? {} : sniFor(requirement, host.host)),
    fingerprints: axes.auth === 'fingerprint' ? requirement.fingerprints : [],
    usable: true,
    why: whyOf(requirement, axes, refNames),
  }
}

function pkixNames(requirement: Requirement, host: HostInputs): readonly string[] {
  // RFC 8461 section 4.1: under MTA-STS the certificate carries the MX host name; so does `verify` without match=
  return requirement.names.length > 0 ? requirement.names : [host.host]
}

function whyOf(
  requirement: Requirement,
  axes: Pick<HostRequirement, 'tls' | 'auth'>,
  refNames: readonly string[],
): string {
  switch (axes.auth) {
    case 'pkix':
      return `TLS with a certificate from a trusted CA for ${refNames.join(' or ')}`
    case 'fingerprint':
      return `TLS with one of ${requirement.fingerprints.length} pinned certificates or keys`
    case 'dane':
      return 'TLS with a certificate that a TLSA record names'
    case 'none':
      break
  }
  switch (axes.tls) {
    case 'none':
      return 'clear text, no TLS at all'
    case 'may':
      return 'TLS if the server offers it, else clear text'
    case 'must':
      return 'TLS; the certificate is not checked'
  }
}

function common(
  requirement: Requirement,
): Pick<HostRequirement, 'minVersion' | 'requiretls' | 'fingerprints' | 'tlsa' | 'ca'> {
  return {
    minVersion: requirement.minVersion,
    requiretls: requirement.requiretls,
    fingerprints: [],
    tlsa: [],
    ...(requirement.ca === undefined ? {} : { ca: requirement.ca }),
  }
}

function sniFor(requirement: Requirement, host: string): { sni?: string } {
  // RFC 8461 section 7.1 and Postfix: the MX host name, unless the row names another one
  return sni(requirement.servername ?? host)
}

/** RFC 6066 section 3: literal addresses are not permitted in SNI. */
function sni(name: string): { sni?: string } {
  return isIP(name) === 0 ? { sni: name } : {}
}

/** Not usable, and in every other field as strict as can be, so that a caller that overlooked `usable` sends nothing. */
function unusable(
  requirement: Requirement,
  resultType: NonNullable<HostRequirement['resultType']>,
  why: string,
): HostRequirement {
  return { tls: 'must', ...common(requirement), auth: 'dane', refNames: [], usable: false, resultType, why }
}
