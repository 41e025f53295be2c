import { decodeWords } from '../message/encoded-words'

/** Rounds of decoding: text that is encoded twice is read twice; what is left after that is broken up, not shown. */
const MAX_ROUNDS = 5

/**
 * Decode every encoded word (RFC 2047), however often it was encoded, so that what it hides can be masked. The result
 * holds no `=?` any more: no reader can decode further than this function did.
 */
export function decodeFully(value: string): string {
  let text = value
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const decoded = decodeWords(text).text
    if (decoded === text) break
    text = decoded
  }
  return text.replaceAll('=?', '= ?')
}
