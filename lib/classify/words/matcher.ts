/** Lists of words, and how they are looked for. */
import { isNarrow } from '../cpr-spots'

/** A word found in a text. */
export interface Word {
  start: number
  end: number
  /** As the text has it. */
  name: string
}

/** Between two letters of a list: blank, hyphen or full stop, as people vary it, or nothing. */
const SOFT_BLANK = '[ \\u00a0.-]?'

/**
 * A pattern that matches any word of a list, whatever its case. In a list
 * - a blank stands for a blank, a hyphen, a full stop or nothing (`person nr`: personnr, person-nr, person nr);
 * - `ø`, `æ`, `å` are also `oe`, `ae`, `aa`;
 * - a `*` at the end lets the word go on (`diagnos*`: diagnosen, diagnosis).
 *
 * Words that begin inside another word do not count. The case is folded without the Unicode flag, because that one is
 * several times as slow, and all words of the lists are Latin.
 *
 * @param flags beside `i`: `g` for all, none for `test`
 */
export function wordPattern(words: readonly string[], flags = ''): RegExp {
  return new RegExp(`(?<!${LETTER})(?:${alternatives(words)})`, `i${flags}`)
}

/** Letters of Latin scripts, as code units. */
export const LETTER = '[A-Za-z\\u00aa\\u00b5\\u00ba\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02af]'

/** The words of a list as alternatives of a pattern; see `wordPattern`. */
export function alternatives(words: readonly string[]): string {
  // the longest first: `internal use only` before `internal`
  return [...words]
    .sort((a, b) => b.length - a.length)
    .map((word) => {
      const open = word.endsWith('*')
      const stem = (open ? word.slice(0, -1) : word)
        .replace(/[.+?^$()[\]{}|\\/]/g, '\\$&')
        .replace(/ø/g, '(?:ø|oe)')
        .replace(/æ/g, '(?:æ|ae)')
        .replace(/å/g, '(?:å|aa)')
        .replace(/ /g, SOFT_BLANK)
      return open ? stem : `${stem}(?!${LETTER})`
    })
    .join('|')
}

/**
 * A search for several lists at once. It looks at three characters at a time, at the next three only where a word of the
 * lists begins so and no letter stands before, and takes the pattern only where those fit as well: many times as fast as
 * the patterns themselves.
 *
 * @param lists at most eight
 * @returns per list the words in order of place
 */
export function wordFinder<Name extends string>(
  lists: Readonly<Record<Name, readonly string[]>>,
): (text: string) => Record<Name, Word[]> {
  const names = Object.keys(lists) as Name[]
  const patterns = names.map((name) => new RegExp(alternatives(lists[name]), 'iy'))
  const starts = new Uint8Array(1 << 15)
  const nexts = new Uint8Array(1 << 15)
  for (const [n, name] of names.entries()) {
    for (const word of lists[name].flatMap(spellings)) {
      mark(starts, word, 0, 1 << n)
      mark(nexts, word, 2, 1 << n)
    }
  }
  return (text) => {
    const found = {} as Record<Name, Word[]>
    for (const name of names) found[name] = []
    const take = (at: number) => {
      if (at < 0) return
      const next = keyOf(text.charCodeAt(at + 2), text.charCodeAt(at + 3), text.charCodeAt(at + 4))
      const wanted = (starts[key] as number) & (nexts[next] as number)
      for (let n = 0; wanted >> n !== 0; n++) {
        const [name, pattern] = [names[n], patterns[n]]
        if (((wanted >> n) & 1) === 0 || name === undefined || pattern === undefined) continue
        pattern.lastIndex = at
        const match = pattern.exec(text)
        if (match !== null) found[name].push({ start: at, end: pattern.lastIndex, name: match[0] })
      }
    }
    key = 0
    letters = 0
    const narrow = isNarrow(text)
    // a copy in an array is read several times as fast as the string itself
    for (let base = 0; base < text.length; base += CHUNK) {
      const chunk = text.slice(base, base + CHUNK)
      const length = narrow
        ? buffer.write(chunk, 0, CHUNK, 'latin1')
        : buffer.write(chunk, 0, 2 * CHUNK, 'utf16le') >> 1
      for (let at = 0; at < length;) {
        at = narrow ? nextByte(starts, at, length) : nextUnit(starts, at, length)
        if (isStart(starts)) take(base + at - 3)
      }
    }
    // the last two characters may be a word
    for (let at = text.length; at < text.length + 2; at++) {
      step(0)
      if (isStart(starts)) take(at - 2)
    }
    return found
  }
}

const CHUNK = 1 << 13
const buffer = Buffer.alloc(2 * CHUNK)
const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, CHUNK)
const units = new Uint16Array(buffer.buffer, buffer.byteOffset, CHUNK)

const IS_LETTER = 32
/** Of every code unit the five bits that are left when case falls away, and whether it is a letter. */
const LOOKS = looks()
const LOOKS_8 = LOOKS.slice(0, 0x100)

/** The last three characters of the search that runs, five bits each. */
let key = 0
/** Which of the last characters are letters: the lowest bit is the last one. */
let letters = 0

function step(look: number): void {
  key = ((key << 5) | (look & 31)) & 0x7fff
  letters = (letters << 1) | (look >> 5)
}

/** May a word begin with the last three characters? None does behind a letter. */
function isStart(starts: Uint8Array): boolean {
  return starts[key] !== 0 && (letters & 8) === 0
}

// One character behind the next beginning of a word, or the end of the chunk. Two functions, because one that meets both
// kinds of array runs at half the speed.
function nextByte(starts: Uint8Array, from: number, length: number): number {
  let last = key
  let flags = letters
  let at = from
  while (at < length) {
    const look = LOOKS_8[bytes[at++] as number] as number
    last = ((last << 5) | (look & 31)) & 0x7fff
    flags = (flags << 1) | (look >> 5)
    if (starts[last] !== 0 && (flags & 8) === 0) break
  }
  key = last
  letters = flags
  return at
}

function nextUnit(starts: Uint8Array, from: number, length: number): number {
  let last = key
  let flags = letters
  let at = from
  while (at < length) {
    const look = LOOKS[units[at++] as number] as number
    last = ((last << 5) | (look & 31)) & 0x7fff
    flags = (flags << 1) | (look >> 5)
    if (starts[last] !== 0 && (flags & 8) === 0) break
  }
  key = last
  letters = flags
  return at
}

function looks(): Uint8Array {
  const table = new Uint8Array(0x10000).map((_, code) => code & 31)
  const all = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).join('')
  for (const { index } of all.matchAll(new RegExp(LETTER, 'g'))) table[index] = (index & 31) | IS_LETTER
  return table
}

/** Note how a word goes on at a place; behind a word that has ended there anything may follow. */
function mark(table: Uint8Array, word: string, at: number, bit: number): void {
  const ways = [at, at + 1, at + 2].map((place) => (place < word.length ? [word.charCodeAt(place)] : ANYTHING))
  const [firsts = [], seconds = [], thirds = []] = ways
  for (const first of firsts)
    for (const second of seconds)
      for (const third of thirds) {
        const one = keyOf(first, second, third)
        table[one] = (table[one] ?? 0) | bit
      }
}

const ANYTHING = Array.from({ length: 32 }, (_, code) => code)

/** Case falls away with the upper bits; that others fall together with it costs a look, no more. */
function keyOf(first: number, second: number, third: number): number {
  return ((first & 31) << 10) | ((second & 31) << 5) | (third & 31)
}

/** Characters of a word that are looked at before its pattern is taken. */
const LOOKED_AT = 5

/** Every way in which the beginning of a word of a list is written. */
function spellings(word: string): string[] {
  let written = ['']
  for (const letter of word.replace('*', '')) {
    const ways = LETTER_WAYS[letter] ?? [letter]
    written = written.flatMap((start) => (start.length >= LOOKED_AT ? [start] : ways.map((way) => start + way)))
  }
  return written
}

const LETTER_WAYS: Readonly<Record<string, readonly string[]>> = {
  ' ': ['', ' ', '\u00a0', '.', '-'],
  ø: ['ø', 'oe'],
  æ: ['æ', 'ae'],
  å: ['å', 'aa'],
}
