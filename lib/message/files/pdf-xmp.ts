/** XMP (ISO 16684-1): metadata as XML, in element or attribute form. */
import { decodeUnlabelled } from '../charset'

export interface XmpReading {
  /** Names and values, one a line. */
  text: string
  properties: { key: string; value: string }[]
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
/** Attributes of RDF and XML itself. */
const SYNTAX = /^(?:xmlns(?::.*)?|rdf:.*|xml:.*|x:.*)$/

/** Linear in the bytes; whatever is not well-formed is still in the text. */
export function readXmp(bytes: Buffer): XmpReading {
  const xml = decodeUnlabelled(bytes)
  const properties: XmpReading['properties'] = []
  const lines: string[] = []
  const open: string[] = []
  let at = 0
  while (at < xml.length) {
    const from = xml.indexOf('<', at)
    const value = unescapeXml(xml.slice(at, from === -1 ? xml.length : from)).trim()
    if (value !== '') {
      const name = [...open].reverse().find((one) => !SYNTAX.test(one))
      lines.push(name === undefined ? value : `${localName(name)}: ${value}`)
      if (name !== undefined) properties.push({ key: localName(name), value })
    }
    if (from === -1) break
    const comment = xml.startsWith('<!--', from)
    const to = comment ? xml.indexOf('-->', from) : xml.indexOf('>', from)
    const tag = xml.slice(from + 1, to === -1 ? xml.length : to)
    at = to === -1 ? xml.length : to + (comment ? 3 : 1)
    if (comment || tag.startsWith('?') || tag.startsWith('!')) {
      // a processing instruction of XMP carries nothing; a comment may carry anything
      if (!/^\?x?packet|^\?xml/.test(tag)) lines.push(tag)
      continue
    }
    if (tag.startsWith('/')) {
      open.pop()
      continue
    }
    const name = /^[^\s/>]+/.exec(tag)?.[0] ?? ''
    for (const [, key = '', double, single] of tag.matchAll(
      /([^\s=<>"']{1,300})\s{0,20}=\s{0,20}(?:"([^"]*)"|'([^']*)')/g,
    )) {
      if (SYNTAX.test(key)) continue
      const text = unescapeXml(double ?? single ?? '')
      properties.push({ key: localName(key), value: text })
      lines.push(`${localName(key)}: ${text}`)
    }
    // deeper than any metadata is: the names are not needed any more
    if (!tag.endsWith('/')) open.push(open.length < 200 ? name : 'x:deep')
  }
  return { text: lines.join('\n'), properties }
}

/** Without its prefix; characters that no XML name has are written as U+2182 and four hexadecimal digits. */
function localName(name: string): string {
  return name
    .slice(name.lastIndexOf(':') + 1)
    .replace(/\u2182([0-9A-F]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function unescapeXml(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|([a-z]{1,5}));/g,
    (all, hex?: string, number?: string, name?: string) => {
      if (name !== undefined) return ENTITIES[name] ?? all
      const code = hex === undefined ? Number(number) : Number.parseInt(hex, 16)
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : all
    },
  )
}
