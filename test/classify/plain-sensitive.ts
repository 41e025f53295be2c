/** The searches of lib/classify in their plainest form, every pattern over all of the text: what the fast ones must equal. */
import type { SensitiveKind } from '../../lib/classify'
import { alternatives, LETTER, type Word } from '../../lib/classify/words/matcher'
import * as lists from '../../lib/classify/words/sensitive'

/** Every place at which a word of the list stands. */
export function plainWords(text: string, words: readonly string[]): Word[] {
  const pattern = new RegExp(`(?<!${LETTER})(?:${alternatives(words)})`, 'iy')
  const found: Word[] = []
  for (let start = 0; start < text.length; start++) {
    pattern.lastIndex = start
    const name = pattern.exec(text)?.[0]
    if (name !== undefined) found.push({ start, end: start + name.length, name })
  }
  return found
}

const NEAR = 80

/** Place of the first word of article 9 with a mark of a person beside it; names are left to other tests. */
function markedPlace(text: string): number | null {
  const marks = plainWords(text, lists.PERSON_MARKS)
  const first = (words: readonly string[]) =>
    plainWords(text, words).find((word) =>
      marks.some((mark) => mark.end >= word.start - NEAR && mark.start <= word.end + NEAR),
    )?.start
  const places = [first(lists.CONDITIONS), first(lists.TOPICS)].filter((place) => place !== undefined)
  return places.length === 0 ? null : Math.min(...places)
}

/** Place of the first private key. */
function keyPlace(text: string): number | null {
  const pattern =
    /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----|PuTTY-User-Key-File-\d:|AGE-SECRET-KEY-1/
  return pattern.exec(text)?.index ?? null
}

/** Fourteen to sixteen digits of an issuer with a correct check digit, at the end of a group. */
function cardPlace(text: string): number | null {
  for (const run of text.matchAll(/[0-9](?:[ \u00a0-]?[0-9]){13,}/g)) {
    const around = text.charAt(run.index - 1) + text.charAt(run.index + run[0].length)
    if (/[A-Za-z]/.test(around)) continue
    for (const group of run[0].matchAll(/[0-9]+/g)) {
      const rest = run[0].slice(group.index)
      for (const size of [14, 15, 16]) {
        const digits = new RegExp(`^(?:[0-9][ \\u00a0-]?){${size - 1}}[0-9](?![0-9])`)
          .exec(rest)?.[0]
          .replace(/\D/g, '')
        if (digits !== undefined && isIssued(digits) && luhn(digits) === 0) return run.index + group.index
      }
    }
  }
  return null
}

function isIssued(digits: string): boolean {
  const starts: Record<number, RegExp> = {
    14: /^3(?:0[0-5]|[68])/,
    15: /^3[47]/,
    16: /^(?:4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|6(?:011|4[4-9]|5)|35(?:2[89]|[3-8])|5019|5[06-8]|6[37])/,
  }
  return starts[digits.length]?.test(digits) ?? false
}

function luhn(digits: string): number {
  const values = Array.from(digits)
    .reverse()
    .map((digit, n) => (n % 2 === 0 ? Number(digit) : Number(digit) * 2))
  return values.map((value) => (value > 9 ? value - 9 : value)).reduce((sum, value) => sum + value, 0) % 10
}

/** Where the first finding of a kind is. */
export const PLAIN: Readonly<Partial<Record<SensitiveKind, (text: string) => number | null>>> = {
  'private-key': keyPlace,
  card: cardPlace,
  article9: markedPlace,
}
