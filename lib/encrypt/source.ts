/** A message as it streams in, parted into its header and its body with canonical line ends. */
import { CannotEncrypt } from './cannot-encrypt'
import { HEADER_BLOCK_LIMIT, headerExtent, parseHeader, type HeaderBlock } from '../message/header'

const LF = 0x0a
const CR = 0x0d

export interface Source {
  header: HeaderBlock
  /** CRLF line ends, otherwise byte for byte; to be read once. */
  body: AsyncGenerator<Buffer>
}

/**
 * @param message not dot-stuffed, line ends CRLF or LF
 * @throws (rejects) CannotEncrypt when the header block exceeds 256 KiB or cannot be read; what `message` throws
 */
export async function openSource(message: AsyncIterable<Buffer>): Promise<Source> {
  const pieces = message[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  let ended = false
  let extent = { end: 0, body: 0 }
  while (!ended) {
    const next: IteratorResult<Buffer, undefined> = await pieces.next()
    if (next.done === true) ended = true
    else head = head.length === 0 ? next.value : Buffer.concat([head, next.value])
    extent = headerExtent(head, 0, head.length)
    // an empty line was found, and not only the end of what has come so far
    if (extent.body > extent.end) break
    if (head.length > HEADER_BLOCK_LIMIT) throw new CannotEncrypt('the header is too large')
  }
  const rest = { [Symbol.asyncIterator]: () => pieces }
  const header = parseHeader(head.subarray(0, extent.end))
  if (header.problems.length > 0) throw new CannotEncrypt(header.problems.join(', '))
  return { header, body: canonical(head.subarray(extent.body), rest) }
}

/** RFC 8551 section 3.1.1: every line ends with CRLF. A bare CR is no line end, and stays. */
async function* canonical(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let afterCr = false
  const convert = (piece: Buffer): Buffer => {
    const converted = hasBareLf(piece, afterCr) ? withCrlf(piece, afterCr) : piece
    if (piece.length > 0) afterCr = piece.at(-1) === CR
    return converted
  }
  yield convert(first)
  for await (const piece of rest) yield convert(piece)
}

/** @param afterCr the byte before the piece is CR */
function hasBareLf(piece: Buffer, afterCr: boolean): boolean {
  for (let lf = piece.indexOf(LF); lf !== -1; lf = piece.indexOf(LF, lf + 1)) {
    if (lf === 0 ? !afterCr : piece[lf - 1] !== CR) return true
  }
  return false
}

/** In one go: a piece for each line would be passed on through every step one by one. */
function withCrlf(piece: Buffer, afterCr: boolean): Buffer {
  const before = afterCr ? '\r' : ''
  const text = `${before}${piece.toString('latin1')}`.replace(/(?<!\r)\n/g, '\r\n')
  return Buffer.from(text.slice(before.length), 'latin1')
}
