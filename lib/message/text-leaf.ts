/** A leaf that holds text, read completely. */
import { decodeCharset, isAsciiSuperset, type DecodedText } from './charset'
import { readHtml, type HtmlText } from './html'
import type { TextPiece } from './message'
import { imageEndsClean, sniff } from './sniff'

export interface TextReading {
  texts: TextPiece[]
  problems: string[]
  shown: { text: string; format: 'text' | 'html' }
  /** Content ids that its HTML shows. */
  cids: readonly string[]
}

/** Characters that show others in another order (Unicode Bidirectional Algorithm, section 2). */
export const OVERRIDES = /[\u202a-\u202e\u2066-\u2069]/
/** Why a text with them is not read. */
export const OVERRIDDEN = 'the direction of the text is overridden'

/** Inline images up to this size are allowed: logos in signatures. */
export const SMALL_IMAGE = 64 * 1024

/**
 * @param bytes decoded from the transfer encoding
 * @param type declared type
 * @param decoded the text of the bytes, where it is there already: a long one should not stand in memory twice
 */
export function readTextLeaf(
  bytes: Buffer,
  type: string,
  parameters: ReadonlyMap<string, string>,
  where: string,
  decoded: DecodedText = decodeCharset(bytes, parameters.get('charset')),
): TextReading {
  const text = unixLines(decoded.text)
  const problems = decoded.problem === undefined ? [] : [decoded.problem]
  const html = type === 'text/html' || looksLikeHtml(text) ? readHtml(text) : null
  const texts: TextPiece[] = []
  if (decoded.alternative !== undefined) texts.push({ where, role: 'raw', text: unixLines(decoded.alternative) })
  if (html !== null) {
    texts.push(...htmlTexts(html, where))
    problems.push(...html.problems)
    if (!html.dataUrls.every(isSmallImage)) problems.push('data is embedded in a URL')
    const own = parameters.has('charset') ? null : metaCharset(text)
    if (own !== null) {
      texts.push({ where, role: 'raw', text: unixLines(decodeCharset(bytes, own).text) })
      problems.push('the HTML names a charset of its own, which not every program honours')
    }
  }
  if (type !== 'text/html') {
    texts.push({ where, role: 'text', text })
    const unflowed = unflow(text, parameters)
    if (unflowed !== text) texts.push({ where, role: 'text', text: unflowed })
    if (OVERRIDES.test(text)) problems.push(OVERRIDDEN)
  }
  const block = encodedBlock(html === null ? text : html.all)
  if (block !== null) problems.push(block)
  const shown =
    type === 'text/html'
      ? ({ text: html?.visible ?? '', format: 'html' } as const)
      : ({ text, format: 'text' } as const)
  return { texts, problems, shown, cids: html?.cids ?? [] }
}

/** Text in which line ends are LF. */
export function unixLines(text: string): string {
  if (!text.includes('\r')) return text
  if (text.length <= AT_ONCE) return text.replace(/\r\n?/g, '\n')
  const pieces: string[] = []
  for (let start = 0; start < text.length;) {
    let end = start + AT_ONCE
    // a pair stays together
    while (text.charAt(end - 1) === '\r') end++
    pieces.push(text.slice(start, end).replace(/\r\n?/g, '\n'))
    start = end
  }
  return pieces.join('')
}

/** Units of a text in which line ends are replaced at a time: what is noted of each of them adds up. */
const AT_ONCE = 1024 * 1024

/** Armor (RFC 7468, RFC 9580) of what is not read; signatures and public keys are no content. */
const ARMOR = /^-----BEGIN (?!PGP (?:MESSAGE|SIGNATURE|SIGNED MESSAGE|PUBLIC KEY BLOCK)-----)/m

/** Forms in which other files hide in plain text. @returns why the text is not all there is, or null */
export function encodedBlock(text: string): string | null {
  if (text.includes('begin') && /^begin(?:-base64)? [0-7]{3,4} \S/m.test(text))
    return 'a uuencoded file stands in the text'
  if (text.includes('=ybegin ') && /^=ybegin .*\bname=/m.test(text)) return 'a yEnc file stands in the text'
  if (text.includes('(This file must be converted with BinHex')) return 'a BinHex file stands in the text'
  if (text.includes('-----BEGIN ') && ARMOR.test(text)) return 'an encoded block stands in the text'
  if (!hasLongRun(text)) return null
  if (/(?:^[ >]{0,8}[A-Za-z0-9+/]{60,}={0,2}[ \t]{0,4}(?:\n|(?![^]))){2}/m.test(text))
    return 'an encoded block stands in the text'
  if (/(?:^|[\s"'>,(])[A-Za-z0-9+/]{200,}={0,2}(?:$|[\s"'<,)])/m.test(text))
    return 'an encoded block stands in the text'
  return null
}

/** Length of the shortest line of an encoded block. */
const RUN = 60

/** Is there a run that long of what encodings are written in? Asked at every sixtieth character, which none can miss. */
function hasLongRun(text: string): boolean {
  for (let at = RUN - 1; at < text.length; at += RUN) {
    let from = at
    while (from >= 0 && isDigit64(text.charCodeAt(from))) from--
    if (from === at) continue
    let to = at + 1
    while (to < text.length && to - from <= RUN && isDigit64(text.charCodeAt(to))) to++
    if (to - from > RUN) return true
  }
  return false
}

/** A digit of base64. */
function isDigit64(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x2f && code <= 0x39) || code === 0x2b
  )
}

function htmlTexts(html: HtmlText, where: string): TextPiece[] {
  const texts: TextPiece[] = [{ where, role: 'html', text: html.all }]
  if (html.visible !== html.all) texts.push({ where, role: 'html', text: html.visible })
  if (html.joined !== null) texts.push({ where, role: 'html', text: html.joined })
  for (const what of ['attribute', 'comment', 'script', 'style'] as const) {
    const found = html.hidden.filter((hidden) => hidden.what === what).map((hidden) => hidden.text)
    if (found.length > 0) texts.push({ where: `${where} (${what})`, role: 'hidden', text: unixLines(found.join('\n')) })
  }
  return texts
}

/** Tags of HTML, and commands of text/enriched (RFC 1896) and text/richtext, which are read in the same way. */
const LIKE_HTML =
  /<(?:!doctype|html|head|body|table|div|span|p|br|b|i|font|bold|italic|underline|fixed|fontfamily|color|smaller|bigger|center|flushleft|flushright|flushboth|nofill|indent|indentright|excerpt|param|nl|lt)\b/i

/** Mail programs that look at content instead of the type will decode references and leave out tags. */
function looksLikeHtml(text: string): boolean {
  return text.includes('<') && LIKE_HTML.test(text)
}

/** Data inside a URL (RFC 2397): small images pass as inline ones do, everything else is something that was not read. */
function isSmallImage(url: string): boolean {
  const comma = url.indexOf(',')
  const head = url.slice(0, comma).toLowerCase()
  const bytes = head.endsWith(';base64') ? Buffer.from(url.slice(comma + 1), 'base64') : Buffer.alloc(0)
  const kind = sniff(bytes)
  const image = kind === 'png' || kind === 'jpeg' || kind === 'gif'
  return image && bytes.length <= SMALL_IMAGE && imageEndsClean(kind, bytes)
}

/**
 * The charset that a page gives itself, as far as HTML lets it (section 13.2.3.2: within its first 1,024 bytes, and none
 * of 16 bits).
 *
 * @returns null where digits are the same bytes in it
 */
function metaCharset(text: string): string | null {
  const named = /<meta\b[^>]{0,200}\bcharset\s{0,9}=\s{0,9}["']?([-\w.:]{1,40})/i.exec(text.slice(0, 1024))?.[1]
  return named === undefined || isAsciiSuperset(named) || /^(?:unicode$|utf-?16|utf-?32|ucs)/i.test(named)
    ? null
    : named
}

/** RFC 3676 section 4: a line that ends in a blank flows on in the next one. */
function unflow(text: string, parameters: ReadonlyMap<string, string>): string {
  if (parameters.get('format')?.toLowerCase() !== 'flowed') return text
  const joined = parameters.get('delsp')?.toLowerCase() === 'yes' ? '' : ' '
  return text.replace(/ \n(?:>[> ]{0,40})?/g, joined)
}
