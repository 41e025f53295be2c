/** PowerPoint 97-2003 (MS-PPT): as many of its records as hold text or files. */
import { deflateSync } from 'node:zlib'
import { compoundFile, type Streams } from './cfb-writer'

export interface PptContent {
  /** Texts of the slides. */
  slides: readonly string[]
  notes?: string
  comment?: string
  /** A compound file that is embedded. */
  object?: Buffer
  encrypted?: boolean
  /** Pictures, as they stand. */
  pictures?: readonly Buffer[]
  /** Records that come last, as they stand. */
  records?: readonly Buffer[]
  streams?: Streams
}

/** One record; `records` make it a container. */
export function pptRecord(type: number, data: Buffer | readonly Buffer[], instance = 0): Buffer {
  const body = Buffer.isBuffer(data) ? data : Buffer.concat(data)
  const head = Buffer.alloc(8)
  head.writeUInt16LE((instance << 4) | (Buffer.isBuffer(data) ? 0 : 0xf), 0)
  head.writeUInt16LE(type, 2)
  head.writeUInt32LE(body.length, 4)
  return Buffer.concat([head, body])
}

export function pptFile(content: PptContent): Buffer {
  const text = (value: string) =>
    /[^\0-\xff]/.test(value)
      ? pptRecord(0x0fa0, Buffer.from(value, 'utf16le'))
      : pptRecord(0x0fa8, Buffer.from(value, 'latin1'))
  const box = (value: string) => pptRecord(0xf00d, [pptRecord(0x0f9f, Buffer.alloc(4)), text(value)])
  const stream = [
    pptRecord(0x03e8, [pptRecord(0x03e9, Buffer.alloc(40))]),
    ...content.slides.map((slide) => pptRecord(0x03ee, [pptRecord(0x040c, [pptRecord(0xf002, [box(slide)])])])),
    ...(content.notes === undefined ? [] : [pptRecord(0x03f0, [box(content.notes)])]),
    ...(content.comment === undefined
      ? []
      : [pptRecord(0x2ee0, [pptRecord(0x0fba, Buffer.from(content.comment, 'utf16le'))])]),
    ...(content.object === undefined ? [] : [storedObject(content.object)]),
    ...(content.records ?? []),
  ]
  const user = Buffer.alloc(20)
  user.writeUInt32LE(20, 8)
  user.writeUInt32LE(content.encrypted === true ? 0xf3d1c4df : 0xe391c05f, 12)
  return compoundFile({
    'Current User': Buffer.concat([Buffer.from('0000f60f14000000', 'hex'), user.subarray(8)]),
    'PowerPoint Document': Buffer.concat(stream),
    ...(content.pictures === undefined ? {} : { Pictures: Buffer.concat(content.pictures) }),
    ...content.streams,
  })
}

/** Section 2.10.34: a compressed storage behind its size. */
function storedObject(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(bytes.length)
  return pptRecord(0x1011, Buffer.concat([size, deflateSync(bytes)]), 1)
}
