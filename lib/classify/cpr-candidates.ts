/** Where in a text something has the shape of a CPR number. */
import { DASH, GAP, SPACE } from './char-classes'
import { cprFacts, type CprFacts } from './cpr-number'
import { beginsWithDate, isDigit, tokenOf, type Spot, type Token } from './cpr-spots'
import type { DigitView } from './digit-view'

export type Separator =
  'dash' | 'space' | 'zero-width' | 'cell' | 'contiguous' | 'newline' | 'weak' | 'scattered' | 'bare'

export interface Candidate {
  /** In the view. */
  start: number
  end: number
  /** Six digits. */
  date: string
  /** Four digits, or with letters in upper case. */
  serial: string
  separator: Separator
  facts: CprFacts
}

export interface Candidates {
  found: Candidate[]
  /** Tokens of ten digits, whatever they are; their places are those of the source. */
  tokens: Token[]
}

const WEAK = String.raw`./_,:\u00b7\u2022\u2219\\`
const CELL = String.raw`|;\x07`
/** One unit between the halves; a line may begin with marks of quotation. */
const UNIT = String.raw`(?:[${DASH}${SPACE}${WEAK}${CELL}]|[\n\u2028\u2029\x0b\x0c](?:>[> ]{0,8})?)`
const SERIAL = String.raw`[0-9]{4}(?![0-9])|[0-9][A-ZÆØÅ]{2}[0-9](?![0-9A-Za-z])|[A-Z]{3}[0-9](?![0-9A-Za-z])|[01567][a-zæøå]{2}[0-9](?![0-9A-Za-z])`

/** The end of one cell and the beginning of the next, with their quotes. */
const CELLS = String.raw`["'][${SPACE}]?[,${CELL}\t][${SPACE}]?["']`
/** Where a group of six digits or more begins. */
const GROUP = /(?<![0-9])[0-9]{6}/g
/** Asked where a group of six or seven digits begins; ten in a row need no pattern. */
const PLAIN = new RegExp(`([0-9]{6})(${CELLS}|${UNIT}{0,4})(${SERIAL})`, 'y')
/** Date with a four-digit year, then a dash: `21.10.1962-5629`. */
const LONG_YEAR = new RegExp(
  `(?<![0-9])([0-3][0-9])([./-]?)([01][0-9])\\2(?:1[89]|20)([0-9]{2})([${SPACE}]?[${DASH}][${SPACE}]?)([0-9]{4})(?![0-9])`,
  'g',
)
/** Ten digits in other groups: `21 10 62 56 29`, `2 1 1 0 6 2 - 5 6 2 9`. */
const SCATTERED = new RegExp(
  `(?<![0-9]${GAP}?)([0-9])(${GAP}?[0-9]){4}(${GAP}?[0-9])(?:${GAP}{0,3}[0-9])(${GAP}?[0-9]){3}(?!${GAP}?[0-9])`,
  'g',
)

const IP_ADDRESS = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/

/** Nine digits in a cell whose leading zero a spreadsheet dropped, also as `N.0`; and numbers in exponent form. */
const BARE = /(?<![0-9.,])(?:([1-9][0-9]{8})(?:\.0{1,8})?|([1-9])\.([0-9]{4,9})[eE]\+?0?([89]))(?![0-9.,])/g

/** Behind a spot: what may stand between six digits and four, and these. */
const BEHIND = 52

/**
 * Find what has the shape of a number around some spots.
 *
 * @param view of the text around the spots
 * @param spots in the source of the view, in order of place; what begins elsewhere was cut, and is left out
 * @param now milliseconds: later birth dates are none
 */
export function findCandidates(view: DigitView, spots: readonly Spot[], now: number): Candidates {
  const last = spots.at(-1)
  // most regions hold one spot: nothing is looked for in front of it or far behind it
  const text = view.text.length === view.source.length ? view.text.slice(0, (last?.end ?? 0) + BEHIND) : view.text
  const from = view.text.length === view.source.length ? (spots[0]?.start ?? 0) : 0
  const found: Candidate[] = []
  const tokens: Token[] = []
  const inSpot = spotFinder(view, spots)
  const add = (start: number, end: number, date: string, serial: string, separator: Separator) => {
    const facts = cprFacts(date, serial, now)
    if (facts !== null) found.push({ start, end, date, serial, separator, facts })
  }
  eachPlain(text, from, (start, match) => {
    if (!inSpot(start)) return
    const between = match?.[2] ?? ''
    tokens.push(tokenOf(view.at(start), between === ''))
    if (!beginsWithDate(text, start)) return
    const serial = match?.[3] ?? text.slice(start + 6, start + 10)
    const letters = /\D/.test(serial)
    if (letters && (between.length > 3 || isGlued(text, start))) return
    // the separator is judged as it was written, with what has no width
    const half = view.at(start + 5) + 1
    const written = view.source.slice(half, Math.max(half, view.at(start + 6 + between.length)))
    const end = start + 6 + between.length + serial.length
    const date = text.slice(start, start + 6)
    add(start, end, date, letters ? serial.toUpperCase() : serial, separatorOf(written, between))
  })
  if (spots.every(({ plain }) => plain)) return { found, tokens }
  each(LONG_YEAR, text, from, ([whole, day = '', , month = '', year = '', , serial = ''], at) => {
    if (inSpot(at)) add(at, at + whole.length, day + month + year, serial, 'weak')
  })
  each(SCATTERED, text, from, ([whole], at) => {
    const digits = whole.replace(/[^0-9]/g, '')
    if (/^[0-9]{6}[^0-9]*[0-9]{4}$/.test(whole) || IP_ADDRESS.test(whole) || digits.length !== 10 || !inSpot(at)) return
    add(at, at + whole.length, digits.slice(0, 6), digits.slice(6), 'scattered')
  })
  each(BARE, text, from, ([whole, nine, lead = '', rest = '', power = '8'], at) => {
    const digits = nine ?? lead + rest.padEnd(Number(power), '0')
    if (digits.length > 10 || !inSpot(at)) return
    const ten = digits.padStart(10, '0')
    add(at, at + whole.length, ten.slice(0, 6), ten.slice(6), 'bare')
  })
  found.sort((a, b) => a.start - b.start)
  return { found, tokens }
}

/**
 * Six digits and the rest of a number, wherever a group of digits begins.
 *
 * @param take told the place, and the match of `PLAIN`; null = ten digits in a row
 */
function eachPlain(text: string, from: number, take: (start: number, match: RegExpExecArray | null) => void): void {
  GROUP.lastIndex = from
  while (GROUP.test(text)) {
    const end = GROUP.lastIndex
    const start = end - 6
    let more = 0
    while (more < 5 && isDigit(text.charCodeAt(end + more))) more++
    if (more === 4) take(start, null)
    else if (more <= 1) {
      PLAIN.lastIndex = start
      const match = PLAIN.exec(text)
      if (match !== null) take(start, match)
    }
  }
}

function each(pattern: RegExp, text: string, from: number, take: (match: RegExpExecArray, at: number) => void): void {
  pattern.lastIndex = from
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) take(match, match.index)
}

/** The forms with letters stand alone: glued to more letters they are part of some other code. */
function isGlued(text: string, start: number): boolean {
  return (
    /[\p{L}_]$/u.test(text.slice(Math.max(0, start - 2), start)) &&
    !/(?:cpr|nr)$/i.test(text.slice(Math.max(0, start - 3), start))
  )
}

/** Asked in any order, and mostly for the spot of the last answer. */
function spotFinder(view: DigitView, spots: readonly Spot[]): (at: number) => boolean {
  let current = spots[0]
  return (at) => {
    const place = view.at(at)
    if (current !== undefined && current.start <= place && place < current.end) return true
    let low = 0
    let high = spots.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const spot = spots[middle]
      if (spot === undefined || spot.end <= place) low = middle + 1
      else if (spot.start > place) high = middle - 1
      else {
        current = spot
        return true
      }
    }
    return false
  }
}

const ONE_DASH = new RegExp(`^[${SPACE}]*[${DASH}]+[${SPACE}]*$`)
const ONE_CELL = new RegExp(`^(?:${CELLS}|[${SPACE}]*[${CELL}\\t][${SPACE}]*)$`)
const BLANKS = new RegExp(`^[${SPACE}]+$`)

/**
 * @param written between the halves, as in the source
 * @param seen the same without what has no width
 */
function separatorOf(written: string, seen: string): Separator {
  if (seen === '') {
    // a soft hyphen has no width inside a line, and is a hyphen at its end
    if (written.includes('\u00ad')) return 'dash'
    return written === '' ? 'contiguous' : 'zero-width'
  }
  if (ONE_DASH.test(seen)) return 'dash'
  if (ONE_CELL.test(seen)) return 'cell'
  // an unfolded header and justified text have several
  if (BLANKS.test(seen)) return 'space'
  return /[\n\u2028\u2029\x0b\x0c]/.test(seen) ? 'newline' : 'weak'
}
