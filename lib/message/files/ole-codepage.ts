/** Windows code pages by number. */
import iconv from 'iconv-lite'

const NAMES = new Map([
  [932, 'shift_jis'],
  [936, 'gbk'],
  [949, 'euc-kr'],
  [950, 'big5'],
  [10000, 'macroman'],
  [10001, 'shift_jis'],
  [10006, 'macgreek'],
  [10007, 'maccyrillic'],
  [10029, 'maccenteuro'],
  [1200, 'utf-16le'],
  [1201, 'utf-16be'],
  [20127, 'windows-1252'],
  [20866, 'koi8-r'],
  [21866, 'koi8-u'],
  [28591, 'windows-1252'],
  [54936, 'gb18030'],
  [65001, 'utf-8'],
])

/** @returns the name under which iconv-lite has it; null when it is not known */
export function codePageName(page: number): string | null {
  const special = NAMES.get(page)
  if (special !== undefined) return special
  if (page >= 28592 && page <= 28606) return `iso-8859-${page - 28590}`
  const name = page >= 1250 && page <= 1258 ? `windows-${page}` : `cp${page}`
  return iconv.encodingExists(name) ? name : null
}

/** Decode; an unknown page counts as Windows-1252, in which digits and hyphens stand as in all others. */
export function decodeCodePage(bytes: Buffer, page: number): string {
  return iconv.decode(bytes, codePageName(page) ?? 'windows-1252')
}
