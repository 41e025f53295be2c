/** Over a warm cache the way is found without waiting, and it is the same way. */
import assert from 'node:assert/strict'
import { findAddresses, lookupAddresses } from '../../lib/dns/addresses'
import { findMx, lookupMx } from '../../lib/dns/mx'
import { findTlsa } from '../../lib/dns/tlsa'
import type { DnsAnswer, RecordType, Resolver } from '../../lib/dns/types'
import { fakeResolver, type FakeZone } from './fake'

const ZONE: FakeZone = {
  'MX dest.test': {
    records: [
      { preference: 10, exchange: 'a.dest.test' },
      { preference: 10, exchange: 'b.dest.test' },
    ],
  },
  'A a.dest.test': { records: ['192.0.2.1', '192.0.2.2'] },
  'AAAA a.dest.test': { records: ['2001:db8::1'] },
  'A b.dest.test': { records: ['192.0.2.3'], name: 'c.dest.test' },
  'CNAME b.dest.test': { records: ['c.dest.test'], secure: true },
  'A bad.test': { error: 'servfail' },
}

/** Has been asked for all of it before. */
async function warm(): Promise<Resolver & { asked: string[] }> {
  const cold = fakeResolver(ZONE)
  const kept = new Map<string, DnsAnswer<RecordType>>()
  for (const key of [...Object.keys(ZONE), 'AAAA b.dest.test', 'MX no.test']) {
    const [type = '', name = ''] = key.split(' ')
    const answer = await cold.resolve(name, type as RecordType)
    if (answer.kind !== 'error') kept.set(key, answer)
  }
  cold.asked.length = 0
  return {
    ...cold,
    known: <T extends RecordType>(name: string, type: T) => kept.get(`${type} ${name}`) as DnsAnswer<T> | undefined,
  }
}

describe('dns: at once', () => {
  it('known MX records: no promise, no query, and a new draw among equals for each mail', async () => {
    const resolver = await warm()
    const drawn = new Set<string>()
    for (const random of [
      [0.1, 0.9],
      [0.9, 0.1],
    ]) {
      const lots = [...random]
      const answer = findMx(resolver, 'dest.test', { random: () => lots.shift() ?? 0 })
      assert.ok(!(answer instanceof Promise) && answer.kind === 'hosts')
      drawn.add(answer.hosts.map(({ host }) => host).join(' '))
    }
    assert.deepEqual([...drawn], ['a.dest.test b.dest.test', 'b.dest.test a.dest.test'])
    assert.deepEqual(resolver.asked, [])
    assert.deepEqual(findMx(resolver, 'no.test'), await lookupMx(fakeResolver(ZONE), 'no.test'))
  })

  it('known addresses: at once, and the same as by asking', async () => {
    const resolver = await warm()
    for (const inetPrefer of ['v4', 'v6', 'default'] as const) {
      const found = findAddresses(resolver, 'a.dest.test', { inetPrefer })
      assert.ok(!(found instanceof Promise))
      assert.deepEqual(found, await lookupAddresses(fakeResolver(ZONE), 'a.dest.test', { inetPrefer }))
    }
    assert.deepEqual(resolver.asked, [])
  })

  it('an insecure alias of which nobody knows whether it is signed is asked about', async () => {
    const asked = await findAddresses(await warm(), 'b.dest.test', { inetPrefer: 'v4' })
    assert.equal(asked.kind === 'addresses' && asked.secureAlias, true)
    assert.deepEqual(asked, await lookupAddresses(fakeResolver(ZONE), 'b.dest.test', { inetPrefer: 'v4' }))
  })

  it('what is not known, or failed, is asked for', async () => {
    const resolver = await warm()
    const found = await findAddresses(resolver, 'bad.test', { inetPrefer: 'v4' })
    assert.equal(found.kind, 'error')
    assert.deepEqual(resolver.asked, ['A bad.test', 'AAAA bad.test'])
  })

  it('no question about TLSA records below an insecure host, and no wait', async () => {
    const resolver = await warm()
    const addresses = await findAddresses(resolver, 'a.dest.test', { inetPrefer: 'v4' })
    const state = findTlsa(resolver, { host: 'a.dest.test', addresses, mxSecure: true, port: 25 })
    assert.deepEqual(state, { state: 'insecure' })
  })
})
