/**
 * `secure-mail.tls_policy`: the TLS policy map, which reads like Postfix's `smtp_tls_policy_maps`.
 *
 * One row per line: `pattern level key=value ...`; `#` begins a comment line; values may be "quoted".
 */
import { isIP } from 'node:net'
import { LEVELS, type Level, type MapRow, type PolicyMap, type TlsVersion } from '../policy/types'
import { nearest } from '../util/nearest'
import { readCertificates } from './checks'
import { errorAt, warningAt } from './problem'
import type { ConfigProblem } from './settings'
import { domain, mailAddress } from './values'

const KEYS = ['match', 'protocols', 'override', 'servername', 'ca', 'note', 'expires', 'override-published'] as const
type Key = (typeof KEYS)[number]
type Attributes = ReadonlyMap<Key, string>

/** Levels strong enough that an opt-out would contradict them; the row must say so to allow it. */
const NEVER_OVERRIDDEN: ReadonlySet<Level> = new Set<Level>(['verify', 'secure', 'fingerprint', 'dane-only'])

/**
 * Parse a map file. Never throws.
 *
 * @param resolve makes the path of `ca=` absolute
 * @param now milliseconds; expired rows are warned about
 */
export function parsePolicyMap(
  source: string,
  file: string,
  resolve: (path: string) => string,
  now: number,
): { map: PolicyMap; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  const rows: MapRow[] = []
  const seen = new Map<string, number>()
  source
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .forEach((raw, index) => {
      const line = index + 1
      if (/^\s*(#|$)/.test(raw)) return
      const row = parseRow(raw, file, line, resolve, problems)
      if (row === undefined) return
      const identity = `${row.kind} ${row.key}`
      const other = seen.get(identity)
      if (other !== undefined) {
        problems.push(errorAt(file, line, `the pattern ${row.pattern} has a row already, in line ${other}`))
        return
      }
      seen.set(identity, line)
      if (hasExpired(row, now)) {
        problems.push(warningAt(file, line, `the row ${row.pattern} expired on ${row.expires ?? ''} and is ignored`))
      }
      rows.push(row)
    })
  return { map: compile(rows), problems }
}

function parseRow(
  raw: string,
  file: string,
  line: number,
  resolve: (path: string) => string,
  problems: ConfigProblem[],
): MapRow | undefined {
  const error = (message: string): undefined => {
    problems.push(errorAt(file, line, message))
    return undefined
  }
  const words = splitWords(raw.trim())
  if (words === undefined) return error('a quote is not closed')
  const [pattern = '', levelWord] = words
  const target = parsePattern(pattern)
  if (!target.ok) return error(target.why)
  if (levelWord === undefined) return error(`the row ${pattern} names no level; there are ${LEVELS.join(', ')}`)
  const level = LEVELS.find((candidate) => candidate === levelWord)
  if (level === undefined) {
    const near = nearest(levelWord, LEVELS)
    return error(
      `unknown level "${levelWord}"${near === undefined ? `; there are ${LEVELS.join(', ')}` : `; did you mean "${near}"?`}`,
    )
  }
  const attributes = new Map<Key, string>()
  for (const word of words.slice(2)) {
    const equals = word.indexOf('=')
    const name = equals === -1 ? word : word.slice(0, equals)
    const key = KEYS.find((candidate) => candidate === name)
    if (key === undefined || equals === -1) {
      const near = nearest(name, KEYS)
      return error(
        `"${word}" is no key=value of a row${near === undefined ? `; keys are ${KEYS.join(', ')}` : `; did you mean "${near}="?`}`,
      )
    }
    const before = attributes.get(key)
    if (before !== undefined && key !== 'match') return error(`${key} is given twice`)
    attributes.set(key, before === undefined ? word.slice(equals + 1) : `${before},${word.slice(equals + 1)}`)
  }
  const details = parseAttributes(level, attributes, resolve)
  if (!details.ok) return error(details.why)
  return { pattern, ...target.value, level, ...details.value, file, line }
}

/** Blanks part words; "..." keeps blanks together, a backslash inside keeps the next character. */
function splitWords(text: string): string[] | undefined {
  const words: string[] = []
  let word = ''
  let quoted = false
  let started = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charAt(i)
    if (quoted && c === '\\') {
      word += text.charAt(++i)
    } else if (c === '"') {
      quoted = !quoted
      started = true
    } else if (!quoted && /\s/.test(c)) {
      if (started) words.push(word)
      word = ''
      started = false
    } else {
      word += c
      started = true
    }
  }
  if (quoted) return undefined
  if (started) words.push(word)
  return words
}

type Result<T> = { ok: true; value: T } | { ok: false; why: string }

function parsePattern(pattern: string): Result<Pick<MapRow, 'kind' | 'key'>> {
  if (pattern === '*') return { ok: true, value: { kind: 'any', key: '*' } }
  const bracketed = /^\[(.+)\]$/.exec(pattern)?.[1]
  if (bracketed !== undefined) {
    const literal = bracketed.replace(/^IPv6:/i, '').toLowerCase()
    if (isIP(literal) !== 0) return { ok: true, value: { kind: 'host', key: literal } }
    const host = domain(bracketed)
    return host.ok ? { ok: true, value: { kind: 'host', key: host.value } } : host
  }
  if (pattern.includes('@')) {
    const address = mailAddress(pattern)
    return address.ok ? { ok: true, value: { kind: 'address', key: addressKey(address.value) } } : address
  }
  const below = pattern.startsWith('.')
  const name = domain(below ? pattern.slice(1) : pattern)
  if (!name.ok)
    return { ok: false, why: `the pattern ${name.why}; patterns are user@domain, domain, .domain, [host] and *` }
  return { ok: true, value: { kind: below ? 'subdomain' : 'domain', key: name.value } }
}

/** Local parts are compared without case: a row is meant for the mailbox, however somebody writes it. */
function addressKey(address: string): string {
  return address.toLowerCase()
}

type Details = Omit<MapRow, 'pattern' | 'kind' | 'key' | 'level' | 'file' | 'line'>

function parseAttributes(level: Level, given: Attributes, resolve: (path: string) => string): Result<Details> {
  const match = parseMatch(level, given.get('match'))
  if (!match.ok) return match
  const minVersion = parseProtocols(given.get('protocols'))
  if (!minVersion.ok) return minVersion
  const override = given.get('override') ?? (NEVER_OVERRIDDEN.has(level) ? 'never' : 'allow')
  if (override !== 'never' && override !== 'allow')
    return { ok: false, why: `override=${override}: write override=never or override=allow` }
  const published = given.get('override-published') ?? 'no'
  if (published !== 'yes' && published !== 'no')
    return { ok: false, why: `override-published=${published}: write yes or no` }
  const expires = given.get('expires')
  if (expires !== undefined && !isDay(expires))
    return { ok: false, why: `expires=${expires} is no day; write expires=2027-01-31` }
  const note = given.get('note')
  if ((level === 'none' || level === 'may') && (note === undefined || note === '' || expires === undefined)) {
    return {
      ok: false,
      why: `a row with level ${level} lets mail go out in clear text: it needs note="why, who, until" and expires=YYYY-MM-DD`,
    }
  }
  const servername = given.get('servername')
  const sni = servername === undefined ? undefined : domain(servername)
  if (sni !== undefined && !sni.ok) return { ok: false, why: `servername: ${sni.why}` }
  const ca = given.get('ca')
  const caWhy = ca === undefined ? undefined : readCertificates(resolve(ca))
  if (caWhy !== undefined) return { ok: false, why: `ca=${ca ?? ''}: ${caWhy}` }
  return {
    ok: true,
    value: {
      match: match.value,
      override,
      overridePublished: published === 'yes',
      ...(minVersion.value === undefined ? {} : { minVersion: minVersion.value }),
      ...(sni === undefined ? {} : { servername: sni.value }),
      ...(ca === undefined ? {} : { ca: resolve(ca) }),
      ...(note === undefined ? {} : { note }),
      ...(expires === undefined ? {} : { expires }),
    },
  }
}

function parseMatch(level: Level, value: string | undefined): Result<readonly string[]> {
  if (level === 'fingerprint') {
    const prints = (value ?? '')
      .split(',')
      .map((print) => print.trim().replace(/:/g, '').toLowerCase())
      .filter((print) => print !== '')
    if (prints.length === 0)
      return { ok: false, why: 'level fingerprint needs match= with the SHA-256 of a certificate or public key' }
    const wrong = prints.find((print) => !/^[0-9a-f]{64}$/.test(print))
    if (wrong !== undefined)
      return { ok: false, why: `match=${wrong}: a SHA-256 fingerprint has 64 hexadecimal digits` }
    return { ok: true, value: prints }
  }
  if (value === undefined) return { ok: true, value: [] }
  if (level !== 'secure' && level !== 'verify')
    return { ok: false, why: `match= means nothing with level ${level}; it goes with secure, verify and fingerprint` }
  const names: string[] = []
  for (const word of value
    .split(/[,:]/)
    .map((name) => name.trim())
    .filter((name) => name !== '')) {
    if (word === 'nexthop' || word === 'dot-nexthop' || word === 'hostname') {
      // words of Postfix; what they mean is what the levels do by themselves
      return {
        ok: false,
        why: `match=${word}: leave match= out: secure without it wants the recipient domain or a name below it, verify wants the MX host name`,
      }
    }
    const name = domain(word.startsWith('.') ? word.slice(1) : word)
    if (!name.ok) return { ok: false, why: `match: ${name.why}` }
    names.push(`${word.startsWith('.') ? '.' : ''}${name.value}`)
  }
  return { ok: true, value: names }
}

function parseProtocols(value: string | undefined): Result<TlsVersion | undefined> {
  if (value === undefined) return { ok: true, value: undefined }
  const version = /^>=(TLSv1(?:\.[0-3])?)$/.exec(value)?.[1]
  const known = (['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const).find((name) => name === version)
  return known === undefined
    ? { ok: false, why: `protocols=${value}: write protocols=>=TLSv1.2 or protocols=>=TLSv1.3` }
    : { ok: true, value: known }
}

function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const time = Date.parse(`${text}T00:00:00Z`)
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(text)
}

/** A row holds until the end of its last day, UTC. */
export function hasExpired(row: Pick<MapRow, 'expires'>, now: number): boolean {
  return row.expires !== undefined && now >= Date.parse(`${row.expires}T00:00:00Z`) + 24 * 3_600_000
}

/**
 * Make the look-up. Most specific first: `[host]` of a static route (the next hop is what was chosen by hand), the
 * address, the domain, the nearest `.domain` above it, `*`. An expired row is passed over, and the next one holds.
 */
export function compile(rows: readonly MapRow[]): PolicyMap {
  const index = new Map<string, MapRow>(rows.map((row) => [`${row.kind} ${row.key}`, row]))
  const holds = (key: string, now: number): MapRow | undefined => {
    const row = index.get(key)
    return row === undefined || hasExpired(row, now) ? undefined : row
  }
  return {
    rows,
    find(recipient, route, now) {
      if (index.size === 0) return undefined
      const name = recipient.slice(recipient.lastIndexOf('@') + 1)
      const exact =
        (route === undefined ? undefined : holds(`host ${route.toLowerCase()}`, now)) ??
        holds(`address ${addressKey(recipient)}`, now) ??
        holds(`domain ${name}`, now)
      if (exact !== undefined) return exact
      for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        const row = holds(`subdomain ${name.slice(dot + 1)}`, now)
        if (row !== undefined) return row
      }
      return holds('any *', now)
    },
  }
}

/** A map without rows. */
export const emptyMap: PolicyMap = compile([])
