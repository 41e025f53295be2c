/**
 * Base64 in lines of 76 characters (RFC 2045 section 6.8), CRLF. Two characters at a time through a table: to cut what
 * Node's own encoder gives into lines takes several times as long as to encrypt.
 */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** Bytes of one line, and what it is with its end. */
const LINE_BYTES = 57
const LINE_TEXT = 78

/** Two characters for every twelve bits, in the order of this machine's memory. */
const PAIRS = new Uint16Array(4096)
const bytesOfPairs = new Uint8Array(PAIRS.buffer)
for (let bits = 0; bits < 4096; bits++) {
  bytesOfPairs[2 * bits] = ALPHABET.charCodeAt(bits >> 6)
  bytesOfPairs[2 * bits + 1] = ALPHABET.charCodeAt(bits & 63)
}
const [CRLF = 0] = new Uint16Array(Uint8Array.of(0x0d, 0x0a).buffer)

/** @returns the bytes as lines, the last one ended as well */
export async function* base64Lines(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of bytes) {
    const all = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const whole = all.length - (all.length % LINE_BYTES)
    if (whole > 0) yield wholeLines(all, whole)
    rest = all.subarray(whole)
  }
  if (rest.length > 0) yield Buffer.from(`${rest.toString('base64')}\r\n`)
}

/** @param length a multiple of a line's bytes */
function wholeLines(bytes: Buffer, length: number): Buffer {
  const pairs = new Uint16Array(((length / LINE_BYTES) * LINE_TEXT) / 2)
  let to = 0
  for (let from = 0; from < length;) {
    for (const end = from + LINE_BYTES; from < end; from += 3) {
      const bits = ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0)
      pairs[to++] = PAIRS[bits >>> 12] ?? 0
      pairs[to++] = PAIRS[bits & 0xfff] ?? 0
    }
    pairs[to++] = CRLF
  }
  return Buffer.from(pairs.buffer)
}
