/** Base64 in lines of 76 characters (RFC 2045 section 6.8), CRLF. */

/** Bytes of one line, and its characters. */
const LINE_BYTES = 57
const LINE_CHARACTERS = 76
/** Lines that are made at a time. */
const LINES = 1024
const CR = 0x0d
const LF = 0x0a

/** @returns the bytes as lines, the last one ended as well, in pieces of at most 78 KiB whatever they come in */
export async function* base64Lines(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const collected = Buffer.allocUnsafe(LINES * LINE_BYTES)
  let length = 0
  for await (const piece of bytes) {
    for (let at = 0; at < piece.length;) {
      const copied = piece.copy(collected, length, at)
      at += copied
      length += copied
      if (length === collected.length) {
        yield lines(collected)
        length = 0
      }
    }
  }
  if (length > 0) yield lines(collected.subarray(0, length))
}

/**
 * Node's own encoder is by far the fastest, but makes one line of everything: its text is written to the front of the
 * result and moved apart there, from the last line on, so that nothing is overwritten that has still to be moved.
 */
function lines(bytes: Buffer): Buffer {
  const text = bytes.toString('base64')
  const count = Math.ceil(text.length / LINE_CHARACTERS)
  const result = Buffer.allocUnsafeSlow(text.length + 2 * count)
  result.write(text, 'latin1')
  let end = result.length
  for (
    let from = (count - 1) * LINE_CHARACTERS, until = text.length;
    from >= 0;
    until = from, from -= LINE_CHARACTERS
  ) {
    result[--end] = LF
    result[--end] = CR
    end -= until - from
    result.copyWithin(end, from, until)
  }
  return result
}
