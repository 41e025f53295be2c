/** What stands around a candidate and speaks for or against it. */
import type { Candidate } from './cpr-candidates'
import { digitView } from './digit-view'
import { freeStretches } from './free-stretch'
import * as lists from './words/cpr'
import { alternatives, wordFinder, wordPattern, type Word } from './words/matcher'

export interface Evidence {
  name: string
  points: number
}

const HEADING = wordPattern(lists.STRONG)
/** Directly before a number, but for what may follow a label. */
const label = (words: readonly string[]) =>
  new RegExp(`${wordPattern(words).source}(?:[- .]?(?:${alternatives(lists.LABEL_ENDS)}))?[^\\p{L}\\p{N}]{0,8}$`, 'iu')
const OTHER_STRONG = label(lists.OTHER_STRONG)
const OTHER_WEAK = label(lists.OTHER_WEAK)

const NEAR_BEFORE = 40
const NEAR_AFTER = 25
const MIDDLE_BEFORE = 120
const MIDDLE_AFTER = 60
const FAR = 300
/** For what has no width. */
const ROOM = 20
/** Room for a label and what stands between it and the number. */
const LABEL_ROOM = 30

/** The words of one text that bear on its candidates, found once, in order of place. */
export interface Words {
  strong: readonly Word[]
  weak: readonly Word[]
}

interface Keyword {
  name: string
  distance: number
  /** On the same line and in the same cell. */
  together: boolean
  before: boolean
}

/** @param text a view */
export const wordsOf: (text: string) => Words = wordFinder({ strong: lists.STRONG, weak: lists.WEAK })

const strongIn = wordFinder({ strong: lists.STRONG })

/** Does the heading of a column name the number? */
export function isCprHeading(heading: string): boolean {
  return HEADING.test(heading)
}

/**
 * Evidence from the surroundings.
 *
 * @param text the view the candidate was found in
 * @param heading its column is headed by a word for the number
 * @param far a word for the number that was looked for outside of this view
 */
export function contextOf(
  text: string,
  candidate: Candidate,
  words: Words,
  heading: boolean,
  far: Word | null,
): Evidence[] {
  const evidence: Evidence[] = []
  const near = nearest(text, candidate, words.strong)
  const keyword = near ?? (far === null ? null : { name: far.name, distance: FAR, together: false, before: true })
  if (heading) evidence.push({ name: 'column:cpr', points: 4 })
  else if (keyword !== null) evidence.push({ name: evidenceOf(keyword.name), points: keywordPoints(keyword) })
  const weak = neighbours(words.weak, candidate)
  if (distance(weak.before, candidate) <= NEAR_BEFORE || distance(weak.after, candidate) <= NEAR_AFTER) {
    evidence.push({ name: 'keyword:person', points: 1 })
  }
  if (!heading) evidence.push(...otherLabel(text, candidate, keyword))
  if (adjacentDigits(text, candidate)) evidence.push({ name: 'adjacent-digits', points: -3 })
  if (isEmbedded(text, candidate)) evidence.push({ name: 'embedded', points: -4 })
  if (keyword === null && !heading && candidate.separator === 'space' && /^(?:19|20)/.test(candidate.serial)) {
    evidence.push({ name: 'year', points: -2 })
  }
  return evidence
}

/**
 * A search for a word for the number within the furthest distance that counts, asked with the places of numbers.
 *
 * @param text as it is, not a view
 */
export function farKeywords(text: string): (start: number, end: number) => Word | null {
  // all words begin with a letter of ASCII, and a text of nothing but numbers has none
  const wordless = freeStretches(text, isAsciiLetter)
  return (start, end) => {
    const from = Math.max(0, start - FAR - ROOM)
    const to = Math.min(text.length, end + FAR + ROOM)
    if (wordless(from, start) && wordless(end, to)) return null
    const before = digitView(text.slice(from, start)).text.slice(-FAR)
    const after = digitView(text.slice(end, to)).text.slice(0, FAR)
    return strongIn(before).strong.at(-1) ?? strongIn(after).strong[0] ?? null
  }
}

function isAsciiLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)
}

const evidenceNames = new Map<string, string>()
/** Enough for the spellings of people. */
const MOST_NAMES = 1000

/** A list of persons says the same word again and again. */
function evidenceOf(word: string): string {
  let name = evidenceNames.get(word)
  if (name === undefined) {
    const shown = word
      .toLowerCase()
      .replace(/[\s:=]+/g, ' ')
      .trim()
    name = `keyword:${shown}`
    if (evidenceNames.size < MOST_NAMES) evidenceNames.set(word, name)
  }
  return name
}

/** What every label looks like, so that most texts are not searched for all of them. */
const ENDS_WITH_WORD = /[a-zæøå][^a-z0-9æøå]{0,9}$/i

/** A label of other numbers directly before, unless a word for this one stands nearer. */
function otherLabel(text: string, { start }: Candidate, keyword: Keyword | null): Evidence[] {
  const before = text.slice(Math.max(0, start - LABEL_ROOM), start)
  if (!ENDS_WITH_WORD.test(before)) return []
  const strong = OTHER_STRONG.exec(before)
  const found = strong ?? OTHER_WEAK.exec(before)
  if (found === null || (keyword?.before === true && keyword.distance <= before.length - found.index)) return []
  return [strong === null ? { name: 'label:weak', points: -2 } : { name: 'label:other', points: -4 }]
}

/** The last word before and the first one behind the candidate. */
function neighbours(
  words: readonly Word[],
  { start }: Candidate,
): { before: Word | undefined; after: Word | undefined } {
  let low = 0
  let high = words.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((words[middle]?.start ?? 0) < start) low = middle + 1
    else high = middle
  }
  return { before: words[low - 1], after: words[low] }
}

function distance(word: Word | undefined, candidate: Candidate): number {
  if (word === undefined) return Number.POSITIVE_INFINITY
  return word.start < candidate.start ? candidate.start - word.end : word.start - candidate.end
}

function nearest(text: string, candidate: Candidate, words: readonly Word[]): Keyword | null {
  const { before, after } = neighbours(words, candidate)
  const keyword = (word: Word | undefined): Keyword | null => {
    const apart = distance(word, candidate)
    if (word === undefined || apart > FAR) return null
    const isBefore = word.start < candidate.start
    const between = isBefore ? text.slice(word.end, candidate.start) : text.slice(candidate.end, word.start)
    return { name: word.name, distance: apart, together: !/[\n\t|;]/.test(between), before: isBefore }
  }
  const left = keyword(before)
  const right = keyword(after)
  if (left === null || right === null) return left ?? right
  return keywordPoints(right) > keywordPoints(left) ? right : left
}

function keywordPoints({ distance: apart, together, before }: Keyword): number {
  if (together && apart <= (before ? NEAR_BEFORE : NEAR_AFTER)) return 4
  return apart <= (before ? MIDDLE_BEFORE : MIDDLE_AFTER) ? 3 : 1
}

/** Another group of digits one separator away: part of a longer number. The `.0` of a spreadsheet is none. */
function adjacentDigits(text: string, { start, end }: Candidate): boolean {
  const left = /([0-9]+)[ .\-/]$/.exec(text.slice(Math.max(0, start - 14), start))?.[1]
  const right = /^(?!\.0{1,8}(?![0-9]))[ .\-/]([0-9]+)/.exec(text.slice(end, end + 14))?.[1]
  return (left !== undefined && left.length < 10) || (right !== undefined && right.length !== 6 && right.length < 10)
}

/** How far the word around a candidate is looked at, to each side. */
const TOKEN_REACH = 120
const TOKEN_ENDS = /[\s<>"'()[\]{},;|]/
const ENDS_TOKEN = Uint8Array.from({ length: 0x10000 }, (_, code) =>
  TOKEN_ENDS.test(String.fromCharCode(code)) ? 1 : 0,
)

/** Inside an address, a path, an identifier or a long hexadecimal word. */
function isEmbedded(text: string, { start, end }: Candidate): boolean {
  let from = start
  while (from > 0 && start - from < TOKEN_REACH && ENDS_TOKEN[text.charCodeAt(from - 1)] === 0) from--
  let to = end
  while (to < text.length && to - end < TOKEN_REACH && ENDS_TOKEN[text.charCodeAt(to)] === 0) to++
  if (from === start && to === end) return false
  const left = text.slice(from, start)
  const right = text.slice(end, to)
  if (/[\p{L}_]$/u.test(left) && !/(?:cpr|nr)$/i.test(left)) return true
  if (/^[\p{L}_]/u.test(right)) return true
  if (/:\/\/|^www\.|@/.test(left) || right.includes('@')) return true
  if (((left + right).match(/[/\\]/g)?.length ?? 0) >= 2) return true
  return (left + right).length >= 6 && /^[0-9a-f-]*$/i.test(left + right) && /[a-f]/i.test(left + right)
}
