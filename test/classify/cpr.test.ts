import assert from 'node:assert/strict'
import fc from 'fast-check'
import { containsCpr, findCpr, maskCpr } from '../../lib/classify/cpr'
import { cprFacts, fullYear, mod11 } from '../../lib/classify/cpr-number'
import { NOW, syntheticCpr } from '../gate/support'

const levels = (text: string) => findCpr(text, NOW).map(({ confidence }) => confidence)

describe('CPR facts (cpr.dk)', () => {
  const CENTURIES: [seventh: number, yy: number, year: number][] = [
    [0, 0, 1900],
    [3, 36, 1936],
    [0, 37, 1937],
    [3, 99, 1999],
    [4, 0, 2000],
    [4, 36, 2036],
    [4, 37, 1937],
    [4, 99, 1999],
    [5, 0, 2000],
    [8, 36, 2036],
    [5, 37, 2037],
    [8, 57, 2057],
    [5, 58, 1858],
    [8, 99, 1899],
    [9, 0, 2000],
    [9, 36, 2036],
    [9, 37, 1937],
    [9, 57, 1957],
    [9, 58, 1958],
    [9, 99, 1999],
  ]
  for (const [seventh, yy, year] of CENTURIES) {
    it(`seventh digit ${seventh}, year ${yy}: ${year}`, () => assert.equal(fullYear(yy, seventh), year))
  }

  it('modulus 11 of published examples', () => {
    assert.equal(mod11('0707614285'), true)
    assert.equal(mod11('2110625629'), true)
    assert.equal(mod11('0707614286'), false)
  })

  const DATES: [number: string, possible: boolean, why: string][] = [
    ['2902004000', true, '2000 is a leap year'],
    ['2902000000', false, '1900 is none'],
    ['2902995000', false, '1899 is none'],
    ['3102611234', false, '31 February'],
    ['0013611234', false, 'month 13'],
    ['2411264000', true, 'tomorrow somewhere'],
    ['2611264000', false, 'the day after tomorrow'],
    ['6102611234', true, 'replacement number, day 1 + 60'],
    ['9112611234', true, 'replacement number, day 31 + 60'],
    ['9212611234', false, 'day 92'],
    ['6013611234', false, 'day 60'],
  ]
  for (const [number, possible, why] of DATES) {
    it(`${number}: ${why}`, () => assert.equal(cprFacts(number.slice(0, 6), number.slice(6), NOW) !== null, possible))
  }
})

describe('finding CPR numbers', () => {
  const ROWS: [text: string, levels: string[], why: string][] = [
    ['070761-4285', ['high'], 'dash and modulus 11'],
    ['0707614285', ['medium'], 'modulus 11 alone'],
    ['070761 4285', ['medium'], 'space'],
    ['CPR: 0707614285', ['high'], 'keyword'],
    ['cpr-nr. 070761-4286', ['medium'], 'typing error behind the keyword'],
    ['070761-4286', ['low'], 'typing error with dash'],
    ['0707614286', [], 'ten digits without modulus 11'],
    ['010170-1234', ['medium'], '1 January needs no modulus 11'],
    ['0101701234', ['low'], '1 January'],
    ['0101371234', ['low'], '1 January 1937, the first year'],
    ['0101361234', [], '1 January 1936 is too early'],
    ['670761-4285', ['low'], 'replacement number'],
    ['cpr 6707614285', ['medium'], 'replacement number with keyword'],
    ['280456-0PJ2', ['medium'], 'letters'],
    ['0203291WQ3 1308781OS6', ['low', 'low'], 'letters without dash'],
    ['211062-5629', ['medium'], 'born 1862'],
    ['konto 0707614285', ['low'], 'a label of other numbers never drops it'],
    ['https://x.example/sag/0707614285', ['low'], 'nor does an address'],
    ['1234 0707614285', ['low'], 'nor do digits beside it'],
    ['Se venligst bilag 070761-4285', ['medium'], 'nor a weak label'],
    ['+45 12345678', [], 'telephone'],
    ['DK50 0040 0440 1162 43', [], 'IBAN'],
    ['5790000123456', [], 'GLN'],
    ['2611231030', [], 'time stamp'],
    ['12345678901', [], 'eleven digits'],
    ['07 07 61 42 85', ['low'], 'in pairs'],
    ['0 7 0 7 6 1 - 4 2 8 5', ['low'], 'in single digits'],
    ['07.07.1961-4285', ['low'], 'four-digit year'],
    ['Navn;CPR;By\nA;707614285;X\nB;7.07614285E8;Y', ['high', 'high'], 'a spreadsheet lost the zero'],
    ['Navn;Ordre\nA;707614286', [], 'nine digits without modulus 11'],
    ['we have 707614285 items', [], 'nine digits in prose'],
    ['Navn;CPR\nA;070761-4286', ['medium'], 'heading of the column'],
  ]
  for (const [text, expected, why] of ROWS) it(`${why}: ${text}`, () => assert.deepEqual(levels(text), expected))

  const SEPARATORS =
    '-\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d\u058a\u1400\x1e\x1f\ufffd'
  for (const separator of SEPARATORS) {
    it(`dash U+${separator.charCodeAt(0).toString(16)}`, () =>
      assert.deepEqual(levels(`x 070761${separator}4285 x`), ['high']))
  }
  const BLANKS = ' \u00a0\u2000\u2005\u2007\u200a\u202f\u205f\u3000\t\u200b\u200c\u200d\u2060\ufeff\u180e|;\x07'
  for (const separator of BLANKS) {
    it(`blank U+${separator.charCodeAt(0).toString(16)}`, () =>
      assert.ok(['medium', 'high'].includes(levels(`x 070761${separator}4285 x`)[0] ?? '')))
  }
  for (const separator of ['\n', '.', '/', '_', '\n> ', ' \n', '-\n', ' - ', ' . ', '\n\n']) {
    it(`weak ${JSON.stringify(separator)}`, () => assert.equal(levels(`x 070761${separator}4285 x`).length, 1))
  }
  it('invisible characters between any two digits', () => {
    assert.deepEqual(levels(Array.from('070761-4285').join('\u200b')), ['high'])
    assert.deepEqual(levels(Array.from('070761-4285').join('\u0332')), ['high'])
  })
  it('digits of every script', () => {
    for (const zero of [0x660, 0x6f0, 0x966, 0xff10, 0x1d7ce, 0x1d7f6]) {
      const text = Array.from('0707614285')
        .map((digit) => String.fromCodePoint(zero + Number(digit)))
        .join('')
      assert.deepEqual(levels(text), ['medium'], zero.toString(16))
    }
  })

  it('counts a cluster, and each number of it once', () => {
    const numbers = [0, 1, 2, 3].map((nth) => syntheticCpr('150380', 1, nth).replace('-', ''))
    const hits = findCpr(`${numbers.join('\n')}\n${numbers[0] ?? ''}`, NOW)
    assert.ok(hits.every(({ evidence }) => evidence.includes('cluster')))
    assert.equal(new Set(hits.filter(({ counts }) => counts).map(({ digest }) => digest)).size, 4)
  })

  it('never holds the number itself', () => {
    const told = JSON.stringify(findCpr('CPR 070761-4285', NOW).map((hit) => ({ ...hit, start: 0, end: 0 })))
    assert.doesNotMatch(told, /4285/)
    assert.match(told, /070761-\*\*\*\*/)
  })

  it('masks every number that it finds, and nothing else', () => {
    assert.equal(maskCpr('cpr 0707614285, tlf 12345678', NOW), 'cpr 070761-****, tlf 12345678')
    assert.equal(maskCpr('a 07\u200b0761\u20114285 b', NOW), 'a 070761-**** b')
    assert.equal(maskCpr('670761-4285 and 280456-0PJ2', NOW), '670761-**** and 280456-****')
    assert.equal(maskCpr('nothing', NOW), 'nothing')
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.constantFrom('-', '', ' ', '\u2013'), (before, after, separator) => {
        const text = `${before} 070761${separator}4285 ${after}`
        assert.equal(containsCpr(text, NOW), true)
        assert.equal(containsCpr(maskCpr(text, NOW), NOW), false)
      }),
    )
  })

  it('finds it whatever stands around it', function () {
    // strings of every character of Unicode take their time to make
    this.timeout(20_000)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (before, after) => {
        const spoils =
          /[\p{N}]$/u.test(before.replace(/[\p{Cf}\p{Mn}\0]/gu, '')) ||
          /^[\p{N}]/u.test(after.replace(/[\p{Cf}\p{Mn}\0]/gu, ''))
        fc.pre(!spoils)
        assert.equal(containsCpr(`${before}070761-4285${after}`, NOW), true)
      }),
    )
  })
})

describe('recall and false positives on a seeded set', () => {
  const PER_CLASS = 300
  /** Park and Miller's generator: the same set in every run. */
  function randomFrom(seed: number): (below: number) => number {
    let state = seed
    return (below) => {
      state = (state * 48_271) % 2_147_483_647
      return state % below
    }
  }
  const two = (n: number) => String(n).padStart(2, '0')
  type Random = (below: number) => number
  const date = (random: Random) => `${two(1 + random(28))}${two(1 + random(12))}${two(40 + random(59))}`
  const number = (random: Random, separator: string) =>
    syntheticCpr(date(random), random(4), random(60)).replace('-', separator)
  const digits = (random: Random, n: number) => Array.from({ length: n }, () => random(10)).join('')

  const POSITIVE: [name: string, make: (random: Random) => string, recall: number][] = [
    ['dash', (r) => `Vedr. ${number(r, '-')} i dag`, 1],
    ['contiguous', (r) => `Se ${number(r, '')} tak`, 1],
    ['space', (r) => `Nr ${number(r, ' ')}.`, 1],
    [
      'Unicode separators',
      (r) => `x ${number(r, ['\u2011', '\u2013', '\u00a0', '\u200b', '\u00ad'][r(5)] ?? '-')} y`,
      1,
    ],
    ['spaced dash', (r) => number(r, ' - '), 1],
    ['1 January without modulus 11', (r) => `0101${two(60 + r(39))}-${r(4)}${digits(r, 3)}`, 1],
    [
      'replacement with keyword',
      (r) => `erstatnings-cpr ${two(61 + r(28))}${two(1 + r(12))}${digits(r, 2)}${digits(r, 4)}`,
      1,
    ],
    ['letters', (r) => `${date(r)}-1WQ${r(10)}`, 1],
    [
      'typing error behind a keyword',
      (r) => `cpr ${number(r, '-').replace(/.$/, (d) => String((Number(d) + 1) % 10))}`,
      1,
    ],
    ['label of another number before it', (r) => `faktura ${number(r, '')}`, 1],
  ]
  const NEGATIVE: [name: string, make: (random: Random) => string, rate: number][] = [
    ['telephone', (r) => `Tlf. +45 ${digits(r, 2)} ${digits(r, 2)} ${digits(r, 2)} ${digits(r, 2)}`, 0],
    ['random ten digits', (r) => `sag ${1 + r(9)}${digits(r, 9)}`, 0.02],
    ['GLN', (r) => `EAN 579${digits(r, 10)}`, 0],
    ['IBAN in groups', (r) => `DK${digits(r, 2)} ${digits(r, 4)} ${digits(r, 4)} ${digits(r, 4)} ${digits(r, 2)}`, 0],
    ['ISO time', (r) => `2026-${two(1 + r(12))}-${two(1 + r(28))}T${two(r(24))}:${two(r(60))}:00Z`, 0],
    ['date and year', (r) => `den ${two(1 + r(28))}.${two(1 + r(12))}.2024 kl. ${two(r(24))}:${two(r(60))}`, 0.02],
    ['DDMMYY-HHMM', (r) => `${two(1 + r(28))}${two(1 + r(12))}26-${two(r(24))}${two(r(60))}`, 0.2],
    ['YYMMDDHHMM', (r) => `26${two(1 + r(12))}${two(1 + r(28))}${two(r(24))}${two(r(60))}`, 0.2],
    ['UUID', (r) => `${digits(r, 8)}-${digits(r, 4)}-4${digits(r, 3)}-8${digits(r, 3)}-${digits(r, 12)}`, 0],
    ['amounts', (r) => `kr. ${1 + r(9)}${digits(r, 2)}.${digits(r, 3)},${digits(r, 2)}`, 0],
  ]
  for (const [name, make, recall] of POSITIVE) {
    it(`finds: ${name}`, () => {
      const random = randomFrom(1)
      const found = Array.from({ length: PER_CLASS }, () => containsCpr(make(random), NOW)).filter(Boolean).length
      assert.ok(found / PER_CLASS >= recall, `${found} of ${PER_CLASS}`)
    })
  }
  for (const [name, make, rate] of NEGATIVE) {
    it(`rarely mistakes: ${name}`, () => {
      const random = randomFrom(2)
      const found = Array.from({ length: PER_CLASS }, () => containsCpr(make(random), NOW)).filter(Boolean).length
      assert.ok(found / PER_CLASS <= rate, `${found} of ${PER_CLASS}`)
    })
  }
})
