/** What every UTF-16 code unit means to a hunter of numbers, as a table: one look per character. */

/** Dashes in every encoding they come in: also Word's own (1E, 1F), Windows-1252 read as Latin-1, of symbol fonts, and lost characters. */
export const DASH = String.raw`\-\u2010-\u2015\u2212\u2043\ufe58\ufe63\uff0d\u058a\u1400\x1e\x1f\x96\x97\ufffd\uf02d`
export const SPACE = String.raw`\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000`
/** Between the digits of a number that is written in groups. */
export const GAP = String.raw`[${DASH}${SPACE}./|\u00b7]`
/** Formatting characters, combining and enclosing marks, and NULs: they can stand between any two digits unseen. */
export const INVISIBLE = String.raw`[\p{Cf}\p{Mn}\p{Me}\0]`
/** Digits that are not ASCII: of every script, superscript, subscript, circled, and of symbol fonts (private use). */
const OTHER_DIGIT = String.raw`(?![0-9])[\p{Nd}\p{No}\uf030-\uf039]`

export const CLASS = {
  other: 0,
  digit: 1,
  gap: 2,
  /** Invisible, or a digit that is not ASCII, or half of a character beyond U+FFFF that may be one of these. */
  exotic: 4,
} as const

/** Class of every code unit. */
export const CLASSES = classes()

function classes(): Uint8Array {
  const table = new Uint8Array(0x10000)
  const all = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).join('')
  const mark = (pattern: string, value: number) => {
    for (const match of all.matchAll(new RegExp(pattern, 'gu'))) {
      if (match[0].length === 1) table[match.index] = value
    }
  }
  mark(GAP, CLASS.gap)
  mark('[0-9]', CLASS.digit)
  mark(INVISIBLE, CLASS.exotic)
  mark(OTHER_DIGIT, CLASS.exotic)
  // U+1F400 to U+1FBFF (high half D83D, D83E) holds pictures and, at its very end, digits: their low half tells
  for (let unit = 0xd800; unit <= 0xdfff; unit++) if (unit !== 0xd83d) table[unit] = CLASS.exotic
  return table
}
