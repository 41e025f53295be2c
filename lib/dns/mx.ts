/** Which hosts take mail for a domain (RFC 5321 section 5.1, RFC 7505). */
import { isIP } from 'node:net'
import { answerOf, type AtOnce } from './at-once'
import { addressLiteral, normaliseName } from './names'
import type { DnsAnswer, MxAnswer, MxData, MxHost, Resolver } from './types'

/** More hosts than this are not considered; the least preferred are left out. */
export const MAX_MX_HOSTS = 20

export interface MxOptions {
  /** 0 <= n < 1; for the order among equal preferences. */
  random?: () => number
}

/**
 * @param domain U- or A-labels, or an address literal
 * @returns hosts in the order in which to try them; never throws
 */
export async function lookupMx(resolver: Resolver, domain: string, options: MxOptions = {}): Promise<MxAnswer> {
  return findMx(resolver, domain, options)
}

/** `lookupMx`, at once where the resolver knows the answer. The order among equal preferences is drawn each time. */
export function findMx(resolver: Resolver, domain: string, options: MxOptions = {}): AtOnce<MxAnswer> {
  const literal = addressLiteral(domain)
  if (literal !== undefined) return literalRoute(domain, literal)
  const answer = answerOf(resolver, domain, 'MX')
  const random = options.random ?? Math.random
  return answer instanceof Promise
    ? answer.then((found) => fromAnswer(domain, found, random))
    : fromAnswer(domain, answer, random)
}

function fromAnswer(domain: string, answer: DnsAnswer<'MX'>, random: () => number): MxAnswer {
  switch (answer.kind) {
    case 'records':
      return fromRecords(answer, random)
    case 'nodata':
      // RFC 5321 section 5.1: no MX record, so the (expanded) domain is its own host with preference 0; RFC 7672
      // section 2.1.2: this is only ever concluded from an answer, never from an error
      return {
        kind: 'hosts',
        hosts: [{ host: answer.name, preference: 0 }],
        secure: answer.secure,
        implicit: true,
        expandedDomain: answer.name,
      }
    case 'nxdomain':
      return { kind: 'no-domain', detail: `${answer.name} does not exist in DNS` }
    case 'error':
      return { kind: 'error', error: answer.error, detail: `MX of ${domain}: ${answer.detail}` }
    default:
      return { kind: 'error', error: 'malformed', detail: `MX of ${domain}: unknown kind of answer` }
  }
}

/** RFC 5321 section 5.1: an address literal is its own and only host. */
function literalRoute(domain: string, address: string | null): MxAnswer {
  if (address === null) return { kind: 'error', error: 'invalid-name', detail: `${domain} is no address literal` }
  const hosts = [{ host: address, preference: 0 }]
  return { kind: 'hosts', hosts, secure: false, implicit: true, expandedDomain: domain }
}

function fromRecords(answer: Extract<DnsAnswer<'MX'>, { kind: 'records' }>, random: () => number): MxAnswer {
  // RFC 7505 section 3: a null MX stands alone; beside others it says nothing
  const named = answer.records.filter((record) => record.exchange !== '')
  if (named.length === 0) return { kind: 'null-mx', secure: answer.secure }
  const hosts = inOrder(named.filter(isHost), random)
  if (hosts.length === 0) {
    // RFC 5321 section 5.1: MX records of which none is usable are an error, not a reason to use the address records
    return { kind: 'error', error: 'invalid-name', detail: `no MX record of ${answer.name} names a host` }
  }
  return { kind: 'hosts', hosts, secure: answer.secure, implicit: false, expandedDomain: answer.name }
}

/** RFC 5321 section 5.1: the exchange is a domain name; an address is a common mistake there, and resolves to nothing. */
function isHost(record: MxData): boolean {
  return isIP(record.exchange) === 0 && normaliseName(record.exchange) !== null
}

/** RFC 5321 section 5.1: lowest preference first, and those of equal preference in random order. */
function inOrder(records: readonly MxData[], random: () => number): MxHost[] {
  const drawn = records.map((record) => ({ record, lot: random() }))
  drawn.sort((a, b) => a.record.preference - b.record.preference || a.lot - b.lot)
  const hosts = new Map<string, MxHost>()
  for (const { record } of drawn) {
    if (!hosts.has(record.exchange)) {
      hosts.set(record.exchange, { host: record.exchange, preference: record.preference })
    }
  }
  return [...hosts.values()].slice(0, MAX_MX_HOSTS)
}
