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
