/** Texts that hold a number, by the ways in which numbers are written (reference: cpr.dk, MedCom, and what mails hold). */
import { januaryNumber, lettersNumber, mistyped, replacementNumber, split, validNumber } from './text-numbers'
import { greeting, paragraph, personName, signature, type Language } from './text-prose'
import { two, type Random } from './text-random'
import { draft, type CorpusItem, type Draft } from './text-types'

/** Words directly before a number. Where it is `named`, they say what it is. */
const NAMED = ['CPR: ', 'cpr-nr. ', 'CPR-nummer ', 'personnummer ', 'cprnr ', 'CPR no. ', 'civil registration number ']
const UNNAMED = [
  'Det drejer sig om ',
  'Sagen for ',
  'vedr. ',
  'This is about ',
  'Student ',
  'Se ',
  '',
  'Medarbejder: ',
  '(',
]

type Plant = (into: Draft, random: Random, language: Language) => void

/** A letter with the number somewhere in it. */
function letter(name: string, plant: Plant) {
  return (random: Random): CorpusItem => {
    const language: Language = random.chance(65) ? 'da' : 'en'
    const into = draft()
    into.say(`${greeting(random, language)}\n\n${paragraph(random, language)}\n`)
    plant(into, random, language)
    into
      .say(random.pick(['. ', '\n', ', ', ' ']))
      .say(`${paragraph(random, language)}\n\n${signature(random, language)}\n`)
    return into.done({ class: name, kind: 'positive', language, form: 'letter' })
  }
}

const before = (words: readonly string[]) => (random: Random) => `${random.pick([' ', '\n'])}${random.pick(words)}`
const unnamed = before(UNNAMED)
const named = before(NAMED)

const UNICODE = [
  '\u00ad',
  '\u2010',
  '\u2011',
  '\u2012',
  '\u2013',
  '\u2014',
  '\u2212',
  '\uff0d',
  '\u00a0',
  '\u2009',
  '\u202f',
  '\u200b',
  '\u2060',
  '\ufeff',
]
const WEAK = ['.', '/', '_', '\n', ' - \n', ' . ', '  ']

const FULL_WIDTH = 0xff10
const ARABIC = 0x0660
const inScript = (number: string, zero: number) =>
  Array.from(number, (digit) => String.fromCodePoint(zero + Number(digit))).join('')

const simple = (
  name: string,
  lead: (random: Random) => string,
  make: (random: Random) => [number: string, written: string],
) =>
  letter(name, (into, random) => {
    const [number, written] = make(random)
    into.say(lead(random)).plant(number, written)
  })

const written =
  (separator: (random: Random) => string) =>
  (random: Random): [string, string] => {
    const number = validNumber(random)
    return [number, split(number, separator(random))]
  }

/** Every class, with what makes one item of it. */
export const POSITIVE: readonly ((random: Random) => CorpusItem)[] = [
  simple(
    'dash',
    unnamed,
    written(() => '-'),
  ),
  simple(
    'contiguous',
    unnamed,
    written(() => ''),
  ),
  simple(
    'contiguous, named',
    named,
    written(() => ''),
  ),
  simple(
    'space',
    unnamed,
    written(() => ' '),
  ),
  simple(
    'Unicode separator',
    unnamed,
    written((random) => random.pick(UNICODE)),
  ),
  simple(
    'spaced dash',
    unnamed,
    written((random) => random.pick([' - ', ' -', '- ', ' – '])),
  ),
  simple(
    'weak separator',
    unnamed,
    written((random) => random.pick(WEAK)),
  ),
  simple('1 January, no modulus 11', unnamed, (random) => {
    const number = januaryNumber(random)
    return [number, split(number, random.pick(['-', '-', '']))]
  }),
  simple('day + 60, named', named, (random) => {
    const number = replacementNumber(random)
    return [number, split(number, random.pick(['-', '']))]
  }),
  simple('letters', unnamed, (random) => {
    const number = lettersNumber(random)
    return [number, split(number, random.pick(['-', '']))]
  }),
  simple('mistyped, named', named, (random) => {
    const number = mistyped(validNumber(random), random)
    return [number, split(number, random.pick(['-', '']))]
  }),
  simple(
    'behind a label of something else',
    before(['Se bilag ', 'faktura ', 'sagsnr. ', 'konto ', 'ordre ', 'ref. ', 'kundenr.: ']),
    written((random) => random.pick(['-', ''])),
  ),
  simple(
    'in a path or an address',
    before(['https://uni.example/sag/', 'H:\\sager\\', 'file:///arkiv/']),
    written((random) => random.pick(['-', ''])),
  ),
  simple('digits of other scripts', unnamed, (random) => {
    const number = validNumber(random)
    return [number, inScript(number, random.pick([FULL_WIDTH, ARABIC]))]
  }),
  simple('in groups', named, (random) => {
    const number = validNumber(random)
    const groups = /^(..)(..)(..)(..)(..)$/.exec(number)?.slice(1) ?? []
    return [number, groups.join(random.pick([' ', '.']))]
  }),
  simple('year of four digits', unnamed, (random) => {
    for (;;) {
      const number = validNumber(random)
      const year = '0123'.includes(number.charAt(6))
        ? `19${number.slice(4, 6)}`
        : Number(number.slice(4, 6)) <= 36
          ? `20${number.slice(4, 6)}`
          : ''
      if (year !== '') return [number, `${number.slice(0, 2)}.${number.slice(2, 4)}.${year}-${number.slice(6)}`]
    }
  }),
  letter('quoted reply, broken line', (into, random) => {
    const number = validNumber(random)
    into.say('\n> Den 3. maj skrev hun:\n> ').plant(number, `${number.slice(0, 6)}-\n> ${number.slice(6)}`)
  }),
  letter('invisible between digits', (into, random) => {
    const number = validNumber(random)
    into
      .say(unnamed(random))
      .plant(number, Array.from(split(number, '-')).join(random.pick(['\u200b', '\u00ad', '\u2060'])))
  }),
  table('CSV column', ';'),
  table('tab column', '\t'),
  splitCells,
  lostZero,
  twentyRows,
]

function header(random: Random): string {
  return random.pick(['CPR', 'CPR-nr.', 'Personnummer', 'cpr nummer', 'CPR no'])
}

/** One row, whose column says what it is. */
function table(name: string, delimiter: string) {
  return (random: Random): CorpusItem => {
    const into = draft()
      .say(['Navn', 'Hold', header(random), 'By'].join(delimiter))
      .say('\n')
    const number = random.chance(80) ? validNumber(random) : januaryNumber(random)
    into
      .say(`${personName(random)}${delimiter}A${random.below(9)}${delimiter}`)
      .plant(number, split(number, random.pick(['', '-', ' '])))
    into.say(`${delimiter}Aalborg\n`)
    return into.done({ class: name, kind: 'positive', language: 'da', form: 'table' })
  }
}

/** The halves are in neighbouring cells. */
function splitCells(random: Random): CorpusItem {
  const delimiter = random.pick([';', '\t', '|', '";"', ','])
  const quote = delimiter === '";"' ? '"' : ''
  const number = validNumber(random)
  const into = draft()
    .say(['Navn', 'Født', 'Løbenr.'].join(delimiter))
    .say(`\n${quote}${personName(random)}${delimiter}`)
  into.plant(number, split(number, delimiter)).say(`${quote}\n`)
  return into.done({ class: 'split over two cells', kind: 'positive', language: 'da', form: 'table' })
}

/** A spreadsheet took it for an amount. */
function lostZero(random: Random): CorpusItem {
  let number = validNumber(random)
  while (!number.startsWith('0')) number = validNumber(random)
  const bare = number.slice(1)
  const shown = random.pick([
    bare,
    `${bare}.0`,
    `${bare.charAt(0)}.${bare.slice(1)}E8`,
    `${bare.charAt(0)}.${bare.slice(1)}E+08`,
  ])
  const into = draft()
    .say(`Navn;${header(random)};Karakter\n${personName(random)};`)
    .plant(number, shown)
    .say(`;${random.pick(['7', '10', '12'])}\n`)
  return into.done({ class: 'leading zero lost', kind: 'positive', language: 'da', form: 'table' })
}

/** A column of twenty: the last is far from the heading. */
function twentyRows(random: Random): CorpusItem {
  const into = draft().say(`Navn;${header(random)};Studieretning;Bemærkning\n`)
  for (let row = 0; row < 20; row++) {
    const number = random.chance(85) ? validNumber(random) : januaryNumber(random)
    into
      .say(`${personName(random)};`)
      .plant(number, number)
      .say(`;Planlægning og by, ${two(1 + random.below(10))}. semester;ingen\n`)
  }
  return into.done({ class: 'column of 20 rows', kind: 'positive', language: 'da', form: 'table' })
}
