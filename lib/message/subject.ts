/** Tags in the subject: finding them, and taking them out of the raw field without touching anything else. */
import { decodeWords, encodeWords, tokenize, type HeaderToken } from './encoded-words'

/** Reply and forward prefixes, `Re:`, `SV[2]:`, `Fwd (3):`, as mail programs of this part of the world write them. */
const REPLY =
  /(?:^|[^\p{L}\p{N}])(?:re|r|sv|vs|vb|fwd?|fw|aw|antw|antwort|wg|tr|rv|ref|enc|odp|ynt|doorst|videresendt|svar|betr)\s{0,5}(?:\[\d{1,4}\]|\(\d{1,4}\)|\^\d{1,4}|\*\d{1,4})?\s{0,5}[:\uff1a]/iu

/** A tag that stands in a subject. */
export interface SubjectTag {
  /** As configured. */
  tag: string
  /** Does it stand behind a reply or forward prefix, so that it may be another mail's? */
  inherited: boolean
}

/** Longest Subject field that is edited, in characters. */
const LONGEST = 8192

/** How subjects and tags are compared: NFKC, no difference of case. */
export function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

/**
 * Which of these tags stand in the subject.
 *
 * @param subject decoded
 */
export function subjectTags(subject: string, tags: readonly string[]): SubjectTag[] {
  const folded = fold(subject)
  const reply = REPLY.exec(folded)?.index ?? Number.POSITIVE_INFINITY
  return tags.flatMap((tag) => {
    const at = tag === '' ? -1 : folded.indexOf(fold(tag))
    return at === -1 ? [] : [{ tag, inherited: at > reply }]
  })
}

/**
 * Take tags out of a Subject field.
 *
 * Plain text around them keeps its bytes and its folding; an encoded word that held a tag is written anew. Where a tag
 * stood between two blanks one of them goes with it.
 *
 * @param rawField `Subject: ...` with its folding and, if it has one, its last line end, which the result keeps
 * @param tags as configured
 * @returns the new field, or null when it cannot be done so that the result surely reads as the old subject without its
 *   tags; also when none stands in it
 */
export function removeSubjectTag(rawField: string, tags: readonly string[]): string | null {
  const lineEnd = /(?:\r?\n)?$/.exec(rawField)?.[0] ?? ''
  const field = rawField.slice(0, rawField.length - lineEnd.length)
  const head = /^[^:\r\n]*:[ \t]*/.exec(field)?.[0]
  if (head === undefined || field.length > LONGEST) return null
  const { tokens, broken } = tokenize(field.slice(head.length))
  if (broken) return null
  const letters = tokens.flatMap((token, n) => lettersOf(token, n))
  const doomed = tagLetters(letters, tags)
  if (doomed.size === 0) return null
  tidyBlanks(letters, doomed)
  const expected = letters.flatMap((letter, n) => (doomed.has(n) ? [] : [letter.text])).join('')
  const candidates = [rebuild(tokens, letters, doomed), rewritten(expected)]
  for (const value of candidates) {
    const result = `${head}${value.replace(/^[ \t]*(?:\r?\n[ \t]+)?/, '')}`
    if (isSound(result) && reads(result.slice(head.length)) === reads(expected)) return result + lineEnd
  }
  return null
}

/** One character of the decoded subject. */
interface Letter {
  text: string
  token: number
  /** Plain text: place and length in the raw token. */
  from: number
  length: number
}

function lettersOf(token: HeaderToken, n: number): Letter[] {
  if (token.kind === 'gap') return []
  if (token.kind === 'word') return Array.from(token.text, (text) => ({ text, token: n, from: 0, length: 0 }))
  // 8-bit text decodes to fewer characters than bytes; then the places are lost and the whole is rewritten
  const kept = token.raw === token.text
  let from = 0
  return Array.from(token.text).flatMap((text) => {
    const letter = { text, token: n, from: kept ? from : -1, length: text.length }
    from += text.length
    return /[\r\n]/.test(text) ? [] : [letter]
  })
}

/** Letters of all tags, by index. */
function tagLetters(letters: readonly Letter[], tags: readonly string[]): Set<number> {
  const owner: number[] = []
  const folded = letters
    .map((letter, n) => {
      const text = fold(letter.text)
      for (let at = 0; at < text.length; at++) owner.push(n)
      return text
    })
    .join('')
  const doomed = new Set<number>()
  for (const tag of tags.map(fold).filter((tag) => tag !== '')) {
    for (let at = folded.indexOf(tag); at !== -1; at = folded.indexOf(tag, at + tag.length)) {
      for (let n = at; n < at + tag.length; n++) doomed.add(owner[n] ?? -1)
    }
  }
  return doomed
}

/** A blank next to a removed tag goes too when the tag stood at an end or between blanks. */
function tidyBlanks(letters: readonly Letter[], doomed: Set<number>): void {
  const blank = (n: number) => /^[ \t]$/.test(letters[n]?.text ?? '')
  const removed = [...doomed].sort((a, b) => a - b)
  for (const n of removed) {
    if (doomed.has(n + 1)) continue
    let before = n
    while (doomed.has(before)) before--
    let after = n + 1
    if (before < 0 || blank(before)) while (blank(after)) doomed.add(after++)
    if (after >= letters.length) while (blank(before)) doomed.add(before--)
  }
}

function rebuild(tokens: readonly HeaderToken[], letters: readonly Letter[], doomed: ReadonlySet<number>): string {
  const byToken = new Map<number, { letter: Letter; gone: boolean }[]>()
  letters.forEach((letter, n) => {
    const list = byToken.get(letter.token) ?? []
    list.push({ letter, gone: doomed.has(n) })
    byToken.set(letter.token, list)
  })
  return tokens
    .map((token, n) => {
      const own = byToken.get(n) ?? []
      if (!own.some(({ gone }) => gone)) return token.raw
      const kept = own.flatMap(({ letter, gone }) => (gone ? [] : [letter.text])).join('')
      if (token.kind === 'word') return kept === '' ? '' : encodeWords(kept, token.encoding)
      const gone = new Set(own.filter((one) => one.gone).map(({ letter }) => letter.from))
      return Array.from(rawLetters(token.raw))
        .map(([from, text]) => (gone.has(from) ? '' : text))
        .join('')
    })
    .join('')
}

function* rawLetters(raw: string): Generator<[number, string]> {
  let from = 0
  for (const text of raw) {
    yield [from, text]
    from += text.length
  }
}

function rewritten(text: string): string {
  return /^[\x20-\x7e\t]*$/.test(text) && text.length < 70 && !text.includes('=?') ? text : encodeWords(text)
}

/** No line of the field is empty or too long (RFC 5322 sections 2.1.1 and 2.2.3), and every further one is a continuation. */
function isSound(field: string): boolean {
  return field.split(/\r?\n/).every((line, n) => line.length <= 998 && (n === 0 || /^[ \t]+\S/.test(line)))
}

/** What a reader sees: decoded, runs of folding blanks as they are, outer blanks away. */
function reads(value: string): string {
  return decodeWords(value.replace(/\r?\n/g, '')).text.trim()
}
