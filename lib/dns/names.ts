/** Domain names as this room uses them: A-labels, lower case, no trailing dot, `''` for the root. */
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

/**
 * Any spelling of a domain name in the one form that is compared, cached and asked for. Underscore labels
 * (`_25._tcp`, `_mta-sts`) are names like all others in DNS.
 *
 * @param name U- or A-labels, any case, with or without a trailing dot
 * @returns null when no DNS name can look like this: an empty or overlong label, more than 253 characters, a character
 *   that no host name has, an IP address
 */
export function normaliseName(name: string): string | null {
  const known = normalised.get(name)
  if (known !== undefined) return known
  const result = normalise(name)
  // a name that comes a second time nearly always comes a thousand times; longer ones are none
  if (result !== null && name.length <= 255) {
    if (normalised.size >= MAX_KNOWN) normalised.clear()
    normalised.set(name, result)
  }
  return result
}

/** Names that were asked about before, and what became of them. */
const normalised = new Map<string, string>()
const MAX_KNOWN = 5_000

function normalise(name: string): string | null {
  const ascii = toAscii(name.endsWith('.') ? name.slice(0, -1) : name)
  // RFC 1035 section 2.3.4: 255 octets on the wire, which is 253 characters
  if (ascii === null || ascii.length > 253 || isIP(ascii) !== 0) return null
  if (ascii === '') return name === '.' ? '' : null
  return ascii.split('.').every(isLabel) ? ascii : null
}

/** RFC 1035 section 2.3.4: 63 octets; RFC 5891 leaves only letters, digits and hyphens, practice adds the underscore. */
function isLabel(label: string): boolean {
  return /^[a-z0-9_-]{1,63}$/.test(label)
}

function toAscii(name: string): string | null {
  // ASCII names bypass the URL host parser, which would read `0x7f.1` as an address
  if (/^[\x21-\x7e]*$/.test(name)) return name.toLowerCase()
  // far longer than any name: not worth the conversion
  if (name.length > 1024) return null
  const ascii = domainToASCII(name)
  return ascii === '' ? null : ascii
}

/**
 * The address of an address-literal domain, `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3).
 *
 * @returns undefined when the domain is no address literal; null when it is one that cannot be read
 */
export function addressLiteral(domain: string): string | null | undefined {
  if (!domain.startsWith('[')) return undefined
  const inner = /^\[(.*)\]$/.exec(domain)?.[1]
  if (inner === undefined) return null
  if (isIP(inner) === 4) return inner
  const v6 = /^ipv6:(.*)$/i.exec(inner)?.[1]?.toLowerCase()
  return v6 !== undefined && isIP(v6) === 6 && !v6.includes('%') ? v6 : null
}
