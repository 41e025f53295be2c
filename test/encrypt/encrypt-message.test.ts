import assert from 'node:assert/strict'
import { createPrivateKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { CannotEncrypt } from '../../lib/encrypt/cannot-encrypt'
import { recipientKey } from '../../lib/encrypt/cms/certificate'
import { signer } from '../../lib/encrypt/cms/signed'
import { encryptMessage, type EncryptOptions } from '../../lib/encrypt/encrypt-message'
import { multipartSigned } from '../../lib/encrypt/multipart-signed'
import { openSource } from '../../lib/encrypt/source'
import { requirePackages } from '../internet/packages'
import {
  inPieces,
  openMail,
  openOffice,
  openssl,
  openWithOpenssl,
  whole,
  type Correspondent,
  type Office,
} from './office'

const HEADER =
  'Received: from here by there; Thu, 01 Jan 2026 12:00:00 +0000\r\nFrom: Anne <anne@uni.test>\r\nTo: Bo <bo@good.test>\r\n' +
  'Bcc: secret@good.test\r\nDKIM-Signature: v=1; h=from\r\nSubject: [secure] About\r\n grades\r\nX-Note: inside only\r\n' +
  'Date: Thu, 01 Jan 2026 12:00:00 +0000\r\nMessage-ID: <one@uni.test>\r\nMIME-Version: 1.0\r\n'

describe('a message, encrypted', function () {
  this.timeout(30_000)
  let office: Office
  let bo: Correspondent
  let gateway: Correspondent

  before(async function () {
    await requirePackages(this)
    office = openOffice()
    bo = office.issue('rsa', 'bo@good.test')
    gateway = office.issue('p256', 'gateway@uni.test', { usage: 'digitalSignature' })
  })
  after(() => office.stop())

  const encrypted = async (message: Buffer | string, options: Partial<EncryptOptions> = {}, ...cuts: number[]) => {
    const { header, body } = await encryptMessage(inPieces(Buffer.from(message), ...cuts), {
      recipients: [recipientKey(bo.certificate)],
      padding: 'pkcs1',
      protection: 'rfc9788',
      hidden: { subject: null, fields: new Set() },
      tags: ['[secure]', '[sikker]'],
      signer: null,
      now: Date.UTC(2026, 0, 1),
      ...options,
    })
    return Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`, 'latin1'), await whole(body)])
  }
  const opened = async (...args: Parameters<typeof encrypted>) => openMail(office, await encrypted(...args), bo)
  const named = (headers: [string, string][], name: string) =>
    headers.filter(([one]) => one.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  /** What follows the header of the entity. */
  const bodyOf = (entity: Buffer) => entity.subarray(entity.indexOf('\r\n\r\n') + 4)

  it('has the type that mail programs know, and short lines of text alone', async () => {
    const mail = await encrypted(`${HEADER}\r\nHej\r\n`)
    const { type, smimeType, fileName, outerDefects } = openMail(office, mail, bo)
    assert.deepEqual([type, smimeType, fileName], ['application/pkcs7-mime', 'enveloped-data', 'smime.p7m'])
    assert.deepEqual(outerDefects, [])
    for (const line of mail.toString('latin1').split('\r\n'))
      assert.ok(line.length <= 120 && !/[^\x20-\x7e\t]/.test(line))
  })

  it('keeps the header that servers and mail programs need, and hides what only the reader needs', async () => {
    const { outer, inner, hp, innerDefects } = await opened(`${HEADER}Content-Type: text/plain\r\n\r\nHej\r\n`)
    assert.deepEqual(
      outer.map(([name]) => name),
      [
        ...['Received', 'From', 'To', 'Subject', 'Date', 'Message-ID'],
        ...['MIME-Version', 'Content-Type', 'Content-Transfer-Encoding', 'Content-Disposition', 'Content-Description'],
      ],
    )
    assert.deepEqual(named(outer, 'Subject'), ['About grades'], 'without the tag')
    assert.deepEqual(named(inner, 'Subject'), ['About grades'])
    assert.deepEqual(named(inner, 'X-Note'), ['inside only'])
    assert.deepEqual(named(inner, 'HP-Outer').length, 5)
    assert.ok(named(inner, 'HP-Outer').includes('Subject: About grades'))
    for (const name of ['Bcc', 'DKIM-Signature', 'Received', 'MIME-Version']) assert.deepEqual(named(inner, name), [])
    assert.equal(hp, 'cipher')
    assert.deepEqual(innerDefects, [])
  })

  it('a subject that must not be seen is inside alone, and so are fields with findings', async () => {
    const message = `${HEADER}Cc: 070761-1006 Person <c@good.test>, =?utf-8?q?d=C3=A9?= <d@good.test>\r\nComments: 070761-1006\r\n\r\nHej\r\n`
    const hidden = { subject: 'Krypteret mail – encrypted', fields: new Set(['cc', 'comments']) }
    const mail = await encrypted(message, { hidden })
    const { outer, inner } = openMail(office, mail, bo)
    assert.deepEqual(named(outer, 'Subject'), ['Krypteret mail – encrypted'])
    assert.deepEqual(named(outer, 'Cc'), ['c@good.test, d@good.test'])
    assert.ok(!mail.includes('070761') && !mail.includes('grades'))
    assert.deepEqual(named(inner, 'Subject'), ['About grades'])
    assert.deepEqual(named(inner, 'Comments'), ['070761-1006'])
    assert.ok(
      named(inner, 'HP-Outer').some(
        (field) => field.startsWith('Subject: Krypteret') || field.startsWith('Subject: =?'),
      ),
    )
  })

  it('rfc8551: the whole message inside another one', async () => {
    const { parts, outer } = await opened(`${HEADER}Content-Type: text/plain\r\n\r\nHej\r\n`, { protection: 'rfc8551' })
    const [message] = parts
    assert.equal(message?.type, 'message/rfc822')
    assert.deepEqual(named(message.headers ?? [], 'Subject'), ['About grades'])
    assert.deepEqual(named(message.headers ?? [], 'Bcc'), [])
    assert.deepEqual(message.parts?.[0]?.content?.toString(), 'Hej\r\n')
    assert.deepEqual(named(outer, 'Subject'), ['About grades'])
  })

  it('signed first, with a key of either kind, and OpenSSL finds the signature good', async () => {
    const rsa = office.issue('rsa', 'gateway@uni.test', { usage: 'digitalSignature' })
    for (const by of [gateway, rsa]) {
      const mail = await encrypted(`${HEADER}Content-Type: text/plain; charset=utf-8\r\n\r\nBlåbær\r\n..\r\n`, {
        signer: signer(by.certificate, [], createPrivateKey(readFileSync(by.keyFile))),
      })
      const { entity, signed, inner, hp } = openMail(office, mail, bo, by.certFile)
      assert.match(entity.toString('latin1'), /^Content-Type: multipart\/signed;/)
      assert.ok(signed?.toString().endsWith('\r\n\r\nBlåbær\r\n..\r\n'))
      assert.deepEqual(named(inner, 'Subject'), ['About grades'])
      assert.equal(hp, 'cipher')
    }
  })

  it('a signed message that was changed is found out, and says what it can read', async () => {
    const key = createPrivateKey(readFileSync(gateway.keyFile))
    const entity = inPieces(Buffer.from('Content-Type: text/plain\r\n\r\nPay 100\r\n'))
    const message = await whole(multipartSigned(entity, signer(gateway.certificate, [], key), Date.now()))
    const verify = (text: string) =>
      openssl(['cms', '-verify', '-inform', 'SMIME', '-CAfile', gateway.certFile, '-purpose', 'any'], Buffer.from(text))
    assert.ok(verify(message.toString('latin1')).includes('Pay 100'))
    assert.throws(() => verify(message.toString('latin1').replace('Pay 100', 'Pay 900')), /verification failure/)
    const part =
      message
        .toString('latin1')
        .split('\r\n\r\n')
        .at(-1)
        ?.replace(/--signed.*/s, '') ?? ''
    const structure = openssl(['cms', '-cmsout', '-print', '-inform', 'DER'], Buffer.from(part, 'base64')).toString()
    assert.match(structure, /S\/MIME Capabilities/)
    assert.match(structure, /signingTime/)
  })

  it('a key that is not the certificate’s, or cannot sign, makes no signer', () => {
    const other = createPrivateKey(readFileSync(bo.keyFile))
    assert.throws(() => signer(gateway.certificate, [], other), /not the one/)
  })

  const BODIES: Record<string, Buffer> = {
    'an empty body': Buffer.alloc(0),
    'one line without an end': Buffer.from('no end'),
    '8-bit text and dots': Buffer.from('Blåbærgrød\r\n.\r\n..\r\n\r\n\r\n', 'latin1'),
    'a line of 100,000 characters': Buffer.from(`${'long '.repeat(20_000)}\r\n`),
    'bytes of every value but line ends': Buffer.from([...Array(256).keys()].filter((n) => n !== 10 && n !== 13)),
    'a nested multipart': Buffer.from(
      '--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n' +
        '<p>html</p>\r\n--b--\r\n\r\n--a\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
        `${randomBytes(57).toString('base64')}\r\n--a--\r\n`,
    ),
  }
  for (const [what, body] of Object.entries(BODIES)) {
    it(`${what} comes out byte for byte`, async () => {
      const type = what.includes('multipart') ? 'multipart/mixed; boundary=a' : 'text/plain; charset=iso-8859-1'
      const message = Buffer.concat([Buffer.from(`${HEADER}Content-Type: ${type}\r\n\r\n`), body])
      for (const protection of ['rfc9788', 'rfc8551'] as const) {
        const { entity, innerDefects, parts } = openMail(office, await encrypted(message, { protection }), bo)
        const expected = Buffer.concat([Buffer.from('\r\n\r\n'), body])
        assert.ok(entity.subarray(-expected.length).equals(expected))
        assert.deepEqual(innerDefects, [])
        if (what.includes('multipart') && protection === 'rfc9788') {
          assert.deepEqual(
            parts.map((part) => part.type),
            ['text/plain', 'text/html', 'application/octet-stream'],
          )
        }
      }
    })
  }

  it('addresses and subjects in UTF-8 (RFC 6532) stay', async () => {
    const message = 'From: <grøn@uni.test>\r\nTo: <blåbær@good.test>\r\nSubject: [sikker] Grøn æble\r\n\r\nHej\r\n'
    const mail = await encrypted(message)
    assert.ok(mail.toString('utf8').includes('To: <blåbær@good.test>'))
    const { entity } = openMail(office, mail, bo)
    const inner = entity.toString('utf8')
    assert.ok(inner.includes('From: <grøn@uni.test>'))
    assert.ok(inner.includes('HP-Outer: To: <blåbær@good.test>'))
  })

  it('line ends become CRLF however they are written, in pieces of any size', async () => {
    const text = fc
      .array(fc.constantFrom('a', '\r', '\n', '\r\n', '.'), { maxLength: 40 })
      .map((parts) => parts.join(''))
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(30), { maxLength: 6 }), async (body, cuts) => {
        const source = await openSource(inPieces(Buffer.from(`Subject: x\r\n\r\n${body}`), ...cuts))
        assert.equal((await whole(source.body)).toString(), body.replace(/(?<!\r)\n/g, '\r\n'))
        assert.equal(source.header.fields.length, 1)
      }),
      { numRuns: 500 },
    )
  })

  it('content types of every kind: the mark is added or left out, and nothing else is changed', async () => {
    const cases: [string, boolean][] = [
      ['text/plain', true],
      ['text/plain; charset="utf-8";', true],
      ['multipart/mixed;\r\n boundary="a b"', true],
      ['text/plain; name="a\\"b"', true],
      ['text/plain; name="open', false],
      ['text/plain (a comment', false],
      ['nonsense', false],
    ]
    for (const [type, marked] of cases) {
      const { entity } = await opened(`Subject: x\r\nContent-Type: ${type}\r\n\r\nHej\r\n`)
      const head = entity.toString().slice(0, -bodyOf(entity).length)
      assert.equal(head.includes('hp="cipher"'), marked, type)
      assert.ok(head.includes(`Content-Type: ${type.replace(/;$/, '')}`), type)
    }
    const { entity } = await opened('Subject: x\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\nHej\r\n')
    assert.ok(!entity.includes('cipher'))
  })

  it('a header that nobody can read is an error that says so', async () => {
    await assert.rejects(encrypted('Subject: a\0b\r\n\r\nHej\r\n'), CannotEncrypt)
    await assert.rejects(encrypted(`X: ${'y'.repeat(300_000)}\r\n\r\nHej\r\n`), CannotEncrypt)
    const hidden = { subject: null, fields: new Set(['to']) }
    await assert.rejects(encrypted('To: "open <a@b.test>\r\n\r\nHej\r\n', { hidden }), CannotEncrypt)
  })

  it('headers of any bytes: an encrypted message that OpenSSL opens, or that error', async () => {
    const words = [
      'Subject:',
      'Content-Type:',
      'Bcc: ',
      '[secure]',
      ' a/b;',
      '"',
      '\r\n',
      '\r\n ',
      '\n',
      '\xe6',
      '=?utf-8?q?=C3?=',
      '\0',
    ]
    const header = fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((some) => some.join(''))
    await fc.assert(
      fc.asyncProperty(header, async (text) => {
        const mail = await encrypted(Buffer.from(`From: a@uni.test\r\n${text}`, 'latin1')).catch((error: unknown) => {
          assert.ok(error instanceof CannotEncrypt, String(error))
        })
        if (mail === undefined) return
        const base64 = mail.subarray(mail.indexOf('\r\n\r\n') + 4).toString()
        openWithOpenssl(office, Buffer.from(base64, 'base64'), bo)
      }),
      { numRuns: 25 },
    )
  })
})
