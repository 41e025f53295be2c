/** One JSON value per line, in lines of bounded length: how command and gateway talk. */

/** What came is no line of this protocol; the message says why. */
export class FramingError extends Error {}

/** Bytes of a request, with its line end. */
export const MAX_REQUEST = 64 * 1024
/** Bytes of one line of an answer, with its line end. */
export const MAX_REPLY = 1024 * 1024

const LINE_END = 0x0a

/** @throws RangeError when the line would be longer than the other side takes */
export function encodeLine(value: object, max: number): Buffer {
  const line = Buffer.from(`${JSON.stringify(value)}\n`, 'utf8')
  if (line.length > max) throw new RangeError(`a line of ${line.length} bytes is longer than ${max}`)
  return line
}

/**
 * Bytes in, parsed lines out.
 *
 * @param max bytes of a line, with its end; more are never kept in memory
 * @returns a function that takes the next bytes and gives the values of the lines that they complete
 * @throws FramingError (the function): a line that is too long, not UTF-8 or no JSON object
 */
export function lineReader(max: number): (chunk: Buffer) => object[] {
  let pieces: Buffer[] = []
  let held = 0
  return (chunk) => {
    const values: object[] = []
    let rest = chunk
    for (let end = rest.indexOf(LINE_END); end >= 0; end = rest.indexOf(LINE_END)) {
      if (held + end + 1 > max) throw new FramingError(`a line of more than ${max} bytes`)
      values.push(parseLine(Buffer.concat([...pieces, rest.subarray(0, end)])))
      pieces = []
      held = 0
      rest = rest.subarray(end + 1)
    }
    held += rest.length
    if (held >= max) throw new FramingError(`a line of more than ${max} bytes`)
    if (rest.length > 0) pieces.push(rest)
    return values
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function parseLine(line: Buffer): object {
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(line))
  } catch {
    throw new FramingError('a line that is no JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FramingError('a line that is no JSON object')
  }
  return value
}
