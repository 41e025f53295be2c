/**
 * The names of the benchmark's little Internet, and the pure function that answers for them. Everything else under
 * `test.` does not exist, so that look-ups for policies (MTA-STS, TLSA) get a quick and honest no.
 */
import type { Answer, Question } from 'dns-packet'

/** One recipient domain: mail for it goes to `mx.<domain>`, which has one IPv4 address. */
export interface BenchDomain {
  domain: string
  address: string
}

export interface ZoneReply {
  rcode: 'NOERROR' | 'NXDOMAIN'
  answers: Answer[]
  /** With a negative answer: the SOA record that says how long it holds (RFC 2308 section 3). */
  authorities: Answer[]
}

const TTL = 300

/** Everything is in one zone. */
const ZONE = 'test'
const SOA: Answer = {
  type: 'SOA',
  name: ZONE,
  ttl: TTL,
  data: {
    mname: `ns.${ZONE}`,
    rname: `postmaster.${ZONE}`,
    serial: 1,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: TTL,
  },
}

/**
 * Answers one question. RFC 2308: NXDOMAIN when the name does not exist, an empty NOERROR when it has no such record.
 *
 * @param domains recipient domains, lower case
 * @param question as asked; letter case does not matter
 */
export function answerQuestion(domains: readonly BenchDomain[], question: Question): ZoneReply {
  const name = question.name.toLowerCase()
  const positive = (...answers: Answer[]): ZoneReply => ({ rcode: 'NOERROR', answers, authorities: [] })
  for (const { domain, address } of domains) {
    const host = `mx.${domain}`
    if (name !== domain && name !== host) continue
    if (name === domain && question.type === 'MX')
      return positive({ type: 'MX', name: question.name, ttl: TTL, data: { preference: 10, exchange: host } })
    if (name === host && question.type === 'A')
      return positive({ type: 'A', name: question.name, ttl: TTL, data: address })
    return { rcode: 'NOERROR', answers: [], authorities: [SOA] }
  }
  return { rcode: 'NXDOMAIN', answers: [], authorities: [SOA] }
}
