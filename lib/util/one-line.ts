/**
 * A text as one line that can steer nothing: control characters and line breaks become a blank, invisible format
 * characters (bidi overrides, zero-width, soft hyphen, tags) vanish, lone surrogates become U+FFFD.
 */
export function oneLine(text: string): string {
  return text
    .replace(/\p{Cs}/gu, '\ufffd')
    .replace(/\p{Cf}/gu, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
}
