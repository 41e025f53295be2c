/** Compressed RTF of Outlook (MS-OXRTFCP): a sliding window of 4 KiB that begins with common RTF. */
import { crc32 } from 'node:zlib'

const COMPRESSED = 0x75465a4c
const STORED = 0x414c454d
const HEADER = 16
const WINDOW = 4096
/** Text that the window holds at the start (section 2.1.3.1.1). */
const PRELOADED = Buffer.from(
  '{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx',
  'latin1',
)
/** A body larger than this is no mail. */
const SIZE_LIMIT = 64 * 1024 * 1024

/**
 * @param bytes value of PidTagRtfCompressed
 * @throws RangeError when it is broken: sizes, checksum or references do not fit
 */
export function decompressRtf(bytes: Buffer): Buffer {
  const size = bytes.readUInt32LE(0)
  const rawSize = bytes.readUInt32LE(4)
  const kind = bytes.readUInt32LE(8)
  // section 2.1.3.1.2: the size counts from behind itself
  if (size + 4 > bytes.length || size + 4 < HEADER || rawSize > SIZE_LIMIT) throw new RangeError('size')
  const body = bytes.subarray(HEADER, size + 4)
  if (kind === STORED) {
    if (body.length < rawSize) throw new RangeError('size')
    return body.subarray(0, rawSize)
  }
  if (kind !== COMPRESSED || checksum(body) !== bytes.readUInt32LE(12)) throw new RangeError('checksum')
  return inflate(body, rawSize)
}

/** Section 2.1.3.2: CRC-32 that begins with zero and is not inverted at the end. */
export function checksum(body: Buffer): number {
  return ~crc32(body, 0xffffffff) >>> 0
}

function inflate(body: Buffer, rawSize: number): Buffer {
  const window = Buffer.alloc(WINDOW)
  PRELOADED.copy(window)
  let write = PRELOADED.length
  const out = Buffer.alloc(rawSize)
  let length = 0
  const put = (byte: number) => {
    window[write] = byte
    write = (write + 1) % WINDOW
    if (length < rawSize) out[length] = byte
    length++
  }
  let at = 0
  while (at < body.length) {
    const flags = body.readUInt8(at++)
    for (let bit = 0; bit < 8 && at < body.length; bit++) {
      if ((flags & (1 << bit)) === 0) {
        put(body.readUInt8(at++))
        continue
      }
      const token = body.readUInt16BE(at)
      at += 2
      const from = token >> 4
      // section 2.2.2.2: a reference to the place of writing ends the text
      if (from === write) {
        if (length !== rawSize) throw new RangeError('length')
        return out
      }
      for (let n = 0, count = (token & 0xf) + 2; n < count; n++) put(window[(from + n) % WINDOW] ?? 0)
    }
    if (length > rawSize) throw new RangeError('length')
  }
  // some programs leave out the end
  if (length !== rawSize) throw new RangeError('no end')
  return out
}
