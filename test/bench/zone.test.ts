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
    assert.deepEqual(answerQuestion(DOMAINS, { type: 'AAAA', name: 'mx.ec.bench.test' }), {
      rcode: 'NOERROR',
      answers: [],
    })
    assert.deepEqual(answerQuestion(DOMAINS, { type: 'TXT', name: 'ec.bench.test' }), { rcode: 'NOERROR', answers: [] })
    for (const name of ['_mta-sts.ec.bench.test', '_25._tcp.mx.ec.bench.test', 'other.test', 'xec.bench.test'])
      assert.deepEqual(answerQuestion(DOMAINS, { type: 'TXT', name }), { rcode: 'NXDOMAIN', answers: [] })
  })
})
