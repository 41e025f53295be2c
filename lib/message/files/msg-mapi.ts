/** Messages as MAPI properties (MS-OXPROPS), however they were stored: in a .msg file or in TNEF. */
import { nameText } from '../percent'
import { sniff } from '../sniff'
import { readTextLeaf, unixLines } from '../text-leaf'
import { decodeCodePage } from './ole-codepage'
import { addEmbedded, addProblem, addRaw, addText, attempt, type LegacyContext } from './ole-context'
import { addPicture } from './ole-pictures'
import { readRtfText } from './rtf'
import { decompressRtf } from './rtf-compressed'
import { memberPlace } from './zip-places'

/** One property with its value, decoded as far as its type says. */
export interface MapiProperty {
  /** 0x8000 and above: named. */
  id: number
  /** PtypString, ... without the flag for several values. */
  type: number
  /** Of a named property; '' = it has none. */
  name: string
  value: { kind: 'text'; text: string } | { kind: 'bytes'; bytes: Buffer } | { kind: 'number'; number: number }
}

/** How a text in bytes is to be decoded. */
export interface CodePages {
  /** PidTagMessageCodepage. */
  message: number
  /** PidTagInternetCodepage, of the HTML. */
  internet: number
}

export const PTYP_STRING8 = 0x001e
export const PTYP_STRING = 0x001f
export const PTYP_BINARY = 0x0102
export const PTYP_OBJECT = 0x000d
const SENSITIVITY = 0x0036
const BODY = 0x1000
const RTF = 0x1009
const HTML = 0x1013
const HEADERS = 0x007d
const MESSAGE_CODE_PAGE = 0x3ffd
const INTERNET_CODE_PAGE = 0x3fde
const SUBJECTS = new Set([0x0037, 0x0e1d, 0x0070, 0x003d])
const ATTACH_DATA = 0x3701
const ATTACH_METHOD = 0x3705
const ATTACH_CONTENT_ID = 0x3712
/** Long name, name, display name (MS-OXCMSG section 2.2.2). */
export const ATTACH_NAMES = [0x3707, 0x3704, 0x3001]
const ATTACH_MIME = 0x370e
const ATTACH_RENDERING = 0x3709
/** MS-OXCMSG section 2.2.1.13. */
const SENSITIVITIES = ['Normal', 'Personal', 'Private', 'Company-Confidential']
/** PidTagAttachMethod: the file is inside, in one of three forms. */
const INSIDE = new Set([0, 1, 5, 6])

/** Code pages that a message names for itself; 1252 and UTF-8 when it does not. */
export function codePagesOf(properties: readonly MapiProperty[]): CodePages {
  const message = numberOf(properties, MESSAGE_CODE_PAGE) ?? 1252
  return { message, internet: numberOf(properties, INTERNET_CODE_PAGE) ?? (message === 1252 ? 65001 : message) }
}

/**
 * Read what belongs to the message itself.
 *
 * @returns content ids that its HTML shows
 */
export function readMapiMessage(
  context: LegacyContext,
  where: string,
  properties: readonly MapiProperty[],
  pages: CodePages,
): Set<string> {
  const cids = new Set<string>()
  const others: string[] = []
  for (const property of properties) {
    if (context.budget.timeUp()) {
      addProblem(context, where, 'the time for reading was up')
      return cids
    }
    const { id, value } = property
    if (value.kind === 'bytes' && (id === RTF || isCompressedRtf(value.bytes))) {
      attempt(context, `${where} > text`, 'the compressed text', () => {
        for (const cid of readRtfText(context, `${where} > text`, decompressRtf(value.bytes))) cids.add(cid)
      })
    } else if (id === HTML && value.kind !== 'number') {
      for (const cid of readHtmlBody(context, `${where} > html`, value, pages)) cids.add(cid)
    } else if (id === SENSITIVITY && value.kind === 'number') {
      if (value.number !== 0) {
        const name = SENSITIVITIES[value.number] ?? 'unknown'
        context.reading.properties.push({ where, key: 'Sensitivity', value: name })
      }
    } else if (value.kind === 'text') readText(context, where, property, value.text, others)
    else if (value.kind === 'bytes') readBinary(context, `${where} > properties`, value.bytes)
  }
  addText(context, `${where} > properties`, 'header', others.join('\n'))
  return cids
}

/** Under another number a body is a body all the same. */
function isCompressedRtf(bytes: Buffer): boolean {
  return /^(?:LZFu|MELA)$/.test(bytes.toString('latin1', 8, 12))
}

/** Ids and keys; a file does not belong there. */
function readBinary(context: LegacyContext, where: string, bytes: Buffer): void {
  addRaw(context, where, bytes)
  const kind = sniff(bytes)
  if (kind !== null) addProblem(context, where, `a property holds a file (${kind})`)
}

function readText(context: LegacyContext, where: string, property: MapiProperty, text: string, others: string[]): void {
  const { id, name } = property
  if (SUBJECTS.has(id)) addText(context, `${where} > subject`, 'subject', text)
  else if (id === BODY) addText(context, `${where} > text`, 'text', unixLines(text))
  else if (id === HEADERS) addText(context, `${where} > header`, 'header', text)
  else others.push(name === '' ? text : `${name}: ${text}`)
  // labels stand in named properties (`msip_labels`), and in the header as it came
  if (name !== '') context.reading.properties.push({ where, key: name, value: text })
}

function readHtmlBody(
  context: LegacyContext,
  where: string,
  value: Exclude<MapiProperty['value'], { kind: 'number' }>,
  pages: CodePages,
): readonly string[] {
  const html = value.kind === 'text' ? value.text : decodeCodePage(value.bytes, pages.internet)
  const reading = readTextLeaf(Buffer.from(html, 'utf8'), 'text/html', new Map([['charset', 'utf-8']]), where)
  context.reading.texts.push(...reading.texts)
  for (const problem of reading.problems) addProblem(context, where, problem)
  return reading.cids
}

/** An attachment before it is opened. */
export interface MapiAttachment {
  name: string
  where: string
  data: Buffer | null
}

/**
 * Read an attachment: its names, and its file unless that is an object of its own.
 *
 * @param ordinal its place among the attachments, from 1; tells those without a name apart
 * @param cids content ids that the message shows
 * @returns its place, for what the caller opens itself
 */
export function readMapiAttachment(
  context: LegacyContext,
  where: string,
  ordinal: number,
  properties: readonly MapiProperty[],
  cids: ReadonlySet<string>,
): MapiAttachment {
  const names = ATTACH_NAMES.map((id) => textOf(properties, id)).filter((name) => name !== '')
  const name = [...new Set(names)].join(' ')
  const place = memberPlace(where, `attachment ${name === '' ? ordinal : name}`)
  addText(context, place, 'name', nameText(name))
  const others: string[] = []
  for (const { id, name: own, value } of properties) {
    if (value.kind === 'text' && !ATTACH_NAMES.includes(id))
      others.push(own === '' ? value.text : `${own}: ${value.text}`)
    else if (value.kind === 'bytes' && id === ATTACH_RENDERING) addPicture(context, `${place} > icon`, value.bytes)
    else if (value.kind === 'bytes' && id !== ATTACH_DATA) readBinary(context, place, value.bytes)
  }
  addText(context, place, 'hidden', others.join('\n'))
  if (!INSIDE.has(numberOf(properties, ATTACH_METHOD) ?? 1))
    addProblem(context, place, 'the attachment stands elsewhere')
  const data = properties.find(({ id }) => id === ATTACH_DATA)?.value
  const bytes = data?.kind === 'bytes' ? data.bytes : null
  if (bytes !== null) {
    const id = textOf(properties, ATTACH_CONTENT_ID).replace(/^<|>$/g, '').toLowerCase()
    const kind = sniff(bytes)
    if (kind === 'png' || kind === 'jpeg' || kind === 'gif') {
      addPicture(context, place, bytes)
      // small pictures that the HTML shows are logos, as in any mail
      if (!cids.has(id)) addProblem(context, place, 'the image is attached')
    } else addEmbedded(context, { bytes, name, where: place, type: textOf(properties, ATTACH_MIME).toLowerCase() })
  }
  return { name, where: place, data: bytes }
}

function textOf(properties: readonly MapiProperty[], id: number): string {
  const value = properties.find((property) => property.id === id)?.value
  return value?.kind === 'text' ? value.text : ''
}

/** @returns value of a property that is a number, or undefined */
export function numberOf(properties: readonly MapiProperty[], id: number): number | undefined {
  const value = properties.find((property) => property.id === id)?.value
  return value?.kind === 'number' ? value.number : undefined
}

/**
 * A value of fixed length.
 *
 * @param at where its eight bytes begin; shorter values stand in the first of them
 * @returns null for types that hold no number or are not known
 */
export function fixedValue(bytes: Buffer, at: number, type: number): number | null {
  switch (type) {
    case 0x0002:
      return bytes.readInt16LE(at)
    case 0x0003:
    case 0x000a:
      return bytes.readInt32LE(at)
    case 0x0004:
      return bytes.readFloatLE(at)
    case 0x0005:
    case 0x0007:
      return bytes.readDoubleLE(at)
    case 0x000b:
      return bytes.readUInt16LE(at)
    case 0x0006:
    case 0x0014:
    case 0x0040:
      return Number(bytes.readBigInt64LE(at))
    default:
      return null
  }
}
