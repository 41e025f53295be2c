/** The policy map as it is asked: which row is for this recipient? */
import type { MapRow, PolicyMap } from '../policy/types'

const DAY = 24 * 3_600_000

/** Has the last day of a row gone by? A row holds until the end of that day, UTC. */
export function hasExpired(row: Pick<MapRow, 'expires'>, now: number): boolean {
  return row.expires !== undefined && now >= Date.parse(`${row.expires}T00:00:00Z`) + DAY
}

/**
 * Make the look-up, which runs for every recipient: O(labels of the domain), most specific row first. An expired row is
 * passed over, and the next one holds. The order:
 *
 * 1. `[host]`, when the route was chosen by hand: then the next hop is what is connected to, as in Postfix;
 * 2. `user@domain`, without regard to case;
 * 3. `domain` — or `[192.0.2.1]` for a recipient at that very address literal;
 * 4. the longest `.domain` that the domain is below;
 * 5. `*`.
 */
export function compile(rows: readonly MapRow[]): PolicyMap {
  const index = new Map(rows.map((row) => [indexKey(row), row]))
  const at = (kind: MapRow['kind'], key: string, now: number): MapRow | undefined => {
    const row = index.get(`${kind} ${key}`)
    return row === undefined || hasExpired(row, now) ? undefined : row
  }
  const below = (domain: string, now: number): MapRow | undefined => {
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
      const row = at('subdomain', domain.slice(dot + 1), now)
      if (row !== undefined) return row
    }
    return undefined
  }
  return {
    rows,
    find(recipient, route, now) {
      if (index.size === 0) return undefined
      const domain = recipient.slice(recipient.lastIndexOf('@') + 1)
      return (
        (route === undefined ? undefined : at('host', hostKey(route), now)) ??
        at('address', addressKey(recipient), now) ??
        (domain.startsWith('[') ? at('host', hostKey(domain), now) : at('domain', domain, now)) ??
        below(domain, now) ??
        at('any', '*', now)
      )
    },
  }
}

/** A map without rows. */
export const emptyMap: PolicyMap = compile([])

/** What a row is found by; two rows with the same are one row written twice. */
export function indexKey(row: Pick<MapRow, 'kind' | 'key'>): string {
  return `${row.kind} ${row.key}`
}

/** `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3), a host name or an address, as rows have it. */
export function hostKey(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^ipv6:/i, '')
    .toLowerCase()
}

/**
 * Local parts are compared without case: a row is meant for the mailbox, however somebody writes it. A quoted local
 * part that needs no quotes is the same mailbox (RFC 5321 section 4.1.2).
 */
export function addressKey(address: string): string {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at).replace(/^"([\w!#$%&'*+/=?^`{|}~.-]+)"$/, '$1')
  return `${local}${address.slice(at)}`.normalize('NFC').toLowerCase()
}
