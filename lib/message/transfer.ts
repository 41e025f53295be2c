/** Content-Transfer-Encoding (RFC 2045 section 6), decoded so that nothing is dropped which some reader shows. */

export type TransferEncoding = '7bit' | '8bit' | 'binary' | 'quoted-printable' | 'base64'

export interface DecodedBytes {
  bytes: Buffer
  /** The encoded form holds what a decoder drops: it has to be searched as text too. */
  junk: boolean
  /** Absent: every decoder comes to these bytes. */
  problem?: string
}

/** @returns the encoding, or null when it is not one of the five of RFC 2045 */
export function transferEncoding(value: string): TransferEncoding | null {
  const name = value.trim().toLowerCase()
  switch (name) {
    case '':
      return '7bit'
    case '7bit':
    case '8bit':
    case 'binary':
    case 'quoted-printable':
    case 'base64':
      return name
    default:
      return null
  }
}

/** @param encoded body of the part, as it stands in the message */
export function decodeTransfer(encoded: Buffer, encoding: TransferEncoding): DecodedBytes {
  switch (encoding) {
    case 'base64':
      return decodeBase64(encoded)
    case 'quoted-printable':
      return { bytes: decodeQuotedPrintable(encoded), junk: false }
    case '7bit':
    case '8bit':
    case 'binary':
      return { bytes: encoded, junk: false }
  }
}

/**
 * Base64 with line breaks. Padding in the middle ends a run and the next one is decoded by itself (many encoders
 * concatenate); `Buffer.from` alone would stop there and hide the rest.
 */
function decodeBase64(encoded: Buffer): DecodedBytes {
  const plain = decodePlainBase64(encoded)
  if (plain !== null) return { bytes: plain, junk: false }
  const text = encoded.toString('latin1')
  const urlSafe = /[-_]/.test(text)
  const junk = urlSafe || /[^A-Za-z0-9+/=\s]/.test(text)
  const padding = text.indexOf('=')
  const single = padding === -1 || /^[=\s]*$/.test(text.slice(padding))
  if (single && !junk) return { bytes: Buffer.from(text, 'base64'), junk }
  const runs = text.replace(/[^A-Za-z0-9+/=]+/g, '').split(/=+/)
  const bytes = Buffer.concat(runs.map((run) => Buffer.from(run, 'base64')))
  // `-` and `_` are digits of another alphabet (RFC 4648 section 5) to some decoders and junk to others
  return urlSafe ? { bytes, junk, problem: 'decoders differ about this base64' } : { bytes, junk }
}

/**
 * What encoders write: lines of one length, nothing but the alphabet, padding at the end. Told by length: a decoder that
 * leaves something out ends with fewer bytes.
 *
 * @returns null when it is not of that kind
 */
function decodePlainBase64(encoded: Buffer): Buffer | null {
  if (encoded.includes('-') || encoded.includes('_')) return null
  let end = encoded.length
  while (end > 0 && isBlank(encoded[end - 1])) end--
  const text = end
  while (end > 0 && text - end < 2 && encoded[end - 1] === PAD) end--
  const first = encoded.indexOf(LF)
  // one line is one block
  const line = first === -1 ? end : first + 1
  const lineEnd = first > 0 && encoded[first - 1] === CR ? 2 : 1
  for (let at = first; at !== -1 && at < end; at += line) {
    if (encoded[at] !== LF || (encoded[at - 1] === CR) !== (lineEnd === 2)) return null
  }
  /** Digits before a place that is no line end. */
  const digitsBefore = (at: number) => at - lineEnd * (first === -1 ? 0 : Math.floor((at - 1 - first) / line) + 1)
  const digits = digitsBefore(end)
  if (digits % 4 === 1) return null
  const bytes = Buffer.allocUnsafeSlow(Math.floor((digits * 3) / 4))
  // four lines are whole groups of digits, however long a line is; short strings stay near the processor
  const block = 4 * line * Math.max(1, Math.floor(BLOCK / (4 * line)))
  let written = 0
  for (let at = 0; at < end; at += block) {
    const to = Math.min(at + block, end)
    const size = Math.floor(((digitsBefore(to) - digitsBefore(at)) * 3) / 4)
    if (bytes.write(encoded.toString('latin1', at, to), written, 'base64') !== size) return null
    written += size
  }
  return written === bytes.length ? bytes : null
}

/** Bytes that are decoded in one go. */
const BLOCK = 48 * 1024

const LF = 0x0a
const CR = 0x0d
const PAD = 0x3d

function isBlank(byte: number | undefined): boolean {
  return byte === LF || byte === CR || byte === 0x20 || byte === 0x09
}

/** RFC 2045 section 6.7; what is no valid escape stays as it stands (rule of robustness there). */
function decodeQuotedPrintable(encoded: Buffer): Buffer {
  const text = encoded
    .toString('latin1')
    // blanks at line ends are transport padding; a soft break is taken out with them
    .replace(/=[ \t]*\r?\n/g, '')
    .replace(/=$/, '')
  const decoded = text.replace(/=([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(decoded, 'latin1')
}
