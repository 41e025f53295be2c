/** Whatever text stands in bytes, wherever it stands: proves presence when a structure cannot be trusted, never absence. */
import { utf16Text } from '../utf16'

const EIGHT_BIT = /[\t\n\v\f\r\x07\x1e\x1f\x20-\x7e\x80-\xff]{4,}/g
/** Letters, digits, dashes and blanks of European text in UTF-16. */
const SIXTEEN_BIT =
  /[\t\n\v\f\r\x07\x1e\x1f\x20-\x7e\u00a0-\u024f\u0370-\u052f\u058a\u0660-\u0669\u1e00-\u1eff\u2000-\u206f\u20ac\u2212\u2043\ufe58\ufe63\uff0d\uff10-\uff19]{4,}/g
const WORDS = /[0-9A-Za-z]{3}|\p{Nd}/u
/** Runs are this far apart, so that halves of a number in different places do not meet. */
const GAP = '\n\u2026\n'

/**
 * Runs of characters, as 8-bit text and as UTF-16 (little-endian) from even and from odd places on; each run on lines of
 * its own.
 */
export function rawText(bytes: Buffer): string {
  const runs: string[] = []
  const collect = (text: string, pattern: RegExp) => {
    for (const [run] of text.matchAll(pattern)) if (WORDS.test(run)) runs.push(run.replace(/\r\n?/g, '\n'))
  }
  collect(bytes.toString('latin1'), EIGHT_BIT)
  if (bytes.includes(0)) {
    collect(utf16Text(bytes), SIXTEEN_BIT)
    collect(utf16Text(bytes, 1), SIXTEEN_BIT)
  }
  return runs.join(GAP)
}
