import { Transform, type TransformCallback } from 'node:stream'

const DOT = 0x2e
const LF = 0x0a

/**
 * Makes sure that a message in wire form is really dot-stuffed (RFC 5321 section 4.5.2).
 *
 * Haraka writes body lines to the queue file as they came over the wire, stuffed, but header fields from its parsed
 * list, not stuffed. A header line that begins with one dot would lose it at the receiver, and a lone dot would end
 * DATA and turn the rest of the mail into commands. A line that begins with a dot which is not followed by another one
 * cannot be stuffed text, so it gets the dot it lacks; lines that are stuffed pass unchanged.
 */
export class EnsureDotStuffed extends Transform {
  #atLineStart = true
  #heldDot = false

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const out: Buffer[] = []
    let from = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#heldDot) {
        // the dot itself is already out; a second one is only owed when the text has none
        if (chunk[at] !== DOT) out.push(chunk.subarray(from, at), Buffer.of(DOT))
        else {
          out.push(chunk.subarray(from, at + 1))
          at++
        }
        from = at
        this.#heldDot = false
        this.#atLineStart = false
        continue
      }
      if (this.#atLineStart && chunk[at] === DOT) {
        out.push(chunk.subarray(from, at + 1))
        from = ++at
        this.#heldDot = true
        continue
      }
      const lf = chunk.indexOf(LF, at)
      if (lf === -1) {
        this.#atLineStart = false
        break
      }
      at = lf + 1
      this.#atLineStart = true
    }
    if (from < chunk.length) out.push(chunk.subarray(from))
    for (const piece of out) if (piece.length > 0) this.push(piece)
    done()
  }

  override _flush(done: TransformCallback): void {
    if (this.#heldDot) this.push(Buffer.of(DOT))
    done()
  }
}

/** The same for a whole message at once; gives the very buffer back when nothing is missing. */
export function ensureDotStuffed(message: Buffer): Buffer {
  const pieces: Buffer[] = []
  let from = 0
  let dot = message[0] === DOT ? 0 : lineDot(message, 0)
  while (dot !== -1) {
    if (message[dot + 1] !== DOT) {
      pieces.push(message.subarray(from, dot + 1), Buffer.of(DOT))
      from = dot + 1
    }
    dot = lineDot(message, dot + 1)
  }
  return pieces.length === 0 ? message : Buffer.concat([...pieces, message.subarray(from)])
}

/** @returns where the next line begins with a dot, or -1 */
function lineDot(message: Buffer, from: number): number {
  const at = message.indexOf('\n.', from)
  return at === -1 ? -1 : at + 1
}
