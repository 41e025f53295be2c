/** Bytes of an XML file to text, in pieces: the whole of a large sheet never stands in memory as one string. */
import { isUtf8 } from 'node:buffer'
import { utf16Text } from '../utf16'

/** Bytes that become one string. */
const WINDOW = 64 * 1024

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be'

/** Text in pieces, or why the encoding is not surely the one that a program will use (XML 1.0, appendix F). */
export type XmlSource = { pieces: Iterable<string> } | { problem: string }

/** @param bytes UTF-8 or UTF-16, with or without a byte order mark; nothing else is allowed in OOXML and ODF */
export function xmlSource(bytes: Buffer): XmlSource {
  const found = encodingOf(bytes)
  if (found === null) return { problem: 'the encoding of the XML is not known' }
  const { encoding, mark } = found
  const declared = declaredEncoding(bytes.subarray(mark, mark + 400), encoding)
  const expected = encoding === 'utf-8' ? /^(?:utf-?8|us-ascii|)$/i : /^(?:utf-?16(?:le|be)?|)$/i
  if (!expected.test(declared)) return { problem: 'the encoding of the XML is not known' }
  const content = bytes.subarray(mark)
  if (encoding === 'utf-8') {
    return isUtf8(content) ? { pieces: utf8Pieces(content) } : { problem: 'the XML is not valid UTF-8' }
  }
  if (content.length % 2 === 1) return { problem: 'the XML is not valid UTF-16' }
  return { pieces: utf16Pieces(encoding === 'utf-16le' ? content : Buffer.from(content).swap16()) }
}

function encodingOf(bytes: Buffer): { encoding: Encoding; mark: number } | null {
  const head = bytes.toString('latin1', 0, 4)
  if (head.startsWith('\xef\xbb\xbf')) return { encoding: 'utf-8', mark: 3 }
  // UTF-32, which no program here writes
  if (head === '\xff\xfe\0\0' || head === '\0\0\xfe\xff' || head === '<\0\0\0' || head === '\0\0\0<') return null
  if (head.startsWith('\xff\xfe')) return { encoding: 'utf-16le', mark: 2 }
  if (head.startsWith('\xfe\xff')) return { encoding: 'utf-16be', mark: 2 }
  if (head.startsWith('<\0')) return { encoding: 'utf-16le', mark: 0 }
  if (head.startsWith('\0<')) return { encoding: 'utf-16be', mark: 0 }
  return { encoding: 'utf-8', mark: 0 }
}

/** @returns '' when the declaration names none, or when there is no declaration */
function declaredEncoding(head: Buffer, encoding: Encoding): string {
  const ascii = encoding === 'utf-8' ? head.toString('latin1') : head.toString('latin1').replaceAll('\0', '')
  const declaration = /^<\?xml\s[^>?]{0,300}/.exec(ascii)?.[0] ?? ''
  return /\sencoding\s*=\s*["']([^"']*)["']/.exec(declaration)?.[1] ?? ''
}

function* utf8Pieces(bytes: Buffer): Generator<string> {
  let at = 0
  while (at < bytes.length) {
    let end = Math.min(bytes.length, at + WINDOW)
    // not between the bytes of a character
    while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
    yield bytes.toString('utf8', at, end)
    at = end
  }
}

function* utf16Pieces(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length; at += WINDOW) yield utf16Text(bytes, at, at + WINDOW)
}
