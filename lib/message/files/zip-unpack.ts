/** Content of a member of a zip file: exactly as many bytes as declared, with the declared checksum, or nothing. */
import { crc32, inflateRawSync } from 'node:zlib'
import type { ReadBudget } from './types'
import type { ZipMember } from './zip-layout'

/** Bytes of one member. */
const MAX_MEMBER = 64 * 1024 * 1024
/** Deflate cannot do better (RFC 1951: 258 bytes for two bits). */
const MAX_RATIO = 1032
const STORED = 0
const DEFLATED = 8

export type Unpacked = { bytes: Buffer } | { problem: string }

/** @param member not encrypted */
export function unpackMember(member: ZipMember, budget: ReadBudget): Unpacked {
  const { method, size } = member
  if (method !== STORED && method !== DEFLATED) return { problem: 'the compression is not known' }
  if (size > MAX_MEMBER || !budget.bytes(size)) return { problem: 'the content is too large' }
  if (budget.timeUp()) return { problem: 'the time for reading was up' }
  return unpack(member)
}

/** Is a member that is said to be encrypted in clear after all? */
export function isClear(member: ZipMember): boolean {
  if (member.size > MAX_MEMBER) return false
  return (member.method === STORED || member.method === DEFLATED) && 'bytes' in unpack(member)
}

function unpack({ method, size, packed, crc }: ZipMember): Unpacked {
  const broken = { problem: 'the content does not agree with its size and checksum' }
  const bytes = method === STORED ? packed : inflate(packed, size)
  if (bytes?.length !== size || crc32(bytes) !== crc) return broken
  return { bytes }
}

/** @returns null: the data are broken, hold more than declared, or something follows them */
function inflate(packed: Buffer, size: number): Buffer | null {
  if (size > packed.length * MAX_RATIO) return null
  const result = inflateRaw(packed, size)
  return result !== null && result.consumed === packed.length ? result.bytes : null
}

/**
 * @param limit most bytes of output
 * @param piece bytes that are unpacked at a time: as a rule all, so that nothing is copied
 * @returns null: broken, or more than that; `consumed`: bytes of input up to the end of the stream
 */
export function inflateRaw(
  packed: Buffer,
  limit: number,
  piece = limit + 16,
): { bytes: Buffer; consumed: number } | null {
  try {
    const options = { maxOutputLength: Math.max(1, limit), chunkSize: Math.max(64, piece), info: true }
    const { buffer, engine } = inflateRawSync(packed, options) as unknown as Inflated
    return { bytes: buffer, consumed: engine.bytesWritten }
  } catch {
    return null
  }
}

/** What `info: true` makes of the result (node:zlib); the type definitions leave it out. */
interface Inflated {
  buffer: Buffer
  engine: { bytesWritten: number }
}
