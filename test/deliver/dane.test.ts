import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { verifyDane } from '../../lib/deliver/dane'
import { usableTlsaRecords } from '../../lib/dns/tlsa-records'
import type { TlsaRecord } from '../../lib/policy/types'
import {
  association,
  CLIENT_AUTH,
  DAY,
  ecKey,
  make,
  rsaKey,
  SERVER_AUTH,
  tlv,
  type Made,
  type Wish,
} from './support/x509'

const BASE = 'mx.dest.test'
const NAMES = [BASE, 'dest.test', 'expanded.test']
const CERT_SIGN = 0x06
const SIGN_ONLY = 0x80

const ta = make({ name: 'TA', keyUsage: CERT_SIGN })
const mid = make({ name: 'Mid', issuer: ta, ca: true, keyUsage: CERT_SIGN })
const low = make({ name: 'Low', issuer: mid, ca: true })
const stranger = make({ name: 'Stranger' })
const under = (issuer: Made, more: Partial<Wish> = {}) => make({ name: 'leaf', issuer, dns: [BASE], ...more })
const leaf = under(ta)

const about = (usage: number, selector: 0 | 1, matchingType: 0 | 1 | 2, made: Made): TlsaRecord => ({
  usage,
  selector,
  matchingType,
  data: association(made, selector, matchingType),
})

interface Row {
  rule: string
  tlsa: readonly TlsaRecord[]
  sent: readonly Made[]
  wanted: string
  names?: readonly string[]
  /** Milliseconds from now. */
  at?: number
}

/** Its own issuer, with the right name. */
const alone = make({ name: 'Alone', dns: [BASE] })
const EXPIRED = { notBefore: -30 * DAY, notAfter: -DAY }
const self = make({ name: 'nobody', dns: ['other.test'], ca: false, ...EXPIRED })
const MISMATCH = 'tlsa-invalid'
const UNTRUSTED = 'certificate-not-trusted'

const EE: Row[] = [
  ...([0, 1] as const).flatMap((selector) =>
    ([0, 1, 2] as const).map((matchingType) => ({
      rule: `RFC 7672 3.1.1: ${selector} ${matchingType}, self-signed, expired, another name`,
      tlsa: [about(3, selector, matchingType, self)],
      sent: [self],
      wanted: 'ok',
    })),
  ),
  { rule: 'RFC 7672 3.1.1: not yet valid', tlsa: [about(3, 1, 1, leaf)], sent: [leaf], wanted: 'ok', at: -9 * DAY },
  {
    rule: 'RFC 7672 3.1.1: no name to compare with',
    tlsa: [about(3, 1, 1, leaf)],
    sent: [leaf],
    wanted: 'ok',
    names: [],
  },
  { rule: 'RFC 7672 3.2: another key', tlsa: [about(3, 1, 1, ta)], sent: [leaf], wanted: MISMATCH },
  {
    rule: 'RFC 7672 3.2: the leaf counts, not what else is sent',
    tlsa: [about(3, 1, 1, ta)],
    sent: [leaf, ta],
    wanted: MISMATCH,
  },
  {
    rule: 'RFC 7671 5.1: one of several is enough',
    tlsa: [about(3, 1, 1, stranger), about(3, 1, 1, leaf)],
    sent: [leaf],
    wanted: 'ok',
  },
  {
    rule: 'RFC 6698 2.1.2: certificate data under the selector for keys',
    tlsa: [{ ...about(3, 0, 1, leaf), selector: 1 }],
    sent: [leaf],
    wanted: MISMATCH,
  },
  { rule: 'RFC 7672 3.1.3: PKIX-EE(1)', tlsa: [about(1, 1, 1, leaf)], sent: [leaf], wanted: 'dane-required' },
  { rule: 'RFC 7672 3.1.3: PKIX-TA(0)', tlsa: [about(0, 0, 1, ta)], sent: [leaf, ta], wanted: 'dane-required' },
  { rule: 'no record', tlsa: [], sent: [leaf], wanted: 'dane-required' },
  { rule: 'no certificate', tlsa: [about(3, 1, 1, leaf)], sent: [], wanted: UNTRUSTED },
  {
    rule: 'a TA record does not match, an EE record does',
    tlsa: [about(2, 0, 1, stranger), about(3, 0, 2, self)],
    sent: [self],
    wanted: 'ok',
  },
]

const TA: Row[] = [
  ...([0, 1] as const).flatMap((selector) =>
    ([0, 1, 2] as const).map((matchingType) => ({
      rule: `RFC 7672 3.1.2: ${selector} ${matchingType}, anchor sent`,
      tlsa: [about(2, selector, matchingType, ta)],
      sent: [leaf, ta],
      wanted: 'ok',
    })),
  ),
  {
    rule: 'RFC 7672 3.1.2: through two issuers',
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(low), low, mid, ta],
    wanted: 'ok',
  },
  { rule: 'RFC 8446 4.4.2: out of order', tlsa: [about(2, 0, 1, ta)], sent: [under(low), ta, low, mid], wanted: 'ok' },
  {
    rule: 'RFC 8446 4.4.2: strangers among them',
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(mid), stranger, mid, stranger, ta],
    wanted: 'ok',
  },
  {
    rule: 'RFC 7671 5.2: an issuer in the middle is the anchor',
    tlsa: [about(2, 1, 1, mid)],
    sent: [under(low), low, mid],
    wanted: 'ok',
  },
  {
    rule: 'RFC 7671 5.2.2: digest of an anchor that is not sent',
    tlsa: [about(2, 0, 1, ta)],
    sent: [leaf],
    wanted: MISMATCH,
  },
  {
    rule: 'RFC 7671 5.2.2: digest of a key that is not sent',
    tlsa: [about(2, 1, 1, ta)],
    sent: [leaf],
    wanted: MISMATCH,
  },
  {
    rule: 'RFC 7671 5.2.1: a full anchor need not be sent',
    tlsa: [about(2, 0, 0, ta)],
    sent: [under(mid), mid],
    wanted: 'ok',
  },
  {
    rule: 'RFC 7671 5.2.3: a full key need not be sent',
    tlsa: [about(2, 1, 0, ta)],
    sent: [under(mid), mid],
    wanted: 'ok',
  },
  {
    rule: 'RFC 7671 5.2.3: a full key that signed nothing',
    tlsa: [about(2, 1, 0, stranger)],
    sent: [under(mid), mid, ta],
    wanted: MISMATCH,
  },
  {
    rule: 'RFC 7671 5.2.3: under a full key the dates count',
    tlsa: [about(2, 1, 0, ta)],
    sent: [under(ta, EXPIRED)],
    wanted: 'certificate-expired',
  },
  { rule: 'an issuer between is missing', tlsa: [about(2, 0, 1, ta)], sent: [under(low), low, ta], wanted: MISMATCH },
  {
    rule: 'the anchor is sent but issued nothing',
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(stranger), stranger, ta],
    wanted: MISMATCH,
  },
  { rule: 'the server itself is no anchor', tlsa: [about(2, 0, 1, leaf)], sent: [leaf, ta], wanted: MISMATCH },
  {
    rule: 'nor is a self-signed one',
    tlsa: [about(2, 0, 1, alone)],
    // as from a handshake: two objects with the same bytes
    sent: [alone, { ...alone, certificate: new X509Certificate(alone.certificate.raw) }],
    wanted: MISMATCH,
  },
  ...['dest.test', 'expanded.test', BASE, '*.dest.test'].map((name) => ({
    rule: `RFC 7672 3.2.2: name ${name}`,
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(ta, { dns: [name] }), ta],
    wanted: 'ok',
  })),
  ...['other.test', 'x.mx.dest.test', '*.test', 'mx.dest.test\0.evil.test'].map((name) => ({
    rule: `RFC 7672 3.2.2: name ${JSON.stringify(name)}`,
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(ta, { dns: [name] }), ta],
    wanted: 'certificate-host-mismatch',
  })),
  {
    rule: 'RFC 7672 3.2.2: insecure MX, the next-hop domain is no reference',
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(ta, { dns: ['dest.test'] }), ta],
    wanted: 'certificate-host-mismatch',
    names: [BASE],
  },
  {
    rule: 'RFC 9525 2: a common name is no name',
    tlsa: [about(2, 0, 1, ta)],
    sent: [make({ name: BASE, issuer: ta }), ta],
    wanted: 'certificate-host-mismatch',
  },
  {
    rule: 'RFC 5280 6.1.3 (a)(2): expired',
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(ta, EXPIRED), ta],
    wanted: 'certificate-expired',
  },
  {
    rule: 'RFC 5280 6.1.3 (a)(2): not yet',
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(ta, { notBefore: DAY, notAfter: 2 * DAY }), ta],
    wanted: UNTRUSTED,
  },
  {
    rule: 'the anchor has expired',
    tlsa: [about(2, 0, 1, ta)],
    sent: [under(ta, { notAfter: 9 * DAY }), ta],
    wanted: 'certificate-expired',
    at: 5 * DAY,
  },
]

/** What an issuer between server and anchor may be like. */
const ISSUERS: [string, Partial<Wish>, string, Partial<Wish>?][] = [
  ['good', { ca: true }, 'ok'],
  ['expired', { ca: true, ...EXPIRED }, 'certificate-expired'],
  ['RFC 5280 6.1.4 (k): cA false', { ca: false }, UNTRUSTED],
  ['RFC 5280 6.1.4 (k): no basicConstraints', { noBasicConstraints: true }, UNTRUSTED],
  ['RFC 5280 6.1.4 (k): version 1', { version: 1 }, UNTRUSTED],
  ['RFC 5280 6.1.4 (n): no keyCertSign', { ca: true, keyUsage: SIGN_ONLY }, MISMATCH],
  ['RFC 5280 6.1.4 (m): path length 0 for a server', { ca: true, pathLength: 0 }, 'ok'],
  ['RFC 5280 4.2: unknown critical extension', { ca: true, extensions: [['1.2.3.4', true, tlv(0x05)]] }, UNTRUSTED],
  ['RFC 5280 4.2: unknown extension', { ca: true, extensions: [['1.2.3.4', false, tlv(0x05)]] }, 'ok'],
  [
    'RFC 5280 4.2.1.11: policyConstraints, critical',
    { ca: true, extensions: [['2.5.29.36', true, tlv(0x30, tlv(0x80, Buffer.of(0)))]] },
    UNTRUSTED,
  ],
  ['RFC 5280 4.2.1.12: for clients', { ca: true, purposes: [CLIENT_AUTH] }, UNTRUSTED],
  ['RFC 5280 4.2.1.12: for servers', { ca: true, purposes: [CLIENT_AUTH, SERVER_AUTH] }, 'ok'],
  ['RFC 5280 4.2.1.10: permitted', { ca: true, permitted: [{ dns: 'dest.test' }] }, 'ok'],
  ['RFC 5280 4.2.1.10: permitted, with a dot', { ca: true, permitted: [{ dns: '.dest.test' }] }, 'ok'],
  ['RFC 5280 4.2.1.10: not permitted', { ca: true, permitted: [{ dns: 'other.test' }] }, UNTRUSTED],
  ['RFC 5280 4.2.1.10: half a label', { ca: true, permitted: [{ dns: 'est.test' }] }, UNTRUSTED],
  ['RFC 5280 4.2.1.10: excluded', { ca: true, excluded: [{ dns: 'test' }] }, UNTRUSTED],
  ['RFC 5280 4.2.1.10: another excluded', { ca: true, excluded: [{ dns: 'x.dest.test' }] }, 'ok'],
  [
    'RFC 5280 4.2.1.10: a wildcard may be what is excluded',
    { ca: true, excluded: [{ dns: 'x.dest.test' }] },
    UNTRUSTED,
    { dns: ['*.dest.test', BASE] },
  ],
  [
    'RFC 5280 4.2.1.10: one of the names',
    { ca: true, permitted: [{ dns: 'dest.test' }] },
    UNTRUSTED,
    { dns: [BASE, 'other.test'] },
  ],
  ['RFC 5280 4.2.1.10: addresses, and there are none', { ca: true, excluded: [{ ip: '0.0.0.0' }] }, 'ok'],
  [
    'RFC 5280 4.2.1.10: addresses, and there is one',
    { ca: true, excluded: [{ ip: '192.0.2.1' }] },
    UNTRUSTED,
    { ip: ['192.0.2.9'] },
  ],
  ['RFC 5280 4.2.1.10: a directory name is not processed', { ca: true, permitted: [{ directory: 'x' }] }, UNTRUSTED],
  ['RFC 9325 4.5: SHA-1', { ca: true, digest: 'sha1' }, UNTRUSTED],
  ['SHA-384', { ca: true, digest: 'sha384' }, 'ok'],
  ['RFC 9325 4.5: RSA-1024', { ca: true, key: rsaKey(1024) }, UNTRUSTED],
  ['RSA-2048', { ca: true, key: rsaKey(2048) }, 'ok'],
]

/** What the server's own certificate may be like. */
const LEAVES: [string, Partial<Wish>, string][] = [
  ['RFC 5280 4.2.1.12: for clients', { purposes: [CLIENT_AUTH] }, UNTRUSTED],
  ['RFC 5280 4.2.1.12: for anything', { purposes: ['2.5.29.37.0'] }, 'ok'],
  ['RFC 5280 4.2: unknown critical extension', { extensions: [['1.2.3.4', true, tlv(0x05)]] }, UNTRUSTED],
  [
    'RFC 5280 4.2: an extension twice',
    {
      extensions: [
        ['1.2.3.4', false, tlv(0x05)],
        ['1.2.3.4', false, tlv(0x05)],
      ],
    },
    UNTRUSTED,
  ],
  ['RFC 9325 4.5: SHA-1', { digest: 'sha1' }, UNTRUSTED],
  ['RFC 9325 4.5: RSA-1024', { key: rsaKey(1024) }, UNTRUSTED],
  ['version 1, so without names', { version: 1 }, 'certificate-host-mismatch'],
]

function verdict({ tlsa, sent, names = NAMES, at = 0 }: Omit<Row, 'rule' | 'wanted'>): string {
  const certificates = sent.map(({ certificate }) => certificate)
  const result = verifyDane(certificates, { tlsa, refNames: names }, Date.now() + at)
  return result.ok ? 'ok' : result.resultType
}

describe('deliver: DANE-EE', () => {
  for (const row of EE) it(`${row.rule}: ${row.wanted}`, () => assert.equal(verdict(row), row.wanted))
})

describe('deliver: DANE-TA', () => {
  for (const row of TA) it(`${row.rule}: ${row.wanted}`, () => assert.equal(verdict(row), row.wanted))

  for (const [what, wish, wanted, server = {}] of ISSUERS) {
    it(`an issuer: ${what}: ${wanted}`, () => {
      const issuer = make({ name: 'Issuer', issuer: ta, ...wish })
      const sent = [under(issuer, server), issuer, ta]
      assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent }), wanted)
    })
  }

  for (const [what, wish, wanted] of LEAVES) {
    it(`a server: ${what}: ${wanted}`, () =>
      assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent: [under(ta, wish), ta] }), wanted))
  }

  it('RFC 5280 6.1.4 (m): the path length counts issuers below, self-issued ones aside', () => {
    const top = make({ name: 'Top', issuer: ta, ca: true, pathLength: 0 })
    const renewed = make({ name: 'Top', issuer: top, ca: true })
    const below = make({ name: 'Below', issuer: top, ca: true })
    const tlsa = [about(2, 0, 1, ta)]
    assert.equal(verdict({ tlsa, sent: [under(renewed), renewed, top, ta] }), 'ok')
    assert.equal(verdict({ tlsa, sent: [under(below), below, top, ta] }), UNTRUSTED)
  })

  it('a certificate with the name of the anchor and another key has signed nothing of it', () => {
    const double = make({ name: 'TA' })
    assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent: [under(double), ta] }), MISMATCH)
    assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent: [under(double), double, ta] }), MISMATCH)
  })

  it('a signature that was changed', () => {
    const raw = Buffer.from(leaf.certificate.raw)
    raw[raw.length - 5] = raw[raw.length - 5]! ^ 1
    const changed = { ...leaf, certificate: new X509Certificate(raw) }
    assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent: [changed, ta] }), MISMATCH)
  })

  it('one bad path does not spoil a good one', () => {
    const key = ecKey()
    const ended = make({ name: 'Cross', issuer: ta, ca: true, key, ...EXPIRED })
    const fresh = make({ name: 'Cross', issuer: ta, ca: true, key })
    const sent = [under({ ...fresh }), ended, fresh, ta]
    assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent }), 'ok')
  })

  it('issuers that all sign one another end soon', () => {
    const keys = Array.from({ length: 18 }, ecKey)
    const name = (i: number) => `M${i % 3}`
    const mesh = keys.map((key, i) =>
      make({ name: name(i), key, ca: true, issuer: { name: name(i + 1), key: keys[(i + 1) % keys.length]! } }),
    )
    const sent = [under(mesh[0]!), ...mesh]
    assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent }), MISMATCH)
    // with an anchor in it there are many paths to look for
    assert.ok(['ok', MISMATCH, UNTRUSTED].includes(verdict({ tlsa: [about(2, 0, 1, mesh[9]!)], sent })))
  })

  it('nor does it take long where each signs each', () => {
    const key = ecKey()
    const same = { name: 'Same', key }
    const mesh = Array.from({ length: 17 }, () => make({ name: 'Same', key, ca: true, issuer: same }))
    const sent = [under({ ...mesh[0]! }), ...mesh, ta]
    // an anchor that issued none of them: every path is a dead end
    assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent }), MISMATCH)
    // and with one that is expired every path is a bad one
    const ended = make({ name: 'Same', key, ca: true, issuer: same, ...EXPIRED })
    assert.equal(verdict({ tlsa: [about(2, 0, 1, ended)], sent: [...sent, ended] }), 'certificate-expired')
  })

  it('a hundred certificates are not looked through', () => {
    const sent = [leaf, ...Array.from({ length: 100 }, () => stranger), ta]
    assert.equal(verdict({ tlsa: [about(2, 0, 1, ta)], sent }), MISMATCH)
  })
})

describe('deliver: DANE, properties', () => {
  const byte = fc.integer({ min: 0, max: 255 })
  const few = fc.integer({ min: 0, max: 4 })
  const good = [about(3, 1, 1, leaf), about(3, 0, 0, leaf), about(2, 0, 1, ta), about(2, 1, 0, ta)].map(
    ({ data }) => data,
  )
  const random: fc.Arbitrary<TlsaRecord> = fc.record({
    usage: fc.oneof(few, byte),
    selector: fc.oneof(few, byte),
    matchingType: fc.oneof(few, byte),
    data: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  })
  const sent = [under(low), low, mid, ta].map(({ certificate }) => certificate)

  it('random records never verify and never throw', () => {
    fc.assert(
      fc.property(fc.array(random, { maxLength: 8 }), (tlsa) => {
        const result = verifyDane(sent, { tlsa, refNames: NAMES }, Date.now())
        assert.equal(result.ok, false)
      }),
      { numRuns: 500 },
    )
  })

  it('data with one bit changed never verifies', () => {
    fc.assert(
      fc.property(fc.constantFrom(...good), fc.nat(), few, few, few, (data, bit, usage, selector, matchingType) => {
        const bytes = Buffer.from(data, 'hex')
        const at = bit % (bytes.length * 8)
        bytes[at >> 3] = bytes[at >> 3]! ^ (1 << (at & 7))
        const tlsa = [{ usage, selector, matchingType, data: bytes.toString('hex') }]
        // a bare key that differs in one bit may still be read; it has signed nothing
        assert.equal(verifyDane(sent, { tlsa, refNames: NAMES }, Date.now()).ok, false)
        assert.equal(verifyDane([leaf.certificate], { tlsa, refNames: NAMES }, Date.now()).ok, false)
      }),
      { numRuns: 500 },
    )
  })

  it('certificates with bytes changed never verify under DANE-TA, and never throw', () => {
    const tlsa = usableTlsaRecords([about(2, 0, 0, ta)])
    assert.equal(tlsa.length, 1)
    fc.assert(
      fc.property(fc.nat(), byte, (where, value) => {
        const raw = Buffer.from(leaf.certificate.raw)
        const at = where % raw.length
        if (raw[at] === value) return
        raw[at] = value
        let changed: X509Certificate
        try {
          changed = new X509Certificate(raw)
        } catch {
          // OpenSSL does not read it: no handshake gets this far
          return
        }
        assert.equal(verifyDane([changed, ta.certificate], { tlsa, refNames: NAMES }, Date.now()).ok, false)
      }),
      { numRuns: 1000 },
    )
  })

  it('whatever is sent along, the server cannot talk itself out of a record', () => {
    const others = [leaf, ta, mid, low, stranger, self].map(({ certificate }) => certificate)
    fc.assert(
      fc.property(fc.shuffledSubarray(others), fc.constantFrom(0, 1), (more, selector) => {
        const tlsa = [about(2, selector, 1, ta), about(3, 1, 1, ta)]
        assert.equal(verifyDane([stranger.certificate, ...more], { tlsa, refNames: NAMES }, Date.now()).ok, false)
      }),
    )
  })
})
