import assert from 'node:assert/strict'
import { answerQuestion } from '../../bench/dns/zone'

const DOMAINS = [{ domain: 'ec.bench.test', address: '127.0.1.2' }]

describe('bench: DNS zone', () => {
  it('leads from the domain to the host to the address, in any letter case', () => {
    const mx = answerQuestion(DOMAINS, { type: 'MX', name: 'EC.bench.Test' })
    assert.deepEqual(mx.answers, [
      { type: 'MX', name: 'EC.bench.Test', ttl: 300, data: { preference: 10, exchange: 'mx.ec.bench.test' } },
    ])
    const a = answerQuestion(DOMAINS, { type: 'A', name: 'mx.ec.bench.test' })
    assert.deepEqual(a.answers, [{ type: 'A', name: 'mx.ec.bench.test', ttl: 300, data: '127.0.1.2' }])
  })

  it('RFC 2308: tells "no such record" from "no such name"', () => {
    const rcodeOf = (type: 'AAAA' | 'TXT', name: string) => {
      const { rcode, answers, authorities } = answerQuestion(DOMAINS, { type, name })
      assert.deepEqual(answers, [])
      // section 3: without the SOA record nobody may remember the answer
      assert.equal(authorities[0]?.type, 'SOA')
      return rcode
    }
    assert.equal(rcodeOf('AAAA', 'mx.ec.bench.test'), 'NOERROR')
    assert.equal(rcodeOf('TXT', 'ec.bench.test'), 'NOERROR')
    for (const name of ['_mta-sts.ec.bench.test', '_25._tcp.mx.ec.bench.test', 'other.test', 'xec.bench.test'])
      assert.equal(rcodeOf('TXT', name), 'NXDOMAIN')
  })
})
