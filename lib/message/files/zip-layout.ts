/**
 * The records of a zip file (PKWARE APPNOTE 6.3.10), read in the strict way. Programs differ in where they look for the
 * directory, whether they believe it or the headers in front of the members, and what they make of bytes that belong to
 * nothing: each such difference hides content from somebody, so that a file in which there is one is not inspected.
 */
import { decodeUnlabelled } from '../charset'
import { readExtra } from './zip-extra'

/** One member as the directory tells it; its header was found to say the same. */
export interface ZipMember {
  name: string
  /** Other names that it has: another encoding, a name in Unicode beside it. */
  otherNames: readonly string[]
  comment: string
  method: number
  crc: number
  /** Bytes when unpacked, as declared. */
  size: number
  /** As stored. */
  packed: Buffer
  encrypted: boolean
  isDirectory: boolean
}

export interface ZipLayout {
  /** In the order of the directory. */
  members: ZipMember[]
  comment: string
  /** Whatever programs may read in another way, and whatever is broken. */
  problems: string[]
}

const END_BYTES = Buffer.from('PK\x05\x06', 'latin1')
const END_SIZE = 22
const END64 = 0x06064b50
const END64_SIZE = 56
const LOCATOR64 = 0x07064b50
const LOCATOR64_SIZE = 20
const ENTRY = 0x02014b50
const ENTRY_SIZE = 46
const HEADER = 0x04034b50
const HEADER_SIZE = 30
const DESCRIPTOR = 0x08074b50
/** Members of one archive. */
const MAX_MEMBERS = 5000
const FLAG = { encrypted: 1, descriptor: 8, strong: 0x40, utf8: 0x800, masked: 0x2000 }
/** Encrypted, two bits of the method, descriptor, strong encryption, UTF-8, masked header. */
const KNOWN_FLAGS = 0x0001 | 0x0006 | 0x0008 | 0x0040 | 0x0800 | 0x2000
const AES = 99
const NEEDS_64 = 0xffffffff

/** Thrown and caught here: nothing more can be read. */
class Broken extends Error {}

interface Directory {
  start: number
  size: number
  entries: number
  comment: string
}

interface Entry extends Omit<ZipMember, 'packed'> {
  flags: number
  packedSize: number
  offset: number
  rawName: Buffer
}

/** @returns null when the bytes are no zip file, or an empty layout with its problems when they cannot be followed */
export function zipLayout(bytes: Buffer): ZipLayout | null {
  if (bytes.toString('latin1', 0, 2) !== 'PK') return null
  const layout: ZipLayout = { members: [], comment: '', problems: [] }
  try {
    const directory = findDirectory(bytes, layout.problems)
    layout.comment = directory.comment
    const entries = readEntries(bytes, directory, layout.problems)
    layout.members = membersOf(bytes, entries, directory.start, layout.problems)
  } catch (error) {
    if (error instanceof Broken) layout.problems.push(error.message)
    // a read beyond the end of the bytes
    else if (error instanceof RangeError) layout.problems.push('the archive is cut off')
    else throw error
  }
  layout.problems = [...new Set(layout.problems)]
  return layout
}

function findDirectory(bytes: Buffer, problems: string[]): Directory {
  const end = bytes.lastIndexOf(END_BYTES)
  if (end === -1 || end + END_SIZE > bytes.length) throw new Broken('the archive has no directory')
  const commentLength = bytes.readUInt16LE(end + 20)
  const stop = end + END_SIZE + commentLength
  if (stop > bytes.length) throw new Broken('the archive is cut off')
  if (stop < bytes.length) problems.push('bytes follow the archive')
  // a second record whose comment also ends with the file: programs that search from the front take that one
  const window = Math.max(0, bytes.length - END_SIZE - 0xffff)
  for (let at = bytes.indexOf(END_BYTES, window); at !== -1 && at < end; at = bytes.indexOf(END_BYTES, at + 1)) {
    if (at + END_SIZE + bytes.readUInt16LE(at + 20) === bytes.length) problems.push('the archive has two directories')
  }
  const comment = decodeUnlabelled(bytes.subarray(end + END_SIZE, stop))
  const short = {
    start: bytes.readUInt32LE(end + 16),
    size: bytes.readUInt32LE(end + 12),
    entries: bytes.readUInt16LE(end + 10),
    comment,
  }
  if (bytes.readUInt32LE(end + 4) !== 0 || bytes.readUInt16LE(end + 8) !== short.entries) {
    if (bytes.readUInt32LE(end + 4) !== 0xffffffff) throw new Broken('the archive is one of several volumes')
  }
  const locator = end - LOCATOR64_SIZE
  const has64 = locator >= 0 && bytes.readUInt32LE(locator) === LOCATOR64
  const directory = has64 ? findDirectory64(bytes, locator, short, problems) : { ...short, end }
  if (directory.start + directory.size !== directory.end)
    throw new Broken('bytes stand between the records of the archive')
  return directory
}

/** Section 4.3.14 and 4.3.15. */
function findDirectory64(
  bytes: Buffer,
  locator: number,
  short: Directory,
  problems: string[],
): Directory & { end: number } {
  const at = safeNumber(bytes.readBigUInt64LE(locator + 8))
  if (at + END64_SIZE !== locator || bytes.readUInt32LE(at) !== END64) {
    throw new Broken('bytes stand between the records of the archive')
  }
  if (safeNumber(bytes.readBigUInt64LE(at + 4)) !== END64_SIZE - 12)
    problems.push('the directory of the archive is odd')
  const directory = {
    start: safeNumber(bytes.readBigUInt64LE(at + 48)),
    size: safeNumber(bytes.readBigUInt64LE(at + 40)),
    entries: safeNumber(bytes.readBigUInt64LE(at + 32)),
    comment: short.comment,
    end: at,
  }
  const agrees = (value: number, limit: number, other: number) => value === limit || value === other
  if (
    !agrees(short.start, NEEDS_64, directory.start) ||
    !agrees(short.size, NEEDS_64, directory.size) ||
    !agrees(short.entries, 0xffff, directory.entries)
  ) {
    problems.push('the directories of the archive differ')
  }
  return directory
}

function readEntries(bytes: Buffer, directory: Directory, problems: string[]): Entry[] {
  if (directory.entries > MAX_MEMBERS) throw new Broken('the archive has too many members')
  const entries: Entry[] = []
  const stop = directory.start + directory.size
  let at = directory.start
  while (at < stop) {
    if (bytes.readUInt32LE(at) !== ENTRY) throw new Broken('bytes stand between the records of the archive')
    if (entries.length === MAX_MEMBERS) throw new Broken('the archive has too many members')
    const lengths = [28, 30, 32].map((place) => bytes.readUInt16LE(at + place))
    const [nameLength = 0, extraLength = 0, commentLength = 0] = lengths
    const next = at + ENTRY_SIZE + nameLength + extraLength + commentLength
    if (next > stop) throw new Broken('the directory of the archive is cut off')
    entries.push(readEntry(bytes.subarray(at, next), nameLength, extraLength, problems))
    at = next
  }
  if (entries.length !== directory.entries) problems.push('the directory of the archive has another number of members')
  return entries
}

/** Section 4.3.12. */
function readEntry(record: Buffer, nameLength: number, extraLength: number, problems: string[]): Entry {
  const rawName = record.subarray(ENTRY_SIZE, ENTRY_SIZE + nameLength)
  const extra = readExtra(record.subarray(ENTRY_SIZE + nameLength, ENTRY_SIZE + nameLength + extraLength))
  if (extra.problem !== null) problems.push(extra.problem)
  const flags = record.readUInt16LE(8)
  const sizes64 = extra.sizes64()
  const wide = (value: number) => (value === NEEDS_64 ? sizes64() : value)
  // in this order (section 4.5.3)
  const size = wide(record.readUInt32LE(24))
  const packedSize = wide(record.readUInt32LE(20))
  const offset = wide(record.readUInt32LE(42))
  if (record.readUInt16LE(34) !== 0) throw new Broken('the archive is one of several volumes')
  const method = record.readUInt16LE(10)
  const rawComment = record.subarray(ENTRY_SIZE + nameLength + extraLength)
  const [name = '', ...otherNames] = namesOf(rawName, (flags & FLAG.utf8) !== 0, extra.unicodeName)
  const encrypted = (flags & (FLAG.encrypted | FLAG.strong | FLAG.masked)) !== 0 || method === AES || extra.encrypted
  if ((flags & ~KNOWN_FLAGS) !== 0) problems.push('a member of the archive has flags that are not known')
  if (nameLength === 0 || rawName.includes(0)) problems.push('the name of a member is not valid')
  return {
    name,
    otherNames,
    comment: [decodeUnlabelled(rawComment), extra.unicodeComment ?? ''].filter((one) => one !== '').join('\n'),
    method,
    crc: record.readUInt32LE(16),
    size,
    packedSize,
    offset,
    flags,
    rawName,
    encrypted,
    isDirectory: name.endsWith('/'),
  }
}

/** Headers agree with the directory, and they and the contents fill the file from its first byte to the directory. */
function membersOf(bytes: Buffer, entries: readonly Entry[], stop: number, problems: string[]): ZipMember[] {
  const members = new Map<Entry, ZipMember>()
  const inFile = [...entries].sort((a, b) => a.offset - b.offset)
  let at = 0
  for (const [n, entry] of inFile.entries()) {
    if (entry.offset < at) throw new Broken('members of the archive overlap')
    if (entry.offset > at) problems.push('bytes stand between the records of the archive')
    const start = checkHeader(bytes, entry, problems)
    const end = start + entry.packedSize
    const next = inFile[n + 1]?.offset ?? stop
    if (end > next || end > stop) throw new Broken('members of the archive overlap')
    at = end + ((entry.flags & FLAG.descriptor) === 0 ? 0 : descriptorLength(bytes, end, next, entry, problems))
    members.set(entry, memberOf(entry, bytes.subarray(start, end)))
  }
  if (at !== stop) problems.push('bytes stand between the records of the archive')
  const names = new Set<string>()
  for (const entry of entries) {
    if (names.has(entry.name)) problems.push('two members of the archive have the same name')
    names.add(entry.name)
    if (entry.isDirectory && !isEmpty(members.get(entry))) problems.push('a folder of the archive has content')
  }
  return entries.flatMap((entry) => members.get(entry) ?? [])
}

/** Nothing stored, or nothing deflated, which Python writes. */
function isEmpty(member: ZipMember | undefined): boolean {
  const packed = member?.packed.toString('hex') ?? ''
  return member?.size === 0 && (packed === '' || (member.method === 8 && packed === '0300'))
}

function memberOf(entry: Entry, packed: Buffer): ZipMember {
  const { name, otherNames, comment, method, crc, size, encrypted, isDirectory } = entry
  return { name, otherNames, comment, method, crc, size, encrypted, isDirectory, packed }
}

/** Section 4.3.7. @returns where the content begins */
function checkHeader(bytes: Buffer, entry: Entry, problems: string[]): number {
  const at = entry.offset
  if (bytes.readUInt32LE(at) !== HEADER) throw new Broken('a member of the archive is not where its directory says')
  const nameLength = bytes.readUInt16LE(at + 26)
  const extraLength = bytes.readUInt16LE(at + 28)
  const start = at + HEADER_SIZE + nameLength + extraLength
  const name = bytes.subarray(at + HEADER_SIZE, at + HEADER_SIZE + nameLength)
  const extra = readExtra(bytes.subarray(at + HEADER_SIZE + nameLength, start))
  if (extra.problem !== null) problems.push(extra.problem)
  if (extra.unicodeName !== null && ![entry.name, ...entry.otherNames].includes(extra.unicodeName)) {
    problems.push('the headers of the archive do not agree with its directory')
  }
  const sizes64 = extra.sizes64()
  const wide = (value: number) => (value === NEEDS_64 ? sizes64() : value)
  const size = wide(bytes.readUInt32LE(at + 22))
  const packedSize = wide(bytes.readUInt32LE(at + 18))
  const crc = bytes.readUInt32LE(at + 14)
  // with a descriptor the header may leave these open (section 4.4.4, bit 3)
  const open = (entry.flags & FLAG.descriptor) !== 0
  const masked = (entry.flags & FLAG.masked) !== 0
  const same = (value: number, other: number) => value === other || ((open || masked) && value === 0)
  const agrees =
    (masked || name.equals(entry.rawName)) &&
    bytes.readUInt16LE(at + 6) === entry.flags &&
    bytes.readUInt16LE(at + 8) === entry.method &&
    same(crc, entry.crc) &&
    same(size, entry.size) &&
    same(packedSize, entry.packedSize)
  if (!agrees) problems.push('the headers of the archive do not agree with its directory')
  return start
}

/** Section 4.3.9: with or without a signature, with sizes of 4 or 8 bytes; which of them, the next record tells. */
function descriptorLength(bytes: Buffer, at: number, next: number, entry: Entry, problems: string[]): number {
  const length = next - at
  const signed = length === 16 || length === 24
  const wide = length === 20 || length === 24
  const first = at + (signed ? 4 : 0)
  const valid =
    (signed || wide || length === 12) &&
    (!signed || bytes.readUInt32LE(at) === DESCRIPTOR) &&
    bytes.readUInt32LE(first) === entry.crc &&
    (wide
      ? bytes.readBigUInt64LE(first + 4) === BigInt(entry.packedSize) &&
        bytes.readBigUInt64LE(first + 12) === BigInt(entry.size)
      : bytes.readUInt32LE(first + 4) === entry.packedSize && bytes.readUInt32LE(first + 8) === entry.size)
  if (valid) return length
  problems.push('the headers of the archive do not agree with its directory')
  return length >= 0 ? length : 0
}

/** @returns the name that programs show first, then others */
function namesOf(raw: Buffer, isUtf8: boolean, unicode: string | null): string[] {
  const names = isUtf8 ? [raw.toString('utf8')] : [decodeUnlabelled(raw)]
  if (unicode !== null) names.push(unicode)
  return [...new Set(names)]
}

function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Broken('the archive is cut off')
  return Number(value)
}
