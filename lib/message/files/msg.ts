/** Outlook messages (MS-OXMSG): properties in streams, recipients and attachments in storages. */
import { utf16Text } from '../utf16'
import { printable, storageNamed, streamNamed, type CompoundStorage } from './ole-cfb'
import { decodeCodePage } from './ole-codepage'
import { addProblem, addText, attempt, type LegacyContext } from './ole-context'
import {
  codePagesOf,
  fixedValue,
  PTYP_BINARY,
  PTYP_OBJECT,
  PTYP_STRING,
  PTYP_STRING8,
  readMapiAttachment,
  readMapiMessage,
  type MapiProperty,
} from './msg-mapi'

/** Bytes before the properties (section 2.4.1): in the file itself, in a message inside, in recipients and attachments. */
const TOP_HEADER = 32
const MESSAGE_HEADER = 24
const OTHER_HEADER = 8
const ENTRY = 16
/** `__substg1.0_IIIITTTT`, of several values with `-NNNNNNNN` (section 2.1.3). */
const VALUE_STREAM = /^__substg1\.0_([0-9A-F]{4})([0-9A-F]{4})(?:-[0-9A-F]{8})?$/i
const RECIPIENT = /^__recip_version1\.0_#[0-9A-F]{8}$/i
const ATTACHMENT = /^__attach_version1\.0_#[0-9A-F]{8}$/i
const NAMES = '__nameid_version1.0'
const FIXED = '__properties_version1.0'
const MESSAGE_CODE_PAGE = 0x3ffd
const INTERNET_CODE_PAGE = 0x3fde
const SEVERAL = 0x1000
const GUID_TYPE = 0x0048
const NULL_TYPE = 0x0001

/** Opens a storage that is a document of another kind. */
export type OpenStorage = (context: LegacyContext, where: string, storage: CompoundStorage) => void

/** Read the message that a compound file holds. */
export function readMsg(context: LegacyContext, where: string, root: CompoundStorage, open: OpenStorage): void {
  attempt(context, where, 'the message', () => {
    const names = readNames(storageNamed(root, NAMES))
    readMessage(context, where, root, TOP_HEADER, names, open)
  })
}

function readMessage(
  context: LegacyContext,
  where: string,
  storage: CompoundStorage,
  header: number,
  names: ReadonlyMap<number, string>,
  open: OpenStorage,
): void {
  if (!context.budget.part()) {
    addProblem(context, where, 'there are too many parts')
    return
  }
  const properties = readProperties(context, where, storage, header, names)
  const cids = readMapiMessage(context, where, properties, codePagesOf(properties))
  for (const entry of storage.children) {
    if (entry.kind === 'stream') continue
    if (RECIPIENT.test(entry.name)) {
      const texts = readProperties(context, where, entry, OTHER_HEADER, names).flatMap(({ value }) =>
        value.kind === 'text' ? [value.text] : [],
      )
      addText(context, `${where} > recipient ${ordinalOf(entry)}`, 'header', texts.join('\n'))
    } else if (ATTACHMENT.test(entry.name)) readAttachment(context, where, entry, names, cids, open)
    else if (entry.name.toLowerCase() !== NAMES)
      addProblem(context, where, `a storage of the message is not known (${printable(entry.name).slice(0, 40)})`)
  }
}

/** Place among its kind, from 1: the name of the storage ends in its number from 0 (section 2.2). */
function ordinalOf(storage: CompoundStorage): number {
  return Number.parseInt(storage.name.slice(-8), 16) + 1
}

function readAttachment(
  context: LegacyContext,
  where: string,
  storage: CompoundStorage,
  names: ReadonlyMap<number, string>,
  cids: ReadonlySet<string>,
  open: OpenStorage,
): void {
  const properties = readProperties(context, where, storage, OTHER_HEADER, names)
  const { where: place, data } = readMapiAttachment(context, where, ordinalOf(storage), properties, cids)
  const inner = storageNamed(storage, '__substg1.0_3701000D')
  if (inner !== undefined) {
    // a message inside, or an object of another program (section 2.2.2)
    if (streamNamed(inner, FIXED) !== undefined) readMessage(context, place, inner, MESSAGE_HEADER, names, open)
    else open(context, place, inner)
  } else if (data === null) addProblem(context, place, 'the attachment has no content')
  if (storage.children.some((entry) => entry.kind === 'storage' && entry !== inner))
    addProblem(context, place, 'the attachment holds a storage that is not known')
}

/** All properties of a storage: fixed ones from their table, the others from a stream each. */
function readProperties(
  context: LegacyContext,
  where: string,
  storage: CompoundStorage,
  header: number,
  names: ReadonlyMap<number, string>,
): MapiProperty[] {
  const table = streamNamed(storage, FIXED)
  if (table === undefined) throw new RangeError('properties')
  const properties: MapiProperty[] = []
  const nameOf = (id: number) => (id < 0x8000 ? '' : (names.get(id) ?? ''))
  let promised = 0
  for (let at = header; at + ENTRY <= table.length; at += ENTRY) {
    const type = table.readUInt16LE(at)
    const id = table.readUInt16LE(at + 2)
    const number = fixedValue(table, at + 8, type)
    if (number !== null) properties.push({ id, type, name: nameOf(id), value: { kind: 'number', number } })
    else if (type !== NULL_TYPE) promised++
  }
  if ((table.length - header) % ENTRY !== 0) addProblem(context, where, 'the properties of the message are cut short')
  const pageOf = (wanted: number) =>
    properties.flatMap(({ id, value }) => (id === wanted && value.kind === 'number' ? [value.number] : []))[0]
  const page = pageOf(MESSAGE_CODE_PAGE) ?? pageOf(INTERNET_CODE_PAGE) ?? 1252
  let found = 0
  for (const entry of storage.children) {
    const match = VALUE_STREAM.exec(entry.name)
    if (match !== null && !entry.name.includes('-')) found++
    if (entry.kind === 'storage' || entry.name === FIXED) continue
    if (match === null) {
      addProblem(context, where, `a stream of the message is not known (${printable(entry.name).slice(0, 40)})`)
      continue
    }
    const id = Number.parseInt(match[1] ?? '', 16)
    const declared = Number.parseInt(match[2] ?? '', 16)
    const isList = (declared & SEVERAL) !== 0 && !entry.name.includes('-')
    const type = declared & ~SEVERAL
    const value = isList && type !== PTYP_BINARY ? listValue(entry.bytes, type) : valueOf(entry.bytes, type, page)
    if (value === null) addProblem(context, where, 'a property of the message has a type that is not known')
    else if (type === PTYP_STRING && entry.bytes.length % 2 === 1)
      addProblem(context, where, 'a property of the message is cut short')
    if (value !== null) properties.push({ id, type, name: nameOf(id), value })
  }
  if (found < promised) addProblem(context, where, 'a property of the message is missing')
  return properties
}

/** Lengths of the values of a list, or numbers; the texts themselves have streams of their own. */
function listValue(bytes: Buffer, type: number): MapiProperty['value'] | null {
  const isKnown = type === PTYP_STRING || type === PTYP_STRING8 || type === GUID_TYPE || fixedSize(type)
  return isKnown ? { kind: 'bytes', bytes } : null
}

function fixedSize(type: number): boolean {
  return fixedValue(Buffer.alloc(8), 0, type) !== null
}

function valueOf(bytes: Buffer, type: number, page: number): MapiProperty['value'] | null {
  switch (type) {
    case PTYP_STRING:
      return { kind: 'text', text: utf16Text(bytes).replace(/\0+$/, '') }
    case PTYP_STRING8:
      return { kind: 'text', text: decodeCodePage(bytes, page).replace(/\0+$/, '') }
    case PTYP_BINARY:
    case PTYP_OBJECT:
    case GUID_TYPE:
    case 0x00fb: // PtypServerId
      return { kind: 'bytes', bytes }
    default:
      return null
  }
}

/** Names of the named properties by their numbers (section 2.2.3). */
function readNames(storage: CompoundStorage | undefined): Map<number, string> {
  const names = new Map<number, string>()
  if (storage === undefined) return names
  const entries = streamNamed(storage, '__substg1.0_00030102') ?? Buffer.alloc(0)
  const strings = streamNamed(storage, '__substg1.0_00040102') ?? Buffer.alloc(0)
  for (let at = 0; at + 8 <= entries.length; at += 8) {
    const isString = (entries.readUInt16LE(at + 4) & 1) === 1
    if (!isString) continue
    const place = entries.readUInt32LE(at)
    const length = strings.readUInt32LE(place)
    if (place + 4 + length > strings.length) throw new RangeError('name')
    names.set(0x8000 + entries.readUInt16LE(at + 6), utf16Text(strings, place + 4, place + 4 + length))
  }
  return names
}
