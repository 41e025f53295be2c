/**
 * One audit file: lines written whole or not at all, as many at a time as wait, numbered and chained without a break across
 * restarts.
 */
import fs from 'node:fs'
import path from 'node:path'
import { lastLineHash, lineHash, NEWLINE } from './chain'

/** How much of an existing file's end is read for its last number; no line is longer. */
const TAIL_BYTES = 1024 * 1024

/** Room for the lines of one turn at first; it grows, and is given back when it was a burst. */
const ROOM = 64 * 1024

export interface AuditFile {
  /** event.sequence of the last line there is, torn ones counted; 0 in a new file. */
  readonly lastSequence: number
  /** Hash of the last line there is, whatever stands in it, those that wait counted; undefined while there is none. */
  lastHash(): string | undefined
  /** Put a line, without its line end, behind those that wait to be written. */
  append(line: string): void
  /**
   * Write what waits, in one go.
   *
   * @throws Error of the file system; then nothing waits any more, and the file holds the first `written()` of these
   *   lines: nothing else of them is left, or its remains are a line of their own. It is to be closed and opened again.
   */
  flush(): void
  /** How many of the lines that the last `flush` was about are in the file. */
  written(): number
  /** Resolves when everything written so far is on the disk. */
  sync(): Promise<void>
  /** Close once every `sync` under way has ended; what waits is given up. Flushing afterwards throws. */
  close(): void
}

/**
 * Open or make an audit file, mode 0600, in a folder that is made when missing.
 *
 * A last line without an end is what a killed process or a full disk left: it gets its line end, and the number it had
 * is not given out again, so that the loss shows as a gap.
 *
 * @throws Error of the file system
 */
export function openAuditFile(file: string): AuditFile {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const isNew = !fs.existsSync(file)
  const fd = fs.openSync(file, 'a+', 0o600)
  let closing = false
  let syncs = 0
  let size: number
  let tail: Tail
  try {
    if (isNew) syncFolder(path.dirname(file))
    size = fs.fstatSync(fd).size
    tail = readTail(fd, size)
    if (tail.torn) size += writeAll(fd, Buffer.from('\n'))
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
  let { lastHash } = tail
  let room = Buffer.allocUnsafeSlow(ROOM)
  /** Where each line that waits ends in `room`. */
  let ends: number[] = []
  let whole = 0
  const closeIfIdle = () => {
    if (closing && syncs === 0) fs.closeSync(fd)
  }
  return {
    lastSequence: tail.lastSequence,
    lastHash: () => lastHash,
    append(line) {
      const start = ends.at(-1) ?? 0
      // a UTF-16 unit becomes three bytes at most
      const most = start + line.length * 3 + 1
      if (most > room.length) room = Buffer.concat([room.subarray(0, start)], Math.max(most, 2 * room.length))
      const end = start + room.write(line, start)
      lastHash = lineHash(room.subarray(start, end))
      room[end] = NEWLINE
      ends.push(end + 1)
    },
    flush() {
      const due = ends
      whole = 0
      ends = []
      if (due.length === 0) return
      if (closing) throw new Error('the audit file is closed')
      const bytes = room.subarray(0, due.at(-1))
      let done = 0
      try {
        while (done < bytes.length) done += fs.writeSync(fd, bytes, done)
        whole = due.length
      } catch (error) {
        while ((due[whole] ?? Infinity) <= done) whole++
        cutBack(fd, size + (due[whole - 1] ?? 0))
        throw error
      }
      size += bytes.length
      if (room.length > ROOM) room = Buffer.allocUnsafeSlow(ROOM)
    },
    written: () => whole,
    async sync() {
      if (closing) throw new Error('the audit file is closed')
      syncs++
      try {
        await new Promise<void>((resolve, reject) => {
          fs.fsync(fd, (error) => (error === null ? resolve() : reject(error)))
        })
      } finally {
        syncs--
        closeIfIdle()
      }
    },
    close() {
      if (closing) return
      closing = true
      closeIfIdle()
    },
  }
}

function writeAll(fd: number, bytes: Buffer): number {
  let done = 0
  while (done < bytes.length) done += fs.writeSync(fd, bytes, done)
  return done
}

/** Remove what a failed write left behind `size`. If that fails too, the next opening ends the torn line. */
function cutBack(fd: number, size: number): void {
  try {
    if (fs.fstatSync(fd).size > size) fs.ftruncateSync(fd, size)
  } catch {
    // The caller reopens the file before the next line, and `readTail` finds what is torn.
  }
}

/** A new name in a folder is on the disk only when the folder is (fsync(2)). */
function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

interface Tail {
  lastSequence: number
  lastHash: string | undefined
  torn: boolean
}

function readTail(fd: number, size: number): Tail {
  const length = Math.min(size, TAIL_BYTES)
  if (length === 0) return { lastSequence: 0, lastHash: undefined, torn: false }
  const buffer = Buffer.alloc(length)
  const bytes = buffer.subarray(0, fs.readSync(fd, buffer, 0, length, size - length))
  const torn = bytes.at(-1) !== NEWLINE
  return { lastSequence: lastSequenceIn(bytes.toString('utf8')), lastHash: lastLineHash(bytes), torn }
}

function lastSequenceIn(text: string): number {
  const lines = text.split('\n').filter((line) => line !== '')
  // Lines after the last readable one were torn earlier; each of them had a number.
  let unreadable = 0
  for (const line of lines.reverse()) {
    const sequence = sequenceOf(line)
    if (sequence !== undefined) return sequence + unreadable
    unreadable++
  }
  return unreadable
}

function sequenceOf(line: string): number | undefined {
  try {
    const { event } = JSON.parse(line) as { event?: { sequence?: unknown } }
    const sequence = event?.sequence
    return typeof sequence === 'number' && Number.isSafeInteger(sequence) && sequence > 0 ? sequence : undefined
  } catch {
    return undefined
  }
}
