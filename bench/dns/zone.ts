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
}

const TTL = 300

/**
 * Answers one question. RFC 2308: NXDOMAIN when the name does not exist, an empty NOERROR when it has no such record.
 *
 * @param domains recipient domains, lower case
 * @param question as asked; letter case does not matter
 */
export function answerQuestion(domains: readonly BenchDomain[], question: Question): ZoneReply {
  const name = question.name.toLowerCase()
  for (const { domain, address } of domains) {
    const host = `mx.${domain}`
    if (name === domain)
      return {
        rcode: 'NOERROR',
        answers:
          question.type === 'MX'
            ? [{ type: 'MX', name: question.name, ttl: TTL, data: { preference: 10, exchange: host } }]
            : [],
      }
    if (name === host)
      return {
        rcode: 'NOERROR',
        answers: question.type === 'A' ? [{ type: 'A', name: question.name, ttl: TTL, data: address }] : [],
      }
  }
  return { rcode: 'NXDOMAIN', answers: [] }
}
