import assert from 'node:assert/strict'
import { certificateFacts, unusable } from '../../../lib/encrypt/certificates/facts'
import { certificateAddress } from '../../../lib/encrypt/certificates/names'
import { createPki, type Authority, type Pki, type Wish } from '../pki'

const DAY = 86_400_000
const now = Date.now()

describe('certificates: facts', () => {
  let pki: Pki
  let root: Authority
  before(() => {
    pki = createPki()
    root = pki.authority('/CN=Mail Root')
  })
  after(() => {
    pki.remove()
  })

  it('addresses are read from every place that authorities put them in', () => {
    const addresses = (wish: Wish) => certificateFacts(root.issue(wish).der).addresses
    assert.deepEqual(addresses({ names: 'email:Anna.Berg@Partner.TEST,email:anna@partner.test,DNS:partner.test' }), [
      'anna.berg@partner.test',
      'anna@partner.test',
    ])
    // older authorities: only in the subject
    assert.deepEqual(addresses({ subject: '/CN=Anna/emailAddress=anna@partner.test' }), ['anna@partner.test'])
    // both: what stands in the extension counts
    assert.deepEqual(
      addresses({ subject: '/CN=Anna/emailAddress=old@partner.test', names: 'email:anna@partner.test' }),
      ['anna@partner.test'],
    )
    // RFC 9598: a local part that is not ASCII, and a domain in U-labels that means the same as its A-labels
    const utf8 = ['[alt]', 'otherName=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:sørén@blåbær.test']
    assert.deepEqual(addresses({ names: '@alt', more: utf8 }), ['sørén@xn--blbr-roah.test'])
    assert.deepEqual(addresses({ names: 'DNS:partner.test' }), [])
    assert.deepEqual(addresses({ names: 'email:no address' }), [])
  })

  it('addresses are compared in one form', () => {
    for (const [given, wanted] of [
      ['Anna@Partner.Test', 'anna@partner.test'],
      ['anna@BLÅBÆR.test', 'anna@xn--blbr-roah.test'],
      ['anna@xn--blbr-roah.test.', 'anna@xn--blbr-roah.test'],
      ['so\u0308ren@partner.test', 's\u00f6ren@partner.test'],
      ['anna', null],
      ['@partner.test', null],
      ['a b@partner.test', null],
      ['anna@[192.0.2.1]', null],
      ['anna@', null],
    ] as const) {
      assert.equal(certificateAddress(given), wanted, given)
    }
  })

  const rows: { what: string; wish: Wish; why: RegExp | null; at?: number }[] = [
    { what: 'RSA-2048 with keyEncipherment', wish: { key: 'rsa2048', keyUsage: 'keyEncipherment' }, why: null },
    { what: 'RSA-2048 for signatures only', wish: { key: 'rsa2048', keyUsage: 'digitalSignature' }, why: /keyUsage/ },
    { what: 'RSA-1024', wish: { key: 'rsa1024' }, why: /too short \(RSA 1024\)/ },
    { what: 'RSA-PSS', wish: { key: 'rsa-pss' }, why: /of this kind/ },
    { what: 'P-256 with keyAgreement', wish: { key: 'P-256', keyUsage: 'keyAgreement' }, why: null },
    { what: 'P-384 with keyAgreement', wish: { key: 'P-384', keyUsage: 'keyAgreement' }, why: null },
    { what: 'P-521 with keyAgreement', wish: { key: 'P-521', keyUsage: 'keyAgreement' }, why: null },
    { what: 'P-256 with keyEncipherment only', wish: { key: 'P-256', keyUsage: 'keyEncipherment' }, why: /keyUsage/ },
    { what: 'another curve', wish: { key: 'secp256k1' }, why: /of this kind \(EC secp256k1\)/ },
    { what: 'no keyUsage, no purposes', wish: { keyUsage: '', purposes: '' }, why: null },
    { what: 'a server', wish: { purposes: 'serverAuth,clientAuth' }, why: /not for mail/ },
    { what: 'any purpose', wish: { purposes: 'anyExtendedKeyUsage' }, why: null },
    { what: 'expired', wish: { notBefore: now - 9 * DAY, notAfter: now - DAY }, why: /expired/ },
    { what: 'not yet valid', wish: { notBefore: now + DAY }, why: /not valid before/ },
  ]
  for (const { what, wish, why } of rows) {
    it(`usable for encryption: ${what}`, () => {
      const found = unusable(certificateFacts(root.issue({ names: 'email:a@b.test', ...wish }).der), now)
      if (why === null) assert.equal(found, null)
      else assert.match(found ?? 'usable', why)
    })
  }

  it('what is no certificate is a RangeError', () => {
    const { der, cert } = root.issue({})
    assert.equal(certificateFacts(der).fingerprint.length, 64)
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from(cert),
      der.subarray(0, -1),
      Buffer.concat([der, Buffer.of(0)]),
      Buffer.alloc(20_000, 0x30),
    ]) {
      assert.throws(() => certificateFacts(bytes), RangeError)
    }
  })
})
