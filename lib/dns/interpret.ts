/** What a reply says about a name: records, "no such type", "no such name", or that another name must be asked. Pure. */
import { readRecord, soaNegativeTtl } from './records'
import type { CnameStep, DnsErrorKind, RecordData, RecordType } from './types'
import { RCODE, TYPE, type Reply, type ResourceRecord } from './wire'

/** RFC 1034 section 3.6.2 gives no limit; more aliases than this are a mistake or an attack. */
export const MAX_CNAMES = 10

export type Interpreted<T extends RecordType> =
  | { kind: 'records'; records: RecordData[T][]; chain: CnameStep[]; name: string; ttl: number }
  /** `ttl` 0: without SOA, not to be cached (RFC 2308 section 5). */
  | { kind: 'nodata' | 'nxdomain'; chain: CnameStep[]; name: string; ttl: number }
  /** The chain of aliases leaves the reply. */
  | { kind: 'follow'; chain: CnameStep[]; name: string; ttl: number }
  | { kind: 'error'; error: DnsErrorKind; detail: string }

/**
 * @param reply with response code NOERROR or NXDOMAIN
 * @param name the normalised name that was asked for
 */
export function interpret<T extends RecordType>(reply: Reply, name: string, type: T): Interpreted<T> {
  try {
    return readChain(reply, name, type)
  } catch (error) {
    return { kind: 'error', error: 'malformed', detail: error instanceof Error ? error.message : 'unreadable record' }
  }
}

function readChain<T extends RecordType>(reply: Reply, asked: string, type: T): Interpreted<T> {
  const chain: CnameStep[] = []
  let name = asked
  let ttl = Infinity
  for (;;) {
    const found = recordsAt(reply.answers, name, TYPE[type])
    if (found.length > 0) {
      const records = found.map((record) => readRecord(type, reply.bytes, record))
      return { kind: 'records', records, chain, name, ttl: Math.min(ttl, ...found.map((record) => record.ttl)) }
    }
    const aliases = recordsAt(reply.answers, name, TYPE.CNAME)
    const alias = aliases[0]
    if (alias === undefined) break
    // RFC 2181 section 10.1: a name has at most one canonical name
    const target = readRecord('CNAME', reply.bytes, alias)
    if (aliases.some((other) => readRecord('CNAME', reply.bytes, other) !== target)) {
      return { kind: 'error', error: 'malformed', detail: `${name} has several CNAME records` }
    }
    chain.push({ from: name, to: target })
    const loop = loopIn(chain)
    if (loop !== null) return loop
    name = target
    ttl = Math.min(ttl, alias.ttl)
  }
  return withoutRecords(reply, chain, name, ttl)
}

/**
 * @param chain every alias followed so far, over all queries
 * @returns the error that it is, or null
 */
export function loopIn(chain: readonly CnameStep[]): { kind: 'error'; error: 'cname-loop'; detail: string } | null {
  const first = chain[0]?.from ?? ''
  const names = [first, ...chain.map((step) => step.to)]
  if (new Set(names).size < names.length) {
    return { kind: 'error', error: 'cname-loop', detail: `the aliases of ${first} run in a circle` }
  }
  if (chain.length > MAX_CNAMES) {
    return { kind: 'error', error: 'cname-loop', detail: `${first} has more than ${MAX_CNAMES} aliases in a row` }
  }
  return null
}

function withoutRecords(reply: Reply, chain: CnameStep[], name: string, chainTtl: number): Interpreted<never> {
  const soa = reply.authorities.find((record) => record.type === TYPE.SOA && isAtOrBelow(name, record.owner))
  const ttl = soa === undefined ? 0 : Math.min(chainTtl, soaNegativeTtl(reply.bytes, soa))
  // RFC 6604 section 3: NXDOMAIN is about the last name of the chain
  if (reply.rcode === RCODE.nxDomain) return { kind: 'nxdomain', chain, name, ttl }
  if (soa !== undefined) return { kind: 'nodata', chain, name, ttl }
  if (chain.length > 0) return { kind: 'follow', chain, name, ttl: chainTtl }
  // RFC 2308 section 2.2: NS without SOA is a referral, not "no data", and must never lead to an implicit MX
  if (reply.authorities.some((record) => record.type === TYPE.NS) && !reply.authoritative) {
    return { kind: 'error', error: 'servfail', detail: 'the server refers to others instead of resolving' }
  }
  return { kind: 'nodata', chain, name, ttl }
}

function recordsAt(records: readonly ResourceRecord[], owner: string, type: number): ResourceRecord[] {
  return records.filter((record) => record.type === type && record.owner === owner)
}

function isAtOrBelow(name: string, zone: string): boolean {
  return zone === '' || name === zone || name.endsWith(`.${zone}`)
}
