/** Transparency of SMTP's DATA (RFC 5321 section 4.5.2), taken back. */

const DOT = 0x2e
const LF = 0x0a

/**
 * Undo dot-stuffing: a line that begins with a dot loses that dot. Linear in the input, whatever its lines and chunks are.
 *
 * @param wire message as it goes over the wire, without the final dot
 */
export async function* unstuff(wire: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let atLineStart = true
  for await (const chunk of wire) {
    let from = 0
    let at = 0
    while (at < chunk.length) {
      if (atLineStart && chunk[at] === DOT) {
        if (at > from) yield chunk.subarray(from, at)
        from = at + 1
      }
      const lf = chunk.indexOf(LF, at)
      atLineStart = lf !== -1
      at = lf === -1 ? chunk.length : lf + 1
    }
    if (from < chunk.length) yield chunk.subarray(from)
  }
}
