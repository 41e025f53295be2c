/** Lists of persons, to be counted: class lists, results, applications, salaries. */
import { januaryNumber, replacementNumber, split, validNumber } from './text-numbers'
import { greeting, paragraph, personName, signature } from './text-prose'
import { type Random } from './text-random'
import { draft, type CorpusItem } from './text-types'

const HEADINGS = ['CPR', 'CPR-nr.', 'Personnummer', 'cpr nummer', 'CPR number']

interface Shape {
  name: string
  headed: boolean
  row(random: Random, name: string): [before: string, after: string]
  head: string
}

const delimited = (name: string, delimiter: string, cpr: string): Shape => ({
  name,
  headed: true,
  head: ['Nr', 'Navn', cpr, 'Telefon', 'Karakter'].join(delimiter),
  row: (random, person) => [
    `${1 + random.below(99)}${delimiter}${person}${delimiter}`,
    `${delimiter}${random.pick(['20', '31', '99'])}${random.digits(6)}${delimiter}${random.pick(['7', '10', '12', '02'])}`,
  ],
})

const SHAPES: readonly ((random: Random) => Shape)[] = [
  (random) => delimited('list: CSV', ';', random.pick(HEADINGS)),
  (random) => delimited('list: tabs', '\t', random.pick(HEADINGS)),
  (random) => delimited('list: pipes', ' | ', random.pick(HEADINGS)),
  () => ({ name: 'list: lines', headed: false, head: 'Holdliste', row: (_, person) => [`${person}, `, ''] }),
  () => ({ name: 'list: numbers first', headed: false, head: 'Deltagere:', row: (_, person) => ['', ` ${person}`] }),
  () => ({ name: 'list: numbers alone', headed: false, head: '', row: () => ['', ''] }),
  () => ({ name: 'list: bullets', headed: true, head: 'Studerende', row: (_, person) => [`- ${person}, CPR `, ''] }),
]

/** Every class, with what makes one item of it. */
export const LISTS: readonly ((random: Random) => CorpusItem)[] = SHAPES.map((shapeOf) => (random) => {
  const shape = shapeOf(random)
  const separator = random.pick(['-', '-', '', ' '])
  const into = draft()
  if (random.chance(50)) into.say(`${greeting(random, 'da')}\n\n${paragraph(random, 'da')}\n\n`)
  into.say(shape.head === '' ? '' : `${shape.head}\n`)
  const numbers: string[] = []
  const size = 4 + random.below(40)
  for (let n = 0; n < size; n++) {
    const again = numbers.length > 3 && random.chance(4) ? random.pick(numbers) : undefined
    const rare = numbers.length > 3 && random.chance(6)
    const number =
      again ??
      (rare
        ? shape.headed && random.chance(40)
          ? replacementNumber(random)
          : januaryNumber(random)
        : validNumber(random))
    numbers.push(number)
    const [before, after] = shape.row(random, personName(random))
    into.say(before).plant(number, split(number, separator)).say(`${after}\n`)
  }
  if (random.chance(50)) into.say(`\n${signature(random, 'da')}\n`)
  return into.done({ class: shape.name, kind: 'list', language: 'da', form: 'list' })
})
