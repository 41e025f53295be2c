/**
 * Compound files (MS-CFB), read strictly: every sector belongs to one chain and is read once, so that a hostile file can
 * neither loop nor grow. What Office itself would not write is named as a problem.
 */
import { utf16Text } from '../utf16'

export interface CompoundStream {
  kind: 'stream'
  name: string
  /** Names from the root on, joined by `/`; '' for the root. */
  path: string
  bytes: Buffer
}

export interface CompoundStorage {
  kind: 'storage'
  name: string
  path: string
  children: readonly CompoundEntry[]
}

export type CompoundEntry = CompoundStream | CompoundStorage

export interface Compound {
  root: CompoundStorage
  /** Everything that belongs to no stream: free sectors, and what is left in the last sector of each stream. */
  leftovers: readonly Buffer[]
  /** Empty = the file is sound. */
  problems: readonly string[]
}

const SIGNATURE = Buffer.from('d0cf11e0a1b11ae1', 'hex')
const HEADER_DIFAT = 109
const ENTRY_SIZE = 128
const MINI_SECTOR = 64
const MINI_CUTOFF = 4096
/** End record of a zip archive: archives are opened from their end, wherever that is. */
const ARCHIVE_END = Buffer.from('504b0506', 'hex')
/** Sector numbers from here on have meanings of their own (MS-CFB section 2.1). */
const MAX_REGULAR = 0xfffffffa
const DIFAT_SECTOR = 0xfffffffc
const FAT_SECTOR = 0xfffffffd
const END_OF_CHAIN = 0xfffffffe
const FREE = 0xffffffff
/** Bytes of a stream that are looked at together with what is left behind its end. */
const BEFORE_END = 128
/** Storages inside storages; Office needs five. */
const MAX_DEPTH = 40

interface RawEntry {
  name: string
  type: number
  left: number
  right: number
  child: number
  start: number
  size: number
}

/** Bytes in equal sectors, and the table that chains them. */
interface Sectors {
  data: Buffer
  /** Where sector 0 begins in `data`. */
  base: number
  size: number
  next: Uint32Array
  /** Sectors that are part of some chain. */
  used: Uint8Array
}

/**
 * @returns null when the bytes are no compound file; a file whose structure is broken beyond use has an empty root and
 *   says so in `problems`
 */
export function readCompound(bytes: Buffer): Compound | null {
  if (!bytes.subarray(0, 8).equals(SIGNATURE)) return null
  const problems = new Set<string>()
  const empty: CompoundStorage = { kind: 'storage', name: '', path: '', children: [] }
  try {
    const { root, leftovers } = readFile(bytes, problems)
    return { root, leftovers, problems: [...problems] }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { root: empty, leftovers: [bytes], problems: [...problems, 'the compound file is broken'] }
  }
}

function readFile(bytes: Buffer, problems: Set<string>): { root: CompoundStorage; leftovers: Buffer[] } {
  const major = bytes.readUInt16LE(0x1a)
  const size = 1 << bytes.readUInt16LE(0x1e)
  // MS-CFB section 2.2: version 3 has sectors of 512 bytes, version 4 of 4096
  if (!((major === 3 && size === 512) || (major === 4 && size === 4096))) throw new RangeError('sector size')
  if (bytes.readUInt16LE(0x1c) !== 0xfffe || bytes.readUInt16LE(0x20) !== 6 || bytes.readUInt32LE(0x38) !== MINI_CUTOFF)
    problems.add('the header of the compound file is odd')
  const count = Math.max(0, Math.ceil((bytes.length - size) / size))
  const sectors: Sectors = { data: bytes, base: size, size, next: new Uint32Array(0), used: new Uint8Array(count) }
  sectors.next = readFat(bytes, sectors, count, problems)
  const directory = readChain(sectors, bytes.readUInt32LE(0x30), null, 'the directory', problems)
  const entries = readEntries(Buffer.concat(directory), major, problems)
  const [rootEntry] = entries
  if (rootEntry?.type !== 5) throw new RangeError('no root')
  const miniFat = Buffer.concat(readChain(sectors, bytes.readUInt32LE(0x3c), null, 'the mini FAT', problems))
  const miniData = Buffer.concat(readChain(sectors, rootEntry.start, rootEntry.size, 'the mini stream', problems))
  const mini: Sectors = {
    data: miniData.subarray(0, rootEntry.size),
    base: 0,
    size: MINI_SECTOR,
    next: words(miniFat),
    used: new Uint8Array(Math.ceil(rootEntry.size / MINI_SECTOR)),
  }
  const leftovers: Buffer[] = []
  const root = readTree(entries, sectors, mini, leftovers, problems)
  const free = [...unused(sectors, problems), ...unused(mini, problems)]
  leftovers.push(...free)
  if (free.some((one) => one.includes(ARCHIVE_END))) problems.add('an archive stands in free sectors')
  // programs cut the file behind its last sector; an archive there would be opened by its end
  const behind = sectors.used.lastIndexOf(1) + 1
  if (!isEmpty(bytes.subarray(size + behind * size))) problems.add('bytes follow the compound file')
  return { root, leftovers }
}

/** The table of all chains, itself in sectors listed in the header and in a chain of further lists (section 2.5). */
function readFat(bytes: Buffer, sectors: Sectors, count: number, problems: Set<string>): Uint32Array {
  const { size } = sectors
  const fatSectors: number[] = []
  for (let n = 0; n < HEADER_DIFAT; n++) fatSectors.push(bytes.readUInt32LE(0x4c + n * 4))
  const seen = new Set<number>()
  let at = bytes.readUInt32LE(0x44)
  while (at < MAX_REGULAR) {
    if (seen.has(at) || at >= count) throw new RangeError('DIFAT')
    seen.add(at)
    const list = sectorBytes(sectors, at)
    for (let n = 0; n < size / 4 - 1; n++) fatSectors.push(list.readUInt32LE(n * 4))
    at = list.readUInt32LE(size - 4)
  }
  const regular = fatSectors.filter((sector) => sector !== FREE)
  if (regular.length !== bytes.readUInt32LE(0x2c)) problems.add('the header of the compound file is odd')
  if (new Set(regular).size !== regular.length || regular.some((sector) => sector >= count)) throw new RangeError('FAT')
  const fat = words(Buffer.concat(regular.map((sector) => sectorBytes(sectors, sector))))
  for (const sector of [...regular, ...seen]) sectors.used[sector] = 1
  if (regular.some((sector) => fat[sector] !== FAT_SECTOR) || [...seen].some((sector) => fat[sector] !== DIFAT_SECTOR))
    problems.add('the compound file does not mark its own tables')
  return fat
}

function words(bytes: Buffer): Uint32Array {
  const list = new Uint32Array(bytes.length >> 2)
  for (let n = 0; n < list.length; n++) list[n] = bytes.readUInt32LE(n * 4)
  return list
}

/** One sector; the last one of a file may be cut short and counts as filled up with zeros. */
function sectorBytes(sectors: Sectors, sector: number): Buffer {
  const start = sectors.base + sector * sectors.size
  const found = sectors.data.subarray(start, start + sectors.size)
  if (found.length === 0) throw new RangeError('beyond the end')
  return found.length === sectors.size
    ? found
    : Buffer.concat([found, Buffer.alloc(sectors.size - found.length)], sectors.size)
}

/**
 * The sectors of a chain, in runs that lie together.
 *
 * @param size bytes that the chain has to hold; null = as long as it is
 */
function readChain(
  sectors: Sectors,
  start: number,
  size: number | null,
  what: string,
  problems: Set<string>,
): Buffer[] {
  const runs: Buffer[] = []
  const wanted = size === null ? null : Math.ceil(size / sectors.size)
  let length = 0
  let at = start
  let from = -1
  let to = -1
  const flush = () => {
    if (from === -1) return
    const first = sectors.base + from * sectors.size
    const run = sectors.data.subarray(first, sectors.base + to * sectors.size)
    const missing = (to - from) * sectors.size - run.length
    runs.push(run, ...(missing > 0 ? [Buffer.alloc(missing)] : []))
    from = -1
  }
  // an empty stream may begin anywhere
  if (wanted === 0) return []
  while (at < MAX_REGULAR && length !== wanted) {
    if (at >= sectors.used.length || at >= sectors.next.length || sectors.used[at] === 1) {
      problems.add(`${what} has a broken chain`)
      flush()
      return runs
    }
    sectors.used[at] = 1
    length++
    if (from === -1) from = at
    else if (at !== to) {
      flush()
      from = at
    }
    to = at + 1
    at = sectors.next[at] ?? FREE
  }
  flush()
  if (at !== END_OF_CHAIN) problems.add(`${what} has a chain without its end`)
  if (wanted !== null && length < wanted) problems.add(`${what} is shorter than it says`)
  return runs
}

function readEntries(directory: Buffer, major: number, problems: Set<string>): RawEntry[] {
  const entries: RawEntry[] = []
  for (let at = 0; at + ENTRY_SIZE <= directory.length; at += ENTRY_SIZE) {
    const nameBytes = directory.readUInt16LE(at + 64)
    const type = directory.readUInt8(at + 66)
    if (type !== 0 && (nameBytes > 64 || nameBytes < 2 || nameBytes % 2 === 1))
      problems.add('a name in the file is odd')
    // version 3: the upper half of the size is to be ignored (section 2.6.1)
    const upper = major === 4 ? directory.readUInt32LE(at + 124) : 0
    entries.push({
      name: utf16Text(directory, at, at + Math.min(64, Math.max(2, nameBytes)) - 2),
      type,
      left: directory.readUInt32LE(at + 68),
      right: directory.readUInt32LE(at + 72),
      child: directory.readUInt32LE(at + 76),
      start: directory.readUInt32LE(at + 116),
      size: upper * 0x1_0000_0000 + directory.readUInt32LE(at + 120),
    })
  }
  return entries
}

function readTree(
  entries: readonly RawEntry[],
  sectors: Sectors,
  mini: Sectors,
  leftovers: Buffer[],
  problems: Set<string>,
): CompoundStorage {
  const visited = new Set<number>([0])
  const storage = (name: string, path: string, child: number, depth: number): CompoundStorage => {
    const children: CompoundEntry[] = []
    const waiting = [child]
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (id === FREE) continue
      const entry = entries[id]
      if (entry === undefined || visited.has(id) || (entry.type !== 1 && entry.type !== 2)) {
        problems.add('the directory of the compound file is broken')
        continue
      }
      visited.add(id)
      waiting.push(entry.right, entry.left)
      const inner = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.type === 2) children.push({ kind: 'stream', name: entry.name, path: inner, bytes: streamOf(entry) })
      else if (depth >= MAX_DEPTH) problems.add('storages are nested too deep')
      else children.push(storage(entry.name, inner, entry.child, depth + 1))
    }
    const names = children.map((one) => one.name.toLowerCase())
    if (new Set(names).size !== names.length) problems.add('two entries of the compound file have one name')
    return { kind: 'storage', name, path, children }
  }
  const streamOf = (entry: RawEntry): Buffer => {
    const from = entry.size < MINI_CUTOFF ? mini : sectors
    const what = `the stream ${printable(entry.name)}`
    const runs = readChain(from, entry.start, entry.size, what, problems)
    const whole = runs.length === 1 && runs[0] !== undefined ? runs[0] : Buffer.concat(runs)
    // with what stands before it: a size that was changed cuts anywhere
    if (whole.length > entry.size) leftovers.push(whole.subarray(Math.max(0, entry.size - BEFORE_END) & ~1))
    return whole.subarray(0, entry.size)
  }
  const root = storage('', '', entries[0]?.child ?? FREE, 0)
  if (entries.some((entry, id) => entry.type !== 0 && !visited.has(id)))
    problems.add('the compound file holds entries that its directory does not list')
  return root
}

/** Sectors outside every chain, neighbours together. Those that the table counts as taken hide something. */
function unused(sectors: Sectors, problems: Set<string>): Buffer[] {
  const found: Buffer[] = []
  let from = -1
  for (let sector = 0; sector <= sectors.used.length; sector++) {
    const free = sector < sectors.used.length && sectors.used[sector] === 0
    if (free && from === -1) from = sector
    if (free && (sectors.next[sector] ?? 0) !== FREE && !isEmpty(sectorBytes(sectors, sector)))
      problems.add('sectors of the compound file belong to nothing')
    if (!free && from !== -1) {
      found.push(sectors.data.subarray(sectors.base + from * sectors.size, sectors.base + sector * sectors.size))
      from = -1
    }
  }
  return found
}

function isEmpty(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0)
}

/** A name without the control character it may begin with, for people. */
export function printable(name: string): string {
  return name.replace(/[\0-\x1f\x7f]/g, '')
}

/** The entry of that name (not case-sensitive: MS-CFB section 2.6.4), or undefined. */
export function entryNamed(storage: CompoundStorage, name: string): CompoundEntry | undefined {
  return storage.children.find((entry) => entry.name.toLowerCase() === name.toLowerCase())
}

/** The bytes of the stream of that name directly in the storage, or undefined. */
export function streamNamed(storage: CompoundStorage, name: string): Buffer | undefined {
  const entry = entryNamed(storage, name)
  return entry?.kind === 'stream' ? entry.bytes : undefined
}

/** The storage of that name directly in the storage, or undefined. */
export function storageNamed(storage: CompoundStorage, name: string): CompoundStorage | undefined {
  const entry = entryNamed(storage, name)
  return entry?.kind === 'storage' ? entry : undefined
}
