/** Third part of a report (RFC 6522 section 3): a fixed list of the mail's own header fields, and never its body. */
import { encodeWords, foldLines } from 'nodemailer/lib/mime-funcs'
import { decodeFully } from './encoded-words'
import { clean, isAscii, type Mask } from './sanitize'
import type { ReportInput } from './types'

/** Longest value that is returned. With the name it stays below the 998 octets of RFC 5322 section 2.1.1. */
const MAX_VALUE = 800

/**
 * The header block, CRLF line ends. Values are decoded, stripped, masked and, where they are not ASCII, encoded again,
 * so that no CPR number is hidden in an encoding.
 *
 * @param utf8 true = write non-ASCII as it is (message/global-headers, RFC 6533 section 5)
 */
export function returnedHeaders(headers: ReportInput['original']['headers'], mask: Mask, utf8: boolean): string {
  return headers
    .filter(({ name }) => /^[!-9;-~]{1,76}$/.test(name))
    .map(({ name, value }) => {
      const text = clean(shownValue(name, value, mask), mask, MAX_VALUE)
      const line = `${name}: ${utf8 || isAscii(text) ? text : encodeWords(text, 'Q', 52)}`
      return `${foldLines(line, 76)}\r\n`
    })
    .join('')
}

function shownValue(name: string, value: string, mask: Mask): string {
  const decoded = decodeFully(value.replace(/\r?\n(?=[ \t])/g, ''))
  // Parameters hold file names, in encodings of their own (RFC 2231); the type is all that a reader needs.
  if (name.toLowerCase() === 'content-type') return decoded.split(';')[0] ?? ''
  const plain = percentDecoded(decoded)
  return mask(plain) === plain ? decoded : plain
}

/** What a reader who undoes percent encoding (RFC 2231, URLs) would see. */
function percentDecoded(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
}
