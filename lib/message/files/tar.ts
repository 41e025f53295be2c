/** tar (POSIX.1-2017 pax and ustar, and the long names of GNU): every member is opened in its turn. */
import { decodeUnlabelled } from '../charset'
import { addProblem, addText, type LegacyContext } from './ole-context'
import { emptyReading, type FileReading, type OpenFile, type ReadBudget } from './types'
import { memberPlace } from './zip-places'

const BLOCK = 512
/** Where the name and the magic of ustar and GNU stand. */
const MAGIC_AT = 257
const CHECKSUM_AT = 148
/** Members of one archive. */
const MAX_MEMBERS = 5000
/** Bytes of one extended header or long name. */
const MAX_HEADER = 1024 * 1024

interface Header {
  name: string
  target: string
  /** User and group. */
  owner: string
  size: number
  type: string
}

/** What extended headers and long names say about the next member. */
interface Extended {
  name: string | null
  target: string | null
  size: number | null
}

/** Reader of tar; see {@link import('./types').FileReader}. */
export function readTar(file: OpenFile, budget: ReadBudget): FileReading | null {
  const { bytes, where } = file
  if (!isTar(bytes)) return null
  const context: LegacyContext = { reading: emptyReading(), budget }
  const names: string[] = []
  const problem = readMembers(context, bytes, where, names)
  if (problem !== null) addProblem(context, where, problem)
  addText(context, `${where} (names)`, 'name', names.filter((name) => name !== '').join('\n'))
  return context.reading
}

/** The first block is a header with the right checksum, of any of the old and new forms. */
export function isTar(bytes: Buffer): boolean {
  return bytes.length >= BLOCK && bytes[0] !== 0 && checksumFits(bytes.subarray(0, BLOCK))
}

/** @returns why the rest was not read, or null */
function readMembers(context: LegacyContext, bytes: Buffer, where: string, names: string[]): string | null {
  const { budget, reading } = context
  const seen = new Set<string>()
  let next: Extended = { name: null, target: null, size: null }
  let at = 0
  let count = 0
  while (at + BLOCK <= bytes.length) {
    const block = bytes.subarray(at, at + BLOCK)
    if (block.every((byte) => byte === 0)) return endOf(bytes, at)
    if (++count > MAX_MEMBERS || !budget.part()) return 'there are too many parts'
    if (budget.timeUp()) return 'the time for reading was up'
    const header = readHeader(block)
    if (typeof header === 'string') return header
    const size = next.size ?? header.size
    const start = at + BLOCK
    const end = start + size
    if (end > bytes.length) return 'the archive is cut off'
    const content = bytes.subarray(start, end)
    at = Math.min(bytes.length, start + Math.ceil(size / BLOCK) * BLOCK)
    if (bytes.subarray(end, at).some((byte) => byte !== 0)) return 'bytes stand between the members of the archive'
    if (header.type === 'x' || header.type === 'L' || header.type === 'K' || header.type === 'g') {
      const problem = extend(next, header, content, names)
      if (problem !== null) return problem
      continue
    }
    const name = next.name ?? header.name
    names.push(name, next.target ?? header.target, header.owner)
    next = { name: null, target: null, size: null }
    switch (header.type) {
      case '0':
      case '\0':
      case '7': {
        if (seen.has(name)) addProblem(context, where, 'two members of the archive have the same name')
        seen.add(name)
        // old programs mark folders by the slash only
        if (size === 0) break
        if (!budget.bytes(size)) return 'the content is too large'
        const place = memberPlace(where, name)
        reading.embedded.push({ bytes: content, name, where: place, type: '', archive: true })
        break
      }
      case '1': // links and devices have no content
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
        if (size > 0) return 'a member without content has some'
        break
      default:
        // sparse files, volumes, dumps of folders
        return 'members of this kind are not read'
    }
  }
  return at === bytes.length ? null : 'the archive is cut off'
}

/** Behind the blocks of zeros at the end programs stop reading: nothing else may stand there. */
function endOf(bytes: Buffer, at: number): string | null {
  return bytes.subarray(at).every((byte) => byte === 0) ? null : 'bytes follow the archive'
}

function readHeader(block: Buffer): Header | string {
  if (!checksumFits(block)) return 'the header of a member is broken'
  const size = numberAt(block, 124, 12)
  if (size === null) return 'the header of a member is broken'
  const isUstar = block.toString('latin1', MAGIC_AT, MAGIC_AT + 6) === 'ustar\0'
  const isGnu = block.toString('latin1', MAGIC_AT, MAGIC_AT + 8) === 'ustar  \0'
  const prefix = isUstar ? textAt(block, 345, 155) : ''
  const name = textAt(block, 0, 100)
  if (!isUstar && !isGnu && block.subarray(MAGIC_AT, MAGIC_AT + 6).some((byte) => byte !== 0)) {
    return 'the header of a member is broken'
  }
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    target: textAt(block, 157, 100),
    owner: [textAt(block, 265, 32), textAt(block, 297, 32)].filter((one) => one !== '').join('\n'),
    size,
    type: String.fromCharCode(block[156] ?? 0),
  }
}

/** @returns why it cannot be read, or null */
function extend(next: Extended, header: Header, content: Buffer, names: string[]): string | null {
  if (content.length > MAX_HEADER) return 'the header of a member is too large'
  if (header.type === 'L' || header.type === 'K') {
    const text = decodeUnlabelled(content).replace(/\0+$/, '')
    if (text.includes('\0')) return 'the header of a member is broken'
    if (header.type === 'L') next.name = text
    else next.target = text
    return null
  }
  let at = 0
  while (at < content.length) {
    // "%d %s=%s\n", with the length of the whole
    const blank = content.indexOf(0x20, at)
    const length = blank === -1 ? Number.NaN : Number(content.toString('latin1', at, blank))
    if (!Number.isInteger(length) || length < 5 || at + length > content.length || content[at + length - 1] !== 0x0a) {
      return 'the header of a member is broken'
    }
    const record = content.toString('utf8', blank + 1, at + length - 1)
    const equals = record.indexOf('=')
    const key = record.slice(0, equals)
    const value = record.slice(equals + 1)
    if (equals < 1) return 'the header of a member is broken'
    // the file is stored with holes, and is something else when it is unpacked
    if (key.startsWith('GNU.sparse')) return 'members of this kind are not read'
    if (header.type === 'g' && (key === 'path' || key === 'size' || key === 'linkpath')) {
      return 'the archive gives one name or size to all members'
    }
    if (key === 'path') next.name = value
    else if (key === 'linkpath') next.target = value
    else if (key === 'size') {
      if (!/^\d{1,12}$/.test(value)) return 'the header of a member is broken'
      next.size = Number(value)
    } else if (!/^(?:[acm]time|uid|gid)$/.test(key)) names.push(`${key}=${value}`)
    at += length
  }
  return null
}

/** Sum of all bytes, the checksum itself counted as blanks; some old programs added signed bytes. */
function checksumFits(block: Buffer): boolean {
  const told = numberAt(block, CHECKSUM_AT, 8)
  let sum = 0
  let signed = 0
  for (let n = 0; n < BLOCK; n++) {
    const byte = n >= CHECKSUM_AT && n < CHECKSUM_AT + 8 ? 0x20 : (block[n] ?? 0)
    sum += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  return told === sum || told === signed
}

/** Octal, or with the top bit set binary (GNU). @returns null: neither */
function numberAt(block: Buffer, at: number, length: number): number | null {
  const field = block.subarray(at, at + length)
  if (((field[0] ?? 0) & 0x80) !== 0) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0)
    return (field[0] ?? 0) === 0x80 && Number.isSafeInteger(value) ? value : null
  }
  const text = field
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .trimStart()
  return /^[0-7]{0,12}$/.test(text) ? Number.parseInt(text === '' ? '0' : text, 8) : null
}

function textAt(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at)
  return decodeUnlabelled(block.subarray(at, end === -1 || end > at + length ? at + length : end))
}
