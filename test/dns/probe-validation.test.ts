import assert from 'node:assert/strict'
import type * as packet from 'dns-packet'
import { probeValidation } from '../../lib/dns/probe-validation'
import { bench, replyTo, soa, type Script } from './server'

describe('dns: probeValidation', () => {
  const { server, close } = bench()
  afterEach(close)

  const root = (ad: boolean, answers: packet.Answer[] = [soa('.')]): Script => {
    return (asked) => asked.send(replyTo(asked, answers, { ad }))
  }
  const TABLE: [string, Script[], 'loopback' | 'always' | 'never', boolean, RegExp][] = [
    ['validates', [root(true)], 'loopback', true, /validates DNSSEC/],
    ['does not validate', [root(false)], 'loopback', false, /does not validate/],
    ['is not to be trusted', [root(true)], 'never', false, /trust_ad=never/],
    ['one of two does not', [root(true), root(false)], 'loopback', false, /validates DNSSEC.*does not validate/],
    ['does not answer', [() => undefined], 'loopback', false, /No answer.*no reply in time/],
    ['fails', [(asked) => asked.send(replyTo(asked, [], { rcode: 2 }))], 'loopback', false, /SERVFAIL/],
    ['knows no root', [root(true, [])], 'loopback', false, /root zone/],
  ]
  for (const [what, scripts, trustAd, validates, detail] of TABLE) {
    it(`a resolver that ${what}`, async () => {
      const servers = await Promise.all(scripts.map((script) => server(script)))
      const dns = { servers: servers.map(({ port }) => `127.0.0.1:${port}`), trustAd, timeout: 100 }
      const got = await probeValidation({ dns })
      assert.equal(got.validates, validates)
      assert.match(got.detail, detail)
    })
  }

  it('does not even ask a resolver whose AD crosses a network', async () => {
    const got = await probeValidation({ dns: { servers: ['192.0.2.1'], trustAd: 'loopback', timeout: 100 } })
    assert.equal(got.validates, false)
    assert.match(got.detail, /not on this machine.*trust_ad=always/)
  })

  it('a server that is no address', async () => {
    const got = await probeValidation({ dns: { servers: ['dns.example'], trustAd: 'loopback', timeout: 100 } })
    assert.deepEqual([got.validates, /dns\.example/.test(got.detail)], [false, true])
  })
})
