import assert from 'node:assert/strict'
import fc from 'fast-check'
import * as cpr from '../../lib/classify/words/cpr'
import { wordFinder, wordPattern } from '../../lib/classify/words/matcher'
import * as sensitive from '../../lib/classify/words/sensitive'

const lists = { strong: cpr.STRONG, weak: cpr.WEAK, mark: sensitive.PERSON_MARKS, topic: sensitive.TOPICS }
const find = wordFinder(lists)

describe('lists of words', () => {
  const ROWS: [text: string, found: string[]][] = [
    ['CPR', ['CPR']],
    ['cprnummer', ['cpr']],
    ['Personnr.', ['Personnr']],
    ['person-nr', ['person-nr']],
    ['person\u00a0nr', ['person\u00a0nr']],
    ['e-CPR', ['e-CPR', 'CPR']],
    ['xcpr', []],
    ['øcpr', []],
    ['1cpr', ['cpr']],
    ['ssn', ['ssn']],
    ['ssnx', []],
    ['pnr: 1', ['pnr:']],
    ['pnr 1', []],
  ]
  for (const [text, found] of ROWS) {
    it(`${text}: ${found.join() || 'none'}`, () =>
      assert.deepEqual(
        find(text).strong.map(({ name }) => name),
        found,
      ))
  }
  it('Danish letters and their spellings', () => {
    for (const text of ['født', 'FØDT', 'foedt', 'Født']) assert.equal(find(text).weak.length, 1, text)
  })
  it('finds what the patterns find, in texts of such words, beyond the border of its buffer as well', () => {
    const word = fc.oneof(
      fc.constantFrom(
        ...Object.values(lists)
          .flat()
          .map((entry) => entry.replace('*', '')),
      ),
      fc.constantFrom(' ', '\n', '-', 'x', 'æ', '€', 'En', '. ', 'de sidste', 'f'),
      fc.nat(5000).map((length) => ' '.repeat(length)),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const text = words.join('')
        for (const [name, list] of Object.entries(lists) as [keyof typeof lists, readonly string[]][]) {
          const starts = [...text.matchAll(wordPattern(list, 'g'))].map(({ index }) => index)
          const found = new Set(find(text)[name].map(({ start }) => start))
          // the pattern goes on behind a match, the search at the next word
          for (const start of starts)
            assert.ok(found.has(start), `${name} at ${start} of ${JSON.stringify(text.slice(start, start + 40))}`)
        }
      }),
      { numRuns: 500 },
    )
  })
})
