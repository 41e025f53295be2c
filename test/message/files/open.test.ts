import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import forge from 'node-forge'
import { parseBer } from '../../../lib/message/files/ber'
import { looksLikeMessage } from '../../../lib/message/files/looks-like'
import type { Verdict } from '../../../lib/gate/types'
import { docxBody, xlsx } from '../../corpus/formats/office'
import { pdf, pdfFile } from '../../corpus/formats/pdf'
import { writeZip } from '../../corpus/formats/zip-writer'
import { base64, CPR, look, mail, multipart, settingsWith } from '../../gate/support'

/** A mail with a text and one attachment. */
function attached(bytes: Buffer, name = 'file.bin', type = 'application/octet-stream'): Buffer {
  const [mixed, body] = multipart('mixed', [
    'Content-Type: text/plain\n\nThe canteen is open.',
    `Content-Type: ${type}\nContent-Disposition: attachment; filename="${name}"\nContent-Transfer-Encoding: base64\n\n${base64(bytes)}`,
  ])
  return mail({ 'Content-Type': mixed }, body)
}

const verdictOn = async (raw: Buffer, settings = settingsWith({})): Promise<Verdict> =>
  (await look(raw, {}, settings)).verdict
const places = ({ findings }: Verdict) => findings.map(({ where }) => where)
const zip = (name: string, data: Buffer) => writeZip([{ name, data }])
const eml = (body: string) => mail({ Subject: 'inner' }, body)

const keys = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})

/** SignedData over a content (RFC 5652 section 5), with or without the content in it. */
function signed(content: Buffer, detached: boolean): Buffer {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(keys.publicKey)
  certificate.serialNumber = '01'
  certificate.setSubject([{ name: 'commonName', value: 'Anna' }])
  certificate.setIssuer([{ name: 'commonName', value: 'Anna' }])
  const key = forge.pki.privateKeyFromPem(keys.privateKey)
  certificate.sign(key, forge.md.sha256.create())
  const message = forge.pkcs7.createSignedData()
  message.content = forge.util.createBuffer(content.toString('binary'))
  message.addCertificate(certificate)
  message.addSigner({ key, certificate, digestAlgorithm: forge.pki.oids.sha256 ?? '', authenticatedAttributes: [] })
  message.sign({ detached })
  return Buffer.from(forge.asn1.toDer(message.toAsn1()).getBytes(), 'binary')
}

const PGP_SIGNATURE = (packets: string) =>
  `-----BEGIN PGP SIGNATURE-----\nComment: none\n\n${base64(Buffer.from(packets, 'hex'))}\n=abcd\n-----END PGP SIGNATURE-----\n`

describe('files of a message', function () {
  this.timeout(30_000)

  const FOUND: [what: string, raw: () => Buffer, place: string][] = [
    [
      'a PDF under any name and type',
      () => attached(pdf(CPR), 'a.txt', 'text/x-log'),
      'attachment a.txt > page 1 line 1',
    ],
    ['a PDF in a zip', () => attached(zip('b.pdf', pdf(CPR)), 'a.zip'), 'attachment a.zip > b.pdf > page 1 line 1'],
    [
      'a zip in a PDF in a gzip',
      () =>
        attached(
          gzipSync(pdfFile({ pages: [{ lines: ['x'] }], attachments: { 'b.zip': zip('c.txt', Buffer.from(CPR)) } })),
        ),
      ' > b.zip > c.txt line 1',
    ],
    [
      'a mail in a zip',
      () => attached(zip('b.eml', eml(CPR)), 'a.zip'),
      'attachment a.zip > b.eml > text part 1 line 1',
    ],
    [
      'an attachment of a mail in a zip',
      () => attached(zip('b.eml', attached(pdf(CPR), 'c.pdf')), 'a.zip'),
      'attachment a.zip > b.eml > attachment c.pdf > page 1 line 1',
    ],
    ['a mail as a plain file', () => attached(eml(CPR), 'b.eml'), 'attachment b.eml > text part 1 line 1'],
    [
      'a cell',
      () =>
        attached(
          xlsx({
            tables: [
              [
                ['Navn', 'CPR'],
                ['Bo', CPR],
              ],
            ],
          }),
          'l.xlsx',
        ),
      '!B2',
    ],
    [
      'opaque-signed content',
      () => attached(signed(Buffer.from(`Content-Type: text/plain\r\n\r\nCPR ${CPR}\r\n`), false), 'smime.p7m'),
      'attachment smime.p7m > signed content > text part 1 line 1',
    ],
    ['the name of a member', () => attached(zip(`${CPR}.txt`, Buffer.from('x')), 'a.zip'), 'attachment a.zip'],
    ['armor headers', () => attached(Buffer.from(PGP_SIGNATURE('c20100').replace('none', CPR))), 'attachment file.bin'],
  ]
  for (const [what, raw, place] of FOUND) {
    it(`finds a number in ${what}`, async () => {
      const verdict = await verdictOn(raw())
      assert.ok(
        places(verdict).some((one) => one.includes(place) || one.replace(/0.*txt/, '') === place),
        JSON.stringify([places(verdict), verdict.uninspected]),
      )
      assert.equal(verdict.granted, false)
    })
  }

  const CLEAN: [what: string, raw: () => Buffer][] = [
    ['a PDF', () => attached(pdf('Opening hours'))],
    ['a document in a zip', () => attached(zip('a.docx', docxBody('<w:p><w:r><w:t>Opening hours</w:t></w:r></w:p>')))],
    ['a mail', () => attached(eml('Opening hours'))],
    ['a text of no known type', () => attached(Buffer.from('Opening hours\n'), 'a.xyz', 'x-own/thing')],
    ['an empty file', () => attached(Buffer.alloc(0))],
    ['opaque-signed text', () => attached(signed(Buffer.from('Content-Type: text/plain\r\n\r\nhello\r\n'), false))],
    [
      'a detached signature',
      () => attached(signed(Buffer.from('x'), true), 'smime.p7s', 'application/pkcs7-signature'),
    ],
    [
      'an OpenPGP signature',
      () => attached(Buffer.from(PGP_SIGNATURE('c203040000')), 's.asc', 'application/pgp-signature'),
    ],
  ]
  for (const [what, raw] of CLEAN) {
    it(`takes ${what} for inspected`, async () => {
      const verdict = await verdictOn(raw())
      assert.deepEqual([verdict.uninspected, verdict.granted], [[], true])
    })
  }

  let deep = zip('x.txt', Buffer.from('x'))
  for (let n = 0; n < 6; n++) deep = zip('a.zip', deep)
  let letters = eml('x')
  for (let n = 0; n < 25; n++) letters = attached(letters)
  const certificate = signed(Buffer.from('x'), true)
  const UNREAD: [what: string, raw: () => Buffer, reason: RegExp][] = [
    ['archives below five others', () => attached(deep), /archives are nested too deep/],
    ['mails below twenty others', () => attached(letters), /nested too deep/],
    ['bytes that are nothing known', () => attached(Buffer.from('0001020304', 'hex')), /not known/],
    ['a program', () => attached(Buffer.from('4d5a900003', 'hex')), /not read \(executable\)/],
    [
      'a signature with something behind it',
      () => attached(Buffer.concat([certificate, Buffer.from('hidden bytes')])),
      /not read \(der\)/,
    ],
    ['a signature that is cut off', () => attached(certificate.subarray(0, 200)), /not read \(der\)/],
    [
      'a picture in an archive',
      () => attached(zip('a.png', Buffer.from('89504e470d0a1a0a49454e44ae426082', 'hex'))),
      /image/,
    ],
    ['a 7z archive', () => attached(Buffer.from('377abcaf271c0004', 'hex')), /not opened/],
    ['an OpenPGP message', () => attached(Buffer.from('-----BEGIN PGP MESSAGE-----\n\nabcd\n')), /encrypted/],
  ]
  for (const [what, raw, reason] of UNREAD) {
    it(`does not take ${what} for inspected`, async () => {
      const verdict = await verdictOn(raw())
      assert.ok(
        verdict.uninspected.some((one) => reason.test(one.reason)),
        JSON.stringify(verdict.uninspected),
      )
      assert.equal(verdict.granted, false)
    })
  }

  it('a label in a nested mail speaks against a grant', async () => {
    const inner = mail({ Subject: 'x', Sensitivity: 'Private' }, 'x')
    const verdict = await verdictOn(attached(zip('a.eml', inner)))
    assert.deepEqual(
      verdict.refusals.map(({ code }) => code),
      ['contradicting-label'],
    )
  })

  it('all files share one budget of bytes, and one of time', async () => {
    const two = writeZip([
      { name: 'a.txt', data: Buffer.alloc(60_000, 'a ') },
      { name: 'b.txt', data: Buffer.alloc(60_000, 'b ') },
    ])
    const small = await verdictOn(attached(two), settingsWith({ content: { maxBytes: 100_000 } }))
    assert.ok(small.refusals.some(({ code }) => code === 'uninspected'))
    const enough = await verdictOn(attached(two), settingsWith({ content: { maxBytes: 1_000_000 } }))
    assert.equal(enough.granted, true)
  })
})

describe('what looks like a message', () => {
  const ROWS: [text: string, message: boolean][] = [
    ['From: a@b\r\nTo: c@d\r\n\r\nx', true],
    ['Content-Type: text/plain\n\nx', true],
    ['From: a@b\r\nSubject: x\r\n folded\r\n\r\n', true],
    ['Note: read this\nTo: everyone\n', false],
    ['Dear all,\nFrom: now on\nTo: then\n', false],
    ['a;b\n1;2\n', false],
    ['', false],
    ['%PDF-1.7 From: a\nTo: b\n', false],
  ]
  for (const [text, message] of ROWS) {
    it(`${JSON.stringify(text.slice(0, 30))}: ${message}`, () => {
      assert.equal(looksLikeMessage(Buffer.from(text)), message)
    })
  }
})

describe('BER (X.690)', () => {
  const ROWS: [what: string, hex: string, good: boolean][] = [
    ['a sequence', '3003020101', true],
    ['indefinite length (8.1.3.6)', '30800201010000', true],
    ['a line end behind it', '30030201010a', true],
    ['no bytes', '', false],
    ['a length beyond the end', '3005020101', false],
    ['a child beyond its parent', '3003020501', false],
    ['indefinite length without end', '3080020101', false],
    ['indefinite length of a primitive', '0280010000', false],
    ['a long tag', '1f8101', false],
    ['a length of five octets', '30850000000001', false],
    ['something behind it', '3000deadbeefdeadbeefdead', false],
    ['nested without end', '3080'.repeat(100), false],
  ]
  for (const [what, hex, good] of ROWS) {
    it(`${what}: ${good ? 'parsed' : 'refused'}`, () => {
      if (good) assert.equal(parseBer(Buffer.from(hex, 'hex')).tag, 0x30)
      else assert.throws(() => parseBer(Buffer.from(hex, 'hex')), RangeError)
    })
  }
})
