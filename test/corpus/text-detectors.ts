/**
 * Other detectors by what is published of them, on the same texts: an estimate of each, since the products have parts that
 * nobody outside has seen.
 *
 * - Purview: entity 6c4f2fef-56e1-4c00-8093-88d7a01cf460 (learn.microsoft.com/purview); 65 = date and check sum, 75 = a
 *   keyword within 300 characters as well.
 * - Trellix: the pattern of its documentation (docs.trellix.com), no check sum.
 * - os2datascanner: src/os2datascanner/engine2/rules/cpr.py: modulus 11 with the dates it excepts, words that drop every
 *   match of a text, signs beside a number. Its weighing of a number's position among the day's numbers and its bins are
 *   left out: both only drop matches.
 * - python-stdnum: stdnum.dk.cpr validates a date that exists and is not in the future; numbers to try it on are taken
 *   out of the text by six digits, blank or hyphen, and four.
 */
import { CORPUS_NOW } from './text'

export interface Found {
  start: number
  end: number
}

export interface Detector {
  name: string
  find: (text: string) => Found[]
}

const WEIGHTS = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1]
const mod11 = (digits: string) =>
  Array.from(digits).reduce((sum, digit, n) => sum + Number(digit) * (WEIGHTS[n] ?? 0), 0) % 11 === 0

/** Day and month that exist. */
function dayAndMonth(digits: string): boolean {
  const day = Number(digits.slice(0, 2))
  const month = Number(digits.slice(2, 4))
  return day >= 1 && day <= 31 && month >= 1 && month <= 12
}

function fullYear(digits: string): number {
  const yy = Number(digits.slice(4, 6))
  const seventh = Number(digits.charAt(6))
  if (seventh < 4) return 1900 + yy
  if (seventh === 4 || seventh === 9) return yy < 37 ? 2000 + yy : 1900 + yy
  return yy < 58 ? 2000 + yy : 1800 + yy
}

function dateIsPast(digits: string): boolean {
  const time = Date.UTC(fullYear(digits), Number(digits.slice(2, 4)) - 1, Number(digits.slice(0, 2)))
  return dayAndMonth(digits) && new Date(time).getUTCDate() === Number(digits.slice(0, 2)) && time <= CORPUS_NOW
}

function matches(text: string, pattern: RegExp, holds: (digits: string, found: Found) => boolean): Found[] {
  return Array.from(text.matchAll(pattern), (match) => ({
    start: match.index,
    end: match.index + match[0].length,
    digits: match[0].replace(/[^0-9]/g, ''),
  })).filter(({ digits, ...found }) => holds(digits, found))
}

const PURVIEW = /\b\d{6}[ -]?\d{4}\b/g
const PURVIEW_WORDS =
  /cpr|personnummer|personnr|personregister|identifikationsnummer|civilt registreringssystem|national number|nationalid|personal id number|personalidentityno|ssn|skattenummer|tax id|tax number|sundhedskort|sygesikring|health card|health insurance/i

/** Exceptions as of its last synchronisation, 2021. */
const OS2_EXCEPTIONS = /^0101(?:60|64|65|66|67|69|70|74|75|78|80|81|82|84|85|86|87|88|89|90|91|92|94|95)/
const OS2_BLACKLIST =
  /\b(?:pnr|p-nr|p-nummer|p\.nr|customer no|customer-no|bilagsnummer|order number|ordrenummer|fakturanummer|faknr|fak-nr|tullstatistisk|tullstatistik|test report no|protocol no|dhk:tx)\b/i

export const DETECTORS: readonly Detector[] = [
  { name: 'Purview 65', find: (text) => matches(text, PURVIEW, (digits) => dayAndMonth(digits) && mod11(digits)) },
  {
    name: 'Purview 75',
    find: (text) =>
      matches(
        text,
        PURVIEW,
        (digits, { start, end }) =>
          dayAndMonth(digits) && mod11(digits) && PURVIEW_WORDS.test(text.slice(Math.max(0, start - 300), end + 300)),
      ),
  },
  {
    name: 'Trellix',
    find: (text) => matches(text, /\b(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{2}-?[0-9]{4}\b/g, () => true),
  },
  {
    name: 'os2datascanner',
    find: (text) =>
      OS2_BLACKLIST.test(text)
        ? []
        : matches(text, /\b(\d{6})(?:[ \-/.\t]|[ ]-[ ])?(\d{4})\b/g, (digits, { start, end }) => {
            const beside = text.charAt(start - 1) + text.charAt(end)
            return dateIsPast(digits) && (mod11(digits) || OS2_EXCEPTIONS.test(digits)) && !/[-+!#%]/.test(beside)
          }),
  },
  { name: 'python-stdnum', find: (text) => matches(text, PURVIEW, (digits) => dateIsPast(digits)) },
]
