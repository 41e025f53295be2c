/** PowerPoint 97-2003 (MS-PPT): every text of slides, notes, masters and comments, and the files inside. */
import { inflateSync } from 'node:zlib'
import { utf16Text } from '../utf16'
import { streamNamed, type CompoundStorage } from './ole-cfb'
import { addEmbedded, addProblem, addText, attempt, type LegacyContext } from './ole-context'
import { readDrawingRecord } from './ole-pictures'

const HEADER = 8
const MAX_DEPTH = 100
const ENCRYPTED = 0xf3d1c4df
const PLAIN = 0xe391c05f
const TEXT_CHARS = 0x0fa0
const TEXT_BYTES = 0x0fa8
const STRING = 0x0fba
const OLE_OBJECT = 0x1011
const SOUND_DATA = 0x07e7
const CRYPT_SESSION = 0x2f14
/** Packages with the theme and styles that newer versions keep for themselves (section 2.11). */
const ROUND_TRIP = new Set([0x040e, 0x0416, 0x0417, 0x0418, 0x041e, 0x041f, 0x0423])
/** Containers that other records call: the version says that a record holds records. */
const CONTAINER = 0xf

/** Read the storage of a presentation, the main one or an embedded one. */
export function readPpt(context: LegacyContext, where: string, storage: CompoundStorage): void {
  attempt(context, where, 'the presentation', () => {
    const user = streamNamed(storage, 'Current User')
    const token = user === undefined || user.length < 16 ? PLAIN : user.readUInt32LE(12)
    if (token === ENCRYPTED || streamNamed(storage, 'EncryptedSummary') !== undefined) {
      context.reading.protection.push({ where, kind: 'office-encrypted' })
      return
    }
    if (user === undefined || token !== PLAIN) addProblem(context, where, 'the presentation does not say its state')
    readRecords(context, where, streamNamed(storage, 'PowerPoint Document') ?? Buffer.alloc(0))
    readPictures(context, where, streamNamed(storage, 'Pictures') ?? Buffer.alloc(0))
  })
}

function readRecords(context: LegacyContext, where: string, stream: Buffer): void {
  const texts: string[] = []
  const ends: number[] = []
  let at = 0
  while (at + HEADER <= stream.length) {
    if (context.budget.timeUp()) {
      addProblem(context, where, 'the time for reading was up')
      return
    }
    while (at >= (ends.at(-1) ?? Number.POSITIVE_INFINITY)) ends.pop()
    const version = stream.readUInt16LE(at) & 0xf
    const type = stream.readUInt16LE(at + 2)
    const end = at + HEADER + stream.readUInt32LE(at + 4)
    if (end > (ends.at(-1) ?? stream.length)) throw new RangeError('record')
    if (version === CONTAINER) {
      if (ends.length >= MAX_DEPTH) throw new RangeError('depth')
      ends.push(end)
      at += HEADER
      continue
    }
    const data = stream.subarray(at + HEADER, end)
    const text = textOf(type, data)
    if (text !== null) texts.push(text)
    else readAtom(context, where, type, stream.subarray(at, end))
    at = end
  }
  if (at !== stream.length) addProblem(context, where, 'the presentation ends in the middle of a record')
  if (texts.length === 0 && stream.length === 0) addProblem(context, where, 'the presentation is empty')
  addText(context, where, 'text', texts.join('\n'))
}

function textOf(type: number, data: Buffer): string | null {
  switch (type) {
    case TEXT_CHARS:
    case STRING:
      return lines(utf16Text(data))
    case TEXT_BYTES: // the lower halves of UTF-16 (section 2.9.43)
      return lines(data.toString('latin1'))
    default:
      return null
  }
}

/** Section 2.9.40: 0x0B breaks a line inside a paragraph. */
function lines(text: string): string {
  return text.replace(/[\v\r]/g, '\n')
}

function readAtom(context: LegacyContext, where: string, type: number, record: Buffer): void {
  const data = record.subarray(HEADER)
  if (type >= 0xf000) {
    readDrawingRecord(context, where, type, record)
    return
  }
  if (type === CRYPT_SESSION) return void context.reading.protection.push({ where, kind: 'office-encrypted' })
  if (type === SOUND_DATA) {
    addProblem(context, where, 'the presentation holds sound')
    return
  }
  if (ROUND_TRIP.has(type) && data.readUInt16LE(0) === 0x4b50) {
    addEmbedded(context, { bytes: data, name: '', where: `${where} > theme`, type: '' })
    return
  }
  if (type !== OLE_OBJECT) return
  // section 2.10.34: instance 1 says that the storage is compressed, behind its size
  const isCompressed = record.readUInt16LE(0) >> 4 === 1
  const size = isCompressed ? data.readUInt32LE(0) : data.length
  if (!context.budget.bytes(size)) {
    addProblem(context, where, 'the content is too large')
    return
  }
  const bytes = isCompressed ? inflateSync(data.subarray(4), { maxOutputLength: Math.max(1, size) }) : data
  if (bytes.length !== size) throw new RangeError('size')
  addEmbedded(context, { bytes, name: '', where: `${where} > object`, type: '' })
}

function readPictures(context: LegacyContext, where: string, stream: Buffer): void {
  let at = 0
  while (at + HEADER <= stream.length) {
    const end = at + HEADER + stream.readUInt32LE(at + 4)
    if (end > stream.length) throw new RangeError('picture')
    readDrawingRecord(context, where, stream.readUInt16LE(at + 2), stream.subarray(at, end))
    at = end
  }
}
