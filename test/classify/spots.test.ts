import assert from 'node:assert/strict'
import fc from 'fast-check'
import { findCpr, mayHoldCpr } from '../../lib/classify/cpr'
import { columnsOf } from '../../lib/classify/columns'
import { findCandidates, type Candidate } from '../../lib/classify/cpr-candidates'
import { regionsOf, type Region } from '../../lib/classify/cpr-regions'
import { findSpots, isNarrow } from '../../lib/classify/cpr-spots'
import { digitView } from '../../lib/classify/digit-view'
import { NOW, syntheticCpr } from '../gate/support'

const number = ({ date, serial }: { date: string; serial: string }) => date + serial

/** Without any short cut: every shape, looked for everywhere. */
function everywhere(text: string): string[] {
  const view = digitView(text)
  const { found } = findCandidates(view, [{ start: 0, end: text.length, plain: false }], NOW)
  const { isCell } = columnsOf(text)
  return found
    .filter((one) => one.separator !== 'bare' || isCell(view.at(one.start), view.at(one.end)))
    .map((one) => `${view.at(one.start)} ${number(one)} ${one.separator}`)
    .sort()
}

function bySpots(text: string): string[] {
  const { spots } = findSpots(text, isNarrow(text), 0, Number.POSITIVE_INFINITY)
  const { isCell } = columnsOf(text)
  const isPossible = ({ start, view }: Region, one: Candidate) =>
    one.separator !== 'bare' || isCell(start + view.at(one.start), start + view.at(one.end))
  return regionsOf(text, spots, NOW, isPossible)
    .flatMap(({ start, view, candidates }) =>
      candidates.map((one) => `${start + view.at(one.start)} ${number(one)} ${one.separator}`),
    )
    .sort()
}

const piece = fc.oneof(
  fc.constantFrom(
    '070761',
    '4285',
    '070761-4285',
    '0707614285',
    '07',
    '0',
    '61',
    '428',
    '7.07614285E8',
    '7.0761E+08',
    '707614285',
    '707614285.0',
  ),
  fc.constantFrom('07.07.1961', '07071961', '1WQ3', 'PJA2', '0ab2', '45 12 34 56 78', '123456789012', '12345678901'),
  fc.constantFrom(
    '-',
    ' ',
    '.',
    '/',
    '|',
    ';',
    ',',
    ':',
    '_',
    '\t',
    '\n',
    '\n> ',
    '"',
    '";"',
    '  ',
    '\u00b7',
    '\u0007',
  ),
  fc.constantFrom(
    '\u2013',
    '\u00a0',
    '\u00ad',
    '\u200b',
    '\u0000',
    '\u0332',
    '\u2022',
    '\u2028',
    '\ufffd',
    '\u{1f600}',
  ),
  fc.constantFrom(
    '\u0660\u0667',
    '\uff10\uff17\uff10',
    '\u00b2',
    '\u2460',
    '\u{1d7d8}\u{1d7df}',
    'æ',
    'Ø',
    'x',
    'CPR',
    'e',
    'E',
  ),
  fc.nat(9).map(String),
  fc.stringMatching(/^[0-9]{1,12}$/),
  fc.nat(70).map((length) => 'a'.repeat(length)),
)

describe('spots of a text', () => {
  it('nothing that the scorer could find lies outside of them', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
        const text = pieces.join('')
        assert.deepEqual(bySpots(text), everywhere(text))
      }),
      { numRuns: 5000 },
    )
  })

  it('a text of which the first look says that it holds none has none', () => {
    const harmless = ['250 2.0.0 Ok: queued as 44691C54', '<20261130091900.8EF@uni.example>', '192.0.2.10', '5.7.30']
    for (const text of harmless) assert.equal(mayHoldCpr(text), false, text)
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const text = pieces.join('')
        const { spots } = findSpots(text, isNarrow(text), 0, Number.POSITIVE_INFINITY)
        if (spots.length > 0 || everywhere(text).length > 0) assert.equal(mayHoldCpr(text), true)
      }),
      { numRuns: 10_000 },
    )
  })

  it('nor at the border of two chunks, whatever the text before', () => {
    for (const filler of ['a', 'å', '€', '1 ', '\n', '123456789012']) {
      for (let before = 16_350; before < 16_410; before++) {
        const text = `${filler.repeat(Math.ceil(before / filler.length)).slice(0, before)}x070761-4285x`
        assert.equal(findCpr(text, NOW).length, 1, `${JSON.stringify(filler)} ${before}`)
      }
    }
  })

  it('a run of digits longer than a chunk is one spot or none, and what follows is found', () => {
    for (const run of ['1'.repeat(100_000), '1 '.repeat(100_000), '1 2  '.repeat(50_000), ' '.repeat(200_000)]) {
      assert.deepEqual(
        findCpr(`${run}x 070761-4285`, NOW).map(({ start }) => start),
        [run.length + 2],
      )
    }
  })

  it('finds every number of a text of nothing but numbers, in order', () => {
    const numbers = Array.from({ length: 3000 }, (_, n) =>
      syntheticCpr(
        `${String(1 + (n % 28)).padStart(2, '0')}${String(1 + (n % 12)).padStart(2, '0')}${40 + (n % 59)}`,
        n % 4,
        n % 80,
      ),
    )
    const hits = findCpr(numbers.join('\n'), NOW)
    assert.deepEqual(
      hits.map(({ start }) => start),
      numbers.map((_, n) => n * 12),
    )
    assert.ok(hits.every(({ counts }) => counts))
  })

  it('stops after many: neither the verdict nor the count gains by more', () => {
    assert.ok(findCpr('070761-4285\n'.repeat(200_000), NOW).length < 110_000)
  })

  it('leaves the rest of the text when the time is up', () => {
    let asked = 0
    const hits = findCpr('070761-4285\n'.repeat(5000), NOW, () => ++asked > 3)
    assert.ok(hits.length < 5000)
  })

  // the work is counted by what is asked for, not by a clock
  it('reads columns only where a number stands in something like a cell', () => {
    let asked = 0
    const columns = {
      isCell: () => false,
      headings: () => (asked++, []),
      column: () => (asked++, null),
    }
    findCpr('only words, and 12 34 56 78; nothing else\n'.repeat(1000), NOW, { columns })
    assert.equal(asked, 0)
  })

  // a search that went back for every number would not end within the time a test has
  const DENSE: [name: string, piece: string][] = [
    ['ten digits', '1234567890 '],
    ['ten digits in one line of cells', '1503801234;'],
    ['numbers in one line of cells', '070761-4285;x;'],
    ['numbers in one line', '070761-4285 '],
    ['single digits', '1 '],
    ['pairs', '12 34 '],
    ['six digits and quoted line ends', '150380\n> > > '],
    ['digits of another script', '\u0661\u0665'],
    ['digits with nothing visible between', '1\u200b'],
    ['nine digits in cells', '150380123;'],
    ['exponents', '1.5038012E8;'],
    ['words for a number', 'cpr '],
    ['labels', 'konto ordre faktura 150380-1234 '],
    ['commas in a line', 'a,'],
    ['lines with one comma and a number', '070761-4285,x\n'],
    ['hexadecimal', '070761a4285'],
  ]
  for (const [name, piece] of DENSE) {
    it(`is linear: ${name}`, () => {
      const text = piece.repeat(Math.ceil(400_000 / piece.length))
      assert.ok(Array.isArray(findCpr(text, NOW, { most: 5000 })))
    })
  }
})
