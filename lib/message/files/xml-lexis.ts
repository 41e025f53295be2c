/** The smallest pieces of XML (XML 1.0, sections 2.3 and 4.1): characters, names, references. */

/** Codes of characters. */
export const CODE = {
  tab: 0x09,
  lf: 0x0a,
  cr: 0x0d,
  blank: 0x20,
  bang: 0x21,
  quote: 0x22,
  amp: 0x26,
  apostrophe: 0x27,
  slash: 0x2f,
  less: 0x3c,
  equals: 0x3d,
  greater: 0x3e,
  question: 0x3f,
} as const
/** ASCII characters that no name goes on with. */
const ENDS_NAME = new Uint8Array(128)
for (const code of Object.values(CODE)) ENDS_NAME[code] = 1
// these two only begin none
for (const code of [CODE.bang, CODE.question]) ENDS_NAME[code] = 0
const REFERENCE = /&(?:#([0-9]{1,8})|#x([0-9a-fA-F]{1,7})|(lt|gt|amp|quot|apos));|&/g
const PREDEFINED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** Why a document is not read; its message is the reason. Thrown and caught by the reader of XML. */
export class Malformed extends Error {}

/** Decode references of XML; others than the five of XML itself would need a document type. */
export function decoded(text: string): string {
  if (!text.includes('&') && !text.includes('\r')) return text
  const plain = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
  if (!plain.includes('&')) return plain
  return plain.replace(REFERENCE, (_whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return PREDEFINED[name] ?? ''
    const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? Number.parseInt(hex, 16) : -1
    if (code < 9 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw new Malformed('a reference in the XML is not known')
    }
    return String.fromCodePoint(code)
  })
}

/** @returns first character behind the name that begins here */
export function nameEnd(source: string, from: number): number {
  let at = from
  for (; at < source.length; at++) {
    const code = source.charCodeAt(at)
    if (code < 128 && ENDS_NAME[code] === 1) break
  }
  const first = source.charCodeAt(from)
  if ((at === from && at < source.length) || first === CODE.bang || first === CODE.question) {
    throw new Malformed('a tag of the XML does not parse')
  }
  return at
}

/** @returns first character that is no white space (XML 1.0, section 2.3) */
export function afterBlanks(source: string, from: number): number {
  let at = from
  for (; at < source.length; at++) {
    const code = source.charCodeAt(at)
    if (code !== CODE.blank && code !== CODE.lf && code !== CODE.tab && code !== CODE.cr) break
  }
  return at
}

/** Programs differ in which of two attributes of one name they take. */
export function checkNames(attributes: readonly { name: string }[]): void {
  const count = attributes.length
  if (count === 1) return
  let unique = true
  if (count > 12) unique = new Set(attributes.map(({ name }) => name)).size === count
  else
    for (let n = 1; n < count; n++) for (let m = 0; m < n; m++) unique &&= attributes[n]?.name !== attributes[m]?.name
  if (!unique) throw new Malformed('an attribute of the XML is there twice')
}
