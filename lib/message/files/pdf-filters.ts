/** Stream filters of PDF (ISO 32000-1 section 7.4), as far as text and files stand behind them. */
import { inflateSync, constants } from 'node:zlib'
import { isArray, isDictionary, isName, type PdfValue } from './pdf-syntax'

/** Most bytes that one stream is unpacked to. */
const STREAM_LIMIT = 50 * 1024 * 1024

export type Unfiltered = { bytes: Buffer } | { problem: string }

/**
 * Undo the filters of a stream.
 *
 * @param resolve follows a reference to its value
 */
export function unfilter(
  data: Buffer,
  dictionary: ReadonlyMap<string, PdfValue>,
  resolve: (value: PdfValue | undefined) => PdfValue | undefined,
): Unfiltered {
  const listed = resolve(dictionary.get('Filter') ?? dictionary.get('F')) ?? []
  const filters = isArray(listed) ? listed.map((one) => resolve(one)) : [listed]
  const given = resolve(dictionary.get('DecodeParms') ?? dictionary.get('DP')) ?? []
  const parameters = isArray(given) ? given.map((one) => resolve(one)) : [given]
  let bytes = data
  for (const [n, filter] of filters.entries()) {
    const step = undo(bytes, isName(filter) ? filter.name : '')
    if ('problem' in step) return step
    const settings = parameters[n]
    const predicted = isDictionary(settings) ? unpredict(step.bytes, settings) : step
    if ('problem' in predicted) return predicted
    bytes = predicted.bytes
  }
  return { bytes }
}

function undo(bytes: Buffer, filter: string): Unfiltered {
  switch (filter) {
    case 'FlateDecode':
    case 'Fl':
      return inflate(bytes)
    case 'ASCIIHexDecode':
    case 'AHx':
      return { bytes: Buffer.from(bytes.toString('latin1').replace(/>.*$/s, '').replace(/\s+/g, ''), 'hex') }
    case 'ASCII85Decode':
    case 'A85':
      return ascii85(bytes.toString('latin1'))
    case 'Crypt':
      return { bytes }
    default:
      return { problem: 'a stream is packed in a way that is not read' }
  }
}

function inflate(bytes: Buffer): Unfiltered {
  try {
    return { bytes: inflateSync(bytes, { maxOutputLength: STREAM_LIMIT, finishFlush: constants.Z_SYNC_FLUSH }) }
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    return { problem: tooLarge ? 'a stream unpacks to too much' : 'a stream does not unpack' }
  }
}

/** Section 7.4.3. */
function ascii85(text: string): Unfiltered {
  const clean = text.replace(/\s+/g, '').replace(/^<~/, '').replace(/~.*$/s, '')
  const out: number[] = []
  let group: number[] = []
  const flush = () => {
    const count = group.length - 1
    while (group.length < 5) group.push(84)
    const value = group.reduce((sum, digit) => sum * 85 + digit, 0)
    for (let n = 0; n < count; n++) out.push(Math.floor(value / 256 ** (3 - n)) & 0xff)
    group = []
  }
  for (const character of clean) {
    if (character === 'z' && group.length === 0) {
      out.push(0, 0, 0, 0)
      continue
    }
    const digit = character.charCodeAt(0) - 33
    if (digit < 0 || digit > 84) return { problem: 'a stream does not unpack' }
    group.push(digit)
    if (group.length === 5) flush()
  }
  if (group.length > 1) flush()
  return { bytes: Buffer.from(out) }
}

/** Section 7.4.4.4: PNG predictors, by which cross-reference and object streams are packed. */
function unpredict(bytes: Buffer, parameters: ReadonlyMap<string, PdfValue>): Unfiltered {
  const number = (key: string, otherwise: number) => {
    const value = parameters.get(key)
    return typeof value === 'number' ? value : otherwise
  }
  const predictor = number('Predictor', 1)
  if (predictor === 1) return { bytes }
  const bits = number('Colors', 1) * number('BitsPerComponent', 8)
  const row = Math.ceil((number('Columns', 1) * bits) / 8)
  const step = Math.max(1, bits >> 3)
  if (predictor < 10 || !Number.isInteger(row) || row < 1 || row > 1_000_000 || !(step <= 64)) {
    return { problem: 'a stream is packed in a way that is not read' }
  }
  const rows = Math.ceil(bytes.length / (row + 1))
  const out = Buffer.alloc(rows * row)
  for (let r = 0; r < rows; r++) {
    const kind = bytes[r * (row + 1)] ?? 0
    const start = r * row
    for (let n = 0; n < row; n++) {
      const left = n >= step ? (out[start + n - step] ?? 0) : 0
      const up = r > 0 ? (out[start + n - row] ?? 0) : 0
      const corner = n >= step && r > 0 ? (out[start + n - row - step] ?? 0) : 0
      out[start + n] = (bytes[r * (row + 1) + 1 + n] ?? 0) + guess(kind, left, up, corner)
    }
  }
  return { bytes: out }
}

/** PNG (RFC 2083 section 6). */
function guess(kind: number, left: number, up: number, corner: number): number {
  switch (kind) {
    case 1:
      return left
    case 2:
      return up
    case 3:
      return (left + up) >> 1
    case 4: {
      const value = left + up - corner
      const [a, b, c] = [Math.abs(value - left), Math.abs(value - up), Math.abs(value - corner)]
      return a <= b && a <= c ? left : b <= c ? up : corner
    }
    default:
      return 0
  }
}
