/** Content besides CPR numbers that never goes out unencrypted. What was found is named by its kind, never shown. */
import { findCard, findIban } from './bank-numbers'
import { SENSITIVE_KINDS, type SensitiveKind } from './sensitive-kinds'
import * as lists from './words/sensitive'
import { wordFinder, type Word } from './words/matcher'

export interface SensitiveHit {
  kind: SensitiveKind
  /** Place in the text of the first one. */
  start: number
  /** One English sentence for the refusal. */
  detail: string
}

const DETAILS: Readonly<Record<SensitiveKind, string>> = {
  'private-key': 'A private key stands there.',
  password: 'A password stands there.',
  iban: 'A bank account number (IBAN) stands there.',
  card: 'A payment card number stands there.',
  passport: 'The number of a passport stands there.',
  classification: 'A word that classifies it as not public stands there.',
  article9: 'Words about health, belief, union membership or criminal record stand near a person.',
}

/** PEM (RFC 7468), OpenSSH, OpenPGP, SSH.COM (RFC 4716 has the public half), PuTTY and age. */
const PRIVATE_KEY =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----|PuTTY-User-Key-File-\d:|AGE-SECRET-KEY-1/

const wordsOf = wordFinder({
  classification: lists.CLASSIFICATION,
  alone: lists.CLASSIFICATION_ALONE,
  condition: lists.CONDITIONS,
  topic: lists.TOPICS,
  password: lists.PASSWORD,
  passport: lists.PASSPORT,
})
const marksOf = wordFinder({ mark: lists.PERSON_MARKS })
const NAME = new RegExp(`(?<!\\p{L})(?:${lists.FIRST_NAMES.join('|')})(?: \\p{Lu}[\\p{Ll}.]*){1,3}(?!\\p{L})`, 'u')
const ENDS_SENTENCE = /[.!?\n]/

/** Most characters between a word of article 9 and what shows that it is about somebody. */
const NEAR = 80
/** Longer than any mark of a person and what has to be seen around it. */
const MARK_ROOM = 40
/** Words of article 9 around which marks are looked for one by one; a text with more of them is searched as a whole. */
const FEW = 500
/** Longest line on which a word can stand alone, to each side. */
const ALONE_REACH = 24

/**
 * @param text decoded; line ends LF
 * @param running is it running text, in which a line of its own is a statement? Header values are not.
 * @param kinds what is looked for
 * @returns at most one per kind, in order of place
 */
export function findSensitive(
  text: string,
  running = true,
  kinds: readonly SensitiveKind[] = SENSITIVE_KINDS,
): SensitiveHit[] {
  if (kinds.length === 0) return []
  // keys and bank numbers need no words
  let words: ReturnType<typeof wordsOf> | null = null
  const known = () => (words ??= wordsOf(text))
  const find: Readonly<Record<SensitiveKind, () => number | null>> = {
    'private-key': () => findPrivateKey(text),
    password: () => firstOf(known().password, (word) => isSecret(text, word)),
    iban: () => findIban(text),
    card: () => findCard(text),
    passport: () => firstOf(known().passport, (word) => isPassport(text, word)),
    classification: () =>
      least(
        firstOf(known().classification),
        running ? firstOf(known().alone, (word) => standsAlone(text, word)) : null,
      ),
    article9: () => {
      const hasMark = markFinder(text)
      return least(
        firstOf(known().condition, (word) => hasMark(word) || hasName(text, word)),
        firstOf(known().topic, hasMark),
      )
    },
  }
  return kinds
    .flatMap((kind) => {
      const start = find[kind]()
      return start === null ? [] : [{ kind, start, detail: DETAILS[kind] }]
    })
    .sort((a, b) => a.start - b.start)
}

/** What every private key of the pattern has, so that most texts are not searched for all of them. */
const KEY_WORDS = ['PRIVATE KEY', 'PuTTY-User-Key-File-', 'AGE-SECRET-KEY-1']

function findPrivateKey(text: string): number | null {
  if (!KEY_WORDS.some((words) => text.includes(words))) return null
  return PRIVATE_KEY.exec(text)?.index ?? null
}

function firstOf(words: readonly Word[], holds: (word: Word) => boolean = () => true): number | null {
  return words.find(holds)?.start ?? null
}

function least(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b)
}

/** `Adgangskode: x7Kp-2mq`: a value that is no word of a sentence, or nothing else on the line. */
function isSecret(text: string, { end }: Word): boolean {
  const rest = /^[ \t]{0,4}[:=][ \t]{0,4}(\S{4,200})([^\n]{0,200})/.exec(text.slice(end, end + 420))
  if (rest === null) return false
  const [, value = '', more = ''] = rest
  return more.trim() === '' ? !/^[<[(*•.]+|[>\])]$/u.test(value) : /[0-9]/.test(value) && /\p{L}/u.test(value)
}

/** Nine digits, or two letters and seven (ICAO 9303: nine characters at most). */
function isPassport(text: string, { end }: Word): boolean {
  return /^[^\p{L}\p{N}\n]{1,6}(?:[A-Z]{1,2}[0-9]{6,8}|[0-9]{8,9})(?![\p{L}\p{N}])/iu.test(text.slice(end, end + 24))
}

const DECORATION = /^[ \t\r*#=_\-[\](){}<>.!|]*$/

/** Nothing but decoration on the same line. */
function standsAlone(text: string, { start, end }: Word): boolean {
  const before = text.slice(Math.max(0, start - ALONE_REACH), start)
  const after = text.slice(end, end + ALONE_REACH)
  const left = before.slice(before.lastIndexOf('\n') + 1)
  const right = after.includes('\n') ? after.slice(0, after.indexOf('\n')) : after
  return left.length < ALONE_REACH && right.length < ALONE_REACH && DECORATION.test(left) && DECORATION.test(right)
}

/** Does a mark of a person stand near a word? They are looked for only there, as words of article 9 are rare. */
function markFinder(text: string): (word: Word) => boolean {
  let asked = 0
  let all: readonly Word[] | null = null
  return ({ start, end }) => {
    if (++asked > FEW) {
      all ??= marksOf(text).mark
      return isNear(all, start - NEAR, end + NEAR)
    }
    const from = Math.max(0, start - NEAR - MARK_ROOM)
    const { mark } = marksOf(text.slice(from, end + NEAR + MARK_ROOM))
    return isNear(mark, start - NEAR - from, end + NEAR - from)
  }
}

/** @param marks in order of place */
function isNear(marks: readonly Word[], from: number, to: number): boolean {
  let low = 0
  let high = marks.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((marks[middle]?.end ?? 0) < from) low = middle + 1
    else high = middle
  }
  const mark = marks[low]
  return mark !== undefined && mark.start <= to
}

/** A first name with a surname, in the same sentence. */
function hasName(text: string, { start, end }: Word): boolean {
  const before = text.slice(Math.max(0, start - NEAR), start)
  const after = text.slice(end, end + NEAR)
  const from = before.split(ENDS_SENTENCE).at(-1) ?? ''
  const to = after.split(ENDS_SENTENCE)[0] ?? ''
  return NAME.test(from) || NAME.test(to)
}
