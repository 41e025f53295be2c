import assert from 'node:assert/strict'
import { findSensitive } from '../../lib/classify/sensitive'
import { base64, CPR, look, mail, multipart } from '../gate/support'

/** ContentInfo with this content type and nothing behind it (RFC 5652 section 3). */
const cms = (oid: string) => Buffer.from(`308006${oid}a080`, 'hex')
const ENVELOPED = cms('092a864886f70d010703')
const AUTH_ENVELOPED = cms('0b2a864886f70d0109100117')
const SIGNED = cms('092a864886f70d010702')
const PGP = `-----BEGIN PGP MESSAGE-----\n\n${base64(Buffer.from('85010c03', 'hex'))}\n=abcd\n-----END PGP MESSAGE-----\n`
const pgpMime = (data: string) =>
  multipart('encrypted; protocol="application/pgp-encrypted"', [
    'Content-Type: application/pgp-encrypted\n\nVersion: 1',
    `Content-Type: application/octet-stream\n\n${data}`,
  ])
const attached = (bytes: Buffer) => {
  const [type, body] = multipart('mixed', [
    'Content-Type: text/plain\n\nhej',
    `Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n${base64(bytes)}`,
  ])
  return mail({ 'Content-Type': type }, body)
}
const smime = (bytes: Buffer, fields = {}) =>
  mail(
    {
      'Content-Type': 'application/pkcs7-mime; smime-type=enveloped-data',
      'Content-Transfer-Encoding': 'base64',
      ...fields,
    },
    base64(bytes),
  )
const zip = (flags: number, method: number) => {
  const entry = Buffer.alloc(46)
  entry.writeUInt32BE(0x504b0102, 0)
  entry.writeUInt16LE(flags, 8)
  entry.writeUInt16LE(method, 10)
  return Buffer.concat([Buffer.from('504b0304', 'hex'), Buffer.alloc(26), entry])
}
const OLE = Buffer.from('d0cf11e0a1b11ae1', 'hex')
const [PGP_TYPE, PGP_BODY] = pgpMime(PGP)
const [FALSE_TYPE, FALSE_BODY] = pgpMime('plain text')

const ROWS: [name: string, raw: Buffer, kind: string | null, category: number][] = [
  ['S/MIME enveloped', smime(ENVELOPED), 'smime-enveloped', 3],
  ['S/MIME auth-enveloped (RFC 5083)', smime(AUTH_ENVELOPED), 'smime-enveloped', 3],
  ['opaque-signed under a false smime-type', smime(SIGNED), null, 2],
  [
    'S/MIME below a subject with a CPR number',
    smime(ENVELOPED, { Subject: `[unsecure] ${CPR}` }),
    'smime-enveloped',
    2,
  ],
  ['S/MIME as an attachment of clear text', attached(ENVELOPED), 'smime-enveloped', 2],
  ['PGP/MIME (RFC 3156 section 4)', mail({ 'Content-Type': PGP_TYPE }, PGP_BODY), 'pgp-mime', 3],
  ['PGP/MIME that holds plain text', mail({ 'Content-Type': FALSE_TYPE }, FALSE_BODY), null, 2],
  ['PGP/MIME with an epilogue', mail({ 'Content-Type': PGP_TYPE }, `${PGP_BODY}more`), null, 2],
  ['inline PGP', mail({}, PGP), 'pgp-inline', 3],
  ['inline PGP below clear text', mail({}, `hej\n${PGP}`), 'pgp-inline', 2],
  ['zip, flag bit 0', attached(zip(1, 8)), 'zip-encrypted', 2],
  ['zip, AES', attached(zip(0, 99)), 'zip-encrypted', 2],
  ['zip, open', attached(zip(0, 8)), null, 2],
  [
    'Office',
    attached(Buffer.concat([OLE, Buffer.from('EncryptionInfoEncryptedPackage', 'utf16le')])),
    'office-encrypted',
    2,
  ],
  ['Office, open', attached(OLE), null, 2],
  ['PDF', attached(Buffer.from('%PDF-1.7\ntrailer << /Encrypt 5 0 R >>')), 'pdf-encrypted', 2],
  ['PDF, open', attached(Buffer.from('%PDF-1.7\ntrailer << >>')), null, 2],
  ['7z', attached(Buffer.from('377abcaf271c000406f10701', 'hex')), 'archive-encrypted', 2],
  ['RAR5', attached(Buffer.from('526172211a070100aabbccdd0104', 'hex')), 'archive-encrypted', 2],
]

describe('protection, told by bytes', () => {
  for (const [name, raw, kind, category] of ROWS) {
    it(`${name}: ${kind ?? 'none'}, category ${category}`, async () => {
      const { verdict } = await look(raw)
      assert.deepEqual(
        verdict.protection.map((one) => one.kind),
        kind === null ? [] : [kind],
      )
      assert.equal(verdict.category, category)
      // whatever is encrypted or is no readable text refuses the opt-out
      assert.equal(verdict.granted, false)
      assert.ok(verdict.refusals.some(({ code }) => code === 'uninspected'))
    })
  }
})

it('a PGP signature is no encryption', async () => {
  const { verdict } = await look(mail({}, PGP.replaceAll('MESSAGE', 'SIGNATURE')))
  assert.deepEqual(verdict.protection, [])
  assert.equal(verdict.category, 1)
})

describe('other sensitive content', () => {
  const ROWS: [text: string, hit: RegExp | null][] = [
    ['-----BEGIN RSA PRIVATE KEY-----', /private key/],
    ['-----BEGIN PGP PRIVATE KEY BLOCK-----', /private key/],
    ['-----BEGIN CERTIFICATE-----', null],
    ['DK50 0040 0440 1162 43', /IBAN/],
    ['DK5000400440116243 og', /IBAN/],
    ['DK5100400440116243', null],
    ['GB82 WEST 1234 5698 7654 32', /IBAN/],
    ['4111 1111 1111 1111', /card/],
    ['4111-1111-1111-1112', null],
    ['378282246310005', /card/],
    ['9999999999999995', null],
    ['Dette er FORTROLIGT.', /classifies/],
    ['strictly confidential', /classifies/],
    ['  ** INTERNT **', /classifies/],
    ['our internal phone list', null],
    ['Din diagnose er klar', /health/],
    ['hans straffeattest', /health/],
    ['Nye bøger om diagnose', null],
    ['The canteen is open', null],
  ]
  for (const [text, hit] of ROWS) {
    it(`${text}: ${hit?.source ?? 'nothing'}`, () => {
      const details = findSensitive(text).map(({ detail }) => detail)
      if (hit === null) assert.deepEqual(details, [])
      else
        assert.ok(
          details.some((detail) => hit.test(detail)),
          details.join(),
        )
    })
  }

  it('takes linear time on hostile text', () => {
    for (const piece of ['A', 'DK50 ', '1', '4111 ', 'diagnose ', '\n', '- ', 'intern ', '-----BEGIN ', 'f. ']) {
      assert.ok(Array.isArray(findSensitive(piece.repeat(100_000))))
    }
  })
})
