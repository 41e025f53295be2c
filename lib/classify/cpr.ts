/**
 * CPR numbers in text: candidates by shape and date, points for and against, three levels of confidence. A number that
 * could be one is never talked away: what stands around it can raise it, but not drop it below LOW.
 */
import { hash, randomBytes } from 'node:crypto'
import type { Confidence } from '../config/settings'
import { CLASS, CLASSES } from './char-classes'
import { columnsOf, type Columns } from './columns'
import type { Candidate, Separator } from './cpr-candidates'
import { contextOf, farKeywords, isCprHeading, wordsOf, type Evidence } from './cpr-context'
import { yearOf } from './cpr-number'
import { crowdOf, type Crowd, type Group } from './cpr-crowd'
import { regionsOf, type Region } from './cpr-regions'
import { findSpots, isExponent, isNarrow } from './cpr-spots'
import { digitView } from './digit-view'
import type { Word } from './words/matcher'

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
const PROCESS_KEY = randomBytes(32).toString('base64url')

const SEPARATOR_POINTS: Readonly<Record<Separator, number>> = {
  dash: 3,
  space: 1,
  'zero-width': 1,
  cell: 1,
  contiguous: 0,
  bare: 0,
  newline: -1,
  weak: -1,
  scattered: -2,
}

/** Spots that are judged together. */
const BATCH = 500
/** Oldest that anybody is. */
const MAX_AGE = 115
const CLUSTER_POINTS = 3
const SPARSE_POINTS = -3

/** How a text is searched; everything has a default. */
export interface CprSearch {
  /**
   * Asked now and then; when it says so, what was found until then is returned, and the caller has to treat the text as
   * not inspected.
   */
  isTimeUp?: () => boolean
  /** The columns of the text, where they are known better than by delimiters. */
  columns?: Columns
  /** After about so many hits the search ends: neither the verdict nor a list of places gains by more. */
  most?: number
}

/** Hits after which a search ends by itself. */
export const MOST_HITS = 100_000

/**
 * Find every number at LOW or above.
 *
 * @param text decoded; line ends LF
 * @param now milliseconds: nobody is born later
 * @param search a function is its `isTimeUp`
 * @returns in order of place
 */
export function findCpr(text: string, now: number, search: CprSearch | (() => boolean) = {}): CprHit[] {
  const {
    isTimeUp = () => false,
    columns = columnsOf(text),
    most = MOST_HITS,
  } = typeof search === 'function' ? { isTimeUp: search } : search
  const hits: CprHit[] = []
  // a batch at a time, so that a text of nothing but numbers takes no memory without bound
  const narrow = isNarrow(text)
  let earlier: Group | null = null
  for (let from = 0; from < text.length && hits.length < most && !isTimeUp();) {
    const { spots, others, end } = findSpots(text, narrow, from, BATCH)
    from = end
    if (spots.length === 0 && others.length === 0) continue
    const regions = regionsOf(text, spots, now, (region, candidate) => isPossible(region, candidate, columns))
    const crowd: { at: (place: number) => Crowd; whole: Group } = crowdOf(regions, others, columns, earlier)
    earlier = crowd.whole
    for (const hit of judgeRegions(text, regions, crowd.at, now, columns, isTimeUp)) hits.push(hit)
  }
  return hits
}

function judgeRegions(
  text: string,
  regions: readonly Region[],
  crowd: (place: number) => Crowd,
  now: number,
  columns: Columns,
  isTimeUp: () => boolean,
): CprHit[] {
  const isHeaded = headedColumns(columns)
  const farKeyword = farKeywords(text)
  const hits: CprHit[] = []
  for (const region of regions) {
    if (isTimeUp()) break
    const words = wordsOf(region.view.text)
    const found: CprHit[] = []
    for (const candidate of region.candidates) {
      const at = region.start + region.view.at(candidate.start)
      const headed = isHeaded(at)
      if (candidate.separator === 'bare' && !candidate.facts.mod11 && !headed) continue
      const judged = (far: Word | null) =>
        judge(candidate, contextOf(region.view.text, candidate, words, headed, far), crowd(at), headed, now)
      const near = judged(null)
      const far = mayGainByFar(near) ? farKeyword(at, region.start + region.view.at(candidate.end)) : null
      const verdict = far === null ? near : judged(far)
      if (verdict.kept) found.push(hitOf(region, candidate, verdict))
    }
    for (const hit of withoutOverlaps(found)) hits.push(hit)
  }
  return hits
}

/** A bare number is one only where it is all of a cell. */
function isPossible(region: Region, candidate: Candidate, columns: Columns): boolean {
  if (candidate.separator !== 'bare') return true
  const at = (index: number) => region.start + region.view.at(index)
  return columns.isCell(at(candidate.start), at(candidate.end))
}

/** Is the column of this place headed by a word for the number? */
function headedColumns(columns: Columns): (at: number) => boolean {
  const known = new Map<string, boolean>()
  return (at) => {
    const headings = columns.headings(at)
    if (headings.length === 0) return false
    const key = headings.join('\n')
    const headed = known.get(key) ?? headings.some((heading) => isCprHeading(digitView(heading).text))
    if (known.size < 10_000) known.set(key, headed)
    return headed
  }
}

/** Does the text hold a number at LOW or above? */
export function containsCpr(text: string, now = Date.now()): boolean {
  return findCpr(text, now, { most: 1 }).length > 0
}

/**
 * Cheap first look for the many short texts that hold no number at all: the same groups of digits that `findSpots` asks
 * for, without their dates. What is not ASCII is always looked through.
 */
export function mayHoldCpr(text: string): boolean {
  let group = 0
  let digits = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) return true
    const kind = CLASSES[code]
    if (kind === CLASS.digit) {
      group++
      continue
    }
    if (kind === CLASS.exotic) return true
    // more than ten in a row are part of nothing
    if (group > 0) digits += group <= MOST_DIGITS ? group : 0
    if (isWorth(group) || digits >= MOST_DIGITS || (group >= 4 && isExponent(code))) return true
    group = 0
    if (kind === CLASS.other) digits = 0
  }
  return isWorth(group) || (group <= MOST_DIGITS && digits + group >= MOST_DIGITS)
}

/** Digits of a number. */
const MOST_DIGITS = 10

/** So many digits in a row can be the first part of a number, or all of it. */
function isWorth(digits: number): boolean {
  return digits === 6 || digits === 7 || digits === 9 || digits === MOST_DIGITS
}

/** The text with every number at LOW or above replaced by `DDMMYY-****`. For everything that is logged or shown. */
export function maskCpr(text: string, now = Date.now()): string {
  if (!mayHoldCpr(text)) return text
  const pieces: string[] = []
  let at = 0
  for (const hit of findCpr(text, now, { most: Number.POSITIVE_INFINITY })) {
    pieces.push(text.slice(at, hit.start), hit.masked)
    at = hit.end
  }
  return at === 0 ? text : pieces.join('') + text.slice(at)
}

/** What was found of one candidate. */
interface Judgement {
  /** Is it a number at LOW or above? */
  kept: boolean
  score: number
  /** All that speaks for it, and its own digits. */
  most: number
  evidence: readonly Evidence[]
  counts: boolean
}

/** A word further away is one point: is it worth looking for? */
function mayGainByFar({ kept, score, most, evidence }: Judgement): boolean {
  if (evidence.some(({ name }) => isNaming(name))) return false
  if (evidence.some(({ name }) => name === 'year' || name === 'sparse' || name === 'replacement')) return true
  return kept ? levelOf(score) !== levelOf(score + 1) : most === -1
}

function levelOf(score: number): Confidence {
  return score >= 6 ? 'high' : score >= 3 ? 'medium' : 'low'
}

function judge(candidate: Candidate, around: Evidence[], crowd: Crowd, headed: boolean, now: number): Judgement {
  const { facts } = candidate
  const own = ownEvidence(candidate, now)
  if (crowd.cluster) around.push({ name: 'cluster', points: CLUSTER_POINTS })
  const named = around.some(({ name }) => isNaming(name))
  // ten digits that begin with 61 to 91 are a replacement number only where something says so (ISBNs begin with 87)
  if (facts.replacement && !facts.letters && candidate.separator === 'contiguous' && !named && !crowd.cluster) {
    return { kept: false, score: -1, most: -1, evidence: own, counts: false }
  }
  // a serial of 1900 to 2099 behind a blank is a year, but not among numbers
  if (crowd.cluster) around = around.filter(({ name }) => name !== 'year')
  if (crowd.sparse && candidate.separator === 'contiguous' && !named)
    around.push({ name: 'sparse', points: SPARSE_POINTS })
  const all = [...own, ...around]
  const score = sum(all)
  const embedded = around.some(({ name }) => name === 'embedded')
  const without = sum([...own, ...around.filter(({ points }) => points > 0)])
  // the floor: the surroundings never drop a candidate, and modulus 11 is too rare by chance (1 in 353) to be ignored
  const kept = score >= 0 || without >= 0 || (facts.mod11 && !embedded)
  const confidence = levelOf(score)
  const counts = confidence === 'high' || (confidence === 'medium' && (crowd.cluster || headed))
  return { kept, score, most: without, evidence: all, counts }
}

function hitOf({ start, view }: Region, candidate: Candidate, { score, evidence, counts }: Judgement): CprHit {
  return {
    start: start + view.at(candidate.start),
    end: start + view.at(candidate.end - 1) + 1,
    confidence: levelOf(score),
    score,
    masked: `${candidate.date}-****`,
    evidence: evidence.map(({ name }) => name),
    digest: hash('sha256', PROCESS_KEY + candidate.date + candidate.serial, 'base64url'),
    counts,
  }
}

/** Words that go with persons (`keyword:person`) do not name the number. */
function isNaming(evidence: string): boolean {
  return evidence.startsWith('column:') || (evidence.startsWith('keyword:') && evidence !== 'keyword:person')
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
  const year = yearOf(now) % 100
  const recent = (yy: number) => yy <= year + 1 && yy >= year - 10
  if (!time) return false
  if (separator === 'contiguous' && recent(Number(date.slice(0, 2)))) {
    const day = Number(date.slice(4))
    if (day >= 1 && day <= 31) return true
  }
  return recent(Number(date.slice(4)))
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
