import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  createReplyParser,
  MAX_LINE,
  MAX_LINES,
  replyText,
  ReplySyntaxError,
  toSmtpReply,
  type Reply,
} from '../../lib/deliver/reply'

function parse(...chunks: string[]): Reply[] {
  const parser = createReplyParser()
  return chunks.flatMap((chunk) => parser.push(Buffer.from(chunk)))
}

describe('deliver: SMTP replies', () => {
  const good: { name: string; input: string; reply: Reply }[] = [
    { name: 'RFC 5321 section 4.2: one line', input: '250 ok\r\n', reply: { code: 250, lines: ['ok'] } },
    { name: 'RFC 5321 section 4.2: no text at all', input: '250\r\n', reply: { code: 250, lines: [''] } },
    { name: 'blank but no text', input: '250 \r\n', reply: { code: 250, lines: [''] } },
    { name: 'bare LF', input: '250 ok\n', reply: { code: 250, lines: ['ok'] } },
    { name: 'several lines', input: '250-a\r\n250-b\r\n250 c\r\n', reply: { code: 250, lines: ['a', 'b', 'c'] } },
    { name: 'last of several lines without text', input: '250-a\r\n250\r\n', reply: { code: 250, lines: ['a', ''] } },
    {
      name: 'RFC 3463: three digits in a part',
      input: '550 5.7.509 no\r\n',
      reply: { code: 550, enhanced: '5.7.509', lines: ['no'] },
    },
    { name: 'enhanced code alone', input: '250 2.0.0\r\n', reply: { code: 250, enhanced: '2.0.0', lines: [''] } },
    {
      name: 'enhanced code on each line',
      input: '550-5.1.1 a\r\n550 5.1.1 b\r\n',
      reply: { code: 550, enhanced: '5.1.1', lines: ['a', 'b'] },
    },
    {
      name: 'RFC 2034 section 4: classes that disagree',
      input: '550 4.1.1 a\r\n',
      reply: { code: 550, lines: ['4.1.1 a'] },
    },
    {
      name: 'four digits are no enhanced code',
      input: '550 5.7.1234 a\r\n',
      reply: { code: 550, lines: ['5.7.1234 a'] },
    },
    {
      name: 'an address is no enhanced code',
      input: '250 2.3.4.5 hello\r\n',
      reply: { code: 250, lines: ['2.3.4.5 hello'] },
    },
  ]
  for (const row of good) it(row.name, () => assert.deepEqual(parse(row.input), [row.reply]))

  const bad: { name: string; input: string }[] = [
    { name: 'codes that change (RFC 5321 section 4.2.1)', input: '250-a\r\n550 b\r\n' },
    { name: 'no code', input: 'hello\r\n' },
    { name: 'two digits', input: '25 ok\r\n' },
    { name: 'four digits', input: '2500 ok\r\n' },
    { name: 'code out of range', input: '950 ok\r\n' },
    { name: 'code 1xx', input: '150 ok\r\n' },
    { name: 'wrong separator', input: '250_ok\r\n' },
    { name: 'empty line', input: '\r\n' },
    { name: 'a line without end', input: `250 ${'x'.repeat(MAX_LINE + 1)}` },
    { name: 'a line too long', input: `250 ${'x'.repeat(MAX_LINE + 1)}\r\n` },
    { name: 'too many lines', input: '250-x\r\n'.repeat(MAX_LINES + 1) },
  ]
  for (const row of bad) it(`refuses ${row.name}`, () => assert.throws(() => parse(row.input), ReplySyntaxError))

  it('knows when something is half said', () => {
    const parser = createReplyParser()
    assert.equal(parser.pending(), false)
    parser.push(Buffer.from('2'))
    assert.equal(parser.pending(), true)
    parser.push(Buffer.from('50-a\r\n'))
    assert.equal(parser.pending(), true)
    parser.push(Buffer.from('250 b\r\n'))
    assert.equal(parser.pending(), false)
  })

  it('cuts, joins and cleans the text for people', () => {
    const [reply] = parse('550-5.7.1 see \u001b[31mhttp\r\n', `550 5.7.1 ${'long '.repeat(300)}\r\n`)
    const smtp = toSmtpReply(reply!)
    assert.equal(smtp.enhanced, '5.7.1')
    assert.ok(smtp.text.startsWith('see [31mhttp long long'))
    assert.equal(smtp.text.length, 500)
    assert.equal(replyText({ code: 250, enhanced: '2.0.0', lines: ['Ok:', 'queued'] }), '250 2.0.0 Ok: queued')
  })

  it('gives the same replies however the bytes are cut', () => {
    const text = fc.stringMatching(/^[ -~]{0,40}$/)
    const reply = fc.tuple(fc.integer({ min: 200, max: 599 }), fc.array(text, { minLength: 1, maxLength: 5 }))
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 5 }), fc.array(fc.nat(200)), (replies, cuts) => {
        const wire = replies
          .map(([code, lines]) =>
            lines.map((line, n) => `${code}${n === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join(''),
          )
          .join('')
        const places = [...new Set(cuts.filter((cut) => cut < wire.length))].sort((a, b) => a - b)
        const chunks = [0, ...places].map((from, n) => wire.slice(from, places[n] ?? wire.length))
        assert.deepEqual(parse(...chunks), parse(wire))
        assert.deepEqual(
          parse(wire).map(({ code }) => code),
          replies.map(([code]) => code),
        )
      }),
    )
  })

  it('never throws anything but a syntax error, and never keeps more than a line and a reply', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (chunks) => {
        const parser = createReplyParser()
        try {
          for (const chunk of chunks) parser.push(Buffer.from(chunk))
        } catch (error) {
          assert.ok(error instanceof ReplySyntaxError)
        }
      }),
    )
  })
})
