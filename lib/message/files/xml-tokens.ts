/**
 * A linear reader of XML. It is stricter than the programs it stands in for: what one of them might read in another way
 * (document types, entities, elements that are not closed) makes the file uninspected. No recursion, no look-back, and
 * no character is looked at more than a constant number of times.
 */
import type { ReadBudget } from './types'
import { nameScopes, type Space, type XmlName } from './xml-names'
import { xmlSource } from './xml-source'

/** Name as written, value with its references decoded. */
export interface XmlAttribute {
  name: string
  value: string
}

/** What a reader does with the pieces of a document, in their order. */
export interface XmlHandler<M extends string> {
  /** Asked once for each name in its scope. */
  meaning(space: Space, local: string): M
  open(name: XmlName<M>, attributes: readonly XmlAttribute[]): void
  close(name: XmlName<M>): void
  /** Text between two tags or comments; never split. References are decoded, line ends LF. */
  text(text: string, parent: XmlName<M>): void
}

export interface XmlOptions {
  /**
   * Which reader takes the document.
   *
   * @param root its meaning is still empty
   * @returns null: none; reading ends with `other: root`
   */
  pick: (root: XmlName<string>) => XmlHandler<string> | null
  /** Comments and processing instructions. */
  aside: (text: string) => void
  /** Elements need not be closed in order: drawings of Excel hold pieces of HTML. */
  unbalanced?: boolean
}

export interface XmlOutcome {
  /** Absent: read to its end. */
  problem?: string
  /** The root, when nobody wanted it. */
  other?: XmlName<string>
  /** Characters looked at, also those that were looked at again: stays below a small multiple of the length. */
  work: number
}

const MAX_DEPTH = 1000
/** Characters of one tag, comment or text. */
const MAX_TOKEN = 16 * 1024 * 1024
const MAX_ATTRIBUTES = 1000

const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/
const NAME = /[^\s<>/="'&?!][^\s<>/="'&]*/y
const ATTRIBUTE = /\s+([^\s<>/="'&?!][^\s<>/="'&]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y
const TAG_END = /\s*(\/?)>/y
const REFERENCE = /&(?:#([0-9]{1,8})|#x([0-9a-fA-F]{1,7})|(lt|gt|amp|quot|apos));|&/g
const PREDEFINED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** Thrown and caught here. */
class Malformed extends Error {}

/**
 * @param bytes of the whole file
 * @param budget its time is asked after every piece
 */
export function readXml(bytes: Buffer, options: XmlOptions, budget: ReadBudget): XmlOutcome {
  const source = xmlSource(bytes)
  if ('problem' in source) return { problem: source.problem, work: 0 }
  const reader = xmlReader(options)
  try {
    for (const piece of source.pieces) {
      if (budget.timeUp()) return { problem: 'the time for reading was up', work: reader.work() }
      if (CONTROL.test(piece)) throw new Malformed('control characters stand in the XML')
      const other = reader.write(piece)
      if (other !== null) return { other, work: reader.work() }
    }
    reader.end()
    return { work: reader.work() }
  } catch (error) {
    if (error instanceof Malformed) return { problem: error.message, work: reader.work() }
    throw error
  }
}

/** Decode references of XML; others than the five of XML itself would need a document type. */
function decoded(text: string): string {
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

interface Incremental {
  /** @returns the root, when nobody wants it */
  write(piece: string): XmlName<string> | null
  end(): void
  work(): number
}

function xmlReader(options: XmlOptions): Incremental {
  const scopes = nameScopes()
  const open: XmlName<string>[] = []
  const counts = new Map<string, number>()
  /** What waits for the end of its token, and what has come since. */
  let pending = ''
  let gathered: string[] = []
  let gatheredLength = 0
  let handler: XmlHandler<string> | null = null
  let rootClosed = false
  let refused: XmlName<string> | null = null
  let work = 0

  const meaning = (space: Space, local: string): string => handler?.meaning(space, local) ?? ''

  const closeTop = (): void => {
    const name = open.pop()
    if (name === undefined) return
    handler?.close(name)
    counts.set(name.qname, (counts.get(name.qname) ?? 1) - 1)
    scopes.leave(open.length)
    if (open.length === 0) rootClosed = true
  }

  const startTag = (qname: string, attributes: XmlAttribute[], selfClosing: boolean): void => {
    if (rootClosed) throw new Malformed('more than one document stands in the XML')
    if (open.length >= MAX_DEPTH) throw new Malformed('the XML is nested too deep')
    const declarations = attributes.filter(({ name }) => name === 'xmlns' || name.startsWith('xmlns:'))
    if (declarations.length > 0) {
      scopes.enter(
        open.length,
        declarations.map(({ name, value }) => [name.slice(6), value] as const),
      )
    }
    const name = scopes.look(qname, meaning)
    if (name === null) throw new Malformed('a prefix in the XML is not declared')
    if (handler === null) {
      handler = options.pick(name)
      if (handler === null) {
        refused = name
        return
      }
      name.meaning = handler.meaning(name.space, name.local)
    }
    open.push(name)
    counts.set(qname, (counts.get(qname) ?? 0) + 1)
    handler.open(name, declarations.length === attributes.length ? [] : attributes)
    if (selfClosing) closeTop()
  }

  const endTag = (qname: string): void => {
    if (open.at(-1)?.qname === qname) {
      closeTop()
      return
    }
    if (options.unbalanced !== true) throw new Malformed('the tags of the XML do not match')
    if ((counts.get(qname) ?? 0) === 0) return
    while (open.at(-1)?.qname !== qname) closeTop()
    closeTop()
  }

  const text = (raw: string, isCdata: boolean): void => {
    if (raw === '') return
    const parent = open.at(-1)
    if (parent === undefined) {
      if (isCdata || !/^[ \t\r\n\ufeff]*$/.test(raw)) throw new Malformed('text stands outside of the XML document')
      return
    }
    handler?.text(isCdata ? raw.replace(/\r\n?/g, '\n') : decoded(raw), parent)
  }

  /** @returns first character behind the tag, or -1: it does not end yet */
  const tag = (source: string, from: number, gt: number): number => {
    NAME.lastIndex = from + 1
    const qname = NAME.exec(source)?.[0]
    if (qname === undefined) throw new Malformed('a tag of the XML does not parse')
    let at = NAME.lastIndex
    const attributes: XmlAttribute[] = []
    const closing = at + 1 === gt && source.charCodeAt(at) === 0x2f
    if (at !== gt && !closing) {
      for (;;) {
        ATTRIBUTE.lastIndex = at
        const match = ATTRIBUTE.exec(source)
        if (match === null) break
        const name = match[1] ?? ''
        if (attributes.length < 16 && attributes.some((other) => other.name === name)) {
          throw new Malformed('an attribute of the XML is there twice')
        }
        if (attributes.length === MAX_ATTRIBUTES) throw new Malformed('an element of the XML has too many attributes')
        attributes.push({ name, value: decoded(match[2] ?? match[3] ?? '') })
        at = ATTRIBUTE.lastIndex
      }
      if (attributes.length >= 16 && new Set(attributes.map(({ name }) => name)).size < attributes.length) {
        throw new Malformed('an attribute of the XML is there twice')
      }
    }
    TAG_END.lastIndex = at
    const end = TAG_END.exec(source)
    if (end === null) {
      // a > inside a value: the tag may go on in the next piece
      if (isOpenTag(source, at)) return -1
      throw new Malformed('a tag of the XML does not parse')
    }
    work += TAG_END.lastIndex - from
    startTag(qname, attributes, end[1] === '/')
    return end.index + end[0].length
  }

  /** @returns first character behind the token, or -1: it does not end yet */
  const markup = (source: string, at: number): number => {
    const next = source.charCodeAt(at + 1)
    if (next === 0x21) return declaration(source, at)
    if (next === 0x3f) return until(source, at + 2, '?>', (inner) => options.aside(inner))
    const gt = source.indexOf('>', at + 1)
    if (gt === -1) return -1
    if (next !== 0x2f) return tag(source, at, gt)
    NAME.lastIndex = at + 2
    const qname = NAME.exec(source)?.[0] ?? ''
    if (qname === '' || /\S/.test(source.slice(at + 2 + qname.length, gt))) {
      throw new Malformed('a tag of the XML does not parse')
    }
    endTag(qname)
    return gt + 1
  }

  const declaration = (source: string, at: number): number => {
    if (source.startsWith('<!--', at)) {
      return until(source, at + 4, '-->', (inner) => options.aside(decodedIfPossible(inner)))
    }
    if (source.startsWith('<![CDATA[', at)) return until(source, at + 9, ']]>', (inner) => text(inner, true))
    if (source.length - at < 9) return -1
    // declares entities, which could stand for anything; no program writes one into these formats
    throw new Malformed(
      source.startsWith('<!DOCTYPE', at) ? 'the XML has a document type' : 'a declaration stands in the XML',
    )
  }

  const until = (source: string, from: number, mark: string, found: (inner: string) => void): number => {
    const end = source.indexOf(mark, from)
    if (end === -1) return -1
    found(source.slice(from, end))
    return end + mark.length
  }

  const consume = (source: string): number => {
    let at = 0
    work += source.length
    while (refused === null) {
      const lt = source.indexOf('<', at)
      if (lt === -1) return at
      if (lt > at) text(source.slice(at, lt), false)
      at = lt
      const end = markup(source, at)
      if (end === -1) return at
      at = end
    }
    return at
  }

  const take = (): void => {
    const source = pending + gathered.join('')
    gathered = []
    gatheredLength = 0
    const at = consume(source)
    pending = source.slice(at)
    if (pending.length > MAX_TOKEN) throw new Malformed('a piece of the XML is too long')
  }

  return {
    write(piece) {
      gathered.push(piece)
      gatheredLength += piece.length
      // what waits is looked at again only when as much has come as waits: twice in all, not once for each piece
      if (gatheredLength >= pending.length) take()
      return refused
    },
    end() {
      take()
      if (pending !== '' && /\S/.test(pending)) throw new Malformed('the XML ends in the middle')
      if (options.unbalanced === true) while (open.length > 0) closeTop()
      if (!rootClosed) throw new Malformed('the XML ends in the middle')
    },
    work: () => work,
  }
}

/** Does the rest of the source still belong to a tag that goes on? */
function isOpenTag(source: string, at: number): boolean {
  const rest = source.slice(at).trimStart()
  return /^(?:\/|[^\s<>/="'&]+\s*(?:=\s*(?:"[^"<]*|'[^'<]*)?)?)?$/.test(rest)
}

function decodedIfPossible(text: string): string {
  try {
    return decoded(text)
  } catch {
    return text
  }
}
