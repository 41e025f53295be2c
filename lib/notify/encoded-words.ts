/** RFC 2047 encoded words read back to text, so that what they hide can be masked. */
import iconv from 'iconv-lite'

const WORD = /=\?([!-<>-~]*?)\?([BbQq])\?([!->@-~ ]*?)\?=/g

/** Rounds of decoding: text that is encoded twice is read twice; what is left after that is broken up, not shown. */
const MAX_ROUNDS = 5

/**
 * Decode every encoded word, however often it was encoded. The result holds no `=?` any more, so no reader can decode
 * further than this function did.
 */
export function decodeFully(value: string): string {
  let text = value
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const decoded = decodeOnce(text)
    if (decoded === text) break
    text = decoded
  }
  return text.replaceAll('=?', '= ?')
}

function decodeOnce(value: string): string {
  // Section 6.2: white space between two encoded words is not shown.
  return value
    .replace(/(\?=)[ \t\r\n]+(?==\?[^?]*\?[BbQq]\?)/g, '$1')
    .replace(WORD, (_: string, charset: string, encoding: string, text: string) => {
      // RFC 2231 section 5: a language may follow the charset.
      const name = charset.split('*')[0] ?? ''
      const bytes = encoding.toUpperCase() === 'B' ? Buffer.from(text, 'base64') : decodeQ(text)
      return iconv.encodingExists(name) ? iconv.decode(bytes, name) : iconv.decode(bytes, 'latin1')
    })
}

/** Section 4.2. */
function decodeQ(text: string): Buffer {
  const latin = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
  return Buffer.from(latin, 'latin1')
}
