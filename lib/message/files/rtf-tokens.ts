/** RTF as it stands (RTF 1.9.1, "Conventions of an RTF Reader"): groups, control words and symbols, text, binary data. */

/** What a reader does with each token. */
export interface RtfHandler {
  open(): void
  close(): void
  /** `\word`, `\word12`. */
  word(name: string, value: number | null): void
  /** `\~`, `\*`, ...: one character that is no letter. */
  symbol(character: string): void
  /** `\'hh`. */
  hex(byte: number): void
  /** One character per byte; no line ends. */
  text(text: string): void
  /** `\binN`. */
  binary(bytes: Buffer): void
  /** Asked now and then; `false` ends the reading. */
  goOn(): boolean
}

export interface RtfEnd {
  /** First byte behind the last group. */
  at: number
  /** Empty = sound. */
  problems: readonly string[]
}

const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d
const QUOTE = 0x27
const HYPHEN = 0x2d
const SPACE = 0x20
const CR = 0x0d
const LF = 0x0a
/** Longest control word and number (the specification says 32 and 10). */
const WORD_LIMIT = 64
const CHECK_EVERY = 4096

/** Read until the first group is closed. */
export function readTokens(bytes: Buffer, handler: RtfHandler): RtfEnd {
  const problems = new Set<string>()
  let depth = 0
  let at = 0
  let tokens = 0
  const end = bytes.length
  while (at < end) {
    if (++tokens % CHECK_EVERY === 0 && !handler.goOn()) return { at, problems: ['the time for reading was up'] }
    const byte = bytes[at] ?? 0
    if (byte === OPEN) {
      depth++
      at++
      handler.open()
    } else if (byte === CLOSE) {
      at++
      handler.close()
      if (--depth === 0) return { at, problems: [...problems] }
    } else if (byte === BACKSLASH) at = control(bytes, at + 1, handler, problems)
    else if (byte === CR || byte === LF) at++
    else {
      let to = at + 1
      while (to < end && !isSpecial(bytes[to] ?? 0)) to++
      handler.text(bytes.toString('latin1', at, to))
      at = to
    }
  }
  problems.add('the text ends before its last group')
  return { at, problems: [...problems] }
}

function isSpecial(byte: number): boolean {
  return byte === BACKSLASH || byte === OPEN || byte === CLOSE || byte === CR || byte === LF
}

/** @param from behind the backslash. @returns behind the control */
function control(bytes: Buffer, from: number, handler: RtfHandler, problems: Set<string>): number {
  const first = bytes[from] ?? 0
  if (!isLetter(first)) {
    if (first !== QUOTE) {
      handler.symbol(String.fromCharCode(first))
      return from + 1
    }
    const digits = bytes.toString('latin1', from + 1, from + 3)
    if (/^[0-9a-fA-F]{2}$/.test(digits)) handler.hex(Number.parseInt(digits, 16))
    else problems.add('an escaped byte is none')
    return from + 3
  }
  let at = from
  while (at - from < WORD_LIMIT && isLetter(bytes[at] ?? 0)) at++
  const name = bytes.toString('latin1', from, at)
  const digitsFrom = at
  if (bytes[at] === HYPHEN && isDigit(bytes[at + 1] ?? 0)) at++
  while (at - digitsFrom < WORD_LIMIT && isDigit(bytes[at] ?? 0)) at++
  const value = at === digitsFrom ? null : Number.parseInt(bytes.toString('latin1', digitsFrom, at), 10)
  // one blank ends the word and belongs to it
  if (bytes[at] === SPACE) at++
  if (name !== 'bin') {
    handler.word(name, value)
    return at
  }
  const size = Math.max(0, value ?? 0)
  if (at + size > bytes.length) {
    problems.add('binary data is longer than the file')
    return at
  }
  handler.binary(bytes.subarray(at, at + size))
  return at + size
}

function isLetter(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a)
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
