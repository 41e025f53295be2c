/** One row of the policy map, from its words. */
import { isIP } from 'node:net'
import { LEVELS, type Level, type MapRow, type TlsVersion } from '../policy/types'
import { nearest } from '../util/nearest'
import { certificateFileFault } from './pem'
import { addressKey, hostKey } from './policy-map-lookup'
import { choice, domain, mailAddress, type Parsed } from './values'

const KEYS = ['match', 'protocols', 'override', 'servername', 'ca', 'note', 'expires', 'override-published'] as const
type Key = (typeof KEYS)[number]
type Attributes = ReadonlyMap<Key, string>
type Row = Omit<MapRow, 'file' | 'line'>
type Target = Pick<MapRow, 'pattern' | 'kind' | 'key'>

/** Keys that mean nothing with some levels; a key without effect would be believed to have one. */
const LEVELS_OF: Readonly<Partial<Record<Key, readonly Level[]>>> = {
  match: ['verify', 'secure', 'fingerprint'],
  ca: ['verify', 'secure'],
  protocols: ['may', 'encrypt', 'verify', 'secure', 'dane', 'dane-only', 'fingerprint'],
  servername: ['may', 'encrypt', 'verify', 'secure', 'fingerprint'],
  'override-published': ['none', 'may'],
}

/** Levels that somebody asked for on purpose; an opt-out would contradict them, so a row must say that it may. */
const NEVER_OVERRIDDEN: ReadonlySet<Level> = new Set<Level>(['verify', 'secure', 'fingerprint', 'dane-only'])

const good = <T>(value: T): Parsed<T> => ({ ok: true, value })
const bad = (why: string): { ok: false; why: string } => ({ ok: false, why })

/**
 * @param words pattern, level, attributes; at least one word
 * @param resolve makes the path of `ca=` absolute
 */
export function parseRow(words: readonly string[], resolve: (path: string) => string): Parsed<Row> {
  const [pattern = '', levelWord] = words
  const target = parsePattern(pattern)
  if (!target.ok) return target
  if (levelWord === undefined) return bad(`the row ${pattern} names no level; there are ${LEVELS.join(', ')}`)
  const level = choice(...LEVELS)(levelWord)
  if (!level.ok) return bad(`level: ${level.why}`)
  const attributes = parseAttributes(words.slice(2), level.value)
  if (!attributes.ok) return attributes
  return rowOf(target.value, level.value, attributes.value, resolve)
}

function parsePattern(pattern: string): Parsed<Target> {
  const target = (kind: MapRow['kind'], key: string) => good({ pattern, kind, key })
  if (pattern === '*') return target('any', '*')
  if (pattern.startsWith('[')) {
    const host = /^\[(.+)\](.*)$/.exec(pattern)
    if (host === null) return bad(`the pattern "${pattern}" has no closing bracket`)
    if (host[2] !== '')
      return bad(`the pattern "${pattern}": a row is for a host at any port; write [${host[1] ?? ''}]`)
    const literal = hostKey(pattern)
    if (isIP(literal) !== 0) return target('host', literal)
    const name = domain(host[1] ?? '')
    return name.ok ? target('host', name.value) : bad(`the pattern "${pattern}" is neither [host name] nor [address]`)
  }
  if (pattern.includes('@')) {
    const address = mailAddress(pattern)
    return address.ok ? target('address', addressKey(address.value)) : bad(`the pattern ${address.why}`)
  }
  const below = pattern.startsWith('.')
  const name = domain(below ? pattern.slice(1) : pattern)
  if (name.ok) return target(below ? 'subdomain' : 'domain', name.value)
  const hint = pattern.startsWith('*.') ? `write ${pattern.slice(1)} for everything below it` : PATTERNS
  return bad(`the pattern ${name.why}; ${hint}`)
}

const PATTERNS = 'patterns are user@domain, domain, .domain, [host] and *'

function parseAttributes(words: readonly string[], level: Level): Parsed<Attributes> {
  const attributes = new Map<Key, string>()
  for (const word of words) {
    const equals = word.indexOf('=')
    const name = equals === -1 ? word : word.slice(0, equals)
    const key = KEYS.find((candidate) => candidate === name)
    if (key === undefined || equals === -1) {
      const near = nearest(name, KEYS)
      const keys = `keys are ${KEYS.map((one) => `${one}=`).join(', ')}`
      return bad(`"${word}" is no key=value of a row${near === undefined ? `; ${keys}` : `; did you mean "${near}="?`}`)
    }
    const levels = LEVELS_OF[key]
    if (levels?.includes(level) === false) {
      return bad(`${key}= means nothing with level ${level}; it goes with ${levels.join(', ')}`)
    }
    const value = word.slice(equals + 1)
    if (value === '') return bad(`${key}= has no value`)
    const before = attributes.get(key)
    if (before !== undefined && key !== 'match') return bad(`${key}= is given twice`)
    attributes.set(key, before === undefined ? value : `${before},${value}`)
  }
  return good(attributes)
}

function rowOf(target: Target, level: Level, given: Attributes, resolve: (path: string) => string): Parsed<Row> {
  const clear = level === 'none' || level === 'may'
  if (clear && (!given.has('note') || !given.has('expires'))) {
    return bad(
      `a row with level ${level} lets mail go out in clear text: it needs note="why, who, until" and expires=YYYY-MM-DD`,
    )
  }
  const match = level === 'fingerprint' ? fingerprints(given.get('match')) : names(given.get('match'), target)
  if (!match.ok) return match
  const minVersion = ifGiven(given.get('protocols'), protocols)
  if (!minVersion.ok) return minVersion
  const override = choice('never', 'allow')(given.get('override') ?? (NEVER_OVERRIDDEN.has(level) ? 'never' : 'allow'))
  if (!override.ok) return bad(`override: ${override.why}`)
  const published = choice('yes', 'no')(given.get('override-published') ?? 'no')
  if (!published.ok) return bad(`override-published: ${published.why}`)
  const expires = ifGiven(given.get('expires'), day)
  if (!expires.ok) return expires
  const servername = ifGiven(given.get('servername'), domain)
  if (!servername.ok) return bad(`servername: ${servername.why}`)
  const ca = ifGiven(given.get('ca'), (file) => authorities(file, resolve))
  if (!ca.ok) return ca
  const note = given.get('note')
  return good({
    ...target,
    level,
    match: match.value,
    override: override.value,
    overridePublished: published.value === 'yes',
    ...(minVersion.value === undefined ? {} : { minVersion: minVersion.value }),
    ...(servername.value === undefined ? {} : { servername: servername.value }),
    ...(ca.value === undefined ? {} : { ca: ca.value }),
    ...(note === undefined ? {} : { note }),
    ...(expires.value === undefined ? {} : { expires: expires.value }),
  })
}

function ifGiven<T>(value: string | undefined, parse: (value: string) => Parsed<T>): Parsed<T | undefined> {
  return value === undefined ? good(undefined) : parse(value)
}

/** SHA-256 of certificates or public keys, with or without colons; several parted by `,` or `|` (Postfix' sign). */
function fingerprints(value: string | undefined): Parsed<readonly string[]> {
  if (value === undefined) return bad('level fingerprint needs match= with the SHA-256 of a certificate or public key')
  const prints = value.split(/[,|]/).map((print) => print.trim().replaceAll(':', '').toLowerCase())
  const wrong = prints.find((print) => !/^[0-9a-f]{64}$/.test(print))
  if (wrong === undefined) return good(prints)
  return bad(
    `match: "${wrong}" is no SHA-256: that is 64 hexadecimal digits, with or without colons, and this has ${wrong.length}`,
  )
}

/** Names that a certificate may carry, parted by `:`, `,` or `|`; `.example.com` = any name below it. */
function names(value: string | undefined, target: Target): Parsed<readonly string[]> {
  if (value === undefined) return good([])
  const found: string[] = []
  for (const word of value.split(/[:,|]/).map((name) => name.trim())) {
    const below = word.startsWith('.')
    const special = postfixWord(word, target)
    if (special !== undefined) {
      if (!special.ok) return special
      found.push(special.value)
      continue
    }
    const name = domain(below ? word.slice(1) : word)
    if (!name.ok) return bad(`match: ${name.why}`)
    found.push(`${below ? '.' : ''}${name.value}`)
  }
  return good([...new Set(found)])
}

/**
 * Postfix' words in smtp_tls_secure_cert_match. `nexthop` and `dot-nexthop` are the recipient domain, which a row for
 * one domain or address knows; `hostname` believes the MX name that DNS gave, which is what level `verify` is for.
 */
function postfixWord(word: string, target: Target): Parsed<string> | undefined {
  switch (word) {
    case 'hostname':
      return bad('match=hostname: the name of the MX host is what level verify checks; use that level, without match=')
    case 'nexthop':
    case 'dot-nexthop': {
      if (target.kind !== 'domain' && target.kind !== 'address') {
        return bad(
          `match=${word}: only a row for one domain knows it; leave match= out, secure asks for nexthop and dot-nexthop`,
        )
      }
      const nexthop = target.key.slice(target.key.lastIndexOf('@') + 1)
      return good(word === 'nexthop' ? nexthop : `.${nexthop}`)
    }
    default:
      return undefined
  }
}

function protocols(value: string): Parsed<TlsVersion> {
  const version = (['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const).find((name) => value === `>=${name}`)
  return version === undefined
    ? bad(`protocols=${value}: write the lowest version, protocols=>=TLSv1.2 or protocols=>=TLSv1.3`)
    : good(version)
}

/** A day that exists. */
function day(value: string): Parsed<string> {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : Number.NaN
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(value)
    ? good(value)
    : bad(`expires=${value} is no day; write the last day on which the row holds, like expires=2027-01-31`)
}

function authorities(file: string, resolve: (path: string) => string): Parsed<string> {
  const fault = certificateFileFault(resolve(file))
  return fault === undefined ? good(resolve(file)) : bad(`ca=${file}: ${fault}`)
}
