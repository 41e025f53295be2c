/**
 * The message of a transaction while it comes in, held in one piece. Haraka's own message stream takes lines one by one
 * and gives them back through three transforms; most mail is small, and what is asked of it is always the same. What is
 * large or unusual goes on in Haraka's own stream, into which everything is poured that came until then.
 */
import { Stream, Writable } from 'node:stream'
import type { MessageStream, PipeOptions } from './haraka'

/** Largest message that is held, in bytes. */
export const HELD_AT_MOST = 256 * 1024
const DOT = 0x2e
const TWO_DOTS = '\n..'
const CRLF = '\r\n'

export class MessageBuffer extends Stream implements MessageStream {
  readonly uuid: string
  readonly headers: string[]
  bytes_read = 0
  #stock: MessageStream
  #poured = false
  #pieces: Buffer[] = []
  /** Of the pieces, how many are header; undefined = all, so far. */
  #inHeader: number | undefined
  #ended = false
  #piping = false

  /** @param stock Haraka's own stream, to which nothing was written yet */
  constructor(stock: MessageStream) {
    super()
    this.#stock = stock
    this.uuid = stock.uuid
    this.headers = stock.headers
    stock.on('error', (error) => this.emit('error', error))
  }

  /** Is the message whole, and held here? */
  get held(): boolean {
    return this.#ended && !this.#poured
  }

  /** Places of MIME parts: nobody asks in the ordinary course of things. */
  get idx(): unknown {
    return this.#pour().idx
  }

  add_line(line: Buffer | string): void {
    const piece = typeof line === 'string' ? Buffer.from(line) : line
    this.add(piece, piece.length === 2 && piece[0] === 0x0d && piece[1] === 0x0a)
  }

  /**
   * @param piece whole lines with CRLF
   * @param empty it is the line that ends the header, if none did before
   */
  add(piece: Buffer, empty = false): void {
    this.bytes_read += piece.length
    if (empty) this.#inHeader ??= this.#pieces.length + 1
    if (!this.#poured && this.bytes_read <= HELD_AT_MOST) this.#pieces.push(piece)
    else this.#pour(this.bytes_read - piece.length).add_line(piece)
  }

  add_line_end(done?: () => void): void {
    if (this.#poured) {
      this.#stock.add_line_end(done)
      return
    }
    this.#ended = true
    done?.()
  }

  /**
   * The message as it is to be queued, in pieces for one copy: header from the parsed list, body as it came (dot-stuffed).
   *
   * @throws Error when the message is not held here
   */
  wire(): readonly Buffer[] {
    const header = this.#header()
    return header === null ? this.#pieces : [header, ...this.#pieces.slice(this.#inHeader ?? this.#pieces.length)]
  }

  /** @returns null when no header was parsed: then all that came is body */
  #header(): Buffer | null {
    if (!this.held) throw new Error('the message is not held in memory')
    if (this.headers.length === 0) return null
    return Buffer.from(`${this.headers.map((field) => field.replace(/\r?\n/g, CRLF)).join('')}${CRLF}`)
  }

  /**
   * The message as it is to be queued, dots un-stuffed, in memory that nobody else uses.
   *
   * @throws Error when the message is not held here
   */
  content(): Buffer {
    const pieces = this.wire()
    return unstuffed(Buffer.concat(pieces), this.headers.length === 0 ? 0 : (pieces[0]?.length ?? 0))
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options: PipeOptions = {}): T {
    if (this.#piping) throw new Error('Cannot pipe while currently piping')
    const { line_endings: ends = CRLF, skip_headers, ending_dot, clamd_style, dot_stuffing, dot_stuffed } = options
    const usual = ends === CRLF && !skip_headers && !ending_dot && !clamd_style
    if (!this.held || !usual) return this.#pour().pipe(destination, options)
    const stuffed = dot_stuffed ?? (dot_stuffing === undefined ? true : !dot_stuffing)
    const content = stuffed ? this.content() : Buffer.concat(this.wire())
    this.#piping = true
    // never in the same turn: callers set up their listeners after this call, as with any stream
    process.nextTick(() => {
      if (!this.#piping) return
      this.#piping = false
      if (options.end === false) destination.write(content)
      else destination.end(content)
    })
    return destination
  }

  unpipe(): void {
    this.#piping = false
    if (this.#poured) this.#stock.unpipe()
  }

  pause(): void {
    if (this.#poured) this.#stock.pause()
  }

  resume(): void {
    if (this.#poured) this.#stock.resume()
  }

  destroy(): void {
    this.#piping = false
    this.#pieces = []
    // Haraka's stream looks for a file that it only has when something was poured into it
    if (this.#poured) this.#stock.destroy()
  }

  get_data(options: PipeOptions | ((data: Buffer) => void), callback?: (data: Buffer) => void): void {
    const done = typeof options === 'function' ? options : callback
    const pieces: Buffer[] = []
    this.pipe(
      new Writable({
        write(piece: Buffer, _encoding, next) {
          pieces.push(piece)
          next()
        },
        final(next) {
          done?.(Buffer.concat(pieces))
          next()
        },
      }),
      typeof options === 'function' ? {} : options,
    )
  }

  [Symbol.asyncIterator](options: PipeOptions = {}): AsyncIterator<Buffer> {
    return this.#pour()[Symbol.asyncIterator](options)
  }

  /**
   * From now on Haraka's own stream does it.
   *
   * @param upTo bytes that belong into it, when the last piece is still to come
   */
  #pour(upTo = this.bytes_read): MessageStream {
    if (this.#poured) return this.#stock
    this.#poured = true
    for (const line of linesOf(Buffer.concat(this.#pieces).subarray(0, upTo))) this.#stock.add_line(line)
    this.#pieces = []
    if (this.#ended) this.#stock.add_line_end()
    return this.#stock
  }
}

/**
 * Lines of the body that begin with two dots lose one; the header list never was stuffed.
 *
 * @param body where it begins
 */
function unstuffed(wire: Buffer, body: number): Buffer {
  const pieces: Buffer[] = []
  let from = body === 0 && wire[0] === DOT && wire[1] === DOT ? 1 : 0
  // the line feed before the body ends the header
  for (let at = wire.indexOf(TWO_DOTS, Math.max(0, body - 1)); at !== -1; at = wire.indexOf(TWO_DOTS, at + 1)) {
    pieces.push(wire.subarray(from, at + 1))
    from = at + 2
  }
  return pieces.length === 0 && from === 0 ? wire : Buffer.concat([...pieces, wire.subarray(from)])
}

function* linesOf(content: Buffer): Generator<Buffer> {
  let at = 0
  while (at < content.length) {
    const lf = content.indexOf(0x0a, at)
    const end = lf === -1 ? content.length : lf + 1
    yield content.subarray(at, end)
    at = end
  }
}
