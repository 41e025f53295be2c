/** Parsers for single values: each takes the text of one value and says what is wrong with it in one clause. */
import { normaliseName, parseServer } from '../dns'
import { parseRedisUrl } from '../store/redis-url'
import { nearest } from '../util/nearest'

export type Parsed<T> = { ok: true; value: T } | { ok: false; why: string }
export type Parser<T> = (text: string) => Parsed<T>

const good = <T>(value: T): Parsed<T> => ({ ok: true, value })
const bad = (why: string): { ok: false; why: string } => ({ ok: false, why })

export const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
/** Longest duration that is believed: a year. */
const MAX_DURATION = 366 * MS.d

/** `90s 5m 4h 2d 500ms` to milliseconds. */
export const duration: Parser<number> = (text) => {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)$/.exec(text)
  if (match === null) return bad(`"${text}" is no duration; write a number and a unit, like 90s, 5m, 4h or 2d`)
  const value = Math.round(Number(match[1]) * MS[match[2] as keyof typeof MS])
  return value <= MAX_DURATION ? good(value) : bad(`"${text}" is longer than a year`)
}

/** A duration that is not nothing: a time-out of 0 would fail everything, a wait of 0 never end. */
export const someTime: Parser<number> = (text) => {
  const parsed = duration(text)
  return parsed.ok && parsed.value === 0 ? bad(`"${text}" is no time at all`) : parsed
}

/** A duration for keys whose name says the unit: a bare number is seconds. */
export const seconds: Parser<number> = (text) => duration(/^\d+$/.test(text) ? `${text}s` : text)

/** `200M`, `64K`, `1G` or plain bytes; at least one. */
export const size: Parser<number> = (text) => {
  const match = /^(\d{1,15})\s*([KMG]?)$/i.exec(text)
  if (match === null) return bad(`"${text}" is no size; write bytes, or a number with K, M or G, like 200M`)
  const factor = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[(match[2] ?? '').toUpperCase() as '' | 'K' | 'M' | 'G']
  const value = Number(match[1]) * factor
  if (value < 1) return bad(`"${text}" is no size at all`)
  return Number.isSafeInteger(value) ? good(value) : bad(`"${text}" is too large`)
}

/** A whole number within bounds. */
export function integer(min: number, max: number): Parser<number> {
  return (text) => {
    if (!/^\d{1,15}$/.test(text)) return bad(`"${text}" is not a whole number`)
    const value = Number(text)
    return value >= min && value <= max ? good(value) : bad(`${text} is not between ${min} and ${max}`)
  }
}

export const boolean: Parser<boolean> = (text) => {
  if (/^(true|yes|on|1)$/i.test(text)) return good(true)
  if (/^(false|no|off|0)$/i.test(text)) return good(false)
  return bad(`"${text}" is neither true nor false`)
}

/** One of a few words, in any case. */
export function choice<const T extends string>(...words: readonly T[]): Parser<T> {
  return (text) => {
    const word = words.find((candidate) => candidate.toLowerCase() === text.toLowerCase())
    if (word !== undefined) return good(word)
    const near = nearest(text, words)
    return bad(`"${text}" is none of ${words.join(', ')}${near === undefined ? '' : `; did you mean "${near}"?`}`)
  }
}

/** Any text without control characters, not empty. */
export const text: Parser<string> = (value) => {
  if (value === '') return bad('must not be empty')
  return /\p{Cc}/u.test(value) ? bad('holds a control character') : good(value)
}

/** Wrap a parser so that the empty value means "not set". */
export function optional<T>(parser: Parser<T>): Parser<T | undefined> {
  return (value) => (value === '' ? good(undefined) : parser(value))
}

/** A domain in U- or A-labels, to A-labels and lower case, without a final dot. */
export const domain: Parser<string> = (value) => {
  const name = normaliseName(value)
  // no top-level domain is a number (RFC 3696 section 2): such a name is an address, or part of one
  if (name === null || name === '' || /(?:^|\.)\d+$/.test(name) || /(?:^|\.)-|-(?:\.|$)/.test(name)) {
    return bad(`"${value}" is no domain name`)
  }
  return good(name)
}

/** `domain`, or `.domain` for its subdomains. */
export const domainPattern: Parser<string> = (value) => {
  const inner = domain(value.startsWith('.') ? value.slice(1) : value)
  return inner.ok ? good(`${value.startsWith('.') ? '.' : ''}${inner.value}`) : inner
}

/** `local@domain`, the domain to A-labels. */
export const mailAddress: Parser<string> = (value) => {
  const at = value.lastIndexOf('@')
  if (at < 1 || /[\s<>\p{Cc}]/u.test(value)) return bad(`"${value}" is no mail address`)
  const host = domain(value.slice(at + 1))
  return host.ok ? good(`${value.slice(0, at)}@${host.value}`) : bad(`"${value}" is no mail address: ${host.why}`)
}

/** A mail address, a domain, or `.domain`. */
export const addressOrDomain: Parser<string> = (value) =>
  value.includes('@') ? mailAddress(value) : domainPattern(value)

/** `Name: value` of a header field. */
export const headerPair: Parser<{ name: string; value: string }> = (value) => {
  const match = /^([!-9;-~]+)\s*:\s*(.+)$/.exec(value)
  if (match === null) return bad(`"${value}" is not "Header-Name: value"`)
  return good({ name: match[1] ?? '', value: (match[2] ?? '').trim() })
}

export const guid: Parser<string> = (value) =>
  /^\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$/i.test(value)
    ? good(value.replace(/[{}]/g, '').toLowerCase())
    : bad(`"${value}" is no GUID`)

/** `address`, `address:port`, `[v6]`, `[v6]:port` of a DNS server. */
export const serverAddress: Parser<string> = (value) =>
  parseServer(value) === null
    ? bad(`"${value}" is no address of a server; write 192.0.2.1, 192.0.2.1:53, 2001:db8::1 or [2001:db8::1]:53`)
    : good(value)

/** `address:port` to listen on; DNS' port default would be wrong here, so the port must be there. */
export const listenAddress: Parser<string> = (value) =>
  /:\d+$/.test(value) && !/^[0-9a-f]*:[0-9a-f:]*$/i.test(value) && parseServer(value) !== null
    ? good(value)
    : bad(`"${value}" is no address and port; write 127.0.0.1:9100 or [::1]:9100`)

/** `redis://`, `rediss://` (TLS) or `unix://`. */
export const redisUrl: Parser<string> = (value) => {
  const target = parseRedisUrl(value)
  return 'why' in target ? bad(target.why) : good(value)
}

/** A comma-separated list. */
export function commaList<T>(parser: Parser<T>): Parser<readonly T[]> {
  return (value) => {
    const out: T[] = []
    for (const part of value.split(',').map((item) => item.trim())) {
      const parsed = parser(part)
      if (!parsed.ok) return parsed
      out.push(parsed.value)
    }
    return good(out)
  }
}

/** A subject tag: visible text, at least two characters, so that no ordinary subject holds it by accident. */
export const subjectTag: Parser<string> = (value) =>
  /\p{Cc}/u.test(value) || value.length < 3 || value.length > 60
    ? bad(`"${value}" is no subject tag; write something like [unsecure], 3 to 60 characters`)
    : good(value)
