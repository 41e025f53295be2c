/** A small writer of zip files: right by itself, and wrong in each way that a test asks for. */
import { crc32, deflateRawSync } from 'node:zlib'

/** A member; what is left out is as it should be. */
export interface ZipEntry {
  name: string | Buffer
  data: Buffer | string
  /** Default: deflated when that is smaller. */
  method?: number
  /** Content as stored, if not what the method makes of it. */
  packed?: Buffer
  flags?: number
  comment?: string
  crc?: number
  /** What the directory and the header say, when it is not the truth. */
  size?: number
  packedSize?: number
  /** The header alone: other than the directory. */
  header?: { name?: string; flags?: number; method?: number; size?: number; packedSize?: number; crc?: number }
  extra?: Buffer
  headerExtra?: Buffer
  /** Sizes behind the content, with or without a signature (bit 3 is set by itself). */
  descriptor?: 'signed' | 'plain' | 'wrong'
  /** Sizes in the zip64 field. */
  zip64?: boolean
  /** Bytes in front of the header. */
  gap?: Buffer
  /** The directory points to the header of this member instead. */
  sameAs?: number
}

export interface ZipOptions {
  comment?: string
  /** Bytes before the first record; offsets count them. */
  prefix?: Buffer
  /** Bytes before the first record, which offsets do not count. */
  uncountedPrefix?: Buffer
  beforeDirectory?: Buffer
  afterDirectory?: Buffer
  trailing?: Buffer
  /** Number of members as told. */
  count?: number
  zip64?: boolean
}

interface Written {
  entry: ZipEntry
  offset: number
  name: Buffer
  packed: Buffer
  method: number
  flags: number
  crc: number
  size: number
  packedSize: number
}

/** @returns the whole file */
export function writeZip(entries: readonly ZipEntry[], options: ZipOptions = {}): Buffer {
  const pieces: Buffer[] = []
  let at = 0
  const put = (bytes: Buffer) => {
    pieces.push(bytes)
    at += bytes.length
  }
  put(options.prefix ?? Buffer.alloc(0))
  const written: Written[] = []
  for (const entry of entries) {
    put(entry.gap ?? Buffer.alloc(0))
    const one = prepare(entry, at)
    written.push(one)
    if (entry.sameAs !== undefined) {
      one.offset = written[entry.sameAs]!.offset
      continue
    }
    put(localHeader(one))
    put(one.packed)
    if (entry.descriptor !== undefined) put(descriptor(one, entry.descriptor))
  }
  put(options.beforeDirectory ?? Buffer.alloc(0))
  const start = at
  for (const one of written) put(directoryEntry(one))
  const size = at - start
  put(options.afterDirectory ?? Buffer.alloc(0))
  const count = options.count ?? entries.length
  if (options.zip64 === true) {
    const record = at
    put(end64(count, size, start))
    put(locator64(record))
  }
  const wide = options.zip64 === true
  const comment = Buffer.from(options.comment ?? '')
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(wide ? 0xffff : count, 8)
  end.writeUInt16LE(wide ? 0xffff : count, 10)
  end.writeUInt32LE(wide ? 0xffffffff : size, 12)
  end.writeUInt32LE(wide ? 0xffffffff : start, 16)
  end.writeUInt16LE(comment.length, 20)
  put(end)
  put(comment)
  put(options.trailing ?? Buffer.alloc(0))
  return Buffer.concat([options.uncountedPrefix ?? Buffer.alloc(0), ...pieces])
}

function prepare(entry: ZipEntry, offset: number): Written {
  const data = Buffer.isBuffer(entry.data) ? entry.data : Buffer.from(entry.data)
  const deflated = deflateRawSync(data)
  const method = entry.method ?? (deflated.length < data.length ? 8 : 0)
  const packed = entry.packed ?? (method === 8 ? deflated : data)
  return {
    entry,
    offset,
    name: Buffer.isBuffer(entry.name) ? entry.name : Buffer.from(entry.name),
    packed,
    method,
    flags: entry.flags ?? (entry.descriptor === undefined ? 0x800 : 0x808),
    crc: entry.crc ?? crc32(data),
    size: entry.size ?? data.length,
    packedSize: entry.packedSize ?? packed.length,
  }
}

function localHeader({ entry, name, method, flags, crc, size, packedSize }: Written): Buffer {
  const open = entry.descriptor !== undefined
  const header = entry.header ?? {}
  const told = header.name === undefined ? name : Buffer.from(header.name)
  const extra = Buffer.concat([
    entry.zip64 === true ? field64([header.size ?? size, header.packedSize ?? packedSize]) : Buffer.alloc(0),
    entry.headerExtra ?? Buffer.alloc(0),
  ])
  const bytes = Buffer.alloc(30)
  bytes.write('PK\x03\x04', 0, 'latin1')
  bytes.writeUInt16LE(20, 4)
  bytes.writeUInt16LE(header.flags ?? flags, 6)
  bytes.writeUInt16LE(header.method ?? method, 8)
  bytes.writeUInt32LE(0x5a215a21, 10)
  bytes.writeUInt32LE(header.crc ?? (open ? 0 : crc), 14)
  bytes.writeUInt32LE(entry.zip64 === true ? 0xffffffff : (header.packedSize ?? (open ? 0 : packedSize)), 18)
  bytes.writeUInt32LE(entry.zip64 === true ? 0xffffffff : (header.size ?? (open ? 0 : size)), 22)
  bytes.writeUInt16LE(told.length, 26)
  bytes.writeUInt16LE(extra.length, 28)
  return Buffer.concat([bytes, told, extra])
}

function descriptor({ crc, size, packedSize }: Written, kind: 'signed' | 'plain' | 'wrong'): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.write('PK\x07\x08', 0, 'latin1')
  bytes.writeUInt32LE(crc, 4)
  bytes.writeUInt32LE(packedSize, 8)
  bytes.writeUInt32LE(kind === 'wrong' ? size + 1 : size, 12)
  return kind === 'plain' ? bytes.subarray(4) : bytes
}

function directoryEntry({ entry, offset, name, method, flags, crc, size, packedSize }: Written): Buffer {
  const extra = Buffer.concat([
    entry.zip64 === true ? field64([size, packedSize]) : Buffer.alloc(0),
    entry.extra ?? Buffer.alloc(0),
  ])
  const comment = Buffer.from(entry.comment ?? '')
  const bytes = Buffer.alloc(46)
  bytes.write('PK\x01\x02', 0, 'latin1')
  bytes.writeUInt16LE(20, 4)
  bytes.writeUInt16LE(20, 6)
  bytes.writeUInt16LE(flags, 8)
  bytes.writeUInt16LE(method, 10)
  bytes.writeUInt32LE(0x5a215a21, 12)
  bytes.writeUInt32LE(crc, 16)
  bytes.writeUInt32LE(entry.zip64 === true ? 0xffffffff : packedSize, 20)
  bytes.writeUInt32LE(entry.zip64 === true ? 0xffffffff : size, 24)
  bytes.writeUInt16LE(name.length, 28)
  bytes.writeUInt16LE(extra.length, 30)
  bytes.writeUInt16LE(comment.length, 32)
  bytes.writeUInt32LE(offset, 42)
  return Buffer.concat([bytes, name, extra, comment])
}

function field64(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 + values.length * 8)
  bytes.writeUInt16LE(1, 0)
  bytes.writeUInt16LE(values.length * 8, 2)
  for (const [n, value] of values.entries()) bytes.writeBigUInt64LE(BigInt(value), 4 + n * 8)
  return bytes
}

function end64(count: number, size: number, start: number): Buffer {
  const bytes = Buffer.alloc(56)
  bytes.write('PK\x06\x06', 0, 'latin1')
  bytes.writeBigUInt64LE(44n, 4)
  bytes.writeUInt16LE(45, 12)
  bytes.writeUInt16LE(45, 14)
  bytes.writeBigUInt64LE(BigInt(count), 24)
  bytes.writeBigUInt64LE(BigInt(count), 32)
  bytes.writeBigUInt64LE(BigInt(size), 40)
  bytes.writeBigUInt64LE(BigInt(start), 48)
  return bytes
}

function locator64(record: number): Buffer {
  const bytes = Buffer.alloc(20)
  bytes.write('PK\x06\x07', 0, 'latin1')
  bytes.writeBigUInt64LE(BigInt(record), 8)
  bytes.writeUInt32LE(1, 16)
  return bytes
}
