/**
 * Header blocks (RFC 5322 section 2.2), read strictly: whatever two readers could read in two ways is named as a problem
 * instead of being guessed.
 */

/** One header field as it stands in the message. */
export interface HeaderField {
  /** As written, without the colon. */
  name: string
  /** `name` in lower case. */
  key: string
  /** The whole field with name and folding, without its last line end; one character per byte for a Buffer. */
  raw: string
  /** Unfolded value (RFC 5322 section 2.2.3: the line ends are taken out), outer blanks removed; not decoded. */
  value: string
}

export interface HeaderBlock {
  fields: readonly HeaderField[]
  /** Why readers may differ about this block; empty = sound. */
  problems: readonly string[]
}

/** A header as callers hold it: bytes or text (up to the first empty line), or the fields one by one with their folding. */
export type RawHeader = Buffer | string | readonly string[]

/** Largest header block that is read, in bytes. */
export const HEADER_BLOCK_LIMIT = 256 * 1024

const LF = 0x0a
const CR = 0x0d

/**
 * Find the end of the header block that begins at `start`.
 *
 * @returns `end`: first byte after the last header line; `body`: first byte of the body (after the empty line)
 */
export function headerExtent(raw: Buffer, start: number, limit: number): { end: number; body: number } {
  let at = start
  while (at < limit) {
    const lf = raw.indexOf(LF, at)
    const next = lf === -1 || lf >= limit ? limit : lf + 1
    const text = lf === -1 || lf >= limit ? next : lf > at && raw[lf - 1] === CR ? lf - 1 : lf
    if (text === at) return { end: at, body: next }
    at = next
  }
  return { end: limit, body: limit }
}

/**
 * Parse one header block.
 *
 * @param header the block (an empty line ends it), or the raw fields
 */
export function parseHeader(header: RawHeader): HeaderBlock {
  if (Buffer.isBuffer(header)) return parseBytes(header)
  if (typeof header !== 'string') return parseLines(header.flatMap((field) => splitLines(field)))
  const end = /^\r?\n|\n\r?\n/.exec(header)?.index
  return parseLines(splitLines(end === undefined ? header : header.slice(0, end + 1)))
}

/** All fields of one name, in order. */
export function fieldsNamed(block: HeaderBlock, key: string): HeaderField[] {
  return block.fields.filter((field) => field.key === key)
}

function parseBytes(bytes: Buffer): HeaderBlock {
  const { end } = headerExtent(bytes, 0, bytes.length)
  if (end > HEADER_BLOCK_LIMIT) {
    const { fields, problems } = parseLines(splitLines(bytes.toString('latin1', 0, HEADER_BLOCK_LIMIT)))
    return { fields, problems: [...problems, 'the header block is too large'] }
  }
  return parseLines(splitLines(bytes.toString('latin1', 0, end)))
}

/** Lines without their ends; a last line end makes no further line. */
function splitLines(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
}

function parseLines(lines: readonly string[]): HeaderBlock {
  const problems = new Set<string>()
  const fields: HeaderField[] = []
  let current: string[] = []
  const finish = () => {
    if (current.length === 0) return
    const field = parseField(current)
    if (field === null) problems.add('a header line is no header field')
    else fields.push(field)
    current = []
  }
  for (const line of lines) {
    if (line.includes('\r')) problems.add('a bare CR stands in the header')
    if (line.includes('\0')) problems.add('a NUL stands in the header')
    if (/^[ \t]/.test(line)) {
      if (current.length === 0) problems.add('the header begins with a continuation line')
      current.push(line)
      continue
    }
    finish()
    current = [line]
  }
  finish()
  return { fields, problems: [...problems] }
}

function parseField(lines: readonly string[]): HeaderField | null {
  const [first = ''] = lines
  // RFC 5322 section 2.2: printable US-ASCII but the colon; blanks before the colon are obsolete (4.5) yet understood by all
  const match = /^([!-9;-~]+)[ \t]*:/.exec(first)
  if (match === null) return null
  const [head, name = ''] = match
  return {
    name,
    key: name.toLowerCase(),
    raw: lines.join('\r\n'),
    value: lines.join('').slice(head.length).trim(),
  }
}
