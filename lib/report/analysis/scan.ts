/** A file of the log looked through byte by byte: is every line there, and the one that was written? */
import { createHash, hash, type Hash } from 'node:crypto'
import { isDamage, openLog, type LogFile } from '../log-files'

/** What one file shows of itself. The chain from one file to the next is for whoever has several. */
export interface FileScan {
  /** Lines that are not empty, torn ones included. */
  lines: number
  /** Bytes of the content. */
  bytes: number
  /** SHA-256 over the bytes as they are stored, lower-case hex. */
  stored: string
  /** Why the content ends too early (a damaged compressed file); absent = it does not. */
  cut?: string
  /** Numbers that no line has. */
  missing: number
  /** The first gaps: the number before each, and how many are missing behind it. */
  gaps: { after: number; missing: number }[]
  /** Lines whose number is not above all before. */
  repeated: number
  /** Lines that name another line before them than there is; also one that names none behind one that does. */
  breaks: number
  /** Places (line, from 1) of the first of them. */
  brokenAt: number[]
  /** Lines that name the line before them. */
  chained: number
  /** Hash that the first line names as that of the file before; null = it names none. */
  linkedTo: string | null
  /** Hash of the last line; null = there is no line. */
  lastHash: string | null
}

const NEWLINE = 0x0a
/** A line longer than this is hashed but not looked into. */
const LONGEST = 16 * 1024 * 1024
/** Places that are named, per file. */
const NAMED = 20

/**
 * @throws Error of the file system (rejects)
 */
export async function scanFile(file: LogFile): Promise<FileScan> {
  const stored = createHash('sha256')
  const reader = lineReader()
  let cut: string | undefined
  try {
    for await (const chunk of openLog(file, (bytes) => void stored.update(bytes))) reader.take(chunk as Buffer)
  } catch (error) {
    if (!isDamage(error)) throw error
    cut = error instanceof Error ? error.message : String(error)
  }
  return { ...reader.end(), stored: stored.digest('hex'), ...(cut === undefined ? {} : { cut }) }
}

type Looked = Omit<FileScan, 'stored' | 'cut'>

/** Takes a content in pieces, and looks at its lines. */
function lineReader(): { take(chunk: Buffer): void; end(): Looked } {
  const found: Looked = {
    lines: 0,
    bytes: 0,
    missing: 0,
    gaps: [],
    repeated: 0,
    breaks: 0,
    brokenAt: [],
    chained: 0,
    linkedTo: null,
    lastHash: null,
  }
  let rest: Buffer[] = []
  let restLength = 0
  let long: Hash | undefined
  /** Number that the last line had, or would have had. */
  let number = 0

  function keep(piece: Buffer): void {
    if (long !== undefined) {
      long.update(piece)
      return
    }
    rest.push(piece)
    restLength += piece.length
    if (restLength <= LONGEST) return
    long = createHash('sha256')
    for (const one of rest) long.update(one)
    rest = []
    restLength = 0
  }

  function lineEnds(piece: Buffer): void {
    if (long !== undefined) {
      long.update(piece)
      line(undefined, long.digest('hex'))
      long = undefined
      return
    }
    const whole = rest.length === 0 ? piece : Buffer.concat([...rest, piece])
    rest = []
    restLength = 0
    if (whole.length > 0) line(whole, hash('sha256', whole, 'hex'))
  }

  function line(bytes: Buffer | undefined, digest: string): void {
    found.lines += 1
    const read = bytes === undefined ? undefined : readLine(bytes)
    if (read !== undefined) {
      chain(read.prevHash)
      count(read.sequence)
    } else {
      // a torn line had a number
      number += 1
    }
    found.lastHash = digest
  }

  function chain(prevHash: string | undefined): void {
    if (found.lines === 1) found.linkedTo = prevHash ?? null
    const broken = prevHash === undefined ? found.chained > 0 : found.lines > 1 && prevHash !== found.lastHash
    if (prevHash !== undefined) found.chained += 1
    if (!broken) return
    found.breaks += 1
    if (found.brokenAt.length < NAMED) found.brokenAt.push(found.lines)
  }

  function count(sequence: number): void {
    if (sequence <= number) {
      found.repeated += 1
      return
    }
    const missing = sequence - number - 1
    if (missing > 0) {
      found.missing += missing
      if (found.gaps.length < NAMED) found.gaps.push({ after: number, missing })
    }
    number = sequence
  }

  return {
    take(chunk) {
      found.bytes += chunk.length
      let from = 0
      for (;;) {
        const end = chunk.indexOf(NEWLINE, from)
        if (end < 0) break
        lineEnds(chunk.subarray(from, end))
        from = end + 1
      }
      if (from < chunk.length) keep(chunk.subarray(from))
    },
    end() {
      if (restLength > 0 || long !== undefined) lineEnds(Buffer.alloc(0))
      return found
    },
  }
}

const OPEN = 0x7b
const CLOSE = 0x7d
const SEQUENCE = Buffer.from('"sequence":')
const PREV_HASH = Buffer.from('"prev_hash":"')
const HASH_LENGTH = 64

/**
 * Number and chain of a line, without parsing it. Inside of a string a quotation mark is always written `\"`, so that
 * these words with their quotation marks and colon can only be names.
 *
 * @returns undefined for a torn line
 */
function readLine(bytes: Buffer): { sequence: number; prevHash: string | undefined } | undefined {
  if (bytes[0] !== OPEN || bytes.at(-1) !== CLOSE) return undefined
  const at = bytes.indexOf(SEQUENCE)
  if (at < 0) return undefined
  const from = at + SEQUENCE.length
  const digits = /^\d{1,15}/.exec(bytes.toString('latin1', from, from + 16))
  if (digits === null) return undefined
  const chained = bytes.indexOf(PREV_HASH)
  const start = chained + PREV_HASH.length
  return {
    sequence: Number(digits[0]),
    prevHash: chained < 0 ? undefined : bytes.toString('latin1', start, start + HASH_LENGTH),
  }
}
