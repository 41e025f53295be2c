/**
 * Public, non-public and unknown: every mark of classification in a message. Public counts only when it is the sender's
 * own and configured; against it counts every other mark, anywhere. No mark at all is unknown, not public.
 */
import type { Settings } from '../config/settings'
import { bodiesOf } from '../message/bodies'
import { decodeWords } from '../message/encoded-words'
import { fieldsNamed, type HeaderBlock } from '../message/header'
import type { Message, Part, TextPiece } from '../message/message'
import { fold, subjectTags } from '../message/subject'
import type { Marker } from '../gate/types'
import { linesOf } from '../message/lines'
import { isNarrow } from './cpr-spots'
import { tableText } from './table-text'
import { classOfWords } from './classification-words'
import { asRead, readMarkerHeaders } from './marker-headers'
import { labelsFromProperties, purviewClass } from './file-labels'
import { readPurview, type PurviewLabel } from './purview'

export interface MarkerReading {
  markers: Marker[]
  /** Marks that are there twice, or cannot be read. */
  conflicts: { where: string; detail: string }[]
}

/** Label lines of one text that are told; one of them decides already. */
const LINES_PER_TEXT = 20
/** How many lines of a body are its head. */
const HEAD_LINES = 3
/** A line that opens quoted or forwarded text. */
const QUOTE_OPENS =
  /^(?:>|\||-{2,}\s*(?:original|oprindelig|forwarded|videresendt)|_{10,}|(?:fra|from|von|de)\s*:|(?:den|on|am|le)\s.{0,120}(?:skrev|wrote|schrieb|écrit)\b|begin forwarded message)/i
/** `Classification: Internal`, also with what products write for it. */
const LABEL_LINE =
  /^[\s>*|]{0,20}(?:data ?)?(?:classification|klassifikation|klassificering|klassifisering|dataklassifikation|sensitivity|sensitivitet|f(?:ø|oe)lsomhed|fortrolighed|confidentiality|security level|sikkerhedsniveau|(?:mip|sensitivity) label)\s{0,5}[:=]\s{0,5}(\S.{0,80})$/iu

/** @param rules the `[public]` section */
export function readMarkers(message: Message, rules: Settings['public']): MarkerReading {
  const result: MarkerReading = { markers: [], conflicts: [] }
  const headers = [{ where: '', block: message.header }, ...message.innerHeaders]
  for (const { where, block } of headers) {
    const own = block === message.header
    const found = inHeader(block, own ? '' : `${where} > `, rules)
    // what a nested message says about itself is not said about this one
    result.markers.push(...found.markers.filter((marker) => own || marker.class !== 'public'))
    result.conflicts.push(...found.conflicts)
  }
  for (const piece of message.texts) result.markers.push(...inText(piece))
  for (const table of message.tables) {
    const text = tableText(table, (cell) => cell.text).text
    result.markers.push(...inText({ where: table.where, role: 'text', text }))
  }
  const files = labelsFromProperties(message.properties, rules)
  result.markers.push(...files.markers)
  result.conflicts.push(...files.conflicts)
  const line = bodyMarker(message.root, rules.bodyLines)
  if (line !== null) result.markers.push(line)
  return result
}

function inHeader(block: HeaderBlock, prefix: string, rules: Settings['public']): MarkerReading {
  const { markers, conflicts } = readMarkerHeaders(block, prefix, rules.headers)
  const purview = readPurview(block, prefix)
  markers.push(...purview.labels.map((label) => purviewMarker(label, rules)))
  conflicts.push(...purview.conflicts)
  const own = new Set(
    purview.labels.filter(({ tenant }) => tenant === rules.purviewTenant?.toLowerCase()).map(({ id }) => id),
  )
  if (own.size > 1) {
    conflicts.push({ where: `${prefix}header msip_labels`, detail: 'Two labels of the own organisation are set.' })
  }
  for (const field of fieldsNamed(block, 'subject'))
    markers.push(...inSubject(decodeWords(field.value).text, prefix, rules))
  return { markers, conflicts }
}

function purviewMarker(label: PurviewLabel, rules: Settings['public']): Marker {
  const { tenant, id, where } = label
  return { class: purviewClass(label, rules), source: 'purview', value: `${tenant}/${id}`, where }
}

/** Configured tags before any reply prefix, and whatever stands in brackets and speaks against. */
function inSubject(subject: string, prefix: string, rules: Settings['public']): Marker[] {
  const where = `${prefix}subject`
  const own: Marker[] = subjectTags(subject, rules.subjectTags)
    .filter(({ inherited }) => !inherited)
    .map(({ tag }) => ({ class: 'public', source: 'subject', value: tag, where }))
  const against: Marker[] = [...subject.matchAll(/[[({<]([^\])}>]{1,80})[\])}>]/g)].flatMap((match) => {
    const inner = match[1] ?? ''
    if (rules.subjectTags.some((tag) => fold(tag) === fold(match[0]))) return []
    return /^\s*sec\s*=/i.test(inner) || classOfWords(inner) === 'non-public'
      ? [{ class: 'non-public' as const, source: 'subject' as const, value: match[0].slice(0, 80), where }]
      : []
  })
  return [...own, ...against]
}

/** Lines that name a class other than public, in any text, seen or hidden. */
function inText(piece: TextPiece): Marker[] {
  if (piece.role === 'subject' || piece.role === 'name' || piece.role === 'raw') return []
  // attributes are read as `name=value`, which is no line of anybody's text
  if (piece.where.endsWith('(attribute)') || !(piece.text.includes(':') || piece.text.includes('='))) return []
  const found: Marker[] = []
  for (const line of assignments(piece.text)) {
    const value = LABEL_LINE.exec(line.normalize('NFKC'))?.[1]
    if (value === undefined) continue
    const verdict = classOfWords(value)
    // a public line in some text is no mark of the sender's own: that one is looked for in the head of the bodies
    if (verdict === 'public') continue
    found.push({ class: verdict, source: 'body', value: line.trim().slice(0, 80), where: piece.where })
    if (found.length === LINES_PER_TEXT) break
  }
  return found
}

/** Longest line that is a label. */
const LINE_LENGTH = 200
/** A colon or an equals sign, or what NFKC makes one of. Characters of Latin-1 stay what they are. */
const ASSIGNS = /[:=]|[^\0-\xff]/g

/** The lines in which something may stand before a colon or an equals sign: all others are not even cut out. */
function* assignments(text: string): Generator<string> {
  const next = isNarrow(text) ? nextOf(text, [':', '=']) : nextMatch(text, ASSIGNS)
  for (let at = next(0); at !== -1;) {
    const start = text.lastIndexOf('\n', at) + 1
    const lf = text.indexOf('\n', at)
    const end = lf === -1 ? text.length : lf
    if (end - start <= LINE_LENGTH) yield text.slice(start, end)
    at = next(end)
  }
}

/** A search for the next of some characters, asked from places that only grow. @returns -1 when there is none */
function nextOf(text: string, characters: readonly string[]): (from: number) => number {
  const places = characters.map((character) => text.indexOf(character))
  return (from) => {
    let first = -1
    for (const [n, character] of characters.entries()) {
      let place = places[n] ?? -1
      if (place !== -1 && place < from) place = places[n] = text.indexOf(character, from)
      if (place !== -1 && (first === -1 || place < first)) first = place
    }
    return first
  }
}

function nextMatch(text: string, pattern: RegExp): (from: number) => number {
  return (from) => {
    pattern.lastIndex = from
    return pattern.exec(text)?.index ?? -1
  }
}

/** A configured line at the head of every alternative of the body, visible and not quoted. */
function bodyMarker(root: Part, lines: readonly string[]): Marker | null {
  const bodies = bodiesOf(root)
  const found = bodies.map((body) => headLine(body.shown?.text ?? '', lines))
  const [first] = found
  if (first === undefined || found.includes(undefined)) return null
  return { class: 'public', source: 'body', value: first, where: bodies[0]?.where ?? '' }
}

function headLine(text: string, wanted: readonly string[]): string | undefined {
  const head = new Set<string>()
  let lines = 0
  for (const line of linesOf(text.slice(0, 64 * 1024))) {
    const shown = line.trim()
    if (shown === '') continue
    if (QUOTE_OPENS.test(shown) || lines === HEAD_LINES) break
    lines++
    head.add(asRead(shown))
  }
  return wanted.find((one) => head.has(asRead(one)))
}
