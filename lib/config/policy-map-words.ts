import type { Parsed } from './values'

/**
 * Split a row of the policy map into words: blanks part them, `"..."` keeps blanks together, a backslash inside quotes
 * keeps the next character, and a word that begins with `#` outside quotes begins a comment.
 */
export function splitWords(text: string): Parsed<string[]> {
  if (/\p{Cc}/u.test(text.replaceAll('\t', ' '))) return { ok: false, why: 'the row holds a control character' }
  const words: string[] = []
  let word: string | undefined
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (quoted && char === '\\' && at + 1 < text.length) {
      word = `${word ?? ''}${text.charAt(++at)}`
    } else if (char === '"') {
      quoted = !quoted
      word ??= ''
    } else if (!quoted && /\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (!quoted && char === '#' && word === undefined) {
      break
    } else {
      word = `${word ?? ''}${char}`
    }
  }
  if (quoted) return { ok: false, why: 'a quote is opened and not closed' }
  if (word !== undefined) words.push(word)
  return { ok: true, value: words }
}
