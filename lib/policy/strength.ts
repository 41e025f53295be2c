/**
 * A partial order of protection: which requirement stops everything that the other one stops. Two ways to authenticate
 * a server (a CA, a TLSA record, a pinned key) do not compare. Used to state what decisions must never do.
 */
import type { Level, Requirement } from './types'
import { versionRank } from './tls-version'

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
  const over = covers(a, b)
  const under = covers(b, a)
  if (over && under) return 'equal'
  if (over) return 'stronger'
  return under ? 'weaker' : 'incomparable'
}

/** Does `a` ask for everything that `b` asks for? */
function covers(a: Requirement, b: Requirement): boolean {
  return (
    coversLevel(a, b) &&
    coversVersion(a, b) &&
    (a.requiretls || !b.requiretls) &&
    (a.daneRaises || !b.daneRaises || a.level === 'dane' || a.level === 'dane-only') &&
    coversSts(a, b) &&
    coversNames(a, b)
  )
}

function coversLevel(a: Requirement, b: Requirement): boolean {
  if (atLeastLevel(a.level, b.level)) return true
  // `dane` is DANE where there are usable records and `encrypt` elsewhere
  return b.level === 'dane' && a.daneRaises && atLeastLevel(a.level, 'encrypt')
}

/** Where clear text would do, no TLS version protects; between equal levels it still counts. */
function coversVersion(a: Requirement, b: Requirement): boolean {
  if (versionRank(a.minVersion) >= versionRank(b.minVersion) || b.level === 'none') return true
  return b.level === 'may' && a.level !== 'may'
}

function coversSts(a: Requirement, b: Requirement): boolean {
  if (b.sts === undefined) return true
  const allowed = b.sts.mx
  return a.sts !== undefined && a.sts.mx.every((pattern) => allowed.includes(pattern))
}

/** Of the same level, the shorter list of acceptable certificates is the stronger one; another CA is another trust. */
function coversNames(a: Requirement, b: Requirement): boolean {
  if (a.level !== b.level) return true
  const names = b.names.length === 0 || (a.names.length > 0 && a.names.every((name) => b.names.includes(name)))
  return names && a.fingerprints.every((print) => b.fingerprints.includes(print)) && a.ca === b.ca
}
