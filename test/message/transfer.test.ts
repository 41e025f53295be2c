import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { decodeCharset } from '../../lib/message/charset'
import { decodeTransfer } from '../../lib/message/transfer'
import { encodedBlock } from '../../lib/message/text-leaf'

const decode = (text: string) => decodeTransfer(Buffer.from(text, 'latin1'), 'base64')

describe('base64 (RFC 2045 section 6.8)', () => {
  it('decodes what encoders write, whatever the length of line and its end', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.integer({ min: 1, max: 80 }),
        fc.constantFrom('\n', '\r\n'),
        fc.constantFrom('', '\n', '\r\n\r\n', ' \t\n'),
        (bytes, width, lineEnd, end) => {
          const text = Buffer.from(bytes)
            .toString('base64')
            .replace(new RegExp(`.{${width}}(?=.)`, 'g'), `$&${lineEnd}`)
          const decoded = decode(text + end)
          assert.deepEqual([decoded.bytes.toString('hex'), decoded.junk], [Buffer.from(bytes).toString('hex'), false])
        },
      ),
    )
  })

  it('says so whenever something stands in it that a decoder leaves out', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.nat(400),
        fc.constantFrom('*', '-', '_', '.', '\0', 'æ', ':', '!!!!'),
        (bytes, at, junk) => {
          const text = Buffer.from(bytes)
            .toString('base64')
            .replace(/.{20}(?=.)/g, '$&\n')
          const place = at % (text.length + 1)
          assert.equal(decode(text.slice(0, place) + junk + text.slice(place)).junk, true)
        },
      ),
    )
  })

  const ROWS: [text: string, bytes: string][] = [
    ['', ''],
    ['YQ==', 'a'],
    ['YQ', 'a'],
    ['YQ==YmM=', 'abc'],
    ['YQ==\nYmM=\n', 'abc'],
    ['Y\nQ\n=\n=', 'a'],
    ['YWFh\nYW\nFh', 'aaaaaa'],
    ['====', ''],
  ]
  for (const [text, bytes] of ROWS) {
    it(`${JSON.stringify(text)} is ${JSON.stringify(bytes)}`, () => {
      assert.equal(String(decode(text).bytes), bytes)
    })
  }
})

describe('encoded blocks in text', () => {
  const line = (length: number) => 'QUJD'.repeat(60).slice(0, length)
  const ROWS: [what: string, text: string, found: boolean][] = [
    ['three lines of 60', `${line(60)}\n${line(60)}\n${line(60)}\n`, true],
    ['three lines of 59', `${line(59)}\n${line(59)}\n${line(59)}\n`, false],
    ['two lines of 76', `${line(76)}\n${line(76)}\n`, true],
    ['two lines of 76 at the end', `${line(76)}\n${line(76)}`, true],
    ['one line of 76', `${line(76)}\n`, false],
    ['quoted lines', `> ${line(76)}\n> ${line(76)}\n> ${line(76)}\n`, true],
    ['one line of 200', `text\n${line(200)}\ntext`, true],
    ['one line of 199', `text\n${line(199)}\ntext`, false],
    ['a long word in a sentence', `see ${line(100)} there\n`, false],
    ['uuencode', 'begin 644 file.bin\n#0V%T\n`\nend\n', true],
    ['a sentence', 'they begin 644 times', false],
  ]
  for (const [what, text, found] of ROWS) {
    for (const before of [0, 1, 29, 30, 31, 59, 60]) {
      it(`${what}, after ${before} characters: ${found ? 'found' : 'none'}`, () => {
        const shifted = before === 0 ? text : `${'x '.repeat(before).slice(0, before - 1)}\n${text}`
        assert.equal(encodedBlock(shifted) !== null, found)
      })
    }
  }
})

describe('UTF-16 by its mark', () => {
  const marked = (bytes: Buffer) => Buffer.concat([Buffer.from('fffe', 'hex'), bytes])
  const ROWS: [what: string, bytes: Buffer, text: boolean][] = [
    ['a sentence', marked(Buffer.from('Åbent hus på torsdag \u{1f600}', 'utf16le')), true],
    ['another alphabet', marked(Buffer.from('Добро пожаловать 歡迎', 'utf16le')), true],
    ['half a pair', marked(Buffer.from('a\ud83db', 'utf16le')), false],
    [
      'packed bytes',
      marked(deflateSync(Buffer.from(Array.from({ length: 3000 }, (_, n) => (n * n * 31) % 251)))),
      false,
    ],
    ['private characters', marked(Buffer.from('\ue000\ue001\ue002', 'utf16le')), false],
  ]
  for (const [what, bytes, text] of ROWS) {
    it(`${what}: ${text ? 'text' : 'no text'}`, () => {
      assert.equal(decodeCharset(bytes, 'utf-16').problem === undefined, text)
    })
  }
})

describe('large content takes quick ways to the same result', () => {
  const filler = 'Kære alle, mødet er på torsdag. '.repeat(2200)
  const piece = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom('æ', 'ÿ', '\u00a0', '\u0080', '–', '🐟', '\ufeff', '\u0100', '\t', '\r\n', '\f', '\x1b', 'aaa'),
  )
  const utf8 = fc.oneof(
    { weight: 4, arbitrary: fc.array(piece, { maxLength: 8 }).map((pieces) => Buffer.from(pieces.join(''))) },
    fc.constantFrom(Buffer.of(0xc2), Buffer.of(0xc3, 0x41), Buffer.of(0xa6), Buffer.of(0xe2, 0x80), Buffer.of(0xff)),
  )

  it('UTF-8, wherever a character falls, valid or not', () => {
    fc.assert(
      fc.property(utf8, utf8, fc.nat(5), fc.constantFrom('utf-8', 'UTF8', undefined), (head, tail, odd, label) => {
        const bytes = Buffer.concat([
          head,
          Buffer.from(filler.slice(odd)),
          tail,
          Buffer.from(filler.slice(0, odd)),
          tail,
        ])
        const decoded = decodeCharset(bytes, label)
        const plain = isUtf8(bytes)
          ? bytes.toString('utf8').replace(/^\ufeff/, '')
          : label === undefined
            ? iconv.decode(bytes, 'windows-1252')
            : new TextDecoder('utf-8').decode(bytes)
        assert.ok(decoded.text === plain, 'another text')
        const nul = bytes.includes(0)
        assert.equal(decoded.problem, nul ? 'NUL characters stand in the text' : undefined)
      }),
      { numRuns: 300 },
    )
  })

  it('many control characters are a problem in large text as in small', () => {
    const text = filler.replaceAll('e', '\x07')
    assert.equal(decodeCharset(Buffer.from(text), 'utf-8').problem, 'the content is no text')
    assert.equal(decodeCharset(Buffer.from(filler), 'utf-8').problem, undefined)
  })

  it('base64 of several blocks, lines of any length, and padding or junk in any of them', () => {
    const bytes = Buffer.from(filler)
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 90 }),
        fc.constantFrom('\n', '\r\n'),
        fc.nat(2),
        fc.option(fc.tuple(fc.nat(90_000), fc.constantFrom('=', '*', '\n', ' ', '==', '-'))),
        (width, lineEnd, cut, spoilt) => {
          const content = bytes.subarray(cut)
          let text = (content.toString('base64').match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(lineEnd)
          if (spoilt !== null) text = text.slice(0, spoilt[0]) + spoilt[1] + text.slice(spoilt[0])
          const decoded = decode(text)
          if (spoilt === null || /\s/.test(spoilt[1])) assert.ok(decoded.bytes.equals(content))
          else if (spoilt[1] === '*') assert.ok(decoded.bytes.equals(content) && decoded.junk)
          // padding in the middle ends a run; nothing of what is before is lost, and what follows is decoded by itself
          else if (spoilt[1] !== '-') {
            const whole = Math.floor(digitsIn(text.slice(0, spoilt[0])) / 4) * 3
            assert.ok(decoded.bytes.subarray(0, whole).equals(content.subarray(0, whole)))
            assert.ok(decoded.bytes.length >= content.length - 3)
          } else assert.notEqual(decoded.problem, undefined)
        },
      ),
      { numRuns: 100 },
    )
  })
})

function digitsIn(text: string): number {
  return text.replace(/[^A-Za-z0-9+/]/g, '').length
}
