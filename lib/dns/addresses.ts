/** The addresses of one MX host, both families at once. */
import { isIP } from 'node:net'
import type { DnsAnswer, HostAddresses, Resolver } from './types'

export interface AddressOptions {
  /** Which family comes first; `default` = IPv6 and IPv4 in turns. */
  inetPrefer: 'v4' | 'v6' | 'default'
  /** Most addresses to give; default 20. */
  max?: number
}

const MAX_ADDRESSES = 20

type Records = Extract<DnsAnswer<'A' | 'AAAA'>, { kind: 'records' }>

/**
 * @param host name or address
 * @returns never throws; an error in one family is outweighed by records in the other, but not by their absence
 */
export async function lookupAddresses(
  resolver: Resolver,
  host: string,
  options: AddressOptions,
): Promise<HostAddresses> {
  if (isIP(host) !== 0) {
    return { kind: 'addresses', addresses: [host], secure: false, secureAlias: false, expandedName: host }
  }
  const [v4, v6] = await Promise.all([resolver.resolve(host, 'A'), resolver.resolve(host, 'AAAA')])
  const found = [v4, v6].filter((answer): answer is Records => answer.kind === 'records')
  const first = found[0]
  if (first === undefined) return nothing(host, v4, v6)
  const secure = found.every((answer) => answer.secure && answer.name === first.name)
  return {
    kind: 'addresses',
    addresses: ordered(recordsOf(v4), recordsOf(v6), options),
    secure,
    secureAlias: !secure && first.chain.length > 0 && (await isSecureAlias(resolver, host)),
    expandedName: secure ? first.name : host,
  }
}

function recordsOf(answer: DnsAnswer<'A'> | DnsAnswer<'AAAA'>): string[] {
  return answer.kind === 'records' ? answer.records : []
}

/** RFC 7672 section 2.1.2: an error is not "no address"; the host may have one that we could not see. */
function nothing(host: string, v4: DnsAnswer<'A'>, v6: DnsAnswer<'AAAA'>): HostAddresses {
  const fault = [v4, v6].find((answer) => answer.kind === 'error')
  if (fault?.kind === 'error') {
    return { kind: 'error', error: fault.error, detail: `addresses of ${host}: ${fault.detail}` }
  }
  const why = v4.kind === 'nxdomain' ? 'does not exist in DNS' : 'has no address'
  return { kind: 'none', detail: `${host} ${why}` }
}

/**
 * RFC 7672 section 2.1.3: the AD bit of an address answer is lost when the target of an alias is insecure, though the
 * alias itself may be secure. Only a question for the CNAME shows that.
 */
async function isSecureAlias(resolver: Resolver, host: string): Promise<boolean> {
  const alias = await resolver.resolve(host, 'CNAME')
  return alias.kind === 'records' && alias.secure
}

function ordered(v4: string[], v6: string[], { inetPrefer, max = MAX_ADDRESSES }: AddressOptions): string[] {
  const all = inetPrefer === 'v4' ? [...v4, ...v6] : inetPrefer === 'v6' ? [...v6, ...v4] : inTurns(v6, v4)
  return [...new Set(all)].slice(0, max)
}

/** In turns, so that a host whose one family is broken costs one time-out and not all of them (as RFC 8305 section 4). */
function inTurns(first: readonly string[], second: readonly string[]): string[] {
  const length = Math.max(first.length, second.length)
  return Array.from({ length }, (_, i) => [...first.slice(i, i + 1), ...second.slice(i, i + 1)]).flat()
}
