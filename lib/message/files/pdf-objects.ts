/**
 * Every object of a PDF, found by its bytes and not by the cross-reference table: what a table leaves out, or an update
 * has replaced, is still in the file that is sent.
 */
import { unfilter, type Unfiltered } from './pdf-filters'
import {
  isDictionary,
  isName,
  isReference,
  matchAt,
  parseValue,
  skipBlank,
  type PdfReference,
  type PdfValue,
} from './pdf-syntax'
import type { ReadBudget } from './types'

/** An indirect object; one number may have several, when the file was updated. */
export interface PdfObject {
  number: number
  value: PdfValue
  /** Bytes of its stream, as they stand. */
  data?: Buffer
}

export interface PdfFile {
  objects: readonly PdfObject[]
  byNumber: ReadonlyMap<number, readonly PdfObject[]>
  /** Trailer dictionaries and those of cross-reference streams, in file order. */
  trailers: readonly ReadonlyMap<string, PdfValue>[]
  /** Text that stands between the objects and in comments. */
  loose: string
  /** `startxref` entries: more than one where the file was updated. */
  revisions: number
  linearized: boolean
  /** Why not everything in the file is known; empty = all is. */
  problems: readonly string[]
}

const BLANKS = '[\\0\\t\\n\\f\\r ]{1,20}'
const HEAD = new RegExp(
  `(\\d{1,10})${BLANKS}\\d{1,5}${BLANKS}obj(?![a-zA-Z])|(?<![a-z])xref(?=[\\0\\t\\n\\f\\r ])|trailer(?![a-zA-Z])`,
  'g',
)
const LENGTHS = new RegExp(`(\\d{1,10})${BLANKS}\\d{1,5}${BLANKS}obj${BLANKS}(\\d{1,10})${BLANKS}endobj`, 'g')
const XREF_LINE = /[\0\t\n\f\r ]*(?:\d{10} \d{5} [nf]|\d{1,10} \d{1,10}(?=[\r\n ]))/y
const STREAM = /stream(?:\r\n|\n|\r)/y
const CLOSING = /[\0\t\n\f\r ]*endstream/y
/** Bytes between objects that are not printable: more of them are no comment, and noise to search. */
const LOOSE_BINARY = 512

/**
 * Find all objects. Never throws.
 *
 * @param bytes from `%PDF-` on or with something before it
 */
export function readObjects(bytes: Buffer, budget: ReadBudget): PdfFile {
  const text = bytes.toString('latin1')
  const lengths = new Map<number, number>()
  for (const [, number, length] of text.matchAll(LENGTHS)) lengths.set(Number(number), Number(length))
  const objects: PdfObject[] = []
  const trailers: ReadonlyMap<string, PdfValue>[] = []
  const problems = new Set<string>()
  const comments: string[] = []
  const between: string[] = []
  let at = 0
  let revisions = 0
  for (;;) {
    if (budget.timeUp()) {
      problems.add('the time for reading was up')
      break
    }
    HEAD.lastIndex = at
    const head = HEAD.exec(text)
    const gap = text.slice(at, head?.index ?? text.length)
    revisions += gap.split('startxref').length - 1
    between.push(gap)
    if (head === null) break
    at = HEAD.lastIndex
    if (head[0] === 'xref') {
      at = endOfTable(text, at)
      continue
    }
    try {
      const { value, end } = parseValue(text, at, comments)
      at = end
      if (head[0] === 'trailer') {
        if (isDictionary(value)) trailers.push(value)
        continue
      }
      const object: PdfObject = { number: Number(head[1]), value }
      objects.push(object)
      if (!isDictionary(value)) continue
      // section 7.5.8: a cross-reference stream is the trailer as well
      if (typeOf(value) === 'XRef') trailers.push(value)
      const data = streamAt(text, skipBlank(text, end), value, lengths)
      if (data === null) continue
      if (!data.sound) problems.add('a stream is not as long as it says')
      object.data = bytes.subarray(data.start, data.end)
      at = data.next
    } catch {
      // what cannot be parsed is searched as it stands
      problems.add('an object does not parse')
    }
  }
  const file = { objects, byNumber: indexed(objects), trailers, revisions, problems: [] as string[] }
  // what is encrypted unpacks to nothing: its copy without the encryption is read
  if (!isEncrypted(trailers)) unpackObjectStreams(file, objects, comments, problems, budget)
  const { loose, foreign } = looseText(between, comments)
  if (foreign) problems.add('there is something else in the file beside the document')
  const linearized = /\/Linearized\b/.test(text.slice(0, 2048))
  return { ...file, byNumber: indexed(objects), trailers, loose, linearized, problems: [...problems] }
}

/** @returns does any part of the file say that it is encrypted (section 7.6.1)? */
export function isEncrypted(trailers: PdfFile['trailers']): boolean {
  return trailers.some((trailer) => trailer.has('Encrypt'))
}

/** The value behind a reference (the last one written), at most a few references far. */
export function resolve(file: Pick<PdfFile, 'byNumber'>, value: PdfValue | undefined): PdfValue | undefined {
  let found = value
  for (let hops = 0; isReference(found); hops++) {
    if (hops > 16) return undefined
    found = objectAt(file, found)?.value
  }
  return found
}

export function objectAt(file: Pick<PdfFile, 'byNumber'>, { ref }: PdfReference): PdfObject | undefined {
  return file.byNumber.get(ref)?.at(-1)
}

/** The content of a stream without its filters; counted against the budget. */
export function contentOf(file: Pick<PdfFile, 'byNumber'>, object: PdfObject, budget: ReadBudget): Unfiltered {
  if (object.data === undefined || !isDictionary(object.value)) return { problem: 'there is no stream' }
  const unpacked = unfilter(object.data, object.value, (value) => resolve(file, value))
  if ('bytes' in unpacked && !budget.bytes(unpacked.bytes.length)) return { problem: 'the content is too large' }
  return unpacked
}

export function typeOf(value: PdfValue | undefined, key = 'Type'): string {
  const found = isDictionary(value) ? value.get(key) : undefined
  return isName(found) ? found.name : ''
}

/** Section 7.3.8: the length is believed where the end follows it. */
function streamAt(
  text: string,
  at: number,
  dictionary: ReadonlyMap<string, PdfValue>,
  lengths: ReadonlyMap<number, number>,
): { start: number; end: number; next: number; sound: boolean } | null {
  const opening = matchAt(STREAM, text, at)
  if (opening === null) return null
  const start = at + opening.length
  const given = dictionary.get('Length')
  const length = isReference(given) ? lengths.get(given.ref) : given
  if (typeof length === 'number' && length >= 0) {
    const closing = matchAt(CLOSING, text, start + length)
    if (closing !== null) {
      return { start, end: start + length, next: start + length + closing.length, sound: true }
    }
  }
  const end = text.indexOf('endstream', start)
  const other = text.indexOf('endobj', start)
  // the end of another stream: nothing is known of this one, and objects may stand in what it swallows
  if (end === -1 || (other !== -1 && other < end)) return { start, end: start, next: start, sound: false }
  return { start, end, next: end + 'endstream'.length, sound: length === undefined }
}

/** Behind the lines of a cross-reference table: their offsets look like numbers of persons. */
function endOfTable(text: string, from: number): number {
  let at = from
  for (;;) {
    const line = matchAt(XREF_LINE, text, at)
    if (line === null) return at
    at += line.length
  }
}

/** Section 7.5.7. */
function unpackObjectStreams(
  file: Pick<PdfFile, 'byNumber'>,
  objects: PdfObject[],
  comments: string[],
  problems: Set<string>,
  budget: ReadBudget,
): void {
  for (const object of [...objects]) {
    if (!isDictionary(object.value) || typeOf(object.value) !== 'ObjStm') continue
    const unpacked = contentOf(file, object, budget)
    if ('problem' in unpacked) {
      problems.add(unpacked.problem)
      continue
    }
    const text = unpacked.bytes.toString('latin1')
    const first = resolve(file, object.value.get('First'))
    const head = text.slice(0, typeof first === 'number' ? first : 0).match(/\d+/g) ?? []
    const parsed = new Set<string>()
    for (let n = 0; n + 1 < head.length; n += 2) {
      const offset = head[n + 1] ?? ''
      // one object under many numbers would be parsed as many times
      if (parsed.has(offset)) {
        problems.add('objects share their place')
        continue
      }
      parsed.add(offset)
      if (budget.timeUp()) {
        problems.add('the time for reading was up')
        return
      }
      try {
        const { value } = parseValue(text, Number(first) + Number(offset), comments)
        objects.push({ number: Number(head[n]), value })
      } catch {
        problems.add('an object does not parse')
      }
    }
  }
}

function indexed(objects: readonly PdfObject[]): Map<number, PdfObject[]> {
  const byNumber = new Map<number, PdfObject[]>()
  for (const object of objects) {
    const versions = byNumber.get(object.number)
    if (versions === undefined) byNumber.set(object.number, [object])
    else versions.push(object)
  }
  return byNumber
}

/** What stands between the objects, without the words that belong there. Only comments may. */
function looseText(between: readonly string[], comments: readonly string[]): { loose: string; foreign: boolean } {
  const kept: string[] = []
  let foreign = false
  for (const piece of [...between, ...comments]) {
    const rest = piece
      .replace(/startxref\s{1,20}\d{1,12}|%%EOF|endobj|endstream|%PDF-\d\.\d|%[\x80-\xff]{1,8}(?=[\r\n]|$)/g, ' ')
      .replace(/^[\0\t\n\f\r ]+|[\0\t\n\f\r ]+$/g, '')
    if (rest === '') continue
    foreign ||= rest.replace(/%[^\r\n]*/g, '').trim() !== ''
    kept.push(rest)
  }
  const text = kept.join('\n')
  const binary = text.length - text.replace(/[^\t\n\f\r\x20-\x7e]/g, '').length
  return { loose: binary > LOOSE_BINARY ? '' : text, foreign: foreign || binary > LOOSE_BINARY }
}
