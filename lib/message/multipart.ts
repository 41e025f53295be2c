/** Cutting a multipart body at its boundary (RFC 2046 section 5.1.1). */

export interface Cut {
  preamble: Buffer
  parts: readonly Buffer[]
  epilogue: Buffer
  /** There are more parts than were asked for; they are not in `parts`. */
  more: boolean
  /** Why readers may differ about the cut; empty = sound. */
  problems: readonly string[]
}

const LF = 0x0a
const CR = 0x0d
const NOTHING = Buffer.alloc(0)

/** @returns is this a boundary that every reader takes alike? */
export function validBoundary(boundary: string): boolean {
  return /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary)
}

/**
 * @param body of the multipart
 * @param boundary as declared, one character per byte
 * @param maxParts cut at most so many
 */
export function cutMultipart(body: Buffer, boundary: string, maxParts: number): Cut {
  const needle = Buffer.from(`--${boundary}`, 'latin1')
  const parts: Buffer[] = []
  const problems = new Set<string>()
  let preamble: Buffer = NOTHING
  let from: number | null = null
  const close = (end: number) => {
    const piece = body.subarray(from ?? 0, Math.max(from ?? 0, end))
    if (from === null) preamble = piece
    else parts.push(piece)
  }
  for (let at = body.indexOf(needle); at !== -1; at = body.indexOf(needle, at + needle.length)) {
    if (at > 0 && body[at - 1] !== LF) {
      if (body[at - 1] === CR) problems.add('a boundary follows a bare CR')
      continue
    }
    const line = delimiterAt(body, at + needle.length)
    if (line === 'other') continue
    if (line === 'doubtful') {
      problems.add('a line is almost a boundary')
      continue
    }
    close(beforeLineEnd(body, at))
    if (line.last) {
      const epilogue = body.subarray(line.next)
      if (epilogue.includes(needle)) problems.add('parts follow the end of the multipart')
      return { preamble, parts, epilogue, more: false, problems: [...problems] }
    }
    from = line.next
    if (parts.length >= maxParts) return { preamble, parts, epilogue: NOTHING, more: true, problems: [...problems] }
  }
  if (from === null) {
    return { preamble: body, parts, epilogue: NOTHING, more: false, problems: ['the boundary never appears'] }
  }
  // a missing end boundary: what is left belongs to the last part
  close(body.length)
  return { preamble, parts, epilogue: NOTHING, more: false, problems: [...problems] }
}

type Delimiter = { last: boolean; next: number } | 'other' | 'doubtful'

/** Judge a line that begins like the boundary, from the byte after it. */
function delimiterAt(body: Buffer, from: number): Delimiter {
  const lf = body.indexOf(LF, from)
  const next = lf === -1 ? body.length : lf + 1
  // a long line is no delimiter; its text need not be copied
  const tail = body.toString('latin1', from, Math.min(next, from + 200)).replace(/\r?\n$/, '')
  if (/^[ \t]*$/.test(tail)) return { last: false, next }
  if (/^--[ \t]*$/.test(tail)) return { last: true, next }
  // another boundary that only begins like this one is common; blanks or dashes with text behind them are not
  return /^(?:--|[ \t\r])/.test(tail) ? 'doubtful' : 'other'
}

/** The line end before a boundary belongs to the boundary. */
function beforeLineEnd(body: Buffer, at: number): number {
  if (at === 0) return 0
  return at > 1 && body[at - 2] === CR ? at - 2 : at - 1
}
