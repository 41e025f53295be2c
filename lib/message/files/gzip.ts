/** gzip (RFC 1952): one member or several, which together are one file; that file is opened in its turn. */
import { crc32 } from 'node:zlib'
import { decodeUnlabelled } from '../charset'
import { addProblem, addText, type LegacyContext } from './ole-context'
import { emptyReading, type FileReading, type OpenFile, type ReadBudget } from './types'
import { memberPlace } from './zip-places'
import { inflateRaw } from './zip-unpack'

const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 }
const HEADER_SIZE = 10
const TRAILER_SIZE = 8
/** Members of one file; log programs write a few, nobody thousands. */
const MAX_MEMBERS = 1000
/** Bytes of one member; the length in the trailer says no more than its lower 32 bits. */
const MAX_MEMBER = 64 * 1024 * 1024
/** Deflate cannot do better. */
const MAX_RATIO = 1032

interface Member {
  bytes: Buffer
  name: string
  comment: string
  /** First byte behind it. */
  end: number
}

/** Reader of gzip; see {@link import('./types').FileReader}. */
export function readGzip(file: OpenFile, budget: ReadBudget): FileReading | null {
  const { bytes, where } = file
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return null
  const context: LegacyContext = { reading: emptyReading(), budget }
  const members: Member[] = []
  let at = 0
  while (at < bytes.length) {
    const member = members.length === MAX_MEMBERS ? 'there are too many members' : readMember(bytes, at, budget)
    if (typeof member === 'string') {
      addProblem(context, where, member)
      break
    }
    members.push(member)
    at = member.end
    // tapes fill their blocks with zeros, which every program passes over
    if (bytes[at] === 0 && bytes.subarray(at).every((byte) => byte === 0)) break
  }
  addText(context, `${where} (names)`, 'name', members.map(({ name }) => name).join('\n'))
  addText(context, `${where} (comment)`, 'hidden', members.map(({ comment }) => comment).join('\n'))
  const [first, ...others] = members
  if (first === undefined) return context.reading
  if (!budget.part()) {
    addProblem(context, where, 'there are too many parts')
    return context.reading
  }
  const content = others.length === 0 ? first.bytes : Buffer.concat(members.map((member) => member.bytes))
  const name = first.name === '' ? file.name.replace(/\.(?:gz|gzip)$/i, '').replace(/\.tgz$/i, '.tar') : first.name
  const place = memberPlace(where, name === '' || name === file.name ? 'content' : name)
  context.reading.embedded.push({ bytes: content, name, where: place, type: '', archive: true })
  return context.reading
}

/** @returns why it cannot be read, as a text */
function readMember(bytes: Buffer, start: number, budget: ReadBudget): Member | string {
  const broken = 'the archive is broken'
  const [id1, id2, method, flags = 0] = bytes.subarray(start, start + 4)
  if (id1 !== 0x1f || id2 !== 0x8b) return 'bytes follow the archive'
  if (bytes.length < start + HEADER_SIZE + TRAILER_SIZE || method !== 8) return broken
  if ((flags & (FLAG.reserved | FLAG.extra)) !== 0) return 'the archive has fields that are not known'
  let at = start + HEADER_SIZE
  const texts: string[] = []
  for (const flag of [FLAG.name, FLAG.comment]) {
    const end = (flags & flag) === 0 ? at : bytes.indexOf(0, at)
    if (end === -1) return broken
    texts.push(decodeUnlabelled(bytes.subarray(at, end)))
    at = (flags & flag) === 0 ? at : end + 1
  }
  if ((flags & FLAG.headerCrc) !== 0) {
    if (at + 2 > bytes.length || bytes.readUInt16LE(at) !== (crc32(bytes.subarray(start, at)) & 0xffff)) return broken
    at += 2
  }
  if (budget.timeUp()) return 'the time for reading was up'
  const packed = bytes.subarray(at)
  const limit = Math.min(MAX_MEMBER, packed.length * MAX_RATIO)
  const content = inflateStream(packed, limit, bytes)
  if (content === null) return 'the content cannot be unpacked, or is too large'
  if (!budget.bytes(content.bytes.length)) return 'the content is too large'
  const end = at + content.consumed
  if (end + TRAILER_SIZE > bytes.length) return broken
  const sound =
    bytes.readUInt32LE(end) === crc32(content.bytes) && bytes.readUInt32LE(end + 4) === content.bytes.length >>> 0
  if (!sound) return 'the content does not agree with its size and checksum'
  return { bytes: content.bytes, name: texts[0] ?? '', comment: texts[1] ?? '', end: end + TRAILER_SIZE }
}

/** Memory as the last trailer of the file says first, which is right for files with one member; then up to the limit. */
function inflateStream(packed: Buffer, limit: number, bytes: Buffer): ReturnType<typeof inflateRaw> {
  const told = bytes.length >= 4 ? bytes.readUInt32LE(bytes.length - 4) : 0
  const first = told < limit ? inflateRaw(packed, told) : null
  return first ?? inflateRaw(packed, limit, 256 * 1024)
}
