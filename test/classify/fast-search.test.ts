import assert from 'node:assert/strict'
import fc from 'fast-check'
import { findSensitive, type SensitiveKind } from '../../lib/classify'
import { wordFinder } from '../../lib/classify/words/matcher'
import * as cpr from '../../lib/classify/words/cpr'
import * as sensitive from '../../lib/classify/words/sensitive'
import { PLAIN, plainWords } from './plain-sensitive'

const LISTS = {
  strong: cpr.STRONG,
  weak: cpr.WEAK,
  mark: sensitive.PERSON_MARKS,
  topic: sensitive.TOPICS,
  condition: sensitive.CONDITIONS,
  alone: sensitive.CLASSIFICATION_ALONE,
  passport: sensitive.PASSPORT,
}
const finder = wordFinder(LISTS)

const spelled = Object.values(LISTS)
  .flat()
  .map((word) => word.replace('*', ''))
/** Words of the lists in their spellings, torn, glued and cut, with all that may stand between. */
const word = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...spelled) },
  fc.constantFrom(...spelled).map((text) => text.toUpperCase().replace(/ /g, '-')),
  fc.constantFrom(...spelled).map((text) => text.replace(/ø/g, 'oe').replace(/æ/g, 'ae').replace(/ /g, '')),
  fc.tuple(fc.constantFrom(...spelled), fc.nat(6)).map(([text, length]) => text.slice(0, length)),
)
const digits = fc.oneof(
  fc.constantFrom('4111 1111 1111 1111', '5555-5555-5555-4444', '3782 822463 10005', '30569309025904'),
  fc.stringMatching(/^(?:[0-9][ -]?){1,40}$/),
  fc.stringMatching(/^[0-9 x-]{1,30}$/),
)
const between = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(' ', '\n', '', ' ', '. ', '-', 'x', '\u00a0', '€', '🐟', 'K') },
  fc.nat(120).map((length) => ' '.repeat(length)),
  fc.constantFrom('-----BEGIN RSA PRIVATE KEY-----', 'PuTTY-User-Key-File-3:', 'AGE-SECRET-KEY-1', 'PRIVATE KEY'),
)
const text = fc
  .array(fc.tuple(fc.oneof({ weight: 5, arbitrary: word }, digits), between), { maxLength: 25 })
  .map((pieces) => pieces.flat().join(''))

describe('fast searches find what plain ones find', () => {
  it('words: at every place, with the same end, in 8-bit and 16-bit text, over the ends of the buffer', () => {
    fc.assert(
      fc.property(text, fc.constantFrom(0, 8190, 8191, 8192, 8193, 16_380), (tail, room) => {
        const all = `${' '.repeat(room)}${tail}`
        const found = finder(all)
        for (const [name, list] of Object.entries(LISTS) as [keyof typeof LISTS, readonly string[]][]) {
          assert.deepEqual(found[name], plainWords(all, list), name)
        }
      }),
      { numRuns: 200 },
    )
  })

  for (const [kind, plain] of Object.entries(PLAIN) as [SensitiveKind, (text: string) => number | null][]) {
    it(`${kind}: the same place, or none`, () => {
      fc.assert(
        fc.property(text, (some) => {
          assert.equal(findSensitive(some, true, [kind])[0]?.start ?? null, plain(some), JSON.stringify(some))
        }),
        { numRuns: 1000 },
      )
    })
  }

  it('many words of article 9: a mark is found at the last of them as at the first', () => {
    for (const marked of [0, 499, 500, 501, 2999]) {
      const words = Array.from({ length: 3000 }, (_, n) => `helbred${n === marked ? ' hun' : ''}${' '.repeat(200)}`)
      const some = words.join('')
      assert.equal(findSensitive(some, true, ['article9'])[0]?.start, some.indexOf('helbred hun'), `${marked}`)
    }
    assert.deepEqual(findSensitive(`helbred${' '.repeat(200)}`.repeat(3000), true, ['article9']), [])
  })
})
