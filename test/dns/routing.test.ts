import assert from 'node:assert/strict'
import { lookupAddresses } from '../../lib/dns/addresses'
import { isLocalAddress, isLoopback } from '../../lib/dns/local-address'
import { lookupMx } from '../../lib/dns/mx'
import { addressLiteral } from '../../lib/dns/names'
import { parseServer, serverList, systemServers } from '../../lib/dns/servers'
import type { HostAddresses, MxAnswer, MxData } from '../../lib/dns/types'
import { fakeResolver, type FakeZone } from './fake'

const mx = (...pairs: [number, string][]): MxData[] => pairs.map(([preference, exchange]) => ({ preference, exchange }))

describe('dns: lookupMx', () => {
  const hosts = (...names: [number, string][]) => names.map(([preference, host]) => ({ host, preference }))
  const TABLE: [string, FakeZone, Partial<MxAnswer>][] = [
    [
      'in order of preference (RFC 5321 5.1)',
      { 'MX d.example': { records: mx([20, 'b.example'], [5, 'a.example']), secure: true } },
      {
        kind: 'hosts',
        hosts: hosts([5, 'a.example'], [20, 'b.example']),
        secure: true,
        implicit: false,
        expandedDomain: 'd.example',
      },
    ],
    [
      'implicit (RFC 5321 5.1)',
      { 'MX d.example': { kind: 'nodata', secure: true } },
      { kind: 'hosts', hosts: hosts([0, 'd.example']), secure: true, implicit: true },
    ],
    [
      'implicit, alias (RFC 5321 5.1)',
      { 'MX d.example': { kind: 'nodata', name: 'real.example' } },
      { kind: 'hosts', hosts: hosts([0, 'real.example']), implicit: true, expandedDomain: 'real.example' },
    ],
    [
      'alias',
      { 'MX d.example': { records: mx([1, 'a.example']), name: 'real.example' } },
      { kind: 'hosts', hosts: hosts([1, 'a.example']), implicit: false, expandedDomain: 'real.example' },
    ],
    [
      'an error is never implicit (RFC 7672 2.1.2)',
      { 'MX d.example': { error: 'servfail' } },
      { kind: 'error', error: 'servfail' },
    ],
    ['a time-out', { 'MX d.example': { error: 'timeout' } }, { kind: 'error', error: 'timeout' }],
    ['no such domain', {}, { kind: 'no-domain' }],
    [
      'null MX (RFC 7505 3)',
      { 'MX d.example': { records: mx([0, '']), secure: true } },
      { kind: 'null-mx', secure: true },
    ],
    [
      'null MX beside another (RFC 7505 3)',
      { 'MX d.example': { records: mx([0, ''], [10, 'a.example']) } },
      { kind: 'hosts', hosts: hosts([10, 'a.example']), implicit: false },
    ],
    [
      'addresses and impossible names are passed over',
      {
        'MX d.example': { records: mx([1, '192.0.2.1'], [2, 'a\\032b.example'], [3, 'a.example'], [4, '2001:db8::1']) },
      },
      { kind: 'hosts', hosts: hosts([3, 'a.example']) },
    ],
    [
      'nothing usable is not "no MX" (RFC 5321 5.1)',
      { 'MX d.example': { records: mx([1, '192.0.2.1']) } },
      { kind: 'error', error: 'invalid-name' },
    ],
    [
      'a host twice counts once, where it is preferred',
      { 'MX d.example': { records: mx([9, 'a.example'], [1, 'a.example']) } },
      { kind: 'hosts', hosts: hosts([1, 'a.example']) },
    ],
  ]
  for (const [what, zone, wanted] of TABLE) {
    it(what, async () => {
      const got = await lookupMx(fakeResolver(zone), 'd.example')
      assert.deepEqual({ ...got, ...wanted }, got)
    })
  }

  // RFC 5321 section 4.1.3
  for (const [domain, address] of [
    ['[192.0.2.1]', '192.0.2.1'],
    ['[IPv6:2001:DB8::1]', '2001:db8::1'],
  ] as const) {
    it(`${domain} is its own host`, async () => {
      const resolver = fakeResolver({})
      const got = await lookupMx(resolver, domain)
      assert.deepEqual(got.kind === 'hosts' && got.hosts, hosts([0, address]))
      assert.deepEqual(resolver.asked, [])
    })
  }
  for (const domain of ['[192.0.2.256]', '[]', '[2001:db8::1]', '[IPv6:fe80::1%eth0]', '[example.org]', '[192.0.2.1']) {
    it(`${domain} is nothing`, async () => {
      assert.equal(addressLiteral(domain), null)
      assert.deepEqual((await lookupMx(fakeResolver({}), domain)).kind, 'error')
    })
  }

  it('draws lots among equal preferences only', async () => {
    const records = mx(
      [10, 'a.example'],
      [10, 'b.example'],
      [10, 'c.example'],
      [5, 'first.example'],
      [20, 'last.example'],
    )
    const lots = [0.9, 0.5, 0.1, 0.99, 0]
    const got = await lookupMx(fakeResolver({ 'MX d.example': { records } }), 'd.example', {
      random: () => lots.shift()!,
    })
    assert.deepEqual(got.kind === 'hosts' && got.hosts.map(({ host }) => host), [
      'first.example',
      'c.example',
      'b.example',
      'a.example',
      'last.example',
    ])
  })

  it('considers twenty hosts, the preferred ones', async () => {
    const records = mx(...Array.from({ length: 60 }, (_, i): [number, string] => [60 - i, `mx${60 - i}.example`]))
    const got = await lookupMx(fakeResolver({ 'MX d.example': { records } }), 'd.example')
    assert.deepEqual(got.kind === 'hosts' && [got.hosts.length, got.hosts[19]?.host], [20, 'mx20.example'])
  })
})

describe('dns: lookupAddresses', () => {
  const v4 = { 'A h.example': { records: ['192.0.2.1', '192.0.2.2'], secure: true } } satisfies FakeZone
  const v6 = { 'AAAA h.example': { records: ['2001:db8::1'], secure: true } } satisfies FakeZone
  const no4 = { 'A h.example': { kind: 'nodata' } } satisfies FakeZone
  const no6 = { 'AAAA h.example': { kind: 'nodata' } } satisfies FakeZone
  const bad4 = { 'A h.example': { error: 'servfail' } } satisfies FakeZone
  const bad6 = { 'AAAA h.example': { error: 'timeout' } } satisfies FakeZone

  const TABLE: [string, FakeZone, 'v4' | 'v6' | 'default', Partial<HostAddresses>][] = [
    [
      'both, v4 first',
      { ...v4, ...v6 },
      'v4',
      { kind: 'addresses', addresses: ['192.0.2.1', '192.0.2.2', '2001:db8::1'], secure: true },
    ],
    [
      'both, v6 first',
      { ...v4, ...v6 },
      'v6',
      { kind: 'addresses', addresses: ['2001:db8::1', '192.0.2.1', '192.0.2.2'] },
    ],
    [
      'both, in turns',
      { ...v4, ...v6 },
      'default',
      { kind: 'addresses', addresses: ['2001:db8::1', '192.0.2.1', '192.0.2.2'] },
    ],
    ['v4 alone', { ...v4, ...no6 }, 'v6', { kind: 'addresses', addresses: ['192.0.2.1', '192.0.2.2'], secure: true }],
    [
      'v4, and a fault in v6',
      { ...v4, ...bad6 },
      'v6',
      { kind: 'addresses', addresses: ['192.0.2.1', '192.0.2.2'], secure: true },
    ],
    ['v6, and a fault in v4', { ...bad4, ...v6 }, 'v4', { kind: 'addresses', addresses: ['2001:db8::1'] }],
    ['nothing and a fault (RFC 7672 2.1.2)', { ...no4, ...bad6 }, 'v4', { kind: 'error', error: 'timeout' }],
    ['a fault and nothing', { ...bad4, ...no6 }, 'v4', { kind: 'error', error: 'servfail' }],
    ['two faults', { ...bad4, ...bad6 }, 'v4', { kind: 'error', error: 'servfail' }],
    ['none', { ...no4, ...no6 }, 'v4', { kind: 'none', detail: 'h.example has no address' }],
    ['no such host', {}, 'v4', { kind: 'none', detail: 'h.example does not exist in DNS' }],
    [
      'one family insecure',
      { ...v4, 'AAAA h.example': { records: ['2001:db8::1'] } },
      'v4',
      { kind: 'addresses', secure: false },
    ],
    [
      'a secure alias',
      { 'A h.example': { records: ['192.0.2.1'], secure: true, name: 'r.example' }, ...no6 },
      'v4',
      { kind: 'addresses', secure: true, expandedName: 'r.example', secureAlias: false },
    ],
    [
      'a secure alias to an insecure name (RFC 7672 2.1.3)',
      {
        'A h.example': { records: ['192.0.2.1'], name: 'r.example' },
        'CNAME h.example': { records: ['r.example'], secure: true },
        ...no6,
      },
      'v4',
      { kind: 'addresses', secure: false, expandedName: 'h.example', secureAlias: true },
    ],
    [
      'an insecure alias',
      {
        'A h.example': { records: ['192.0.2.1'], name: 'r.example' },
        'CNAME h.example': { records: ['r.example'] },
        ...no6,
      },
      'v4',
      { kind: 'addresses', secure: false, expandedName: 'h.example', secureAlias: false },
    ],
    [
      'families that lead to different names',
      {
        'A h.example': { records: ['192.0.2.1'], secure: true, name: 'r.example' },
        'AAAA h.example': { records: ['2001:db8::1'], secure: true, name: 's.example' },
      },
      'v4',
      { kind: 'addresses', secure: false, expandedName: 'h.example' },
    ],
  ]
  for (const [what, zone, inetPrefer, wanted] of TABLE) {
    it(what, async () => {
      const got = await lookupAddresses(fakeResolver(zone), 'h.example', { inetPrefer })
      assert.deepEqual({ ...got, ...wanted }, got)
    })
  }

  it('an address is its own address', async () => {
    const resolver = fakeResolver({})
    const got = await lookupAddresses(resolver, '2001:db8::1', { inetPrefer: 'v4' })
    assert.deepEqual(got.kind === 'addresses' && got.addresses, ['2001:db8::1'])
    assert.deepEqual(resolver.asked, [])
  })

  it('twenty addresses at most, in both families', async () => {
    const many = (make: (i: number) => string) => ({ records: Array.from({ length: 30 }, (_, i) => make(i)) })
    const zone: FakeZone = {
      'A h.example': many((i) => `192.0.2.${i}`),
      'AAAA h.example': many((i) => `2001:db8::${i}`),
    }
    const got = await lookupAddresses(fakeResolver(zone), 'h.example', { inetPrefer: 'default' })
    assert.ok(got.kind === 'addresses')
    assert.deepEqual([got.addresses.length, got.addresses.filter((address) => address.includes(':')).length], [20, 10])
    const two = await lookupAddresses(fakeResolver(zone), 'h.example', { inetPrefer: 'v4', max: 2 })
    assert.deepEqual(two.kind === 'addresses' && two.addresses, ['192.0.2.0', '192.0.2.1'])
  })
})

describe('dns: local addresses', () => {
  const interfaces = {
    eth0: [{ address: '192.0.2.7' }, { address: 'fe80::7%eth0' }, { address: '2001:db8::7' }],
    none: undefined,
  }
  const TABLE: [string, boolean][] = [
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['0:0:0:0:0:0:0:1', true],
    ['::ffff:127.0.0.1', true],
    ['::ffff:7f00:1', true],
    ['0.0.0.0', true],
    ['::', true],
    ['::ffff:0.0.0.0', true],
    ['192.0.2.7', true],
    ['::ffff:192.0.2.7', true],
    ['2001:db8:0::7', true],
    ['fe80::7', true],
    ['fe80::7%eth1', true],
    ['192.0.2.8', false],
    ['128.0.0.1', false],
    ['2001:db8::8', false],
    ['::2', false],
    ['not an address', false],
  ]
  for (const [address, local] of TABLE) {
    it(`${address} is ${local ? 'ours' : 'not ours'}`, () => assert.equal(isLocalAddress(address, interfaces), local))
  }

  it('knows the interfaces of this machine', () => assert.equal(isLocalAddress('127.0.0.1'), true))

  it('an address of an interface is not loopback', () => assert.equal(isLoopback('192.0.2.7'), false))
})

describe('dns: servers', () => {
  const TABLE: [string, { address: string; port: number } | null][] = [
    ['192.0.2.1', { address: '192.0.2.1', port: 53 }],
    ['192.0.2.1:5353', { address: '192.0.2.1', port: 5353 }],
    ['2001:db8::1', { address: '2001:db8::1', port: 53 }],
    ['[2001:db8::1]', { address: '2001:db8::1', port: 53 }],
    ['[2001:db8::1]:5353', { address: '2001:db8::1', port: 5353 }],
    ['192.0.2.1:0', null],
    ['192.0.2.1:65536', null],
    ['192.0.2.1:x', null],
    ['dns.example', null],
    ['dns.example:53', null],
    ['', null],
  ]
  for (const [entry, wanted] of TABLE) {
    it(`reads ${entry || '(empty)'}`, () => assert.deepEqual(parseServer(entry), wanted))
  }

  it('reads resolv.conf(5)', () => {
    const text =
      '# nameserver 192.0.2.9\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \nnameserver dns.example\nsearch x\n'
    assert.deepEqual(systemServers(text), ['192.0.2.1', '2001:db8::1'])
    assert.deepEqual(
      serverList([], 'loopback', text).map(({ address, trusted }) => [address, trusted]),
      [
        ['192.0.2.1', false],
        ['2001:db8::1', false],
      ],
    )
  })

  it('without any, asks this machine', () =>
    assert.deepEqual(serverList([], 'loopback', ''), [{ address: '127.0.0.1', port: 53, trusted: true }]))

  it('says which entry is wrong', () => assert.throws(() => serverList(['dns.example'], 'always'), /dns\.example/))

  // RFC 7672 section 2.1.3
  const TRUST: [string, 'loopback' | 'always' | 'never', boolean][] = [
    ['127.0.0.53', 'loopback', true],
    ['::1', 'loopback', true],
    ['192.0.2.1', 'loopback', false],
    ['192.0.2.1', 'always', true],
    ['127.0.0.1', 'never', false],
  ]
  for (const [address, trustAd, trusted] of TRUST) {
    it(`trust_ad=${trustAd} ${trusted ? 'trusts' : 'does not trust'} ${address}`, () =>
      assert.equal(serverList([address], trustAd)[0]?.trusted, trusted))
  }
})
