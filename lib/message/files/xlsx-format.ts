/**
 * Numbers as a spreadsheet shows them (ISO/IEC 29500-1, section 18.8.30): leading zeros, hyphens and texts that a format
 * adds, dates and times. What digits a reader sees is what counts; colours and widths are left out.
 */

/** A number as shown. */
export type NumberFormat = (value: number) => string

/** Formats that have a number and no code in the file (section 18.8.30). */
const BUILT_IN: Readonly<Record<number, string>> = {
  1: '0',
  2: '0.00',
  3: '#,##0',
  4: '#,##0.00',
  9: '0%',
  10: '0.00%',
  11: '0.00E+00',
  14: 'dd-mm-yyyy',
  15: 'd-mmm-yy',
  16: 'd-mmm',
  17: 'mmm-yy',
  18: 'h:mm AM/PM',
  19: 'h:mm:ss AM/PM',
  20: 'h:mm',
  21: 'h:mm:ss',
  22: 'dd-mm-yyyy h:mm',
  37: '#,##0;-#,##0',
  38: '#,##0;-#,##0',
  39: '#,##0.00;-#,##0.00',
  40: '#,##0.00;-#,##0.00',
  45: 'mm:ss',
  46: '[h]:mm:ss',
  47: 'mm:ss.0',
  48: '##0.0E+0',
  49: '@',
}
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
/** Serial numbers count from here (section 18.17.4.1); 1900 was no leap year, but Lotus 1-2-3 thought so. */
const EPOCH_1900 = Date.UTC(1899, 11, 30)
const EPOCH_1904 = Date.UTC(1904, 0, 1)
const DAY = 86_400_000
/** 31 December 9999. */
const MAX_SERIAL = 2_958_465
/** Longest code; Excel allows 255 characters. */
const MAX_CODE = 1000

type Token =
  | { kind: 'literal'; text: string }
  /** A place for a digit: `0` is always filled, `?` with a blank, `#` only when there is a digit. */
  | { kind: 'digit'; text: string }
  | { kind: 'point' | 'percent' | 'comma' | 'text' | 'general' }
  | { kind: 'exponent'; text: string }
  | { kind: 'date'; text: string }

interface Section {
  tokens: Token[]
  condition: ((value: number) => boolean) | null
  isDate: boolean
}

const TOKEN =
  /"([^"]*)"?|\\(.)|_.|\*.|\[([^\]]*)\]|(general)|(am\/pm|a\/p)|([eE][+-])|(y{1,4}|m{1,5}|d{1,4}|h{1,2}|s{1,2})|([0#?])|([.,%@])|([\s\S])/giu

/**
 * @param id `numFmtId`
 * @param code of the file, or undefined: a built-in format
 * @param is1904 serial numbers of dates count from 1904
 */
export function numberFormat(id: number, code: string | undefined, is1904: boolean): NumberFormat {
  const sections = sectionsOf((code ?? BUILT_IN[id] ?? 'General').slice(0, MAX_CODE))
  return (value) => show(value, sections, is1904)
}

/** @returns what is shown for a text: most formats show it as it is */
export function textFormat(code: string | undefined): ((text: string) => string) | null {
  if (code === undefined || !code.includes('@')) return null
  const section = sectionsOf(code.slice(0, MAX_CODE)).find(({ tokens }) => tokens.some(({ kind }) => kind === 'text'))
  if (section === undefined || section.tokens.every(({ kind }) => kind === 'text')) return null
  return (text) =>
    section.tokens.map((token) => (token.kind === 'text' ? text : token.kind === 'literal' ? token.text : '')).join('')
}

/** As the format General shows a number, but never with an exponent where it is whole. */
export function plainNumber(value: number): string {
  // whole numbers have no exponent below 1e21
  if (Number.isInteger(value)) return String(value)
  // eleven digits fit; what comes behind is what binary fractions add
  const rounded = Number(value.toPrecision(11))
  return Math.abs(rounded) >= 1e-6 || rounded === 0 ? String(rounded) : rounded.toFixed(15).replace(/0+$/, '')
}

function sectionsOf(code: string): Section[] {
  const sections: Section[] = [{ tokens: [], condition: null, isDate: false }]
  for (const match of code.matchAll(TOKEN)) {
    const section = sections.at(-1) ?? { tokens: [], condition: null, isDate: false }
    const [whole, quoted, escaped, bracket, general, half, exponent, date, digit, mark, other] = match
    if (quoted !== undefined) section.tokens.push({ kind: 'literal', text: quoted })
    else if (escaped !== undefined) section.tokens.push({ kind: 'literal', text: escaped })
    else if (bracket !== undefined) inBrackets(section, bracket)
    else if (general !== undefined) section.tokens.push({ kind: 'general' })
    else if (exponent !== undefined) section.tokens.push({ kind: 'exponent', text: exponent })
    else if (half !== undefined || date !== undefined) {
      section.isDate = true
      section.tokens.push({ kind: 'date', text: (half ?? date ?? '').toLowerCase() })
    } else if (digit !== undefined) section.tokens.push({ kind: 'digit', text: digit })
    else if (mark !== undefined) section.tokens.push(MARKS[mark] ?? { kind: 'literal', text: mark })
    else if (whole === ';') sections.push({ tokens: [], condition: null, isDate: false })
    else if (other !== undefined) section.tokens.push({ kind: 'literal', text: other })
    else if (whole.startsWith('_')) section.tokens.push({ kind: 'literal', text: ' ' })
  }
  return sections
}

const MARKS: Readonly<Record<string, Token>> = {
  '.': { kind: 'point' },
  ',': { kind: 'comma' },
  '%': { kind: 'percent' },
  '@': { kind: 'text' },
}

/** Colours, conditions, elapsed times, and currencies with their locale. */
function inBrackets(section: Section, inner: string): void {
  const condition = /^(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)$/.exec(inner)
  if (condition !== null) section.condition = comparison(condition[1] ?? '', Number(condition[2]))
  else if (/^(?:h{1,2}|m{1,2}|s{1,2})$/i.test(inner)) {
    section.isDate = true
    section.tokens.push({ kind: 'date', text: `[${inner.toLowerCase()}]` })
  } else if (inner.startsWith('$')) {
    const currency = inner.slice(1).replace(/-[0-9A-Fa-f]*$/, '')
    if (currency !== '') section.tokens.push({ kind: 'literal', text: currency })
  }
}

function comparison(operator: string, limit: number): (value: number) => boolean {
  switch (operator) {
    case '<':
      return (value) => value < limit
    case '<=':
      return (value) => value <= limit
    case '>':
      return (value) => value > limit
    case '>=':
      return (value) => value >= limit
    case '<>':
      return (value) => value !== limit
    default:
      return (value) => value === limit
  }
}

function show(value: number, sections: readonly Section[], is1904: boolean): string {
  const numeric = sections.filter(({ tokens }) => !tokens.some(({ kind }) => kind === 'text'))
  const conditional = numeric.find(({ condition }) => condition?.(value) === true)
  const [first, second, third] = numeric
  let section = conditional
  let signed = value < 0 && conditional !== undefined
  if (section === undefined) {
    const rest = numeric.filter(({ condition }) => condition === null)
    if (rest.length < numeric.length) section = rest.at(-1)
    else if (value < 0 && second !== undefined) section = second
    else if (value === 0 && third !== undefined) section = third
    else section = first
    signed = value < 0 && section !== second
  }
  if (section === undefined || section.tokens.length === 0) return plainNumber(value)
  if (section.isDate) return showDate(value, section.tokens, is1904)
  return (signed ? '-' : '') + showNumber(Math.abs(value), section.tokens)
}

function showNumber(value: number, tokens: readonly Token[]): string {
  const digits = tokens.filter(({ kind }) => kind === 'digit')
  if (digits.length === 0) {
    return tokens.map((token) => (token.kind === 'general' ? plainNumber(value) : literal(token))).join('')
  }
  const point = tokens.findIndex(({ kind }) => kind === 'point')
  const before = point === -1 ? tokens : tokens.slice(0, point)
  const after = point === -1 ? [] : tokens.slice(point + 1)
  const exponent = tokens.some(({ kind }) => kind === 'exponent')
  if (exponent) return `${plainNumber(value)}${tokens.map(literal).join('')}`
  const percent = tokens.some(({ kind }) => kind === 'percent') ? 100 : 1
  const places = after.filter(({ kind }) => kind === 'digit').length
  const scaled = value * percent * 0.001 ** thousands(before)
  const fixed = scaled < 1e21 ? scaled.toFixed(Math.min(places, 30)) : plainNumber(scaled)
  const [whole = '', fraction = ''] = fixed.split('.')
  const left = fillFromRight(before, whole === '0' ? '' : whole)
  return point === -1 ? left : `${left}.${fillFromLeft(after, fraction)}`
}

/** Commas behind the last place divide by a thousand each. */
function thousands(tokens: readonly Token[]): number {
  let count = 0
  for (const token of [...tokens].reverse()) {
    if (token.kind === 'comma') count++
    else if (token.kind === 'digit') break
  }
  return count
}

/** Digits fill their places from the right; what has no place of its own stands before the first. */
function fillFromRight(tokens: readonly Token[], digits: string): string {
  const first = tokens.findIndex(({ kind }) => kind === 'digit')
  const shown: string[] = []
  let left = digits.length
  for (let n = tokens.length - 1; n >= 0; n--) {
    const token = tokens[n]
    if (token === undefined) continue
    if (token.kind !== 'digit') {
      shown.push(literal(token))
      continue
    }
    shown.push(left > 0 ? digits.charAt(--left) : token.text === '0' ? '0' : token.text === '?' ? ' ' : '')
    if (n === first && left > 0) shown.push(digits.slice(0, left))
  }
  return shown.reverse().join('')
}

function fillFromLeft(tokens: readonly Token[], digits: string): string {
  let at = 0
  return tokens.map((token) => (token.kind === 'digit' ? digits.charAt(at++) : literal(token))).join('')
}

function literal(token: Token): string {
  if (token.kind === 'literal' || token.kind === 'exponent') return token.text
  return token.kind === 'percent' ? '%' : ''
}

function showDate(value: number, tokens: readonly Token[], is1904: boolean): string {
  if (value < 0 || value > MAX_SERIAL) return plainNumber(value)
  const epoch = is1904 ? EPOCH_1904 : EPOCH_1900
  // before 1 March 1900 the numbers are one off, for the day that never was
  const shifted = !is1904 && value < 60 ? value + 1 : value
  const date = new Date(epoch + Math.round(shifted * DAY))
  const halves = tokens.some((token) => token.kind === 'date' && token.text.startsWith('a'))
  return tokens
    .map((token, n) => {
      if (token.kind !== 'date') return token.kind === 'point' ? '.' : token.kind === 'digit' ? '0' : literal(token)
      return datePart(token.text, date, value, halves, isMinutes(tokens, n))
    })
    .join('')
}

/** `m` is minutes behind hours and before seconds, else months. */
function isMinutes(tokens: readonly Token[], at: number): boolean {
  const letter = (token: Token | undefined) => (token?.kind === 'date' ? token.text.replace('[', '').charAt(0) : '')
  for (let n = at - 1; n >= 0; n--) {
    if (letter(tokens[n]) !== '') {
      if (letter(tokens[n]) === 'h') return true
      break
    }
  }
  for (let n = at + 1; n < tokens.length; n++) if (letter(tokens[n]) !== '') return letter(tokens[n]) === 's'
  return false
}

function datePart(part: string, date: Date, value: number, halves: boolean, minutes: boolean): string {
  const padded = (n: number) => String(n).padStart(part.length, '0')
  switch (part.charAt(0)) {
    case 'y':
      return part.length > 2 ? String(date.getUTCFullYear()) : String(date.getUTCFullYear() % 100).padStart(2, '0')
    case 'm':
      if (minutes) return padded(date.getUTCMinutes())
      return part.length > 2 ? (MONTHS[date.getUTCMonth()] ?? '') : padded(date.getUTCMonth() + 1)
    case 'd':
      return part.length > 2 ? (DAYS[date.getUTCDay()] ?? '') : padded(date.getUTCDate())
    case 'h':
      return padded(halves ? ((date.getUTCHours() + 11) % 12) + 1 : date.getUTCHours())
    case 's':
      return padded(date.getUTCSeconds())
    case 'a':
      return date.getUTCHours() < 12 ? 'AM' : 'PM'
    case '[':
      return String(Math.floor(value * (part[1] === 'h' ? 24 : part[1] === 'm' ? 1440 : 86_400)))
    default:
      return ''
  }
}
