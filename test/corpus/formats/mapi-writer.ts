/** Messages as MAPI properties, written as .msg (MS-OXMSG) and as TNEF (MS-OXTNEF). */
import { checksum } from '../../../lib/message/files/rtf-compressed'
import { compoundFile, type Streams } from './cfb-writer'

export interface MapiAttachmentContent {
  name: string
  bytes: Buffer
  contentId?: string
  type?: string
  /** PidTagAttachMethod; 1: the file is inside. */
  method?: number
}

export interface MapiContent {
  subject?: string
  text?: string
  html?: string
  /** Body in RTF, stored compressed. */
  rtf?: Buffer
  recipients?: readonly string[]
  header?: string
  /** PidTagSensitivity. */
  sensitivity?: number
  /** Named properties with a text. */
  named?: Readonly<Record<string, string>>
  attachments?: readonly MapiAttachmentContent[]
  messages?: readonly MapiContent[]
  /** Texts in the code page instead of Unicode. */
  codePage?: { page: number; encode: (text: string) => Buffer }
}

type Value = { id: number; type: number; bytes: Buffer } | { id: number; type: number; number: number }

const STRING8 = 0x001e
const STRING = 0x001f
const BINARY = 0x0102
const OBJECT = 0x000d
const LONG = 0x0003

function valuesOf(content: MapiContent): Value[] {
  const text = (id: number, value: string | undefined): Value[] =>
    value === undefined
      ? []
      : content.codePage === undefined
        ? [{ id, type: STRING, bytes: Buffer.from(value, 'utf16le') }]
        : [{ id, type: STRING8, bytes: content.codePage.encode(value) }]
  return [
    ...text(0x001a, 'IPM.Note'),
    ...text(0x0037, content.subject),
    ...text(0x1000, content.text),
    ...text(0x007d, content.header),
    ...(content.html === undefined ? [] : [{ id: 0x1013, type: BINARY, bytes: Buffer.from(content.html, 'utf8') }]),
    ...(content.html === undefined ? [] : [{ id: 0x3fde, type: LONG, number: 65001 }]),
    ...(content.rtf === undefined ? [] : [{ id: 0x1009, type: BINARY, bytes: compressedRtf(content.rtf) }]),
    ...(content.sensitivity === undefined ? [] : [{ id: 0x0036, type: LONG, number: content.sensitivity }]),
    ...(content.codePage === undefined ? [] : [{ id: 0x3ffd, type: LONG, number: content.codePage.page }]),
  ]
}

function attachmentValues({ name, bytes, contentId, type, method }: MapiAttachmentContent): Value[] {
  const text = (id: number, value: string): Value => ({ id, type: STRING, bytes: Buffer.from(value, 'utf16le') })
  return [
    text(0x3707, name),
    text(0x3704, name.slice(0, 12)),
    ...(contentId === undefined ? [] : [text(0x3712, contentId)]),
    ...(type === undefined ? [] : [text(0x370e, type)]),
    { id: 0x3705, type: LONG, number: method ?? 1 },
    { id: 0x3701, type: BINARY, bytes },
  ]
}

/** RTF as literals only: eight bytes behind each zero of flags, then a reference to the end. */
export function compressedRtf(rtf: Buffer): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at + 8 <= rtf.length; at += 8) pieces.push(Buffer.of(0), rtf.subarray(at, at + 8))
  const rest = rtf.subarray(rtf.length - (rtf.length % 8))
  // the window begins with 207 bytes of text
  const end = Buffer.alloc(2)
  end.writeUInt16BE(((207 + rtf.length) % 4096) << 4)
  const body = Buffer.concat([...pieces, Buffer.of(1 << rest.length), rest, end])
  const head = Buffer.alloc(16)
  head.writeUInt32LE(body.length + 12, 0)
  head.writeUInt32LE(rtf.length, 4)
  head.write('LZFu', 8, 'latin1')
  head.writeUInt32LE(checksum(body), 12)
  return Buffer.concat([head, body])
}

export function msgFile(content: MapiContent, streams: Streams = {}): Buffer {
  const names = [...Object.keys(content.named ?? {})]
  return compoundFile({ ...nameStreams(names), ...messageStreams(content, 32, names, ''), ...streams })
}

function messageStreams(content: MapiContent, header: number, names: readonly string[], prefix: string): Streams {
  const named = Object.entries(content.named ?? {}).map(([name, text]): Value => ({
    id: 0x8000 + names.indexOf(name),
    type: STRING,
    bytes: Buffer.from(text, 'utf16le'),
  }))
  const streams: Record<string, Buffer> = propertyStreams([...valuesOf(content), ...named], header, prefix)
  const hex = (n: number) => n.toString(16).toUpperCase().padStart(8, '0')
  content.recipients?.forEach((recipient, n) => {
    const values: Value[] = [{ id: 0x3001, type: STRING, bytes: Buffer.from(recipient, 'utf16le') }]
    Object.assign(streams, propertyStreams(values, 8, `${prefix}__recip_version1.0_#${hex(n)}/`))
  })
  const attachments = content.attachments ?? []
  attachments.forEach((attachment, n) => {
    const place = `${prefix}__attach_version1.0_#${hex(n)}/`
    Object.assign(streams, propertyStreams(attachmentValues(attachment), 8, place))
  })
  content.messages?.forEach((message, n) => {
    const place = `${prefix}__attach_version1.0_#${hex(attachments.length + n)}/`
    const values: Value[] = [
      { id: 0x3705, type: LONG, number: 5 },
      { id: 0x3701, type: OBJECT, bytes: Buffer.alloc(0) },
    ]
    const own = propertyStreams(values, 8, place)
    // its data is a storage instead of a stream
    const others = Object.entries(own).filter(([name]) => name !== `${place}__substg1.0_3701000D`)
    Object.assign(
      streams,
      Object.fromEntries(others),
      messageStreams(message, 24, names, `${place}__substg1.0_3701000D/`),
    )
  })
  return streams
}

function propertyStreams(values: readonly Value[], header: number, prefix: string): Record<string, Buffer> {
  const streams: Record<string, Buffer> = {}
  const table = [Buffer.alloc(header)]
  for (const value of values) {
    const entry = Buffer.alloc(16)
    entry.writeUInt16LE(value.type, 0)
    entry.writeUInt16LE(value.id, 2)
    entry.writeUInt32LE(6, 4)
    if ('number' in value) entry.writeInt32LE(value.number, 8)
    else {
      entry.writeUInt32LE(value.bytes.length + (value.type === STRING ? 2 : value.type === STRING8 ? 1 : 0), 8)
      const tag = (value.id * 0x10000 + value.type).toString(16).toUpperCase().padStart(8, '0')
      streams[`${prefix}__substg1.0_${tag}`] = value.bytes
    }
    table.push(entry)
  }
  streams[`${prefix}__properties_version1.0`] = Buffer.concat(table)
  return streams
}

/** Names of named properties, all as texts in the set of the Internet headers. */
function nameStreams(names: readonly string[]): Record<string, Buffer> {
  const strings: Buffer[] = []
  const entries: Buffer[] = []
  let at = 0
  names.forEach((name, n) => {
    const text = Buffer.from(name, 'utf16le')
    const string = Buffer.concat([u32(text.length), text, Buffer.alloc((4 - (text.length % 4)) % 4)])
    const entry = Buffer.alloc(8)
    entry.writeUInt32LE(at, 0)
    entry.writeUInt16LE((3 << 1) | 1, 4)
    entry.writeUInt16LE(n, 6)
    entries.push(entry)
    strings.push(string)
    at += string.length
  })
  return {
    '__nameid_version1.0/__substg1.0_00020102': Buffer.from('8603020000000000c000000000000046', 'hex'),
    '__nameid_version1.0/__substg1.0_00030102': Buffer.concat(entries),
    '__nameid_version1.0/__substg1.0_00040102': Buffer.concat(strings),
  }
}

export function tnefFile(content: MapiContent): Buffer {
  const named = Object.entries(content.named ?? {})
  const values = [
    ...valuesOf(content).map((value) => tnefValue(value)),
    ...named.map(([name, text], n) =>
      tnefValue({ id: 0x8000 + n, type: STRING, bytes: Buffer.from(`${text}\0`, 'utf16le') }, name),
    ),
  ]
  const messages = (content.messages ?? []).map((message) =>
    attachment('message.msg', [
      { id: 0x3705, type: LONG, number: 5 },
      {
        id: 0x3701,
        type: OBJECT,
        bytes: Buffer.concat([Buffer.from('0703020000000000c000000000000046', 'hex'), tnefFile(message)]),
      },
    ]),
  )
  return Buffer.concat([
    u32(0x223e9f78),
    Buffer.from('0100', 'hex'),
    attribute(1, 0x0008_9006, u32(0x10000)),
    attribute(1, 0x0006_9007, Buffer.concat([u32(content.codePage?.page ?? 1252), u32(0)])),
    attribute(1, 0x0007_8008, Buffer.from('IPM.Microsoft Mail.Note\0')),
    attribute(1, 0x0006_9003, Buffer.concat([u32(values.length), ...values])),
    ...(content.attachments ?? []).map((one) =>
      attachment(
        one.name,
        attachmentValues(one).filter(({ id }) => id !== 0x3701),
        one.bytes,
      ),
    ),
    ...messages,
  ])
}

function attachment(title: string, values: readonly Value[], data?: Buffer): Buffer {
  return Buffer.concat([
    attribute(2, 0x0006_9002, Buffer.alloc(14)),
    attribute(2, 0x0001_8010, Buffer.from(`${title.slice(0, 12)}\0`, 'latin1')),
    ...(data === undefined ? [] : [attribute(2, 0x0006_800f, data)]),
    attribute(2, 0x0006_9005, Buffer.concat([u32(values.length), ...values.map((value) => tnefValue(value))])),
  ])
}

function attribute(level: number, id: number, data: Buffer): Buffer {
  const sum = data.reduce((total, byte) => (total + byte) & 0xffff, 0)
  const end = Buffer.alloc(2)
  end.writeUInt16LE(sum)
  return Buffer.concat([Buffer.of(level), u32(id), u32(data.length), data, end])
}

function tnefValue(value: Value, name?: string): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(value.type, 0)
  head.writeUInt16LE(value.id, 2)
  const text = name === undefined ? Buffer.alloc(0) : Buffer.from(`${name}\0`, 'utf16le')
  const named =
    name === undefined
      ? Buffer.alloc(0)
      : Buffer.concat([Buffer.from('8603020000000000c000000000000046', 'hex'), u32(1), u32(text.length), fill(text)])
  const body =
    'number' in value ? u32(value.number) : Buffer.concat([u32(1), u32(value.bytes.length), fill(value.bytes)])
  return Buffer.concat([head, named, body])
}

function fill(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}

function u32(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(number >>> 0)
  return bytes
}
