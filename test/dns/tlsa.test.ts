import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { createAuthority } from '../../demo/certificates'
import { lookupAddresses } from '../../lib/dns/addresses'
import { lookupMx } from '../../lib/dns/mx'
import { lookupTlsa } from '../../lib/dns/tlsa'
import { usableTlsaRecords } from '../../lib/dns/tlsa-records'
import type { TlsaData } from '../../lib/dns/types'
import type { TlsaState } from '../../lib/policy/types'
import { fakeResolver, type FakeZone } from './fake'

const der = createAuthority('TA').der
const hex = der.toString('hex')
const spki = new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' }).toString('hex')
const digest = (name: string) => createHash(name).update(der).digest('hex')
const sha256 = digest('sha256')
const sha512 = digest('sha512')

const tlsa = (usage: number, selector: number, matchingType: number, data: string): TlsaData => ({
  usage,
  selector,
  matchingType,
  data,
})
const EE = tlsa(3, 1, 1, sha256)
const secure = true

/** One MX host with secure addresses under a secure domain. */
const BASE = {
  'MX d.example': { records: [{ preference: 10, exchange: 'h.example' }], secure },
  'A h.example': { records: ['192.0.2.1'], secure },
  'AAAA h.example': { kind: 'nodata', secure },
} satisfies FakeZone

/** The same, where the host is a secure alias of a secure name. */
const ALIAS = {
  ...BASE,
  'A h.example': { records: ['192.0.2.1'], secure, name: 'r.example' },
  'AAAA h.example': { kind: 'nodata', secure, name: 'r.example' },
} satisfies FakeZone

interface Row {
  rule: string
  zone: FakeZone
  wanted: TlsaState | TlsaState['state']
  /** TLSA names that are asked for, in order. */
  asked: string[]
  port?: number
}

const at = (base: string, ...records: TlsaData[]): TlsaState => ({ state: 'usable', records, base })
const H = '_25._tcp.h.example'
const R = '_25._tcp.r.example'

const TABLE: Row[] = [
  {
    rule: '2.2 secure throughout',
    zone: { ...BASE, [`TLSA ${H}`]: { records: [EE], secure } },
    wanted: at('h.example', EE),
    asked: [H],
  },
  {
    rule: '2.2 no such name',
    zone: { ...BASE, [`TLSA ${H}`]: { kind: 'nxdomain', secure } },
    wanted: 'absent',
    asked: [H],
  },
  {
    rule: '2.2 no such type',
    zone: { ...BASE, [`TLSA ${H}`]: { kind: 'nodata', secure } },
    wanted: 'absent',
    asked: [H],
  },
  {
    rule: '2.1.2 SERVFAIL (or bogus) is an error',
    zone: { ...BASE, [`TLSA ${H}`]: { error: 'servfail' } },
    wanted: 'error',
    asked: [H],
  },
  {
    rule: '2.1.2 a time-out is an error',
    zone: { ...BASE, [`TLSA ${H}`]: { error: 'timeout' } },
    wanted: 'error',
    asked: [H],
  },
  {
    rule: '2.1.2 an error at the first base is not made good by the second',
    zone: { ...ALIAS, [`TLSA ${R}`]: { error: 'servfail' }, [`TLSA ${H}`]: { records: [EE], secure } },
    wanted: 'error',
    asked: [R],
  },
  {
    rule: '2.1.2 an error at the second base',
    zone: { ...ALIAS, [`TLSA ${R}`]: { kind: 'nxdomain', secure }, [`TLSA ${H}`]: { error: 'timeout' } },
    wanted: 'error',
    asked: [R, H],
  },
  {
    rule: '2.1.3 insecure TLSA records are none',
    zone: { ...BASE, [`TLSA ${H}`]: { records: [EE] } },
    wanted: 'insecure',
    asked: [H],
  },
  {
    rule: '2.1.3 secure alias, insecure target: the original name counts',
    zone: {
      ...BASE,
      'A h.example': { records: ['192.0.2.1'], name: 'r.example' },
      'CNAME h.example': { records: ['r.example'], secure },
      [`TLSA ${H}`]: { records: [EE], secure },
      [`TLSA ${R}`]: { records: [tlsa(3, 1, 1, 'bad0')], secure },
    },
    wanted: at('h.example', EE),
    asked: [H],
  },
  {
    rule: '2.1.3 insecure alias: not asked',
    zone: {
      ...BASE,
      'A h.example': { records: ['192.0.2.1'], name: 'r.example' },
      'CNAME h.example': { records: ['r.example'] },
      [`TLSA ${H}`]: { records: [EE], secure },
    },
    wanted: 'insecure',
    asked: [],
  },
  {
    rule: '2.2.1 insecure MX: not asked',
    zone: {
      ...BASE,
      'MX d.example': { records: [{ preference: 10, exchange: 'h.example' }] },
      [`TLSA ${H}`]: { records: [EE], secure },
    },
    wanted: 'insecure',
    asked: [],
  },
  {
    rule: '2.2.2 insecure addresses: not asked, even where the query would fail',
    zone: { ...BASE, 'A h.example': { records: ['192.0.2.1'] }, [`TLSA ${H}`]: { error: 'servfail' } },
    wanted: 'insecure',
    asked: [],
  },
  {
    rule: '2.2.2 one insecure family: not asked',
    zone: { ...BASE, 'AAAA h.example': { records: ['2001:db8::1'] }, [`TLSA ${H}`]: { records: [EE], secure } },
    wanted: 'insecure',
    asked: [],
  },
  {
    rule: '2.2.2 the expanded name first',
    zone: {
      ...ALIAS,
      [`TLSA ${R}`]: { records: [EE], secure },
      [`TLSA ${H}`]: { records: [tlsa(2, 0, 1, sha256)], secure },
    },
    wanted: at('r.example', EE),
    asked: [R],
  },
  {
    rule: '2.2.2 then the original',
    zone: { ...ALIAS, [`TLSA ${R}`]: { kind: 'nxdomain', secure }, [`TLSA ${H}`]: { records: [EE], secure } },
    wanted: at('h.example', EE),
    asked: [R, H],
  },
  {
    rule: '2.2.2 insecure records at the expanded name do not hide the original',
    zone: { ...ALIAS, [`TLSA ${R}`]: { records: [EE] }, [`TLSA ${H}`]: { records: [EE], secure } },
    wanted: at('h.example', EE),
    asked: [R, H],
  },
  {
    rule: '2.2.2 unusable records at the expanded name are records',
    zone: {
      ...ALIAS,
      [`TLSA ${R}`]: { records: [tlsa(1, 1, 1, sha256)], secure },
      [`TLSA ${H}`]: { records: [EE], secure },
    },
    wanted: 'unusable',
    asked: [R],
  },
  {
    rule: '2.2.2 implicit MX by an alias: the domain itself is the second base',
    zone: {
      'MX d.example': { kind: 'nodata', secure, name: 'r.example' },
      'A r.example': { records: ['192.0.2.1'], secure },
      'AAAA r.example': { kind: 'nodata', secure },
      [`TLSA ${R}`]: { kind: 'nxdomain', secure },
      'TLSA _25._tcp.d.example': { records: [EE], secure },
    },
    wanted: at('d.example', EE),
    asked: [R, '_25._tcp.d.example'],
  },
  {
    rule: '2.2.3 an alias at _25._tcp does not change the base',
    zone: { ...BASE, [`TLSA ${H}`]: { records: [EE], secure, name: 'tlsa.example' } },
    wanted: at('h.example', EE),
    asked: [H],
  },
  {
    rule: '2.2.3 the real port',
    zone: { ...BASE, 'TLSA _2525._tcp.h.example': { records: [EE], secure } },
    wanted: at('h.example', EE),
    asked: ['_2525._tcp.h.example'],
    port: 2525,
  },
  {
    rule: '3.1.3 all unusable',
    zone: { ...BASE, [`TLSA ${H}`]: { records: [tlsa(0, 0, 1, sha256), tlsa(1, 1, 1, sha256)], secure } },
    wanted: 'unusable',
    asked: [H],
  },
  {
    rule: '3.1.3 the usable ones count',
    zone: { ...BASE, [`TLSA ${H}`]: { records: [tlsa(1, 1, 1, sha256), EE], secure } },
    wanted: at('h.example', EE),
    asked: [H],
  },
]

describe('dns: lookupTlsa (RFC 7672)', () => {
  for (const { rule, zone, wanted, asked, port = 25 } of TABLE) {
    it(rule, async () => {
      const resolver = fakeResolver(zone)
      const mx = await lookupMx(resolver, 'd.example')
      assert.ok(mx.kind === 'hosts')
      const host = mx.hosts[0]!.host
      const addresses = await lookupAddresses(resolver, host, { inetPrefer: 'v4' })
      const aliasOf = mx.implicit && mx.secure ? { aliasOf: 'd.example' } : {}
      const got = await lookupTlsa(resolver, { host, addresses, mxSecure: mx.secure, port, ...aliasOf })
      if (typeof wanted === 'string') assert.equal(got.state, wanted)
      else assert.deepEqual(got, wanted)
      assert.deepEqual(
        resolver.asked.filter((question) => question.startsWith('TLSA ')),
        asked.map((name) => `TLSA ${name}`),
      )
    })
  }

  it('an address has no TLSA records', async () => {
    const resolver = fakeResolver({})
    const addresses = await lookupAddresses(resolver, '192.0.2.1', { inetPrefer: 'v4' })
    const got = await lookupTlsa(resolver, { host: '192.0.2.1', addresses, mxSecure: true, port: 25 })
    assert.deepEqual([got.state, resolver.asked], ['insecure', []])
  })

  it('a name too long for the prefix has none either', async () => {
    const host = `${'a.'.repeat(122)}example`
    const zone: FakeZone = { [`A ${host}`]: { records: ['192.0.2.1'], secure } }
    const resolver = fakeResolver(zone)
    const addresses = await lookupAddresses(resolver, host, { inetPrefer: 'v4' })
    const got = await lookupTlsa(resolver, { host, addresses, mxSecure: true, port: 25 })
    assert.equal(got.state, 'absent')
  })

  it('a host whose addresses could not be looked up is unreachable (2.1.2)', async () => {
    const got = await lookupTlsa(fakeResolver({}), {
      host: 'h.example',
      addresses: { kind: 'error', error: 'servfail', detail: 'x' },
      mxSecure: true,
      port: 25,
    })
    assert.equal(got.state, 'error')
  })
})

describe('dns: usable TLSA records', () => {
  const USABLE: [string, TlsaData, boolean][] = [
    ['RFC 7672 3.1.1 DANE-EE', tlsa(3, 1, 1, sha256), true],
    ['RFC 7672 3.1.2 DANE-TA', tlsa(2, 0, 1, sha256), true],
    ['RFC 7672 3.1.3 PKIX-TA', tlsa(0, 0, 1, sha256), false],
    ['RFC 7672 3.1.3 PKIX-EE', tlsa(1, 1, 1, sha256), false],
    ['RFC 6698 2.1.1 usage 4', tlsa(4, 1, 1, sha256), false],
    ['RFC 7218 2.1 usage PrivCert', tlsa(255, 1, 1, sha256), false],
    ['RFC 6698 2.1.2 selector 2', tlsa(3, 2, 1, sha256), false],
    ['RFC 6698 2.1.2 selector 255', tlsa(3, 255, 0, hex), false],
    ['RFC 6698 2.1.3 SHA-512', tlsa(3, 1, 2, sha512), true],
    ['RFC 6698 2.1.3 matching type 3', tlsa(3, 1, 3, sha256), false],
    ['SHA-256, too short', tlsa(3, 1, 1, sha256.slice(2)), false],
    ['SHA-256, too long', tlsa(3, 1, 1, `${sha256}00`), false],
    ['SHA-256 that is SHA-512', tlsa(3, 1, 1, sha512), false],
    ['SHA-512 that is SHA-256', tlsa(2, 0, 2, sha256), false],
    ['no data', tlsa(3, 1, 1, ''), false],
    ['no data, full', tlsa(3, 0, 0, ''), false],
    ['a full certificate', tlsa(2, 0, 0, hex), true],
    ['a full certificate and more', tlsa(2, 0, 0, `${hex}00`), false],
    ['a full certificate, cut', tlsa(3, 0, 0, hex.slice(0, -2)), false],
    ['a full key', tlsa(3, 1, 0, spki), true],
    ['a full certificate as a key', tlsa(3, 1, 0, hex), false],
    ['a full key as a certificate', tlsa(2, 0, 0, spki), false],
  ]
  for (const [what, record, usable] of USABLE) {
    it(`${what} is ${usable ? 'usable' : 'unusable'}`, () =>
      assert.deepEqual(usableTlsaRecords([record]), usable ? [record] : []))
  }

  const AGILITY: [string, TlsaData[], number[]][] = [
    ['the stronger digest alone', [tlsa(3, 1, 1, sha256), tlsa(3, 1, 2, sha512)], [1]],
    ['per selector', [tlsa(3, 0, 1, sha256), tlsa(3, 1, 2, sha512)], [0, 1]],
    ['per usage', [tlsa(2, 1, 1, sha256), tlsa(3, 1, 2, sha512)], [0, 1]],
    ['Full(0) is no digest', [tlsa(3, 1, 0, spki), tlsa(3, 1, 1, sha256), tlsa(3, 1, 2, sha512)], [0, 2]],
    ['Full(0) weakens nothing', [tlsa(3, 1, 0, spki), tlsa(3, 1, 1, sha256)], [0, 1]],
    ['a malformed strong digest takes nothing away', [tlsa(3, 1, 1, sha256), tlsa(3, 1, 2, sha256)], [0]],
    ['several of one kind', [tlsa(3, 1, 1, sha256), tlsa(3, 1, 1, '00'.repeat(32))], [0, 1]],
  ]
  for (const [what, records, kept] of AGILITY) {
    it(`digest agility (RFC 7671 9): ${what}`, () =>
      assert.deepEqual(
        usableTlsaRecords(records),
        kept.map((index) => records[index]),
      ))
  }

  it('random records never throw, and what is usable was published', () => {
    const byte = fc.integer({ min: 0, max: 255 })
    const small = fc.integer({ min: 0, max: 4 })
    const anyRecord = fc.record({
      usage: fc.oneof(small, byte),
      selector: fc.oneof(small, byte),
      matchingType: fc.oneof(small, byte),
      data: fc.oneof(
        fc.uint8Array({ maxLength: 700 }).map((bytes) => Buffer.from(bytes).toString('hex')),
        fc.constantFrom(hex, spki, sha256, sha512, ''),
      ),
    })
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 12 }), (records) => {
        const usable = usableTlsaRecords(records)
        assert.ok(usable.every((record) => records.includes(record)))
        assert.ok(
          usable.every(
            ({ usage, selector, matchingType }) => usage >= 2 && usage <= 3 && selector < 2 && matchingType < 3,
          ),
        )
      }),
      { numRuns: 300 },
    )
  })
})
