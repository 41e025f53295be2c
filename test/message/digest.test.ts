import assert from 'node:assert/strict'
import fc from 'fast-check'
import { contentDigest, contentDigestOfWire } from '../../lib/message/digest'
import { unstuff } from '../../lib/message/dot-stuffing'

const HEAD = 'From: a@x.example\r\nTo: b@y.example\r\nSubject: s\r\n folded\r\nContent-Type: text/plain\r\n'
const MAIL = `${HEAD}\r\nline\r\n.dot\r\n..\r\n`

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve()
    yield bytes.subarray(at, at + size)
  }
}

const stuffed = (text: string) => text.replace(/^\./gm, '..')

describe('content digest', () => {
  const SAME: [name: string, mail: string][] = [
    [
      'added trace and signature fields',
      `Received: x\r\nDKIM-Signature: y\r\n z\r\nMessage-Id: <1>\r\nDate: d\r\n${MAIL}`,
    ],
    ['fields added behind', MAIL.replace('\r\n\r\n', '\r\nX-Spam: no\r\n\r\n')],
    ['LF line ends', MAIL.replace(/\r\n/g, '\n')],
    ['name in another case', MAIL.replace('Subject', 'SUBJECT')],
    ['no line end at the end', MAIL.replace(/\r\n$/, '')],
  ]
  for (const [name, mail] of SAME) {
    it(`does not depend on: ${name}`, () =>
      assert.equal(contentDigest(Buffer.from(mail)), contentDigest(Buffer.from(MAIL))))
  }

  const OTHER: [name: string, mail: string][] = [
    ['From', MAIL.replace('a@x', 'c@x')],
    ['a second From', `From: c@x.example\r\n${MAIL}`],
    ['To', MAIL.replace('b@y', 'c@y')],
    ['an added Cc', `Cc: z@z.example\r\n${MAIL}`],
    ['Subject', MAIL.replace(': s', ': t')],
    ['a folded line of it', MAIL.replace(' folded', ' fold')],
    ['Content-Type', MAIL.replace('text/plain', 'text/html')],
    ['an added Content-Language', `Content-Language: da\r\n${MAIL}`],
    ['a missing field', MAIL.replace('To: b@y.example\r\n', '')],
    ['the body', MAIL.replace('line', 'lines')],
    ['a line added', `${MAIL}x\r\n`],
    ['an empty line added', `${MAIL}\r\n`],
    ['a dot', MAIL.replace('.dot', 'dot')],
    ['header moved into the body', MAIL.replace('\r\nContent', '\r\n\r\nContent')],
  ]
  for (const [name, mail] of OTHER) {
    it(`depends on: ${name}`, () => assert.notEqual(contentDigest(Buffer.from(mail)), contentDigest(Buffer.from(MAIL))))
  }

  it('is the same over the wire form, however it is cut', async () => {
    const wire = Buffer.from(stuffed(MAIL))
    for (let size = 1; size <= wire.length; size++) {
      assert.equal(await contentDigestOfWire(chunks(wire, size)), contentDigest(Buffer.from(MAIL)), `chunks of ${size}`)
    }
  })

  it('agrees with itself on any bytes and any cut', async () => {
    const text = fc.array(fc.constantFrom('a', '.', '\r', '\n', '\r\n', ':', ' ', 'To: x', 'Subject'), {
      maxLength: 40,
    })
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (pieces, size) => {
        const plain = pieces.join('')
        assert.equal(
          await contentDigestOfWire(chunks(Buffer.from(stuffedByLf(plain)), size)),
          contentDigest(Buffer.from(plain)),
        )
      }),
    )
  })

  it('refuses a header without end', () => {
    assert.throws(() => contentDigest(Buffer.alloc(2 * 1024 * 1024, 'x')), /too large/)
  })
})

/** RFC 5321 section 4.5.2, lines ending at LF. */
function stuffedByLf(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.startsWith('.') ? `.${line}` : line))
    .join('\n')
}

describe('dot-stuffing', () => {
  it('is undone byte for byte (RFC 5321 section 4.5.2)', async () => {
    for (const text of ['.', '..', 'a\r\n.\r\n', '\n\n.x\n', 'a.b\r\n..\r\n']) {
      for (const size of [1, 2, 3, 100]) {
        const out: Buffer[] = []
        for await (const piece of unstuff(chunks(Buffer.from(stuffedByLf(text)), size))) out.push(piece)
        assert.equal(Buffer.concat(out).toString(), text)
      }
    }
  })
})
