/**
 * A linear reader of XML. It is stricter than the programs it stands in for: what one of them might read in another way
 * (document types, entities, elements that are not closed) makes the file uninspected. No recursion, no look-back, and
 * no character is looked at more than a constant number of times.
 */
import type { ReadBudget } from './types'
import { afterBlanks, checkNames, CODE, decoded, Malformed, nameEnd } from './xml-lexis'
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

const NONE: readonly XmlAttribute[] = []

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

interface Incremental {
  /** @returns the root, when nobody wants it */
  write(piece: string): XmlName<string> | null
  end(): void
  work(): number
}

function xmlReader(options: XmlOptions): Incremental {
  const scopes = nameScopes()
  const open: XmlName<string>[] = []
  const unbalanced = options.unbalanced === true
  /** How many elements of each name are open; only where they may end out of order. */
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
    if (unbalanced) counts.set(name.qname, (counts.get(name.qname) ?? 1) - 1)
    scopes.leave(open.length)
    if (open.length === 0) rootClosed = true
  }

  const startTag = (
    qname: string,
    attributes: readonly XmlAttribute[],
    declares: boolean,
    selfClosing: boolean,
  ): void => {
    if (rootClosed) throw new Malformed('more than one document stands in the XML')
    if (open.length >= MAX_DEPTH) throw new Malformed('the XML is nested too deep')
    if (declares) {
      const declarations = attributes.filter(({ name }) => name === 'xmlns' || name.startsWith('xmlns:'))
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
    if (unbalanced) counts.set(qname, (counts.get(qname) ?? 0) + 1)
    handler.open(name, attributes)
    if (selfClosing) closeTop()
  }

  const endTag = (qname: string): void => {
    if (open.at(-1)?.qname === qname) {
      closeTop()
      return
    }
    if (!unbalanced) throw new Malformed('the tags of the XML do not match')
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
  const tag = (source: string, from: number): number => {
    let at = nameEnd(source, from + 1)
    const qname = source.slice(from + 1, at)
    let attributes: XmlAttribute[] | null = null
    let declares = false
    for (;;) {
      const next = afterBlanks(source, at)
      if (next >= source.length) return -1
      const code = source.charCodeAt(next)
      const selfClosing = code === CODE.slash
      if (selfClosing && next + 1 >= source.length) return -1
      if (code === CODE.greater || (selfClosing && source.charCodeAt(next + 1) === CODE.greater)) {
        const end = next + (selfClosing ? 2 : 1)
        work += end - from
        if (attributes !== null) checkNames(attributes)
        startTag(qname, attributes ?? NONE, declares, selfClosing)
        return end
      }
      // an attribute has a blank in front of it
      if (next === at) throw new Malformed('a tag of the XML does not parse')
      const stop = nameEnd(source, next)
      const equals = afterBlanks(source, stop)
      const opens = afterBlanks(source, equals + 1)
      if (opens >= source.length) return -1
      const mark = source.charAt(opens)
      if (source.charCodeAt(equals) !== CODE.equals || (mark !== '"' && mark !== "'")) {
        throw new Malformed('a tag of the XML does not parse')
      }
      const closes = source.indexOf(mark, opens + 1)
      if (closes === -1) return -1
      const value = source.slice(opens + 1, closes)
      if (value.includes('<')) throw new Malformed('a tag of the XML does not parse')
      const name = source.slice(next, stop)
      declares ||= name.startsWith('xmlns')
      attributes ??= []
      if (attributes.length === MAX_ATTRIBUTES) throw new Malformed('an element of the XML has too many attributes')
      attributes.push({ name, value: decoded(value) })
      at = closes + 1
    }
  }

  /** @returns first character behind the token, or -1: it does not end yet */
  const markup = (source: string, at: number): number => {
    const next = source.charCodeAt(at + 1)
    if (next === CODE.bang) return declaration(source, at)
    if (next === CODE.question) return until(source, at + 2, '?>', (inner) => options.aside(inner))
    if (next !== CODE.slash) return at + 1 >= source.length ? -1 : tag(source, at)
    const expected = open.at(-1)?.qname ?? ''
    const end = at + 2 + expected.length
    if (expected !== '' && source.charCodeAt(end) === CODE.greater && source.startsWith(expected, at + 2)) {
      closeTop()
      return end + 1
    }
    const gt = source.indexOf('>', at + 1)
    if (gt === -1) return -1
    const qname = source.slice(at + 2, nameEnd(source, at + 2))
    if (afterBlanks(source, at + 2 + qname.length) !== gt) throw new Malformed('a tag of the XML does not parse')
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
      if (unbalanced) while (open.length > 0) closeTop()
      if (!rootClosed) throw new Malformed('the XML ends in the middle')
    },
    work: () => work,
  }
}

function decodedIfPossible(text: string): string {
  try {
    return decoded(text)
  } catch {
    return text
  }
}
