/** TNEF, the `winmail.dat` of Exchange and Outlook (MS-OXTNEF): attributes one after the other, each with a checksum. */
import { utf16Text } from '../utf16'
import { decodeCodePage } from './ole-codepage'
import { addEmbedded, addProblem, addRaw, addText, type LegacyContext } from './ole-context'
import {
  ATTACH_NAMES,
  codePagesOf,
  numberOf,
  PTYP_BINARY,
  PTYP_OBJECT,
  PTYP_STRING,
  PTYP_STRING8,
  fixedValue,
  readMapiAttachment,
  readMapiMessage,
  type CodePages,
  type MapiProperty,
} from './msg-mapi'
import { addPicture } from './ole-pictures'
import { emptyReading, type FileReader, type FileReading, type OpenFile, type ReadBudget } from './types'

const SIGNATURE = 0x223e9f78
const HEADER = 6
/** Level, attribute and length before the data, a checksum behind it. */
const ATTRIBUTE = 9
const CHECKSUM = 2
const OEM_CODE_PAGE = 0x9007
const SUBJECT = 0x8004
const BODY = 0x800c
const MESSAGE_PROPERTIES = 0x9003
const RECIPIENTS = 0x9004
const RENDERING = 0x9002
const ATTACHMENT_PROPERTIES = 0x9005
const ATTACHMENT_DATA = 0x800f
const ATTACHMENT_TITLE = 0x8010
const ATTACHMENT_PICTURE = 0x8011
/** Texts: class, ids, sender, requests (section 2.1.3.3). */
const TEXTS = new Set([0x8000, 0x8008, 0x8009, 0x800b, 0x8006, 0x8007, 0x0000, 0x0001, 0x0002, 0x0003, 0x8012, 0x8013])
/** Numbers and times. */
const NUMBERS = new Set([
  0x8005, 0x8020, 0x800d, 0x9006, 0x9008, 0x8014, 0x0006, 0x0007, 0x0009, 0x0008, 0x000a, 0x000b,
])
/** The longest of them is a time in seven words. */
const NUMBER_LIMIT = 32
const ATTACH_DATA = 0x3701
const ATTACH_DISPLAY_NAME = 0x3001
const IID_SIZE = 16
const COMPOUND = 'd0cf11e0'
const SEVERAL = 0x1000
/** Properties of one message; Outlook writes hundreds. */
const MAX_VALUES = 100_000

interface Attachment {
  title: string
  data: Buffer | null
  properties: MapiProperty[]
}

interface Winmail {
  context: LegacyContext
  where: string
  page: number
  properties: MapiProperty[]
  attachments: Attachment[]
  texts: string[]
}

/** Reader of TNEF; see {@link import('./types').FileReader}. */
export const readTnef: FileReader = (file: OpenFile, budget: ReadBudget): FileReading | null => {
  const { bytes, where } = file
  if (bytes.length < HEADER || bytes.readUInt32LE(0) !== SIGNATURE) return null
  const context: LegacyContext = { reading: emptyReading(), budget }
  const mail: Winmail = { context, where, page: 1252, properties: [], attachments: [], texts: [] }
  if (budget.bytes(bytes.length)) {
    readAttributes(mail, bytes)
    tell(mail)
  } else addProblem(context, where, 'the content is too large')
  addRaw(context, where, bytes)
  return context.reading
}

function readAttributes(mail: Winmail, bytes: Buffer): void {
  const { context, where } = mail
  let at = HEADER
  if (bytes.subarray(at).every((byte) => byte === 0)) addProblem(context, where, 'the file ends too early')
  while (at < bytes.length) {
    if (context.budget.timeUp()) {
      addProblem(context, where, 'the time for reading was up')
      return
    }
    const length = at + ATTRIBUTE <= bytes.length ? bytes.readUInt32LE(at + 5) : bytes.length
    if (at + ATTRIBUTE + length + CHECKSUM > bytes.length) {
      // programs that pad the file with zeros
      if (bytes.subarray(at).some((byte) => byte !== 0)) addProblem(context, where, 'the file ends too early')
      return
    }
    const level = bytes.readUInt8(at)
    const id = bytes.readUInt16LE(at + 1)
    const data = bytes.subarray(at + ATTRIBUTE, at + ATTRIBUTE + length)
    at += ATTRIBUTE + length
    if (level !== 1 && level !== 2) addProblem(context, where, 'an attribute belongs to nothing')
    let sum = 0
    for (const byte of data) sum = (sum + byte) & 0xffff
    if (sum !== bytes.readUInt16LE(at)) addProblem(context, where, 'a checksum is wrong')
    at += CHECKSUM
    try {
      readAttribute(mail, id, data)
    } catch {
      addProblem(context, where, 'an attribute cannot be read')
    }
  }
}

function readAttribute(mail: Winmail, id: number, data: Buffer): void {
  const { context, where } = mail
  const text = () => decodeCodePage(data, mail.page).replace(/\0+$/, '')
  switch (id) {
    case OEM_CODE_PAGE:
      if (data.length > NUMBER_LIMIT) throw new RangeError('size')
      mail.page = data.readUInt32LE(0)
      return
    case SUBJECT: {
      addText(context, `${where} > subject`, 'subject', text())
      return
    }
    case BODY: {
      addText(context, `${where} > text`, 'text', text())
      return
    }
    case MESSAGE_PROPERTIES:
      mail.properties.push(...readProperties(data, 0, mail.page).properties)
      return
    case RECIPIENTS: {
      const count = data.readUInt32LE(0)
      let at = 4
      for (let n = 0; n < count; n++) {
        const row = readProperties(data, at, mail.page)
        at = row.next
        for (const { value } of row.properties) if (value.kind === 'text') mail.texts.push(value.text)
      }
      return
    }
    case RENDERING:
      if (data.length > NUMBER_LIMIT) throw new RangeError('size')
      if (!context.budget.part()) throw new RangeError('parts')
      mail.attachments.push({ title: '', data: null, properties: [] })
      return
    case ATTACHMENT_TITLE:
      attachmentOf(mail).title = text()
      return
    case ATTACHMENT_DATA:
      attachmentOf(mail).data = data
      return
    case ATTACHMENT_PROPERTIES:
      attachmentOf(mail).properties.push(...readProperties(data, 0, mail.page).properties)
      return
    case ATTACHMENT_PICTURE:
      addPicture(context, `${where} > icon`, data)
      return
    default:
      if (TEXTS.has(id)) mail.texts.push(text())
      else if (!NUMBERS.has(id) || data.length > NUMBER_LIMIT) addProblem(context, where, 'an attribute is not known')
  }
}

function attachmentOf(mail: Winmail): Attachment {
  const last = mail.attachments.at(-1)
  if (last === undefined) throw new RangeError('attachment')
  return last
}

/** Properties as MAPI has them (section 2.1.3.4): a type, an id, for named ones a name, then one value or several. */
function readProperties(data: Buffer, start: number, page: number): { properties: MapiProperty[]; next: number } {
  const properties: MapiProperty[] = []
  let at = start
  const u32 = () => {
    const value = data.readUInt32LE(at)
    at += 4
    return value
  }
  const take = (size: number) => {
    if (at + size > data.length) throw new RangeError('property')
    const found = data.subarray(at, at + size)
    // values fill up to four bytes
    at += size + ((4 - (size % 4)) % 4)
    return found
  }
  const count = u32()
  if (count > MAX_VALUES) throw new RangeError('properties')
  for (let n = 0; n < count; n++) {
    const declared = data.readUInt16LE(at)
    const id = data.readUInt16LE(at + 2)
    at += 4
    const type = declared & ~SEVERAL
    let name = ''
    if (id >= 0x8000) {
      take(16)
      const isString = u32() === 1
      if (isString) name = utf16Text(take(u32())).replace(/\0+$/, '')
      else take(4)
    }
    const isVariable = [PTYP_STRING8, PTYP_STRING, PTYP_OBJECT, PTYP_BINARY].includes(type)
    const values = isVariable || (declared & SEVERAL) !== 0 ? u32() : 1
    if (values > MAX_VALUES) throw new RangeError('values')
    for (let v = 0; v < values; v++) {
      const value = isVariable ? variableValue(take(u32()), type, page) : fixed(take(sizeOf(type)), type)
      properties.push({ id, type, name, value })
    }
  }
  return { properties, next: at }
}

function variableValue(bytes: Buffer, type: number, page: number): MapiProperty['value'] {
  if (type === PTYP_STRING) return { kind: 'text', text: utf16Text(bytes).replace(/\0+$/, '') }
  if (type === PTYP_STRING8) return { kind: 'text', text: decodeCodePage(bytes, page).replace(/\0+$/, '') }
  return { kind: 'bytes', bytes }
}

function fixed(bytes: Buffer, type: number): MapiProperty['value'] {
  const number = fixedValue(Buffer.concat([bytes, Buffer.alloc(8)]), 0, type)
  return number === null ? { kind: 'bytes', bytes } : { kind: 'number', number }
}

function sizeOf(type: number): number {
  switch (type) {
    case 0x0001:
      return 0
    case 0x0002:
    case 0x000b:
      return 2
    case 0x0003:
    case 0x0004:
    case 0x000a:
      return 4
    case 0x0005:
    case 0x0006:
    case 0x0007:
    case 0x0014:
    case 0x0040:
      return 8
    case 0x0048:
      return 16
    default:
      throw new RangeError('type')
  }
}

function tell(mail: Winmail): void {
  const { context, where } = mail
  addText(context, `${where} > properties`, 'header', mail.texts.join('\n'))
  const own = codePagesOf(mail.properties)
  const pages: CodePages = numberOf(mail.properties, 0x3ffd) === undefined ? { ...own, message: mail.page } : own
  const cids = readMapiMessage(context, where, mail.properties, pages)
  for (const [n, attachment] of mail.attachments.entries()) tellAttachment(mail, n + 1, attachment, cids)
}

function tellAttachment(
  mail: Winmail,
  ordinal: number,
  { title, data, properties }: Attachment,
  cids: ReadonlySet<string>,
): void {
  const { context, where } = mail
  const inner = properties.find(({ id, type }) => id === ATTACH_DATA && type === PTYP_OBJECT)?.value
  const rest = properties.filter(({ value }) => value !== inner)
  const own = rest.find(({ id }) => id === ATTACH_DATA)?.value
  if (data !== null && own === undefined)
    rest.push({ id: ATTACH_DATA, type: PTYP_BINARY, name: '', value: { kind: 'bytes', bytes: data } })
  if (title !== '' && !rest.some(({ id }) => ATTACH_NAMES.includes(id)))
    rest.push({ id: ATTACH_DISPLAY_NAME, type: PTYP_STRING, name: '', value: { kind: 'text', text: title } })
  const { name, where: place, data: opened } = readMapiAttachment(context, where, ordinal, rest, cids)
  if (name !== title) addText(context, place, 'name', title)
  // two contents for one attachment: either may be the one that is shown
  if (data !== null && opened !== null && !data.equals(opened))
    addEmbedded(context, { bytes: data, name, where: place, type: '' })
  if (inner?.kind === 'bytes') {
    // section 2.1.3.4: an interface id, then another TNEF stream or a compound file
    const bytes = inner.bytes.subarray(IID_SIZE)
    const isKnown = bytes.toString('hex', 0, 4) === COMPOUND || bytes.toString('hex', 0, 4) === '789f3e22'
    if (isKnown) addEmbedded(context, { bytes, name, where: place, type: '' })
    else addProblem(context, place, 'an embedded object has a format that is not known')
  } else if (opened === null) addProblem(context, place, 'the attachment has no content')
}
