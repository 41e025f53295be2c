/**
 * One record of a journal segment: a mail, or the numbers of mails that are done. Whatever a crash left behind, reading
 * finds every record that was written completely and nothing else.
 */
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * Random bytes with which a segment and each of its records begin: reading finds its way again behind a damaged one,
 * and no mail can hold something that would be read as a record.
 */
export const MARK = 8
/** Mark, type, number, length of name, length of content, CRC-32 of all but the mark. */
const HEADER = MARK + 20
const MAIL = 1
const DONE = 2
/** Longer is no record of ours, whatever its length field says. */
const MAX_NAME = 4096
const MAX_CONTENT = 64 * 1024 * 1024

/** A mail in a segment. */
export interface MailRecord {
  kind: 'mail'
  /** Unique within the run of one process. */
  number: number
  /** File name in the queue directory that the mail would have. */
  name: string
  content: Buffer
}

/** Mails of the same run that need nothing any more. */
export interface DoneRecord {
  kind: 'done'
  numbers: readonly number[]
}

export type JournalRecord = MailRecord | DoneRecord

export function newMark(): Buffer {
  return randomBytes(MARK)
}

/** @returns the record's bytes in pieces, for one gathered write; `contentAt` is where the content begins in them */
export function mailRecord(
  mark: Buffer,
  number: number,
  name: string,
  content: Buffer,
): { pieces: Buffer[]; length: number; contentAt: number } {
  const head = header(mark, MAIL, number, Buffer.from(name, 'utf8'), content)
  return { pieces: [head, content], length: head.length + content.length, contentAt: head.length }
}

export function doneRecord(mark: Buffer, numbers: readonly number[]): Buffer {
  const content = Buffer.allocUnsafe(numbers.length * 4)
  numbers.forEach((number, n) => content.writeUInt32LE(number, n * 4))
  return Buffer.concat([header(mark, DONE, 0, Buffer.alloc(0), content), content])
}

function header(mark: Buffer, type: number, number: number, name: Buffer, content: Buffer): Buffer {
  const head = Buffer.allocUnsafe(HEADER + name.length)
  mark.copy(head)
  head.writeUInt32LE(type, MARK)
  head.writeUInt32LE(number, MARK + 4)
  head.writeUInt32LE(name.length, MARK + 8)
  head.writeUInt32LE(content.length, MARK + 12)
  name.copy(head, HEADER)
  head.writeUInt32LE(checksum(head, content), MARK + 16)
  return head
}

function checksum(head: Buffer, content: Buffer): number {
  return crc32(content, crc32(head.subarray(HEADER), crc32(head.subarray(MARK, MARK + 16))))
}

/**
 * Read a segment.
 *
 * @returns every whole record in order; `damaged` when bytes between two of them are none. Bytes behind the last one are
 *   a write that never ended, and nobody was told that it had.
 */
export function readRecords(segment: Buffer): { records: JournalRecord[]; damaged: boolean } {
  const mark = segment.subarray(0, MARK)
  const records: JournalRecord[] = []
  let damaged = false
  let skipped = false
  let at = MARK
  while (at < segment.length) {
    const found = recordAt(segment, mark, at)
    if (found === null) {
      skipped = true
      const next = segment.indexOf(mark, at + 1)
      if (next === -1) break
      at = next
      continue
    }
    damaged ||= skipped
    records.push(found.record)
    at += found.length
  }
  // something was written, and not even the first record can be read
  if (records.length === 0 && segment.length > MARK + HEADER && !segment.subarray(MARK, 2 * MARK).equals(mark))
    damaged = true
  return { records, damaged }
}

function recordAt(segment: Buffer, mark: Buffer, at: number): { record: JournalRecord; length: number } | null {
  if (segment.length - at < HEADER || !segment.subarray(at, at + MARK).equals(mark)) return null
  const type = segment.readUInt32LE(at + MARK)
  const nameLength = segment.readUInt32LE(at + MARK + 8)
  const contentLength = segment.readUInt32LE(at + MARK + 12)
  const length = HEADER + nameLength + contentLength
  if (nameLength > MAX_NAME || contentLength > MAX_CONTENT || segment.length - at < length) return null
  const head = segment.subarray(at, at + HEADER + nameLength)
  const content = segment.subarray(at + HEADER + nameLength, at + length)
  if (checksum(head, content) !== segment.readUInt32LE(at + MARK + 16)) return null
  switch (type) {
    case MAIL: {
      const name = head.toString('utf8', HEADER)
      return { record: { kind: 'mail', number: segment.readUInt32LE(at + MARK + 4), name, content }, length }
    }
    case DONE: {
      const numbers = Array.from({ length: contentLength >> 2 }, (_, n) => content.readUInt32LE(n * 4))
      return { record: { kind: 'done', numbers }, length }
    }
    default:
      return null
  }
}
