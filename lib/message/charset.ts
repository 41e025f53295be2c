/** Bytes to text. A charset that this file does not surely know is read as Latin-1 and reported as unknown. */
import { isAscii, isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'

export interface DecodedText {
  text: string
  /** Another way in which a reader may have decoded the bytes; to be searched as well. */
  alternative?: string
  /** Absent: the bytes were surely decoded as the reader of the mail will. */
  problem?: string
}

/** Supersets of US-ASCII, which TextDecoder knows: digits and hyphens are always the same bytes. */
const ASCII_SUPERSET =
  /^(?:utf-?8|us-ascii|ascii|ansi_x3\.4-1968|latin-?[1-9]|iso[-_]?8859[-_]\d{1,2}(?:-[ie])?|windows-?(?:125\d|874)|cp-?125\d|koi8-[ru]|macintosh|gbk|gb2312|gb18030|big5|euc-(?:jp|kr)|shift[-_]jis|sjis|ks_c_5601-1987|tis-620)$/
/** The same, which only iconv-lite knows. */
const DOS = /^(?:cp|ibm)(?:437|775|850|852|855|857|858|86[0-6]|869)$/

/** @returns are digits and hyphens the same bytes in this charset as in US-ASCII? */
export function isAsciiSuperset(label: string): boolean {
  const charset = label.trim().toLowerCase()
  return ASCII_SUPERSET.test(charset) || DOS.test(charset)
}

/** Text with more than this share of control characters is no text. */
const CONTROL_SHARE = 0.01

/**
 * @param bytes decoded from the transfer encoding
 * @param label charset as declared, or undefined
 * @returns text; a byte order mark is left out
 */
export function decodeCharset(bytes: Buffer, label: string | undefined): DecodedText {
  const charset = (label ?? '').trim().toLowerCase()
  const wide = wideEncoding(bytes)
  if (/^(?:utf-?16|utf-?32|ucs-?2|ucs-?4|iso-10646-ucs-[24])(?:le|be)?$/.test(charset))
    return decodeWide(bytes, charset, wide)
  // content decides: NULs in every second place are UTF-16, whatever the label says
  if (wide !== null) return withProblem(iconv.decode(bytes, wide), `the text is ${wide}, which its label does not say`)
  if (looksEbcdic(bytes)) return withProblem(iconv.decode(bytes, 'windows-1252'), 'the text may be EBCDIC')
  const unlabelled = charset === '' || /^(?:us-ascii|ascii|unknown-8bit|binary)$/.test(charset)
  const narrow = unlabelled || /^utf-?8$/.test(charset) ? decodeNarrow(bytes) : null
  if (narrow !== null) return { text: narrow }
  if (unlabelled) return checked(decodeUnlabelled(bytes))
  if (/^(?:x-)?(?:unicode-1-1-)?utf-?7(?:-imap)?$/.test(charset)) {
    return { ...checked(iconv.decode(bytes, 'utf-7')), alternative: bytes.toString('latin1') }
  }
  if (charset === 'iso-2022-jp') {
    return { ...checked(new TextDecoder('iso-2022-jp').decode(bytes)), alternative: bytes.toString('latin1') }
  }
  if (ASCII_SUPERSET.test(charset)) return checked(decodeByLabel(bytes, charset))
  if (DOS.test(charset)) return checked(iconv.decode(bytes, charset))
  return withProblem(bytes.toString('latin1'), 'the charset is not known')
}

/** What the quick way through UTF-8 does with a byte: a letter as it is, the first of two bytes, or not the quick way. */
const STEPS = Uint8Array.from({ length: 0x100 }, (_, byte) => {
  if (byte === 0xc2 || byte === 0xc3) return 1
  const isText = (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0c || byte === 0x0d
  return isText ? 0 : 2
})
/** Smaller texts are not worth it, and larger ones should not stand in memory twice. Bytes. */
const WORTH = 64 * 1024
const MOST = 64 * 1024 * 1024

/**
 * UTF-8 of nothing but Latin-1, without control characters: decoded by hand, twice as fast as by Node and in half of the
 * memory. Text with other characters (dashes and quotes of typography) shows that soon, and costs little more.
 *
 * @returns null when it is not of that kind, too short to be worth it, or very large
 */
function decodeNarrow(bytes: Buffer): string | null {
  if (bytes.length < WORTH || bytes.length > MOST) return null
  const narrow = Buffer.allocUnsafeSlow(bytes.length)
  let to = 0
  for (let at = 0; at < bytes.length;) {
    // four letters at a time, as long as they are of one byte; behind the end there is none
    for (; at + 4 <= bytes.length; at += 4) {
      const [a, b, c, d] = [
        bytes[at] as number,
        bytes[at + 1] as number,
        bytes[at + 2] as number,
        bytes[at + 3] as number,
      ]
      if (((STEPS[a] as number) | (STEPS[b] as number) | (STEPS[c] as number) | (STEPS[d] as number)) !== 0) break
      narrow[to] = a
      narrow[to + 1] = b
      narrow[to + 2] = c
      narrow[to + 3] = d
      to += 4
    }
    if (at === bytes.length) break
    const byte = bytes[at++] as number
    const step = STEPS[byte] as number
    if (step === 0) narrow[to++] = byte
    else {
      const next = bytes[at++] ?? 0
      if (step === 2 || (next & 0xc0) !== 0x80) return null
      narrow[to++] = ((byte & 3) << 6) | (next & 0x3f)
    }
  }
  return narrow.toString('latin1', 0, to)
}

/** Without a label: UTF-8 when it is valid UTF-8 (RFC 6532), else Windows-1252. */
export function decodeUnlabelled(bytes: Buffer): string {
  if (isAscii(bytes)) return bytes.toString('latin1')
  return isUtf8(bytes) ? withoutMark(bytes.toString('utf8')) : iconv.decode(bytes, 'windows-1252')
}

/**
 * Text of mainframes: letters and digits stand in the upper half, blanks are 0x40, and hardly any byte of ASCII text
 * occurs. Looks at the first 4 KiB.
 */
function looksEbcdic(bytes: Buffer): boolean {
  const head = bytes.subarray(0, 4096)
  if (head.length < 8 || isUtf8(head)) return false
  let upper = 0
  let digits = 0
  let blanks = 0
  let ascii = 0
  for (const byte of head) {
    if (byte >= 0xf0 && byte <= 0xf9) digits++
    else if (byte >= 0x81 && (byte & 0x0f) <= 9 && (byte & 0xf0) !== 0xb0) upper++
    else if (byte === 0x40 || byte === 0x60) blanks++
    else if ((byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x20) ascii++
  }
  const isText = digits > head.length * 0.5 || blanks > head.length * 0.05
  return isText && upper + digits + blanks > head.length * 0.7 && ascii < head.length * 0.05
}

function decodeByLabel(bytes: Buffer, charset: string): string {
  // the same text, several times as fast as by TextDecoder, and outside of the heap when it is long
  if (!/jis/.test(charset) && isAscii(bytes)) return bytes.toString('latin1')
  if (/^utf-?8$/.test(charset) && isUtf8(bytes)) return withoutMark(bytes.toString('utf8'))
  // Encoding standard: these labels all mean Windows-1252, which Node 20's own TextDecoder takes for Latin-1
  if (/^(?:latin-?1|iso[-_]?8859[-_]1|(?:windows-|cp-?)1252)$/.test(charset)) return iconv.decode(bytes, 'windows-1252')
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return iconv.encodingExists(charset) ? iconv.decode(bytes, charset) : decodeUnlabelled(bytes)
  }
}

/** A byte order mark is no part of the text (Encoding standard, UTF-8 decode). */
function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

function checked(text: string): DecodedText {
  let controls = 0
  // eight-bit leftovers of word processors (BEL, RS, US) count too: they are no text either
  for (const match of text.matchAll(/[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]+/g)) {
    if (match[0].includes('\0')) return withProblem(text, 'NUL characters stand in the text')
    controls += match[0].length
  }
  return controls > text.length * CONTROL_SHARE ? withProblem(text, 'the content is no text') : { text }
}

/** Bytes of any kind behind a byte order mark are halves of pairs, private and unassigned characters. */
function checkedWide(text: string): DecodedText {
  if (/\p{Cs}/u.test(text)) return withProblem(text, 'the content is no text')
  const strange = text.match(/[\p{Cn}\p{Co}\ufffd]/gu)?.length ?? 0
  return strange > text.length * CONTROL_SHARE ? withProblem(text, 'the content is no text') : checked(text)
}

function withProblem(text: string, problem: string): DecodedText {
  return { text, problem }
}

type Wide = 'utf-16le' | 'utf-16be' | 'utf-32le' | 'utf-32be'

/** What a byte order mark or the places of the NULs say; null = neither. Looks at the first 4 KiB. */
function wideEncoding(bytes: Buffer): Wide | null {
  const [a, b, c, d] = bytes
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 && bytes.length >= 4 ? 'utf-32le' : 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return 'utf-32be'
  const head = bytes.subarray(0, 4096)
  if (!head.includes(0)) return null
  const nuls = [0, 0, 0, 0]
  head.forEach((byte, at) => {
    if (byte === 0) nuls[at % 4] = (nuls[at % 4] ?? 0) + 1
  })
  const share = nuls.map((n) => n / Math.max(1, head.length / 4))
  const [first = 0, second = 0, third = 0, fourth = 0] = share
  const many = 0.4
  if (first < 0.1 && second > many && third > 0.9 && fourth > 0.9) return 'utf-32le'
  if (first > 0.9 && second > 0.9 && third > many && fourth < 0.1) return 'utf-32be'
  if (second > many && fourth > many && first < 0.2 && third < 0.2) return 'utf-16le'
  if (first > many && third > many && second < 0.2 && fourth < 0.2) return 'utf-16be'
  return null
}

function decodeWide(bytes: Buffer, charset: string, found: Wide | null): DecodedText {
  const width = /32|ucs-?4/.test(charset) ? 'utf-32' : 'utf-16'
  const declared = charset.endsWith('le') ? 'le' : charset.endsWith('be') ? 'be' : null
  // a byte order mark wins over the label, as in every browser engine
  if (found?.startsWith(width) === true) {
    const text = iconv.decode(bytes, found)
    return declared !== null && !found.endsWith(declared) && !hasMark(bytes)
      ? withProblem(text, 'the byte order contradicts the label')
      : checkedWide(text)
  }
  const little = iconv.decode(bytes, `${width}le`)
  const big = iconv.decode(bytes, `${width}be`)
  // scanned in both orders and byte by byte; which of them the reader will see cannot be told
  return withProblem(`${little}\n${big}\n${bytes.toString('latin1')}`, `the text cannot surely be read as ${width}`)
}

function hasMark(bytes: Buffer): boolean {
  const head = bytes.readUInt16BE(0)
  return head === 0xfffe || head === 0xfeff || (head === 0 && bytes.length >= 4 && bytes.readUInt16BE(2) === 0xfeff)
}
