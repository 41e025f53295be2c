/** What stands around a candidate and speaks for or against it. */
import type { Candidate } from './cpr-candidates'
import type { Columns } from './columns'

export interface Evidence {
  name: string
  points: number
}

/** Words that name the number itself. */
const STRONG =
  /(?<!\p{L})(?:cpr|personnummer|personnr|person[- ]nr|person[- ]nummer|identifikationsnummer|erstatnings-?cpr|erstatningspersonnummer|e-?cpr|sygesikring|sundhedskort|gult kort|patient-?id|civil registration (?:no|number)|danish id|personal identification (?:no|number)|national id|social security (?:no|number)|ssn(?!\p{L})|pnr\s?[:=]|de sidste fire cifre)/giu
/** Words that go with persons. */
const WEAK =
  /(?<!\p{L})(?:født|fødsels|f\. ?$|dob(?!\p{L})|date of birth|born|borger|patient|journal|klient|elev|studerende|student|ansøger|medarbejder|ansat|løn|skat|eksamen|nemkonto|mitid|nemid)/giu
/** Labels of other numbers, directly before. */
const OTHER_STRONG =
  /(?<!\p{L})(?:konto|reg\.? ?nr|registreringsn|iban|swift|cvr|se-?nr|p-?nr|p-?nummer|produktionsenhed|ean|gln|isbn|issn|doi|tlf|telefon|mobil|fax|imei|fik|giro)(?:[- .]?(?:nr|no|nummer|number|code))?[^\p{L}\p{N}]{0,8}$/iu
const OTHER_WEAK =
  /(?<!\p{L})(?:ordre|order|faktura|invoice|bilag|kunde|customer|sag|sags|journal|vare|serie|serial|ticket|ref|batch|lot|kvittering|version|build|backup|log)(?:[- .]?(?:nr|no|nummer|number|id))?[^\p{L}\p{N}]{0,8}$/iu

const NEAR_BEFORE = 40
const NEAR_AFTER = 25
const MIDDLE_BEFORE = 120
const MIDDLE_AFTER = 60
const FAR = 300

interface Keyword {
  name: string
  distance: number
  /** On the same line and in the same cell. */
  together: boolean
  before: boolean
}

/**
 * Evidence from the surroundings; `heading` says whether the column is headed by a word for the number.
 *
 * @param text the view the candidate was found in
 */
export function contextOf(
  text: string,
  candidate: Candidate,
  columns: Columns,
): { evidence: Evidence[]; heading: boolean } {
  const before = text.slice(Math.max(0, candidate.start - FAR), candidate.start)
  const after = text.slice(candidate.end, candidate.end + FAR)
  const evidence: Evidence[] = []
  const head = columns.heading(candidate.start)
  const heading = head !== null && matches(STRONG, head).length > 0
  const keyword = nearest(before, after)
  if (heading) evidence.push({ name: 'column:cpr', points: 4 })
  else if (keyword !== null) evidence.push({ name: `keyword:${keyword.name}`, points: keywordPoints(keyword) })
  if (matches(WEAK, `${before.slice(-NEAR_BEFORE)} ${after.slice(0, NEAR_AFTER)}`).length > 0) {
    evidence.push({ name: 'keyword:person', points: 1 })
  }
  const label = before.slice(-30)
  const other = OTHER_STRONG.exec(label) ?? OTHER_WEAK.exec(label)
  const labelled =
    other !== null && (keyword === null || !keyword.before || keyword.distance > label.length - other.index)
  if (labelled && !heading) {
    evidence.push(OTHER_STRONG.test(label) ? { name: 'label:other', points: -4 } : { name: 'label:weak', points: -2 })
  }
  if (adjacentDigits(before, after)) evidence.push({ name: 'adjacent-digits', points: -3 })
  if (isEmbedded(before, after)) evidence.push({ name: 'embedded', points: -4 })
  if (keyword === null && candidate.separator === 'space' && /^(?:19|20)/.test(candidate.serial)) {
    evidence.push({ name: 'year', points: -2 })
  }
  return { evidence, heading }
}

function matches(pattern: RegExp, text: string): RegExpMatchArray[] {
  return [...text.matchAll(pattern)]
}

function nearest(before: string, after: string): Keyword | null {
  const last = matches(STRONG, before).at(-1)
  const first = matches(STRONG, after)[0]
  const left = last === undefined ? null : keywordBefore(before, last)
  const right = first === undefined ? null : keywordAfter(after, first)
  if (left === null || right === null) return left ?? right
  return keywordPoints(right) > keywordPoints(left) ? right : left
}

function keywordBefore(before: string, match: RegExpMatchArray): Keyword {
  const between = before.slice((match.index ?? 0) + match[0].length)
  return { name: nameOf(match[0]), distance: between.length, together: !/[\n\t|;]/.test(between), before: true }
}

function keywordAfter(after: string, match: RegExpMatchArray): Keyword {
  const between = after.slice(0, match.index)
  return { name: nameOf(match[0]), distance: between.length, together: !/[\n\t|;]/.test(between), before: false }
}

function nameOf(keyword: string): string {
  return keyword
    .toLowerCase()
    .replace(/[\s:=]+/g, ' ')
    .trim()
}

function keywordPoints({ distance, together, before }: Keyword): number {
  if (together && distance <= (before ? NEAR_BEFORE : NEAR_AFTER)) return 4
  return distance <= (before ? MIDDLE_BEFORE : MIDDLE_AFTER) ? 3 : 1
}

/** Another group of digits one separator away: part of a longer number. */
function adjacentDigits(before: string, after: string): boolean {
  const left = /([0-9]+)[ .\-/]$/.exec(before.slice(-14))?.[1]
  const right = /^[ .\-/]([0-9]+)/.exec(after.slice(0, 14))?.[1]
  return (left !== undefined && left.length < 10) || (right !== undefined && right.length !== 6 && right.length < 10)
}

/** Inside an address, a path, an identifier or a long hexadecimal word. */
function isEmbedded(before: string, after: string): boolean {
  const left = /[^\s<>"'()[\]{},;|]{0,120}$/.exec(before)?.[0] ?? ''
  const right = /^[^\s<>"'()[\]{},;|]{0,120}/.exec(after)?.[0] ?? ''
  if (/[\p{L}_]$/u.test(left) && !/(?:cpr|nr)$/i.test(left)) return true
  if (/^[\p{L}_]/u.test(right)) return true
  if (/:\/\/|^www\.|@/.test(left) || right.startsWith('@') || /@/.test(right)) return true
  if (((left + right).match(/[/\\]/g)?.length ?? 0) >= 2) return true
  return (left + right).length >= 6 && /^[0-9a-f-]*$/i.test(left + right) && /[a-f]/i.test(left + right)
}
