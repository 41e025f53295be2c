/**
 * The journal: accepted mail made durable with one write and one fsync for many, instead of a file each. Most mail is
 * delivered within seconds and never needs a file of its own; what is put off gets one.
 *
 * A mail is in the journal from `add()` until `done()`. Everything is kept in segments in the queue directory, one
 * after the other; a segment goes away when all mails of it and of those before it are done, so that what is done is on
 * record as long as a mail that it is about. A process that ends without `close()` leaves segments behind, and the next
 * one makes queue files of what is in them (`recover.ts`).
 */
import { fdatasync, openSync, unlinkSync, closeSync, writeSync, writev, writevSync, ftruncateSync } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { doneRecord, mailRecord, newMark } from './record'
import { segmentName, type Run } from './run'

/** A mail in the journal. */
export interface JournalEntry {
  readonly number: number
  readonly name: string
  readonly segment: Segment
  /** Where its content stands in the segment, in bytes. */
  readonly offset: number
  readonly length: number
  /** When it was added, in milliseconds of the monotonic clock. */
  readonly added: number
}

interface Segment {
  readonly path: string
  readonly fd: number
  /** What its records begin with. */
  readonly mark: Buffer
  /** Bytes of the mark and of whole records. */
  size: number
  live: number
  /** A write failed: nothing more is written to it. */
  broken: boolean
}

export interface Journal {
  /**
   * @param content what the queue file would hold
   * @returns when the mail is on disk
   * @throws Error (rejects) when that is not certain; then it is not in the journal
   */
  add: (name: string, content: Buffer) => Promise<JournalEntry>
  /** The mail needs nothing any more: it is finished, or has a file of its own. On record at the end of this turn. */
  done: (entry: JournalEntry) => void
  /** What was added. @throws Error (rejects) when the disk fails */
  read: (entry: JournalEntry) => Promise<Buffer>
  /** Mails that are not done, oldest first. */
  live: () => readonly JournalEntry[]
  /** Ends the journal; its files stay only when a mail in it is not done. */
  close: () => Promise<void>
}

export interface JournalOptions {
  dir: string
  run: Run
  /** A failure that nobody else is told of. Must not throw. */
  report: (error: Error) => void
  /** A segment that has grown to this gets a successor. */
  segmentBytes?: number
  /** How long a journal that holds nothing stays for the next mail, in milliseconds. */
  idle?: number
}

interface Waiting {
  name: string
  content: Buffer
  resolve: (entry: JournalEntry) => void
  reject: (error: Error) => void
}

const SEGMENT_BYTES = 32 * 1024 * 1024
const IDLE = 100
/**
 * So many bytes are copied to the system's memory in the time that handing them to a thread would take; what then waits
 * for the disk is the sync, which is always a thread's.
 */
const WRITTEN_HERE = 128 * 1024

const writeAll = promisify(writev)
const syncData = promisify(fdatasync)

/** Nothing is opened before the first mail comes. */
export function openJournal(options: JournalOptions): Journal {
  const { dir, run, report, segmentBytes = SEGMENT_BYTES, idle = IDLE } = options
  /** Oldest first; the last one is written to. */
  const segments: Segment[] = []
  const entries = new Set<JournalEntry>()
  let waiting: Waiting[] = []
  let finished: number[] = []
  let committing: Promise<void> | undefined
  let lastNumber = 0
  let lastSegment = 0
  let doneScheduled = false
  let idleTimer: NodeJS.Timeout | undefined
  let closed = false

  /** The segment to write to; a new one's name is durable before anything in it counts. */
  async function current(): Promise<Segment> {
    const last = segments.at(-1)
    if (last !== undefined && !last.broken && last.size < segmentBytes) return last
    const file = path.join(dir, segmentName(run, ++lastSegment))
    const fd = openSync(file, 'wx+', 0o600)
    try {
      await syncDirectory(dir)
    } catch (error) {
      closeSync(fd)
      unlinkSync(file)
      throw error
    }
    const segment = { path: file, fd, mark: newMark(), size: 0, live: 0, broken: false }
    segments.push(segment)
    return segment
  }

  function schedule(): void {
    clearTimeout(idleTimer)
    // at the end of the turn: what comes in together is written together
    committing ??= new Promise<void>((resolve) => setImmediate(resolve)).then(commitAll).finally(() => {
      committing = undefined
      if (waiting.length > 0) schedule()
      else if (finished.length > 0) scheduleDone()
    })
  }

  async function commitAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await commit(batch)
    }
  }

  async function commit(batch: readonly Waiting[]): Promise<void> {
    let segment: Segment | undefined
    try {
      segment = await current()
      const added = performance.now()
      const pieces: Buffer[] = segment.size === 0 ? [segment.mark] : []
      let at = segment.size + (pieces[0]?.length ?? 0)
      const made: JournalEntry[] = []
      for (const { name, content } of batch) {
        const record = mailRecord(segment.mark, ++lastNumber, name, content)
        pieces.push(...record.pieces)
        made.push({ number: lastNumber, name, segment, offset: at + record.contentAt, length: content.length, added })
        at += record.length
      }
      const bytes = at - segment.size
      const written =
        bytes <= WRITTEN_HERE
          ? writevSync(segment.fd, pieces, segment.size)
          : (await writeAll(segment.fd, pieces, segment.size)).bytesWritten
      if (written !== bytes) throw new Error('the disk took only a part of it')
      await syncData(segment.fd)
      segment.size = at
      for (const [n, entry] of made.entries()) {
        segment.live++
        entries.add(entry)
        batch[n]?.resolve(entry)
      }
    } catch (error) {
      if (segment !== undefined) giveUp(segment)
      for (const { reject } of batch) reject(error as Error)
    }
  }

  /** What may stand behind the last whole record was never acknowledged, and must not be found by a recovery. */
  function giveUp(segment: Segment): void {
    segment.broken = true
    try {
      ftruncateSync(segment.fd, segment.size)
    } catch (error) {
      report(error as Error)
    }
  }

  function scheduleDone(): void {
    if (doneScheduled || committing !== undefined) return
    doneScheduled = true
    setImmediate(() => {
      doneScheduled = false
      if (committing === undefined && !closed) recordDone()
    })
  }

  /** Not synced: after a power cut a mail that was done may be delivered a second time, and none is lost. */
  function recordDone(): void {
    const numbers = finished
    finished = []
    removeFinished()
    const segment = segments.at(-1)
    if (segment !== undefined && segment.size > 0 && numbers.length > 0) {
      try {
        const record = doneRecord(segment.mark, numbers)
        writeSync(segment.fd, record, 0, record.length, segment.size)
        segment.size += record.length
      } catch (error) {
        giveUp(segment)
        report(error as Error)
      }
    }
    if (entries.size === 0) {
      clearTimeout(idleTimer)
      idleTimer = setTimeout(removeIdle, idle).unref()
    }
  }

  /** From the oldest on, and never the one that is written to. */
  function removeFinished(): void {
    while (segments.length > 1 && segments[0]?.live === 0) remove(segments.shift())
  }

  function removeIdle(): void {
    if (entries.size > 0 || waiting.length > 0 || committing !== undefined) return
    for (const segment of segments.splice(0)) remove(segment)
  }

  function remove(segment: Segment | undefined): void {
    if (segment === undefined) return
    try {
      unlinkSync(segment.path)
    } catch (error) {
      report(error as Error)
    }
    closeSync(segment.fd)
  }

  return {
    add(name, content) {
      if (closed) return Promise.reject(new Error('the journal is closed'))
      return new Promise((resolve, reject) => {
        waiting.push({ name, content, resolve, reject })
        schedule()
      })
    },
    done(entry) {
      if (!entries.delete(entry)) return
      entry.segment.live--
      finished.push(entry.number)
      scheduleDone()
    },
    read: (entry) => readAt(entry),
    live: () => [...entries],
    async close() {
      await committing
      closed = true
      clearTimeout(idleTimer)
      recordDone()
      clearTimeout(idleTimer)
      removeIdle()
      for (const { fd } of segments.splice(0)) closeSync(fd)
    },
  }
}

async function readAt({ segment, offset, length }: JournalEntry): Promise<Buffer> {
  const handle = await fs.open(segment.path, 'r')
  try {
    const content = Buffer.allocUnsafe(length)
    const { bytesRead } = await handle.read(content, 0, length, offset)
    if (bytesRead !== length) throw new Error('the journal is shorter than it was')
    return content
  } finally {
    await handle.close()
  }
}

/** A new name is only durable once its directory is (open(2), fsync(2) NOTES). */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await fs.open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
