/** Text as a number hunter sees it: every decimal digit of Unicode is 0-9, and what has no width is gone. */
import { CLASS, CLASSES, INVISIBLE } from './char-classes'

export interface DigitView {
  /** Digits replaced, invisible characters left out. */
  text: string
  source: string
  /** Index in `source` of the character at this index of `text`; for the end of `text` the end of `source`. */
  at(index: number): number
}

const UNSEEN = new RegExp(INVISIBLE, 'u')

/** @param source any text */
export function digitView(source: string): DigitView {
  if (!isExotic(source)) return { text: source, source, at: (index) => index }
  const pieces: string[] = []
  const places: number[] = []
  let at = 0
  for (const character of source) {
    if (!UNSEEN.test(character)) {
      const seen = asciiDigit(character) ?? character
      pieces.push(seen)
      for (let n = 0; n < seen.length; n++) places.push(at + n)
    }
    at += character.length
  }
  return { text: pieces.join(''), source, at: (index) => places[index] ?? source.length }
}

/** Is anything in it that the view has to change? A table is asked, because a pattern of so many ranges is slow. */
function isExotic(source: string): boolean {
  for (let at = 0; at < source.length; at++) if (CLASSES[source.charCodeAt(at)] === CLASS.exotic) return true
  return false
}

let zeros: ReadonlyMap<number, number> | null = null

/** @returns 0-9, or null when the character is no single digit */
function asciiDigit(character: string): string | null {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x80) return null
  // symbol fonts keep ASCII from U+F000 on
  if (code >= 0xf030 && code <= 0xf039) return String(code - 0xf030)
  if (/\p{No}/u.test(character)) {
    // superscript, subscript and circled digits
    const plain = character.normalize('NFKC')
    return /^[0-9]$/.test(plain) ? plain : null
  }
  zeros ??= digitRuns()
  const zero = zeros.get(code)
  return zero === undefined ? null : String(zero)
}

/** Decimal digits come in runs of ten from zero on (Unicode standard, section 4.6). */
function digitRuns(): Map<number, number> {
  const values = new Map<number, number>()
  let run = 0
  for (let code = 0x80; code <= 0x1ffff; code++) {
    run = /\p{Nd}/u.test(String.fromCodePoint(code)) ? run + 1 : 0
    if (run > 0) values.set(code, (run - 1) % 10)
  }
  return values
}
