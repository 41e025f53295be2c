/** The resolver against real software: Unbound that validates a locally signed root and zones. */
import assert from 'node:assert/strict'
import { lookupAddresses } from '../../lib/dns/addresses'
import { lookupMx } from '../../lib/dns/mx'
import { probeValidation } from '../../lib/dns/probe-validation'
import { createResolver } from '../../lib/dns/resolver'
import type { RecordType, Resolver } from '../../lib/dns/types'
import { startDns, type Dns } from '../internet/dns'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'

const MANY = Array.from({ length: 150 }, (_, i) => `many A 127.0.1.${i}`)

describe('dns: with Unbound', function () {
  this.timeout(60_000)
  const keep = keeper()
  let dns: Dns
  let resolver: Resolver

  before(async function () {
    await requirePackages(this)
    this.timeout(60_000)
    dns = await keep(
      startDns({
        zones: [
          {
            name: 'good.test',
            records: [
              '@ MX 20 mx2',
              '@ MX 10 mx1',
              'mx1 A 127.0.0.11',
              'mx2 CNAME mx1',
              'half CNAME mx.insecure.test.',
              'loop CNAME pool',
              'pool CNAME loop',
              '_25._tcp.mx1 TLSA 3 1 1 00ff',
              '_mta-sts TXT "v=STSv1; " "id=20261123;"',
              ...MANY,
            ],
          },
          {
            name: 'insecure.test',
            state: 'insecure',
            records: ['@ MX 10 mx', 'mx A 127.0.0.12', 'back CNAME mx1.good.test.'],
          },
          { name: 'bogus.test', state: 'bogus', records: ['@ MX 10 mx', 'mx A 127.0.0.13'] },
          { name: 'servfail.test', state: 'servfail', records: [] },
          { name: 'nomail.test', records: ['@ MX 0 .'] },
          { name: 'implicit.test', records: ['@ A 127.0.0.15'] },
        ],
      }),
    )
    resolver = createResolver({ servers: [dns.server], trustAd: 'loopback', timeout: 5000 })
  })
  after(async () => {
    await resolver.close()
    await keep.stop()
  })

  const TABLE: [name: string, type: RecordType, kind: string, secure?: boolean, records?: unknown][] = [
    ['mx1.good.test', 'A', 'records', true, ['127.0.0.11']],
    ['mx2.good.test', 'A', 'records', true, ['127.0.0.11']],
    ['mx1.good.test', 'AAAA', 'nodata', true],
    ['nothing.good.test', 'A', 'nxdomain', true],
    ['half.good.test', 'A', 'records', false, ['127.0.0.12']],
    ['half.good.test', 'CNAME', 'records', true, ['mx.insecure.test']],
    ['back.insecure.test', 'A', 'records', false, ['127.0.0.11']],
    ['insecure.test', 'MX', 'records', false, [{ preference: 10, exchange: 'mx.insecure.test' }]],
    ['_25._tcp.mx1.good.test', 'TLSA', 'records', true, [{ usage: 3, selector: 1, matchingType: 1, data: '00ff' }]],
    ['_25._tcp.mx2.good.test', 'TLSA', 'nxdomain', true],
    ['_mta-sts.good.test', 'TXT', 'records', true, ['v=STSv1; id=20261123;']],
    ['bogus.test', 'MX', 'servfail'],
    ['servfail.test', 'MX', 'servfail'],
  ]
  for (const [name, type, kind, secure, records] of TABLE) {
    it(`${name} ${type}: ${kind}${secure === undefined ? '' : secure ? ', secure' : ', insecure'}`, async () => {
      const got = await resolver.resolve(name, type)
      assert.equal(got.kind === 'error' ? got.error : got.kind, kind, JSON.stringify(got))
      if (got.kind !== 'error') assert.equal(got.secure, secure)
      if (records !== undefined) assert.deepEqual(got.kind === 'records' && got.records, records)
    })
  }

  it('aliases in a circle are an error, never an answer', async () => {
    assert.equal((await resolver.resolve('loop.good.test', 'A')).kind, 'error')
  })

  it('an answer that does not fit UDP comes over TCP', async () => {
    const got = await resolver.resolve('many.good.test', 'A')
    assert.deepEqual(got.kind === 'records' && [got.records.length, got.secure], [150, true])
  })

  it('routes: order, null MX, implicit MX, a domain in doubt', async () => {
    const good = await lookupMx(resolver, 'good.test')
    assert.deepEqual(good.kind === 'hosts' && [good.secure, ...good.hosts.map(({ host }) => host)], [
      true,
      'mx1.good.test',
      'mx2.good.test',
    ])
    assert.deepEqual(await lookupMx(resolver, 'nomail.test'), { kind: 'null-mx', secure: true })
    const implicit = await lookupMx(resolver, 'implicit.test')
    assert.deepEqual(implicit.kind === 'hosts' && [implicit.implicit, implicit.secure], [true, true])
    assert.equal((await lookupMx(resolver, 'bogus.test')).kind, 'error')
    assert.equal((await lookupMx(resolver, 'nowhere.test')).kind, 'no-domain')
  })

  it('RFC 7672 section 2.1.3: sees the secure alias of an insecure host', async () => {
    const half = await lookupAddresses(resolver, 'half.good.test', { inetPrefer: 'v4' })
    assert.deepEqual(half.kind === 'addresses' && [half.secure, half.secureAlias], [false, true])
    const back = await lookupAddresses(resolver, 'back.insecure.test', { inetPrefer: 'v4' })
    assert.deepEqual(back.kind === 'addresses' && [back.secure, back.secureAlias], [false, false])
    const alias = await lookupAddresses(resolver, 'mx2.good.test', { inetPrefer: 'v4' })
    assert.deepEqual(alias.kind === 'addresses' && [alias.secure, alias.expandedName], [true, 'mx1.good.test'])
  })

  it('says that it validates', async () => {
    const probe = await probeValidation({ dns: { servers: [dns.server], trustAd: 'loopback', timeout: 5000 } })
    assert.deepEqual([probe.validates, /validates DNSSEC/.test(probe.detail)], [true, true])
  })

  it('with trust_ad=never nothing is secure', async () => {
    const wary = createResolver({ servers: [dns.server], trustAd: 'never', timeout: 5000 })
    const got = await wary.resolve('mx1.good.test', 'A')
    await wary.close()
    assert.equal(got.kind === 'records' && got.secure, false)
    assert.equal(got.kind, 'records')
  })

  it('while the resolver is away: errors; then answers again', async () => {
    const brief = createResolver({ servers: [dns.server], trustAd: 'loopback', timeout: 500 })
    await dns.pause()
    const away = await brief.resolve('good.test', 'MX')
    await dns.resume()
    const back = await brief.resolve('good.test', 'MX')
    await brief.close()
    assert.deepEqual([away.kind, back.kind], ['error', 'records'])
  })
})
