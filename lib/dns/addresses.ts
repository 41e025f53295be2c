/** The addresses of one MX host, both families at once. */
import { isIP } from 'node:net'
import { answerOf, type AtOnce } from './at-once'
import type { DnsAnswer, HostAddresses, Resolver } from './types'

export interface AddressOptions {
  /** Which family comes first; `default` = IPv6 and IPv4 in turns. */
  inetPrefer: 'v4' | 'v6' | 'default'
  /** Most addresses to give; default 20. */
  max?: number
}

const MAX_ADDRESSES = 20

/**
 * @param host name or address
 * @returns never throws; an error in one family is outweighed by records in the other, but not by their absence
 */
export async function lookupAddresses(
  resolver: Resolver,
  host: string,
  options: AddressOptions,
): Promise<HostAddresses> {
  return findAddresses(resolver, host, options)
}

/** `lookupAddresses`, at once where the resolver knows all that matters. */
export function findAddresses(resolver: Resolver, host: string, options: AddressOptions): AtOnce<HostAddresses> {
  if (isIP(host) !== 0) {
    return { kind: 'addresses', addresses: [host], secure: false, secureAlias: false, expandedName: host }
  }
  const v4 = answerOf(resolver, host, 'A')
  const v6 = answerOf(resolver, host, 'AAAA')
  return v4 instanceof Promise || v6 instanceof Promise
    ? Promise.all([v4, v6]).then((answers) => fromAnswers(resolver, host, ...answers, options))
    : fromAnswers(resolver, host, v4, v6, options)
}

function fromAnswers(
  resolver: Resolver,
  host: string,
  v4: DnsAnswer<'A'>,
  v6: DnsAnswer<'AAAA'>,
  options: AddressOptions,
): AtOnce<HostAddresses> {
  const first = v4.kind === 'records' ? v4 : v6
  if (first.kind !== 'records') return nothing(host, v4, v6)
  const secure = isSecure(v4, first.name) && isSecure(v6, first.name)
  const found = (secureAlias: boolean): HostAddresses => ({
    kind: 'addresses',
    addresses: ordered(recordsOf(v4), recordsOf(v6), options),
    secure,
    secureAlias,
    expandedName: secure ? first.name : host,
  })
  return secure || first.chain.length === 0 ? found(false) : isSecureAlias(resolver, host).then(found)
}

/** An answer without records says nothing about the addresses of the other family. */
function isSecure(answer: DnsAnswer<'A'> | DnsAnswer<'AAAA'>, name: string): boolean {
  return answer.kind !== 'records' || (answer.secure && answer.name === name)
}

function recordsOf(answer: DnsAnswer<'A'> | DnsAnswer<'AAAA'>): readonly string[] {
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

/**
 * Each address once; without a preference in turns, so that a host whose one family is broken costs one time-out and
 * not all of them (as RFC 8305 section 4).
 */
function ordered(
  v4: readonly string[],
  v6: readonly string[],
  { inetPrefer, max = MAX_ADDRESSES }: AddressOptions,
): string[] {
  const order: string[] = []
  const add = (address: string | undefined): void => {
    if (address !== undefined && order.length < max && !order.includes(address)) order.push(address)
  }
  const [first, second] = inetPrefer === 'v4' ? [v4, v6] : [v6, v4]
  if (inetPrefer === 'default') {
    for (let i = 0; i < Math.max(first.length, second.length); i += 1) {
      add(first[i])
      add(second[i])
    }
  } else {
    for (const address of first) add(address)
    for (const address of second) add(address)
  }
  return order
}
