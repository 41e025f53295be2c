/** Macros (MS-OVBA): the source text of every module, decompressed. */
import { utf16Text } from '../utf16'
import { decodeCodePage } from './ole-codepage'
import { entryNamed, printable, streamNamed, type CompoundStorage } from './ole-cfb'
import { addProblem, addText, attempt, type LegacyContext } from './ole-context'

const CHUNK = 4096
/** Of one module; the largest that Office takes is 64 K lines. */
const MODULE_LIMIT = 16 * 1024 * 1024

/** Is this the storage that holds the modules of a project? */
export function isVbaStorage(storage: CompoundStorage): boolean {
  return entryNamed(storage, 'dir')?.kind === 'stream' && entryNamed(storage, '_VBA_PROJECT')?.kind === 'stream'
}

/** Streams of that storage whose source text was read, or which hold only compiled code that is searched as raw text. */
export function readVbaModules(context: LegacyContext, where: string, storage: CompoundStorage): void {
  attempt(context, `${where} > macros`, 'the macros', () => {
    const { modules, codePage } = readDirectory(decompress(streamNamed(storage, 'dir') ?? Buffer.alloc(0), 0))
    const listed = new Set(modules.map((module) => module.stream.toLowerCase()))
    for (const { name } of storage.children) {
      const isOwn = /^(?:dir|_vba_project|__srp_[0-9a-f]+)$/i.test(name)
      if (!isOwn && !listed.has(name.toLowerCase()))
        addProblem(context, `${where} > macros`, 'a stream of the macros is no module')
    }
    for (const { stream, offset } of modules) {
      const bytes = streamNamed(storage, stream)
      const place = `${where} > macro ${printable(stream)}`
      if (bytes === undefined) {
        addProblem(context, place, 'a module of the macros is missing')
        continue
      }
      const source = decompress(bytes, offset)
      if (!context.budget.part() || !context.budget.bytes(source.length)) {
        addProblem(context, place, 'the content is too large')
        return
      }
      addText(context, place, 'hidden', decodeCodePage(source, codePage))
    }
  })
}

/** Modules by the `dir` stream (section 2.3.4.2): records of u16 id, u32 size, data. */
function readDirectory(dir: Buffer): { modules: { stream: string; offset: number }[]; codePage: number } {
  const modules: { stream: string; offset: number }[] = []
  let codePage = 1252
  let current: { stream: string; offset: number } | null = null
  let at = 0
  while (at + 6 <= dir.length) {
    const id = dir.readUInt16LE(at)
    const size = dir.readUInt32LE(at + 2)
    const data = dir.subarray(at + 6, at + 6 + size)
    if (data.length < size) throw new RangeError('dir')
    // PROJECTVERSION says 4 and has 6 (section 2.3.4.2.1.11)
    at += 6 + (id === 0x0009 ? 6 : size)
    if (id === 0x0003) codePage = data.readUInt16LE(0)
    else if (id === 0x0019) modules.push((current = { stream: '', offset: 0 }))
    else if (current !== null && id === 0x001a) current.stream = decodeCodePage(data, codePage)
    else if (current !== null && id === 0x0032) current.stream = utf16Text(data)
    else if (current !== null && id === 0x0031) current.offset = data.readUInt32LE(0)
  }
  return { modules, codePage }
}

/**
 * Decompress a container (section 2.4.1): chunks of at most 4096 bytes, each of literal bytes and copies of earlier ones.
 *
 * @throws RangeError when it is none, or larger than any module
 */
export function decompress(bytes: Buffer, start: number): Buffer {
  if (bytes.readUInt8(start) !== 1) throw new RangeError('signature')
  const chunks: Buffer[] = []
  let at = start + 1
  while (at < bytes.length) {
    const header = bytes.readUInt16LE(at)
    const size = (header & 0x0fff) + 3
    if (((header >> 12) & 7) !== 3 || at + size > bytes.length) throw new RangeError('chunk')
    chunks.push(
      (header & 0x8000) === 0 ? bytes.subarray(at + 2, at + size) : decompressChunk(bytes.subarray(at + 2, at + size)),
    )
    at += size
    if (chunks.length * CHUNK > MODULE_LIMIT) throw new RangeError('size')
  }
  return Buffer.concat(chunks)
}

function decompressChunk(bytes: Buffer): Buffer {
  const out = Buffer.alloc(CHUNK)
  let length = 0
  let at = 0
  while (at < bytes.length) {
    const flags = bytes.readUInt8(at++)
    for (let bit = 0; bit < 8 && at < bytes.length; bit++) {
      if ((flags & (1 << bit)) === 0) {
        if (length >= CHUNK) throw new RangeError('chunk')
        out[length++] = bytes.readUInt8(at++)
        continue
      }
      const token = bytes.readUInt16LE(at)
      at += 2
      // section 2.4.1.3.19.1: the farther into the chunk, the more bits say how far back a copy begins
      let bits = 4
      while (1 << bits < length) bits++
      const count = (token & (0xffff >> bits)) + 3
      const back = (token >> (16 - bits)) + 1
      if (back > length || length + count > CHUNK) throw new RangeError('copy')
      for (let n = 0; n < count; n++, length++) out[length] = out[length - back] ?? 0
    }
  }
  return out.subarray(0, length)
}
