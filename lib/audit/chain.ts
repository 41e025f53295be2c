/**
 * What makes a changed or missing line show: each line names the hash of the line before it, and the first line of a
 * file that of the last line of the file before. docs/audit-events.md has the rule for whoever checks it.
 */
import { hash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { auditFilesOf } from './retention'

/** Stands where no line comes before: 64 zeros. */
export const CHAIN_START = '0'.repeat(64)

export const NEWLINE = 0x0a

/** How much of a plain file's end is read for its last line; no line is longer. */
const TAIL_BYTES = 1024 * 1024

/** What a compressed file may become in memory: it is looked at once, when a process starts. */
const MAX_UNPACKED = 1024 * 1024 * 1024

/** @param line the bytes of a line, without its line end */
export function lineHash(line: Uint8Array): string {
  return hash('sha256', line, 'hex')
}

/**
 * Hash of the last line of these bytes, with or without its line end; undefined when there is none.
 *
 * @param bytes a file, or so much of its end as holds its last line
 */
export function lastLineHash(bytes: Buffer): string | undefined {
  const end = bytes.at(-1) === NEWLINE ? bytes.length - 1 : bytes.length
  if (bytes.length === 0) return undefined
  // lastIndexOf(-1) would count from the end
  const before = end === 0 ? -1 : bytes.lastIndexOf(NEWLINE, end - 1)
  return lineHash(bytes.subarray(before + 1, end))
}

/**
 * Hash with which a new file of this process begins: that of the last line of its latest earlier file.
 *
 * @param day of the new file, `YYYY-MM-DD`
 * @returns `CHAIN_START` when there is no earlier file, or it is empty
 * @throws Error of the file system, or when the earlier file cannot be unpacked
 */
export function hashBefore(dir: string, day: string, label: string): string {
  const earlier = auditFilesOf(dir, label).filter((file) => file.day < day)
  for (const { name } of earlier.reverse()) {
    const found = lastHashOfFile(path.join(dir, name))
    if (found !== undefined) return found
  }
  return CHAIN_START
}

function lastHashOfFile(file: string): string | undefined {
  if (file.endsWith('.gz')) {
    return lastLineHash(gunzipSync(fs.readFileSync(file), { maxOutputLength: MAX_UNPACKED }))
  }
  // made by somebody else; Node cannot read it before 22.15
  if (file.endsWith('.zst')) throw new Error(`${file} cannot be unpacked here`)
  const fd = fs.openSync(file, 'r')
  try {
    const { size } = fs.fstatSync(fd)
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES))
    return lastLineHash(buffer.subarray(0, fs.readSync(fd, buffer, 0, buffer.length, size - buffer.length)))
  } finally {
    fs.closeSync(fd)
  }
}
