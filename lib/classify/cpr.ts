/**
 * CPR numbers in text: candidates by shape and date, points for and against, three levels of confidence. A number that
 * could be one is never talked away: what stands around it can raise it, but not drop it below LOW.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { Confidence } from '../config/settings'
import { columnsOf, type Columns } from './columns'
import { findCandidates, mayHoldCpr, type Candidate, type Candidates, type Separator } from './cpr-candidates'
import { contextOf, wordsOf, type Evidence, type Words } from './cpr-context'
import { cprFacts } from './cpr-number'
import { digitView, type DigitView } from './digit-view'

/** A number that was found. Its value is in none of these. */
export interface CprHit {
  /** Place in the text. */
  start: number
  end: number
  confidence: Confidence
  score: number
  /** `DDMMYY-****`. */
  masked: string
  evidence: string[]
  /** Equal for equal numbers within this process, and meaningless outside it. */
  digest: string
  /** Speaks for one person: HIGH, or MED in a cluster or in a column headed as CPR. */
  counts: boolean
}

/** Dies with the process, so that no digest can be compared with anything that is stored. */
const PROCESS_KEY = randomBytes(32)

const SEPARATOR_POINTS: Readonly<Record<Separator, number>> = {
  dash: 3,
  space: 1,
  'zero-width': 1,
  cell: 1,
  contiguous: 0,
  'lost-zero': 0,
  newline: -1,
  weak: -1,
  scattered: -2,
}

/** Candidates between two looks at the clock. */
const CHECK_EVERY = 1000
/** Oldest that anybody is. */
const MAX_AGE = 115
const CLUSTER = { points: 3, distinct: 3, share: 0.5 }
const SPARSE = { points: -3, tokens: 10, share: 0.15 }

/**
 * Find every number at LOW or above.
 *
 * @param text decoded; line ends LF
 * @param now milliseconds: nobody is born later
 * @param isTimeUp asked now and then; when it says so, what was found until then is returned, and the caller has to
 *   treat the text as not inspected
 */
export function findCpr(text: string, now: number, isTimeUp: () => boolean = () => false): CprHit[] {
  if (!mayHoldCpr(text)) return []
  const view = digitView(text)
  const candidates = findCandidates(view, now)
  const columns = columnsOf(view.text)
  const words = wordsOf(view.text)
  for (const candidate of withLostZero(view, words, columns, now)) candidates.found.push(candidate)
  if (candidates.found.length === 0) return []
  const crowd = crowdOf(candidates)
  const hits: CprHit[] = []
  for (const [n, candidate] of candidates.found.entries()) {
    if (n % CHECK_EVERY === CHECK_EVERY - 1 && isTimeUp()) break
    const hit = judge(view, candidate, words, columns, crowd, now)
    if (hit !== null) hits.push(hit)
  }
  return withoutOverlaps(hits)
}

/** Does the text hold a number at LOW or above? */
export function containsCpr(text: string, now = Date.now()): boolean {
  return findCpr(text, now).length > 0
}

/** The text with every number at LOW or above replaced by `DDMMYY-****`. For everything that is logged or shown. */
export function maskCpr(text: string, now = Date.now()): string {
  const pieces: string[] = []
  let at = 0
  for (const hit of findCpr(text, now)) {
    pieces.push(text.slice(at, hit.start), hit.masked)
    at = hit.end
  }
  return at === 0 ? text : pieces.join('') + text.slice(at)
}

interface Crowd {
  cluster: boolean
  sparse: boolean
}

function crowdOf({ found, tokens, contiguous }: Candidates): Crowd {
  const valid = found.filter((candidate) => candidate.facts.mod11)
  const distinct = new Set(valid.map((candidate) => candidate.date + candidate.serial)).size
  return {
    cluster: distinct >= CLUSTER.distinct && valid.length >= tokens * CLUSTER.share,
    sparse: contiguous >= SPARSE.tokens && valid.length < tokens * SPARSE.share,
  }
}

function judge(
  view: DigitView,
  candidate: Candidate,
  words: Words,
  columns: Columns,
  crowd: Crowd,
  now: number,
): CprHit | null {
  const { facts } = candidate
  const own = ownEvidence(candidate, now)
  const context = contextOf(view.text, candidate, words, columns)
  const around = context.evidence
  if (crowd.cluster) around.push({ name: 'cluster', points: CLUSTER.points })
  const named = around.some(({ name }) => name.startsWith('keyword:') || name.startsWith('column:'))
  if (crowd.sparse && candidate.separator === 'contiguous' && !named)
    around.push({ name: 'sparse', points: SPARSE.points })
  const all = [...own, ...around]
  const score = sum(all)
  const embedded = around.some(({ name }) => name === 'embedded')
  const without = sum([...own, ...around.filter(({ points }) => points > 0)])
  // the floor: the surroundings never drop a candidate, and modulus 11 is too rare by chance (1 in 353) to be ignored
  const kept = score >= 0 || without >= 0 || (facts.mod11 && !embedded)
  if (!kept) return null
  const confidence: Confidence = score >= 6 ? 'high' : score >= 3 ? 'medium' : 'low'
  return {
    start: view.at(candidate.start),
    end: view.at(candidate.end - 1) + 1,
    confidence,
    score,
    masked: `${candidate.date}-****`,
    evidence: all.map(({ name }) => name),
    digest: createHmac('sha256', PROCESS_KEY)
      .update(candidate.date + candidate.serial)
      .digest('base64url'),
    counts: confidence === 'high' || (confidence === 'medium' && (crowd.cluster || context.heading)),
  }
}

/** What the number itself says. */
function ownEvidence(candidate: Candidate, now: number): Evidence[] {
  const { facts, separator } = candidate
  const evidence: Evidence[] = [{ name: separator, points: SEPARATOR_POINTS[separator] }]
  if (facts.letters) evidence.push({ name: 'letters', points: /^[01567]/.test(candidate.serial) ? 2 : 1 })
  else if (facts.replacement) evidence.push({ name: 'replacement', points: -1 })
  else if (facts.mod11) evidence.push({ name: 'mod11', points: 3 })
  else if (facts.exempt) evidence.push({ name: '1-january', points: 0 })
  else evidence.push({ name: 'no-mod11', points: -3 })
  if (facts.age !== null && facts.age > MAX_AGE) evidence.push({ name: 'age', points: -3 })
  if (isTimeStamp(candidate, now)) evidence.push({ name: 'time-stamp', points: -2 })
  return evidence
}

/** YYMMDDHHMM without separators, or DDMMYY HHMM of the last years. */
function isTimeStamp({ date, serial, separator, facts }: Candidate, now: number): boolean {
  if (facts.letters || facts.replacement || facts.exempt) return false
  const time = Number(serial.slice(0, 2)) < 24 && Number(serial.slice(2)) < 60
  const year = new Date(now).getUTCFullYear() % 100
  const recent = (yy: number) => yy <= year + 1 && yy >= year - 10
  if (!time) return false
  if (separator === 'contiguous' && recent(Number(date.slice(0, 2)))) {
    const day = Number(date.slice(4))
    if (day >= 1 && day <= 31) return true
  }
  return recent(Number(date.slice(4)))
}

/** Spreadsheets drop a leading zero: a cell of nine digits, also in exponent form or as `N.0`. */
function withLostZero(view: DigitView, words: Words, columns: Columns, now: number): Candidate[] {
  const found: Candidate[] = []
  for (const match of view.text.matchAll(
    /(?<![0-9.,])(?:([1-9][0-9]{8})(?:\.0+)?|([1-9])\.([0-9]{1,8})[eE]\+?0?8)(?![0-9.,])/g,
  )) {
    const [whole, nine, lead = '', rest = ''] = match
    if (!columns.isCell(match.index, match.index + whole.length)) continue
    const digits = `0${nine ?? lead + rest.padEnd(8, '0')}`
    const facts = cprFacts(digits.slice(0, 6), digits.slice(6), now)
    if (facts === null) continue
    const place = { start: match.index, end: match.index + whole.length }
    const candidate = {
      ...place,
      date: digits.slice(0, 6),
      serial: digits.slice(6),
      separator: 'lost-zero',
      facts,
    } as const
    if (facts.mod11 || contextOf(view.text, candidate, words, columns).heading) found.push(candidate)
  }
  return found
}

/** Two readings of the same digits: the stronger one stays. In order of place. */
function withoutOverlaps(hits: readonly CprHit[]): CprHit[] {
  const sorted = [...hits].sort((a, b) => a.start - b.start || b.score - a.score)
  const kept: CprHit[] = []
  for (const hit of sorted) {
    const last = kept.at(-1)
    if (last === undefined || hit.start >= last.end) kept.push(hit)
    else if (hit.score > last.score) kept[kept.length - 1] = hit
  }
  return kept
}

function sum(evidence: readonly Evidence[]): number {
  return evidence.reduce((total, { points }) => total + points, 0)
}
