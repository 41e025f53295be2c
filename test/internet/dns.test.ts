import assert from 'node:assert/strict'
import { startDns, type Dns } from './dns'
import { keeper } from './keeper'
import { requirePackages } from './packages'

describe('internet: DNS with real DNSSEC', function () {
  this.timeout(30_000)
  const keep = keeper()
  let dns: Dns

  before(async function () {
    await requirePackages(this)
    this.timeout(30_000)
    dns = await keep(
      startDns({
        zones: [
          {
            name: 'good.test',
            records: ['@ MX 10 mx1', 'mx1 A 127.0.0.11', 'www CNAME mx1', '_25._tcp.mx1 TLSA 3 1 1 00ff'],
          },
          { name: 'insecure.test', state: 'insecure', records: ['@ MX 10 mx', 'mx A 127.0.0.12'] },
          { name: 'bogus.test', state: 'bogus', records: ['@ MX 10 mx', 'mx A 127.0.0.13'] },
          { name: 'servfail.test', state: 'servfail', records: [] },
          { name: 'silent.test', state: 'silent', records: [] },
          { name: 'nomail.test', records: ['@ MX 0 .'] },
          { name: 'signed.insecure.test', records: ['@ A 127.0.0.14'] },
        ],
      }),
    )
  })
  after(() => keep.stop())

  const table: readonly (readonly [string, string, { status: string; ad: boolean; answer?: RegExp }])[] = [
    ['good.test', 'MX', { status: 'NOERROR', ad: true, answer: /MX\t10 mx1\.good\.test\./ }],
    ['mx1.good.test', 'A', { status: 'NOERROR', ad: true, answer: /A\t127\.0\.0\.11/ }],
    ['www.good.test', 'A', { status: 'NOERROR', ad: true, answer: /CNAME\tmx1/ }],
    ['_25._tcp.mx1.good.test', 'TLSA', { status: 'NOERROR', ad: true, answer: /TLSA\t3 1 1 00FF/ }],
    ['mx1.good.test', 'AAAA', { status: 'NOERROR', ad: true }],
    ['nothing.good.test', 'A', { status: 'NXDOMAIN', ad: true }],
    ['nothing.test', 'MX', { status: 'NXDOMAIN', ad: true }],
    ['insecure.test', 'MX', { status: 'NOERROR', ad: false, answer: /MX\t10 mx\.insecure\.test\./ }],
    ['nothing.insecure.test', 'A', { status: 'NXDOMAIN', ad: false }],
    ['signed.insecure.test', 'A', { status: 'NOERROR', ad: false, answer: /127\.0\.0\.14/ }],
    ['bogus.test', 'MX', { status: 'SERVFAIL', ad: false }],
    ['servfail.test', 'MX', { status: 'SERVFAIL', ad: false }],
    ['nomail.test', 'MX', { status: 'NOERROR', ad: true, answer: /MX\t0 \./ }],
  ]
  for (const [name, type, expected] of table) {
    it(`${name} ${type}: ${expected.status}${expected.ad ? ', AD' : ''}`, async () => {
      const { status, ad, answer, text } = await dns.dig(name, type)
      assert.deepEqual({ status, ad }, { status: expected.status, ad: expected.ad }, text)
      if (expected.answer) assert.match(answer.join('\n'), expected.answer)
      else assert.deepEqual(answer, [])
    })
  }

  it('the data of the bogus zone is there for who does not validate: only its signatures are wrong', async () => {
    const { status, answer } = await dns.dig('bogus.test', 'MX', '+cdflag')
    assert.equal(status, 'NOERROR')
    assert.match(answer.join('\n'), /RRSIG\tMX 13 /)
  })

  it('answers carry real signatures by the zone', async () => {
    const { answer } = await dns.dig('good.test', 'MX')
    assert.match(answer.join('\n'), /RRSIG\tMX 13 2 .* good\.test\. /)
  })

  it('a silent name server: no answer within the client’s time', async () => {
    assert.equal((await dns.dig('silent.test', 'MX', '+time=1')).status, 'NO ANSWER')
  })

  it('changed records are signed again and seen at once', async () => {
    await dns.setRecords('good.test', ['@ MX 5 other', 'other A 127.0.0.99'])
    const { ad, answer } = await dns.dig('good.test', 'MX')
    assert.match(answer.join('\n'), /MX\t5 other/)
    assert.equal(ad, true)
  })

  it('can go away and come back at the same place', async () => {
    await dns.pause()
    assert.equal((await dns.dig('good.test', 'MX', '+time=1')).status, 'NO ANSWER')
    await dns.resume()
    assert.equal((await dns.dig('good.test', 'MX')).ad, true)
  })
})
