/** Encoded words in header fields (RFC 2047). */
import { decodeCharset, decodeUnlabelled } from './charset'

/** A stretch of an unfolded header value. */
export type HeaderToken =
  | { kind: 'plain'; raw: string; text: string }
  | { kind: 'word'; raw: string; text: string; charset: string; encoding: 'b' | 'q' }
  /** Blanks between two encoded words, which are not shown (RFC 2047 section 6.2). */
  | { kind: 'gap'; raw: string; text: '' }

export interface DecodedValue {
  text: string
  /** Something looks like an encoded word and is none, or its charset is not known. */
  broken: boolean
}

const WORD = /=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=/g

/**
 * Decode a header value for reading.
 *
 * @param value unfolded; one character per byte, or Unicode
 */
export function decodeWords(value: string): DecodedValue {
  if (!value.includes('=?')) return { text: decodePlain(value), broken: false }
  const { tokens, broken } = tokenize(value)
  return { text: tokens.map((token) => token.text).join(''), broken }
}

/**
 * Cut a value into its stretches; their `raw`s joined are the value again.
 *
 * A character that is split over two adjacent words of one charset (forbidden by RFC 2047 section 5, yet common) counts
 * to the first of them.
 */
export function tokenize(value: string): { tokens: HeaderToken[]; broken: boolean } {
  const tokens: HeaderToken[] = []
  let broken = false
  let at = 0
  let pending: { raw: string; charset: string; encoding: 'b' | 'q'; bytes: Buffer }[] = []
  const flushWords = () => {
    if (pending.length === 0) return
    const decoded = decodeRun(pending)
    broken ||= decoded.broken
    pending.forEach((word, n) => {
      const shared = { raw: word.raw, charset: word.charset, encoding: word.encoding }
      tokens.push({ kind: 'word', ...shared, text: decoded.texts[n] ?? '' })
      const gap = gaps[n]
      if (gap !== undefined && n < pending.length - 1) tokens.push({ kind: 'gap', raw: gap, text: '' })
    })
    pending = []
    gaps = []
  }
  let gaps: string[] = []
  for (const match of value.matchAll(WORD)) {
    const [raw, label = '', code = '', encodedText = ''] = match
    const between = value.slice(at, match.index)
    if (pending.length > 0 && /^[ \t\r\n]+$/.test(between)) gaps.push(between)
    else if (pending.length > 0 && between === '') gaps.push('')
    else {
      flushWords()
      if (between !== '') tokens.push(plain(between))
    }
    const encoding = code.toLowerCase() === 'b' ? 'b' : 'q'
    // RFC 2231 section 5: a language may follow the charset
    const charset = (label.split('*')[0] ?? '').toLowerCase()
    pending.push({ raw, charset, encoding, bytes: encoding === 'b' ? decodeB(encodedText) : decodeQ(encodedText) })
    at = match.index + raw.length
  }
  flushWords()
  if (at < value.length) tokens.push(plain(value.slice(at)))
  broken ||= tokens.some((token) => token.kind === 'plain' && token.raw.includes('=?'))
  return { tokens, broken }
}

/**
 * Write one encoded word or more (RFC 2047 section 2: at most 75 characters each), UTF-8.
 *
 * @returns words joined by a fold
 */
export function encodeWords(text: string, encoding: 'b' | 'q' = 'b'): string {
  const room = 75 - '=?UTF-8?B??='.length
  const words: string[] = []
  let current = ''
  const encoded = (part: string) => (encoding === 'b' ? Buffer.from(part, 'utf8').toString('base64') : encodeQ(part))
  for (const character of text) {
    if (current !== '' && encoded(current + character).length > room) {
      words.push(current)
      current = ''
    }
    current += character
  }
  words.push(current)
  return words.map((part) => `=?UTF-8?${encoding.toUpperCase()}?${encoded(part)}?=`).join('\r\n ')
}

/** Adjacent words of one charset are decoded as one run of bytes, then dealt out again. */
function decodeRun(words: readonly { charset: string; bytes: Buffer }[]): { texts: string[]; broken: boolean } {
  const texts: string[] = []
  let broken = false
  for (let from = 0; from < words.length;) {
    const charset = words[from]?.charset ?? ''
    let to = from + 1
    while (to < words.length && words[to]?.charset === charset) to++
    const run = words.slice(from, to)
    const single = run.map((word) => decodeCharset(word.bytes, charset))
    const whole = run.length === 1 ? single[0] : decodeCharset(Buffer.concat(run.map((word) => word.bytes)), charset)
    if (whole?.problem !== undefined) broken = true
    if (whole?.text === single.map((one) => one.text).join('')) texts.push(...single.map((one) => one.text))
    else texts.push(whole?.text ?? '', ...run.slice(1).map(() => ''))
    from = to
  }
  return { texts, broken }
}

function plain(raw: string): HeaderToken {
  return { kind: 'plain', raw, text: decodePlain(raw) }
}

/** Raw 8-bit text (RFC 6532): bytes as characters are read as UTF-8; real Unicode stays as it is. */
function decodePlain(raw: string): string {
  if (/^[\0-\x7f]*$/.test(raw) || /[^\0-\xff]/.test(raw)) return raw
  return decodeUnlabelled(Buffer.from(raw, 'latin1'))
}

function decodeB(text: string): Buffer {
  return Buffer.concat(text.split(/=+/).map((run) => Buffer.from(run, 'base64')))
}

function decodeQ(text: string): Buffer {
  const bytes = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, /[^\0-\xff]/.test(bytes) ? 'utf8' : 'latin1')
}

function encodeQ(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      if (character === ' ') return '_'
      // RFC 2047 section 5 (3): the characters that are safe in every place
      return /[A-Za-z0-9!*+\-/]/.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}
