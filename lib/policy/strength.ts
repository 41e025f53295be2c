/**
 * A partial order of protection: which requirement stops everything that the other one stops. Two ways to authenticate
 * a server (a CA, a TLSA record, a pinned key) do not compare. Used to state what decisions must never do.
 */
import { protectionOf, type Protection } from './protection'
import { versionRank } from './tls-version'
import type { Level, Requirement } from './types'

export type Comparison = 'equal' | 'weaker' | 'stronger' | 'incomparable'

/** Levels directly below a level; everything that those stop, it stops as well. */
const BELOW: Readonly<Record<Level, readonly Level[]>> = {
  none: [],
  may: ['none'],
  encrypt: ['may'],
  verify: ['encrypt'],
  // stops a forged MX record as well, which `verify` believes
  secure: ['verify'],
  dane: ['encrypt'],
  'dane-only': ['dane'],
  fingerprint: ['encrypt'],
}

/** Does level `a` stop everything that level `b` stops? */
export function atLeastLevel(a: Level, b: Level): boolean {
  return a === b || BELOW[a].some((lower) => atLeastLevel(lower, b))
}

/** How requirement `a` stands to requirement `b`. */
export function compareStrength(a: Requirement, b: Requirement): Comparison {
  const [one, other] = [protectionOf(a), protectionOf(b)]
  const over = covers(one, other)
  const under = covers(other, one)
  if (over && under) return 'equal'
  if (over) return 'stronger'
  return under ? 'weaker' : 'incomparable'
}

/** Does `a` ask for everything that `b` asks for? */
function covers(a: Protection, b: Protection): boolean {
  return (
    coversLevel(a, b) &&
    coversVersion(a, b) &&
    (a.requiretls || !b.requiretls) &&
    (a.daneRaises || !b.daneRaises) &&
    (b.mx === null || (a.mx !== null && isWithin(a.mx, b.mx))) &&
    coversCertificates(a, b)
  )
}

function coversLevel(a: Protection, b: Protection): boolean {
  if (atLeastLevel(a.level, b.level)) return true
  // `dane` is DANE where there are usable records and `encrypt` elsewhere
  return b.level === 'dane' && a.daneRaises && atLeastLevel(a.level, 'encrypt')
}

/** Where clear text would do, no TLS version protects; between equal levels it still counts. */
function coversVersion(a: Protection, b: Protection): boolean {
  if (versionRank(a.minVersion) >= versionRank(b.minVersion) || b.level === 'none') return true
  return b.level === 'may' && a.level !== 'may'
}

/** Of the same level, the shorter list of acceptable certificates is the stronger one; another CA is another trust. */
function coversCertificates(a: Protection, b: Protection): boolean {
  if (a.level !== b.level) return true
  const names = b.names.length === 0 || (a.names.length > 0 && isWithin(a.names, b.names))
  return names && isWithin(a.fingerprints, b.fingerprints) && (b.ca === null || a.ca === b.ca)
}

function isWithin(part: readonly string[], whole: readonly string[]): boolean {
  return part.every((value) => whole.includes(value))
}
