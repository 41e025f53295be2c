import assert from 'node:assert/strict'
import fc from 'fast-check'
import PostalMime from 'postal-mime'
import { cutMultipart } from '../../lib/message/multipart'
import { decodeWords, encodeWords } from '../../lib/message/encoded-words'
import { parseHeader } from '../../lib/message/header'
import { parseStructured } from '../../lib/message/parameters'
import { readMessage } from '../../lib/message/read'
import { hasSignatureOver, headersForReport } from '../../lib/message/report-headers'
import { removeSubjectTag, subjectTags } from '../../lib/message/subject'
import { base64, clock, mail, multipart } from '../gate/support'

const LIMITS = { maxParts: 500, maxDepth: 20, maxBytes: 50_000_000, maxMillis: 10_000 }
const read = (raw: Buffer, limits = LIMITS) => readMessage(raw, limits, clock)
const reasons = (raw: Buffer, limits = LIMITS) => read(raw, limits).uninspected.map(({ reason }) => reason)

describe('header', () => {
  it('keeps fields raw and unfolds them (RFC 5322 section 2.2.3)', () => {
    const block = parseHeader(Buffer.from('Subject: a\r\n  b\r\nX-A:c\r\n\r\nbody: no'))
    assert.deepEqual(
      block.fields.map(({ key, value, raw }) => [key, value, raw]),
      [
        ['subject', 'a  b', 'Subject: a\r\n  b'],
        ['x-a', 'c', 'X-A:c'],
      ],
    )
    assert.deepEqual(block.problems, [])
  })

  it('reads bytes, text and field lists alike', () => {
    const text = 'A: 1\r\nB: 2\r\n 3\r\n'
    const plain = (header: Parameters<typeof parseHeader>[0]) => parseHeader(header).fields.map(({ raw }) => raw)
    assert.deepEqual(plain(Buffer.from(`${text}\r\nC: 4`)), plain(['A: 1\n', 'B: 2\n 3\n']))
    assert.deepEqual(plain(`${text}\r\nC: 4`), ['A: 1', 'B: 2\r\n 3'])
  })

  const PROBLEMS: [header: string, problem: RegExp][] = [
    ['no field\r\n\r\n', /no header field/],
    [' begins\r\n\r\n', /continuation/],
    ['A: b\rC: d\r\n\r\n', /bare CR/],
    ['A: \0\r\n\r\n', /NUL/],
    [`A: ${'x'.repeat(300_000)}\r\n\r\n`, /too large/],
  ]
  for (const [header, problem] of PROBLEMS) {
    it(`names what readers differ about: ${problem.source}`, () => {
      assert.match(parseHeader(Buffer.from(header)).problems.join(), problem)
    })
  }

  it('gives reports a fixed list of fields', () => {
    const raw = mail({ Bcc: 'x@y.example', Received: 'from z' }, 'Subject: not this')
    assert.deepEqual(
      headersForReport(raw).map(({ name }) => name),
      ['Date', 'From', 'To', 'Subject', 'Message-ID', 'MIME-Version'],
    )
  })

  it('knows whether a signature covers the subject (RFC 6376 section 3.5)', () => {
    assert.equal(hasSignatureOver(['DKIM-Signature: v=1; h=From:\r\n Subject : To; b=x'], 'subject'), true)
    assert.equal(hasSignatureOver(['ARC-Message-Signature: i=1; h=from:subject; b=x'], 'subject'), true)
    assert.equal(hasSignatureOver(['DKIM-Signature: v=1; h=From:To; b=subject'], 'subject'), false)
    assert.equal(hasSignatureOver(['DKIM-Signature: garbage'], 'subject'), true)
    assert.equal(hasSignatureOver(['Subject: x'], 'subject'), false)
  })
})

describe('encoded words', () => {
  const ROWS: [value: string, text: string, broken: boolean, source: string][] = [
    ['=?ISO-8859-1?Q?a?=', 'a', false, 'RFC 2047 section 8'],
    ['=?ISO-8859-1?Q?a?= b', 'a b', false, 'RFC 2047 section 8'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=', 'ab', false, 'RFC 2047 section 8'],
    ['=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=', 'ab', false, 'RFC 2047 section 8'],
    ['=?ISO-8859-1?Q?a_b?=', 'a b', false, 'RFC 2047 section 8'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=', 'a b', false, 'RFC 2047 section 8'],
    ['=?UTF-8?B?w6U=?=', 'å', false, 'RFC 2047 section 4.1'],
    ['=?utf-8?q?=C3?= =?utf-8?q?=A5?=', 'å', false, 'split character'],
    ['=?US-ASCII*EN?Q?Keith?=', 'Keith', false, 'RFC 2231 section 5'],
    ['=?utf-8?x?a?=', '=?utf-8?x?a?=', true, 'unknown encoding'],
    ['=?utf-8?q?a', '=?utf-8?q?a', true, 'no end'],
    ['=?x-none?q?a?=', 'a', true, 'unknown charset'],
    ['bl\xc3\xa5', 'blå', false, 'RFC 6532 section 3.1'],
    ['bl\xe5', 'blå', false, 'raw Latin-1'],
  ]
  for (const [value, text, broken, source] of ROWS) {
    it(`${JSON.stringify(value)} (${source})`, () => assert.deepEqual(decodeWords(value), { text, broken }))
  }

  it('encodes what decodes to the same text, in words of at most 75 characters', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.constantFrom('b' as const, 'q' as const),
        (text, encoding) => {
          const encoded = encodeWords(text, encoding)
          for (const word of encoded.split('\r\n ')) assert.ok(word.length <= 75)
          assert.equal(decodeWords(encoded.replace(/\r\n/g, '')).text, text.replace(/\p{Surrogate}/gu, '\ufffd'))
        },
      ),
    )
  })
})

describe('parameters', () => {
  const ROWS: [value: string, name: string, text: string, sound: boolean, source: string][] = [
    ['text/plain; charset=us-ascii (Plain text)', 'charset', 'us-ascii', true, 'RFC 2045 section 5.1'],
    ['text/plain; charset="us-ascii"', 'charset', 'us-ascii', true, 'RFC 2045 section 5.1'],
    ['a/b; url*0="ftp://"; url*1="cs.example"', 'url', 'ftp://cs.example', true, 'RFC 2231 section 3'],
    [
      "a/b; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
      'title',
      'This is ***fun***',
      true,
      'RFC 2231 section 4',
    ],
    [
      "a/b; t*0*=us-ascii'en'This%20is%20even%20more%20; t*1*=%2A%2A%2Afun%2A%2A%2A%20; t*2=\"isn't it!\"",
      't',
      "This is even more ***fun*** isn't it!",
      true,
      'RFC 2231 section 4.1',
    ],
    ['a/b; name=a b.txt', 'name', 'a b.txt', true, 'as found'],
    ['a/b; name="a\\"b"', 'name', 'a"b', true, 'RFC 5322 section 3.2.4'],
    ['a/b; x=1; x=2', 'x', '1 2', false, 'given twice'],
    ['a/b; x*0=1; x*2=3', 'x', '13', false, 'a gap'],
    ['a/b; x="1', 'x', '1', false, 'quote not closed'],
  ]
  for (const [value, name, text, sound, source] of ROWS) {
    it(`${value} (${source})`, () => {
      const parsed = parseStructured(value)
      assert.equal(parsed.parameters.get(name), text)
      assert.equal(parsed.problems.length === 0, sound)
    })
  }
})

describe('the walker', () => {
  it('reads the tree of RFC 2046 section 5.1.1, and calls a sound one completely inspected', () => {
    const [inner, innerBody] = multipart(
      'alternative',
      ['Content-Type: text/plain\n\na', 'Content-Type: text/html\n\n<p>b'],
      'inner',
    )
    const [type, body] = multipart('mixed', [
      `Content-Type: ${inner}\n\n${innerBody}`,
      'Content-Type: text/csv; name=t.csv\n\n1;2',
    ])
    const message = read(mail({ 'Content-Type': type }, body))
    assert.deepEqual(message.uninspected, [])
    assert.deepEqual(
      message.root.children.map((part) => [
        part.path,
        part.where,
        part.children.map((child) => [child.path, child.where]),
      ]),
      [
        [
          '1',
          'part 1',
          [
            ['1.1', 'text part 1.1'],
            ['1.2', 'html part 1.2'],
          ],
        ],
        ['2', 'attachment t.csv', []],
      ],
    )
  })

  it('agrees with postal-mime on well-formed mails', async () => {
    const text = 'Kære Bo\nblåbær 1234\n'
    const forms: [header: string, bytes: string][] = [
      ['Content-Transfer-Encoding: 8bit', text],
      ['Content-Transfer-Encoding: base64', base64(text)],
      ['Content-Transfer-Encoding: quoted-printable', 'K=C3=A6re Bo\nbl=C3=A5b=C3=A6r =31234\n'],
    ]
    for (const [header, body] of forms) {
      const [type, whole] = multipart('mixed', [`Content-Type: text/plain; charset=utf-8\n${header}\n\n${body}`])
      const raw = mail({ 'Content-Type': type, Subject: '=?utf-8?q?bl=C3=A5?=' }, whole)
      const theirs = await PostalMime.parse(raw)
      const ours = read(raw)
      const lines = (value: string | undefined) => value?.replace(/\r\n/g, '\n').trim()
      assert.equal(lines(ours.root.children[0]?.shown?.text), lines(theirs.text))
      assert.equal(ours.texts.find(({ role }) => role === 'subject')?.text, theirs.subject)
    }
  })

  it('allows small images that the HTML shows, and no others', () => {
    const png = Buffer.from('89504e470d0a1a0a0000000049454e44ae426082', 'hex')
    const image = (more: string, bytes = png) =>
      `Content-Type: image/png\nContent-ID: <logo@x>\n${more}Content-Transfer-Encoding: base64\n\n${base64(bytes)}`
    const withImage = (part: string, html = '<img src="cid:logo@x">') => {
      const [type, body] = multipart('related', [`Content-Type: text/html\n\n${html}`, part])
      return mail({ 'Content-Type': type }, body)
    }
    assert.deepEqual(reasons(withImage(image(''))), [])
    assert.deepEqual(reasons(withImage(image('Content-Disposition: attachment\n'))), ['the image is attached'])
    assert.deepEqual(reasons(withImage(image(''), '<p>x')), ['the image is not shown by the HTML'])
    assert.deepEqual(reasons(withImage(image('', Buffer.concat([png, Buffer.from('more')])))), [
      'bytes follow the image',
    ])
    const large = Buffer.concat([png.subarray(0, 8), Buffer.alloc(65_536), png.subarray(8)])
    assert.deepEqual(reasons(withImage(image('', large))), ['the image is larger than 64 KiB'])
  })

  it('stops at its budgets', () => {
    const many = multipart(
      'mixed',
      Array.from({ length: 50_000 }, () => '\nx'),
    )
    const parts = read(mail({ 'Content-Type': many[0] }, many[1]))
    assert.ok(parts.uninspected.some(({ reason }) => /too many parts/.test(reason)))
    assert.ok(parts.root.children.length <= LIMITS.maxParts)
    let deep = 'Content-Type: text/plain\n\nx'
    for (let n = 0; n < 40; n++) {
      const [type, body] = multipart('mixed', [deep], `b${n}`)
      deep = `Content-Type: ${type}\n\n${body}`
    }
    assert.ok(reasons(Buffer.from(deep)).some((reason) => /too deep/.test(reason)))
    assert.deepEqual(reasons(mail({}, 'x'), { ...LIMITS, maxBytes: 10 }), ['the message is too large'])
    const time = read(mail({}, 'x'), { ...LIMITS, maxMillis: -1 })
    assert.equal(time.timeUp, true)
    assert.equal(time.uninspected.length, 1)
  })

  it('never throws, whatever the bytes', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.constantFrom(
        'Content-Type: multipart/mixed; boundary=b\r\n',
        'Content-Type: text/html\r\n',
        'Content-Transfer-Encoding: base64\r\n',
        'Content-Type: message/rfc822\r\n',
        '\r\n',
        '\n--b\r\n',
        '\n--b--\r\n',
        '<!--',
        '<p ',
        '&#',
        '=?utf-8?q?',
        "filename*0*='",
        'charset=utf-16\r\n',
        'Content-Type: text/plain; charset=utf-32\r\n',
        'Content-Transfer-Encoding: quoted-printable\r\n',
        '=\r\n',
        '<style>',
        '<table><td>',
      ),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const message = read(Buffer.from(pieces.join(''), 'latin1'))
        assert.ok(['inspected', 'uninspected'].includes(message.root.status))
      }),
      { numRuns: 500 },
    )
  })

  it('cuts at lines that are the boundary and at no others (RFC 2046 section 5.1.1)', () => {
    const cut = (body: string) => cutMultipart(Buffer.from(body, 'latin1'), 'b', 10)
    const parts = (body: string) => cut(body).parts.map(String)
    assert.deepEqual(parts('--b\r\n1\r\n--b \t\r\n2\r\n--b--\r\n'), ['1', '2'])
    assert.deepEqual(parts('--b\n1\n--bb\nx\n--b--'), ['1\n--bb\nx'])
    assert.deepEqual(parts('--b\n1\nx--b\n'), ['1\nx--b\n'])
    assert.deepEqual(cut('--b\n1\n--b x\n--b--').problems, ['a line is almost a boundary'])
    assert.deepEqual(cut('--b\n1\r--b--\n').problems, ['a boundary follows a bare CR'])
    assert.equal(cut('pre\r\n--b\r\n1\r\n--b--\r\npost').preamble.toString(), 'pre')
    assert.equal(cut('pre\r\n--b\r\n1\r\n--b--\r\npost').epilogue.toString(), 'post')
  })
})

describe('subject tags', () => {
  const ROWS: [field: string, result: string | null][] = [
    ['Subject: [unsecure] Hello', 'Subject: Hello'],
    ['Subject: Hello [UnSecure] there\r\n', 'Subject: Hello there\r\n'],
    ['SUBJECT:[unsecure]Hello', 'SUBJECT:Hello'],
    ['Subject: Hello\r\n [unsecure]\r\n world', 'Subject: Hello world'],
    ['Subject: a\r\n b [unsecure] c', 'Subject: a\r\n b c'],
    [
      'Subject: [unsecure] =?utf-8?q?bl=C3=A5?= =?utf-8?q?b=C3=A6r?=',
      'Subject: =?utf-8?q?bl=C3=A5?= =?utf-8?q?b=C3=A6r?=',
    ],
    ['Subject: =?utf-8?q?=5Bunse?= =?utf-8?q?cure=5D_hej?=', 'Subject: =?UTF-8?Q?hej?='],
    ['Subject: =?UTF-8?B?W3Vuc2VjdXJlXSBrYWdl?=', 'Subject: =?UTF-8?B?a2FnZQ==?='],
    ['Subject: [unsecure]', 'Subject: '],
    ['Subject: \uff3bunsecure\uff3d x', 'Subject: x'],
    ['Subject: nothing', null],
    ['Subject: [unsecure] =?utf-8?x?a?=', null],
    ['no field', null],
  ]
  for (const [field, result] of ROWS) {
    it(JSON.stringify(field), () => assert.equal(removeSubjectTag(field, ['[unsecure]']), result))
  }

  it('the result always reads as the subject without its tag', () => {
    const word = fc
      .string({ unit: 'grapheme-composite', maxLength: 12 })
      .map((text) => text.replace(/[\p{C}\p{Z}=?]|unsecure/giu, ''))
    fc.assert(
      fc.property(word, word, fc.boolean(), fc.boolean(), (before, after, encodeBefore, encodeAfter) => {
        const form = (text: string, encode: boolean) => (encode && text !== '' ? encodeWords(text) : text)
        const field = `Subject: ${form(before, encodeBefore)} [unsecure] ${form(after, encodeAfter)}`
        const result = removeSubjectTag(field, ['[unsecure]'])
        if (result === null) return
        const value = result.slice('Subject: '.length).replace(/\r\n/g, '')
        assert.deepEqual(subjectTags(decodeWords(value).text, ['[unsecure]']), [])
        assert.equal(
          decodeWords(value).text.replace(/\s+/g, ' ').trim(),
          `${before} ${after}`.replace(/\s+/g, ' ').trim(),
        )
      }),
    )
  })
})
