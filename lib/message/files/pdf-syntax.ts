/** The syntax of PDF objects (ISO 32000-1 section 7.3), over the file as one character per byte. */
import { utf16Text } from '../utf16'

export type PdfValue =
  null | boolean | number | PdfName | PdfString | PdfReference | readonly PdfValue[] | ReadonlyMap<string, PdfValue>

export interface PdfName {
  name: string
}
/** One character per byte, escapes resolved. */
export interface PdfString {
  string: string
}
export interface PdfReference {
  ref: number
}

/** Arrays and dictionaries inside each other; honest files stay below ten. */
const MAX_DEPTH = 64

const BLANK = /(?:[\0\t\n\f\r ]+|%[^\r\n]*)*/y
const NUMBER = /[+-]?(?:\d+\.?\d*|\.\d+)/y
const REFERENCE = /(\d{1,10})[\0\t\n\f\r ]{1,20}\d{1,5}[\0\t\n\f\r ]{1,20}R(?![^\0\t\n\f\r ()<>[\]{}/%])/y
const NAME = /\/[^\0\t\n\f\r ()<>[\]{}/%]*/y
const WORD = /[a-zA-Z]+/y
/** Characters of a literal string that mean themselves. */
const PLAIN = /[^()\\\r]+/y
const HEX = /[0-9a-fA-F\0\t\n\f\r ]*/y

/** What stands at `at` when `pattern` (sticky) matches there. */
export function matchAt(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? null
}

/** First place at or after `at` that is neither blank nor comment. */
export function skipBlank(text: string, at: number): number {
  return at + (matchAt(BLANK, text, at)?.length ?? 0)
}

/**
 * Parse one object.
 *
 * @param comments comments inside it are added: they are places to hide something
 * @returns the value and where it ends
 * @throws RangeError when there is no object at `at`
 */
export function parseValue(text: string, at: number, comments: string[]): { value: PdfValue; end: number } {
  let here = at
  const skip = () => {
    const blank = matchAt(BLANK, text, here) ?? ''
    here += blank.length
    if (blank.includes('%')) comments.push(blank.trim())
  }
  const one = (depth: number): PdfValue => {
    if (depth > MAX_DEPTH) throw new RangeError('objects are nested too deep')
    skip()
    switch (text[here]) {
      case '/': {
        const name = matchAt(NAME, text, here) ?? '/'
        here += name.length
        return { name: unescapeName(name.slice(1)) }
      }
      case '(':
        return literal()
      case '[':
        here++
        return array(depth)
      case '<':
        if (text[here + 1] !== '<') return hex()
        here += 2
        return dictionary(depth)
      default:
        return plain()
    }
  }
  const array = (depth: number): PdfValue => {
    const items: PdfValue[] = []
    for (;;) {
      skip()
      if (text[here] === ']') {
        here++
        return items
      }
      items.push(one(depth + 1))
    }
  }
  const dictionary = (depth: number): PdfValue => {
    const entries = new Map<string, PdfValue>()
    for (;;) {
      skip()
      if (text[here] === '>' && text[here + 1] === '>') {
        here += 2
        return entries
      }
      const key = one(depth + 1)
      if (!isName(key)) throw new RangeError('a key is no name')
      // the same key twice: readers take either, so both are kept
      const name = entries.has(key.name) ? `${key.name} again ${entries.size}` : key.name
      entries.set(name, one(depth + 1))
    }
  }
  const plain = (): PdfValue => {
    const reference = matchAt(REFERENCE, text, here)
    if (reference !== null) {
      here += reference.length
      return { ref: Number.parseInt(reference, 10) }
    }
    const number = matchAt(NUMBER, text, here)
    if (number !== null) {
      here += number.length
      return Number(number)
    }
    const word = matchAt(WORD, text, here)
    if (word !== 'true' && word !== 'false' && word !== 'null') throw new RangeError('no object')
    here += word.length
    return word === 'null' ? null : word === 'true'
  }
  const hex = (): PdfString => {
    const digits = matchAt(HEX, text, here + 1) ?? ''
    here += 1 + digits.length
    if (text[here++] !== '>') throw new RangeError('a string does not end')
    const clean = digits.replace(/[^0-9a-fA-F]/g, '')
    return { string: Buffer.from(clean.length % 2 === 0 ? clean : `${clean}0`, 'hex').toString('latin1') }
  }
  const literal = (): PdfString => {
    const pieces: string[] = []
    let open = 1
    here++
    while (open > 0) {
      const run = matchAt(PLAIN, text, here)
      if (run !== null) {
        pieces.push(run)
        here += run.length
      }
      const character = text[here++]
      if (character === undefined) throw new RangeError('a string does not end')
      if (character === '\\') pieces.push(escape())
      else if (character === '\r') {
        if (text[here] === '\n') here++
        pieces.push('\n')
      } else {
        open += character === '(' ? 1 : -1
        if (open > 0) pieces.push(character)
      }
    }
    return { string: pieces.join('') }
  }
  // section 7.3.4.2, table 3
  const escape = (): string => {
    const octal = matchAt(/[0-7]{1,3}/y, text, here)
    if (octal !== null) {
      here += octal.length
      return String.fromCharCode(Number.parseInt(octal, 8) & 0xff)
    }
    const character = text[here++] ?? ''
    if (character === '\r' && text[here] === '\n') here++
    if (character === '\r' || character === '\n') return ''
    return { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }[character] ?? character
  }
  return { value: one(0), end: here }
}

export function isName(value: PdfValue | undefined): value is PdfName {
  return typeof value === 'object' && value !== null && 'name' in value
}

export function isString(value: PdfValue | undefined): value is PdfString {
  return typeof value === 'object' && value !== null && 'string' in value
}

export function isReference(value: PdfValue | undefined): value is PdfReference {
  return typeof value === 'object' && value !== null && 'ref' in value
}

export function isDictionary(value: PdfValue | undefined): value is ReadonlyMap<string, PdfValue> {
  return value instanceof Map
}

export function isArray(value: PdfValue | undefined): value is readonly PdfValue[] {
  return Array.isArray(value)
}

/** A text string (section 7.9.2.2): UTF-16 or UTF-8 by its mark, else an 8-bit alphabet that agrees with Latin-1 for digits and letters. */
export function textOf({ string }: PdfString): string {
  if (string.startsWith('\xfe\xff')) {
    const bytes = Buffer.from(string.slice(2), 'latin1')
    return utf16Text(bytes.subarray(0, bytes.length & ~1).swap16())
  }
  if (string.startsWith('\xff\xfe')) return utf16Text(Buffer.from(string.slice(2), 'latin1'))
  if (string.startsWith('\xef\xbb\xbf')) return Buffer.from(string.slice(3), 'latin1').toString('utf8')
  return string.replaceAll('\0', '')
}

/** Section 7.3.5: `#` and two hexadecimal digits stand for a byte. */
function unescapeName(name: string): string {
  if (!name.includes('#')) return name
  return name.replace(/#([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
