/** The piece table (MS-DOC section 2.9.38): where in the file each stretch of the text stands, and in which form. */
import { utf16Text } from '../utf16'
import { decodeCodePage } from './ole-codepage'

export interface Piece {
  text: string
  /** Where its first character stands in the stream. */
  offset: number
  /** Bytes of a character. */
  width: 1 | 2
  /** Formatting was laid on the whole piece by a fast save. */
  modified: boolean
}

const PRC = 1
const PCDT = 2
const COMPRESSED = 0x4000_0000

/**
 * @param clx from the table stream
 * @param main the WordDocument stream
 * @throws RangeError when the table is broken, or its pieces are larger than the stream they stand in
 */
export function readPieces(clx: Buffer, main: Buffer): Piece[] {
  let at = 0
  while (clx.readUInt8(at) === PRC) at += 3 + clx.readUInt16LE(at + 1)
  if (clx.readUInt8(at) !== PCDT) throw new RangeError('clx')
  const size = clx.readUInt32LE(at + 1)
  const start = at + 5
  const count = (size - 4) / 12
  if (!Number.isInteger(count) || start + size > clx.length) throw new RangeError('plcpcd')
  const pieces: Piece[] = []
  let spent = 0
  for (let n = 0; n < count; n++) {
    const length = clx.readUInt32LE(start + (n + 1) * 4) - clx.readUInt32LE(start + n * 4)
    const descriptor = start + (count + 1) * 4 + n * 8
    const position = clx.readUInt32LE(descriptor + 2)
    const width = (position & COMPRESSED) === 0 ? 2 : 1
    // section 2.9.73: the place of compressed text is given doubled
    const offset = width === 1 ? (position & (COMPRESSED - 1)) / 2 : position & (COMPRESSED - 1)
    spent += length * width
    if (length < 0 || offset + length * width > main.length || spent > main.length) throw new RangeError('piece')
    const bytes = main.subarray(offset, offset + length * width)
    const text = width === 1 ? decodeCodePage(bytes, 1252) : utf16Text(bytes)
    pieces.push({ text, offset, width, modified: clx.readUInt16LE(descriptor + 6) !== 0 })
  }
  return pieces
}
