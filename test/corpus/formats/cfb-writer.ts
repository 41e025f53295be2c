/** Compound files (MS-CFB, version 3) from streams by path: what legacy Office and Outlook put their files in. */

/** Streams by path, names joined by `/`; a path that ends in `/` is an empty storage. */
export type Streams = Readonly<Record<string, Buffer>>

const SECTOR = 512
const MINI = 64
const CUTOFF = 4096
const FREE = 0xffffffff
const END = 0xfffffffe
const FAT_SECTOR = 0xfffffffd

interface Entry {
  name: string
  type: 1 | 2 | 5
  children: Entry[]
  bytes: Buffer
  start: number
  left: number
  right: number
  child: number
}

/** @returns a file that Office would open, as far as its container goes */
export function compoundFile(streams: Streams): Buffer {
  const root = entry('Root Entry', 5)
  for (const [path, bytes] of Object.entries(streams)) place(root, path.split('/'), bytes)
  const entries: Entry[] = []
  number(root, entries)
  const sectors: Buffer[] = []
  const fat: number[] = []
  const append = (bytes: Buffer): number => {
    const start = sectors.length
    const count = Math.ceil(bytes.length / SECTOR)
    for (let n = 0; n < count; n++) {
      sectors.push(padded(bytes.subarray(n * SECTOR, (n + 1) * SECTOR), SECTOR))
      fat.push(n === count - 1 ? END : start + n + 1)
    }
    return count === 0 ? END : start
  }
  const miniPieces: Buffer[] = []
  const miniFat: number[] = []
  for (const one of entries) {
    if (one.type !== 2 || one.bytes.length === 0) continue
    if (one.bytes.length >= CUTOFF) {
      one.start = append(one.bytes)
      continue
    }
    one.start = miniFat.length
    const count = Math.ceil(one.bytes.length / MINI)
    for (let n = 1; n <= count; n++) miniFat.push(n === count ? END : one.start + n)
    miniPieces.push(padded(one.bytes, count * MINI))
  }
  root.bytes = Buffer.concat(miniPieces)
  root.start = append(root.bytes)
  const miniFatStart = append(words(miniFat, SECTOR / 4))
  const directoryStart = append(padded(Buffer.concat(entries.map(entryBytes)), SECTOR))
  return withTables(sectors, fat, {
    directoryStart,
    miniFatStart,
    miniFatCount: Math.ceil(miniFat.length / (SECTOR / 4)),
  })
}

function withTables(
  sectors: Buffer[],
  fat: number[],
  starts: { directoryStart: number; miniFatStart: number; miniFatCount: number },
): Buffer {
  let fatCount = 1
  while (fatCount * (SECTOR / 4) < sectors.length + fatCount) fatCount++
  if (fatCount > 109) throw new Error('the file is too large for this writer')
  const first = sectors.length
  for (let n = 0; n < fatCount; n++) fat.push(FAT_SECTOR)
  const header = Buffer.alloc(SECTOR)
  Buffer.from('d0cf11e0a1b11ae1', 'hex').copy(header)
  header.writeUInt16LE(0x3e, 0x18)
  header.writeUInt16LE(3, 0x1a)
  header.writeUInt16LE(0xfffe, 0x1c)
  header.writeUInt16LE(9, 0x1e)
  header.writeUInt16LE(6, 0x20)
  header.writeUInt32LE(fatCount, 0x2c)
  header.writeUInt32LE(starts.directoryStart, 0x30)
  header.writeUInt32LE(CUTOFF, 0x38)
  header.writeUInt32LE(starts.miniFatStart, 0x3c)
  header.writeUInt32LE(starts.miniFatCount, 0x40)
  header.writeUInt32LE(END, 0x44)
  for (let n = 0; n < 109; n++) header.writeUInt32LE(n < fatCount ? first + n : FREE, 0x4c + n * 4)
  return Buffer.concat([header, ...sectors, words(fat, fatCount * (SECTOR / 4))])
}

function entry(name: string, type: Entry['type'], bytes: Buffer = Buffer.alloc(0)): Entry {
  return { name, type, bytes, children: [], start: type === 1 ? 0 : END, left: FREE, right: FREE, child: FREE }
}

function place(storage: Entry, path: readonly string[], bytes: Buffer): void {
  const [name = '', ...rest] = path
  if (name === '') return
  if (rest.length === 0) {
    storage.children.push(entry(name, 2, bytes))
    return
  }
  let inner = storage.children.find((one) => one.name === name)
  if (inner === undefined) {
    inner = entry(name, 1)
    storage.children.push(inner)
  }
  place(inner, rest, bytes)
}

/** Numbers for all, and for each storage a balanced tree in the order of the format: shorter names first. */
function number(storage: Entry, entries: Entry[]): void {
  const at = new Map<Entry, number>()
  const enlist = (one: Entry) => {
    at.set(one, entries.length)
    entries.push(one)
    one.children.sort((a, b) => a.name.length - b.name.length || (a.name.toUpperCase() < b.name.toUpperCase() ? -1 : 1))
    one.children.forEach(enlist)
  }
  const tree = (list: readonly Entry[]): number => {
    const middle = list.length >> 1
    const one = list[middle]
    if (one === undefined) return FREE
    one.left = tree(list.slice(0, middle))
    one.right = tree(list.slice(middle + 1))
    return at.get(one) ?? FREE
  }
  enlist(storage)
  for (const one of entries) one.child = tree(one.children)
}

function entryBytes(one: Entry): Buffer {
  const bytes = Buffer.alloc(128)
  bytes.write(one.name, 0, 'utf16le')
  bytes.writeUInt16LE((one.name.length + 1) * 2, 64)
  bytes.writeUInt8(one.type, 66)
  bytes.writeUInt8(1, 67)
  bytes.writeUInt32LE(one.left, 68)
  bytes.writeUInt32LE(one.right, 72)
  bytes.writeUInt32LE(one.child, 76)
  bytes.writeUInt32LE(one.start, 116)
  bytes.writeUInt32LE(one.bytes.length, 120)
  return bytes
}

function padded(bytes: Buffer, size: number): Buffer {
  const missing = (size - (bytes.length % size)) % size
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)])
}

/** Numbers of four bytes, filled up with free marks. */
function words(numbers: readonly number[], multiple: number): Buffer {
  const count = Math.ceil(numbers.length / multiple) * multiple
  const bytes = Buffer.alloc(count * 4, 0xff)
  numbers.forEach((value, n) => bytes.writeUInt32LE(value, n * 4))
  return bytes
}
