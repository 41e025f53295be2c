/**
 * The digest that ties a verdict to the mail it was taken on.
 *
 * Covered are the body, byte for byte, and the fields From, To, Cc, Subject and every Content-*, in their order, with
 * folding. Not covered, so that signing and tracing plugins stay possible, is every other field. Two forms of the same
 * mail agree: line ends count as CRLF however they are written, a last line without an end counts as ended, and the case
 * of a field's name does not matter. (How a value is folded does: whoever refolds a field has changed the mail.)
 */
import { createHash, type Hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { unstuff } from './dot-stuffing'
import { HEADER_BLOCK_LIMIT } from './header'

const LF = 0x0a
const CR = 0x0d
const CRLF = Buffer.from('\r\n')

/** Header block bytes beyond which a mail gets no digest that could ever match. */
const HEAD_LIMIT = 4 * HEADER_BLOCK_LIMIT

const COVERED = /^(?:from|to|cc|subject|content-[^:]*)$/

/**
 * @param message the message, not dot-stuffed, line ends CRLF or LF
 * @returns SHA-256, lower-case hex
 * @throws Error when the header block exceeds 1 MiB
 */
export function contentDigest(message: Buffer): string {
  const digest = new ContentDigest()
  digest.update(message)
  return digest.finish()
}

/** Bytes that are digested in one go: a few milliseconds of work. */
const STEP = 1024 * 1024

/**
 * The same digest, leaving the event loop free for others in between.
 *
 * @param message the message, not dot-stuffed, line ends CRLF or LF; not to be changed meanwhile
 * @throws (rejects) Error when the header block exceeds 1 MiB
 */
export async function contentDigestInSteps(message: Buffer): Promise<string> {
  const digest = new ContentDigest()
  for (let at = 0; at < message.length; at += STEP) {
    if (at > 0) await setImmediate()
    digest.update(message.subarray(at, at + STEP))
  }
  return digest.finish()
}

/**
 * The same digest over the message as it lies in the queue file.
 *
 * @param wire message in wire form: CRLF, dot-stuffed, no final dot
 * @returns SHA-256, lower-case hex
 * @throws what the stream throws; Error when the header block exceeds 1 MiB
 */
export async function contentDigestOfWire(wire: AsyncIterable<Buffer>): Promise<string> {
  const digest = new ContentDigest()
  for await (const piece of unstuff(wire)) digest.update(piece)
  return digest.finish()
}

/** Takes a message in pieces of any size; remembers at most one header line. */
class ContentDigest {
  readonly #hash: Hash = createHash('sha256')
  #inBody = false
  #line: Buffer[] = []
  #headBytes = 0
  #covered = false
  /** Body: was the last byte a CR that may be half of a line end? */
  #heldCr = false
  #atLineStart = true

  update(piece: Buffer): void {
    let at = 0
    while (!this.#inBody && at < piece.length) {
      const lf = piece.indexOf(LF, at)
      const end = lf === -1 ? piece.length : lf
      this.#headBytes += end - at + 1
      if (this.#headBytes > HEAD_LIMIT) throw new Error('the header block is too large for a digest')
      this.#line.push(piece.subarray(at, end))
      at = end + 1
      if (lf !== -1) this.#headerLine()
    }
    if (this.#inBody && at < piece.length) this.#body(piece.subarray(at))
  }

  finish(): string {
    if (!this.#inBody && this.#line.length > 0) this.#headerLine()
    if (!this.#inBody) this.#separate()
    if (this.#heldCr) this.#hash.update('\r')
    if (!this.#atLineStart || this.#heldCr) this.#hash.update(CRLF)
    return this.#hash.digest('hex')
  }

  #headerLine(): void {
    const bytes = Buffer.concat(this.#line)
    this.#line = []
    const line = bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes
    if (line.length === 0) {
      this.#separate()
      return
    }
    const continuation = line[0] === 0x20 || line[0] === 0x09
    if (continuation) {
      if (this.#covered) this.#hash.update(line).update(CRLF)
      return
    }
    const colon = line.indexOf(0x3a)
    const name = line
      .toString('latin1', 0, colon === -1 ? line.length : colon)
      .trim()
      .toLowerCase()
    this.#covered = COVERED.test(name)
    if (this.#covered)
      this.#hash
        .update(name)
        .update(line.subarray(Math.max(colon, 0)))
        .update(CRLF)
  }

  #separate(): void {
    this.#inBody = true
    this.#hash.update(CRLF)
  }

  #body(piece: Buffer): void {
    let at = 0
    if (this.#heldCr) {
      this.#heldCr = false
      if (piece[0] !== LF) this.#hash.update('\r')
    }
    while (at < piece.length) {
      const lf = piece.indexOf(LF, at)
      if (lf === -1) {
        this.#heldCr = piece.at(-1) === CR
        this.#hash.update(piece.subarray(at, this.#heldCr ? -1 : undefined))
        this.#atLineStart = false
        return
      }
      const end = lf > at && piece[lf - 1] === CR ? lf - 1 : lf
      this.#hash.update(piece.subarray(at, end)).update(CRLF)
      at = lf + 1
      this.#atLineStart = true
    }
  }
}
