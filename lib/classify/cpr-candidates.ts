/** Where in a text something has the shape of a CPR number. */
import { cprFacts, type CprFacts } from './cpr-number'
import type { DigitView } from './digit-view'

export type Separator =
  'dash' | 'space' | 'zero-width' | 'cell' | 'contiguous' | 'newline' | 'weak' | 'scattered' | 'lost-zero'

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
  /** Ten-digit tokens, whatever they are; and how many of them are written without a separator. */
  tokens: number
  contiguous: number
}

const DASH = String.raw`\-\u2010-\u2015\u2212\u2043\ufe58\ufe63\uff0d\u058a\u1400\x1e\x1f\x96\x97\ufffd`
const SPACE = String.raw`\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000`
const WEAK = String.raw`./_,:\u00b7\u2022\u2219\\`
const CELL = String.raw`|;\x07`
/** One unit between the halves; a line may begin with marks of quotation. */
const UNIT = String.raw`(?:[${DASH}${SPACE}${WEAK}${CELL}]|[\n\u2028\u2029\x0b\x0c](?:>[> ]{0,8})?)`
const SERIAL = String.raw`[0-9]{4}(?![0-9])|[0-9][A-ZÆØÅ]{2}[0-9](?![0-9A-Za-z])|[A-Z]{3}[0-9](?![0-9A-Za-z])|[01567][a-zæøå]{2}[0-9](?![0-9A-Za-z])`

const PLAIN = new RegExp(`(?<![0-9])([0-9]{6})(${UNIT}{0,4})(${SERIAL})`, 'g')
/** Date with a four-digit year, then a dash: `21.10.1962-5629`. */
const LONG_YEAR = new RegExp(
  `(?<![0-9])([0-3][0-9])([./-]?)([01][0-9])\\2(?:1[89]|20)([0-9]{2})([${SPACE}]?[${DASH}][${SPACE}]?)([0-9]{4})(?![0-9])`,
  'g',
)
/** Ten digits in other groups: `21 10 62 56 29`, `2 1 1 0 6 2 - 5 6 2 9`. */
const GAP = String.raw`[${DASH}${SPACE}./|\u00b7]`
const SCATTERED = new RegExp(
  `(?<![0-9]${GAP}?)([0-9])(${GAP}?[0-9]){4}(${GAP}?[0-9])(?:${GAP}{0,3}[0-9])(${GAP}?[0-9]){3}(?!${GAP}?[0-9])`,
  'g',
)

const PREFILTER = /(?:\p{N}[^\p{L}\p{N}]{0,12}){6}/u

/** Cheap first look: is there anything that could be a number? */
export function mayHoldCpr(text: string): boolean {
  return PREFILTER.test(text)
}

/** @param now milliseconds: later birth dates are none */
export function findCandidates(view: DigitView, now: number): Candidates {
  const { text } = view
  const found: Candidate[] = []
  let tokens = 0
  let contiguous = 0
  const add = (start: number, end: number, date: string, serial: string, separator: Separator) => {
    const facts = cprFacts(date, serial, now)
    if (facts !== null) found.push({ start, end, date, serial, separator, facts })
  }
  PLAIN.lastIndex = 0
  for (let match = PLAIN.exec(text); match !== null; match = PLAIN.exec(text)) {
    const [whole, date = '', between = '', serial = ''] = match
    const start = match.index
    tokens++
    if (between === '') contiguous++
    // the separator is judged as it was written, with what has no width
    const from = view.at(start + 5) + 1
    const written = view.source.slice(from, Math.max(from, view.at(start + 6 + between.length)))
    if (!/\D/.test(serial) || between.length <= 3) {
      add(start, start + whole.length, date, serial.toUpperCase(), separatorOf(written, between))
    }
    // the next one may begin with the digits that followed this one's first half
    PLAIN.lastIndex = start + 6
  }
  for (const match of text.matchAll(LONG_YEAR)) {
    const [whole, day = '', , month = '', year = '', , serial = ''] = match
    add(match.index, match.index + whole.length, day + month + year, serial, 'weak')
  }
  for (const match of text.matchAll(SCATTERED)) {
    const [whole] = match
    const digits = whole.replace(/[^0-9]/g, '')
    if (/^[0-9]{6}[^0-9]*[0-9]{4}$/.test(whole) || digits.length !== 10) continue
    add(match.index, match.index + whole.length, digits.slice(0, 6), digits.slice(6), 'scattered')
  }
  return { found, tokens, contiguous }
}

const ONE_DASH = new RegExp(`^[${SPACE}]*[${DASH}]+[${SPACE}]*$`)
const ONE_CELL = new RegExp(`^[${SPACE}]*[${CELL}\\t][${SPACE}]*$`)
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
  if (BLANKS.test(seen)) return 'space'
  return /[\n\u2028\u2029\x0b\x0c]/.test(seen) ? 'newline' : 'weak'
}
