/** Writing queue files: Haraka's format, our durability. */
import { createWriteStream } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { HarakaModules, HMailItem, Todo } from './haraka'

/** Largest message that is gathered in memory and written with one call, in bytes. */
const ONE_WRITE = 256 * 1024

/** Bytes of the length prefix of a queue file. */
export const PREFIX = 4

/** What a queue file holds, as it was written by this process. */
export interface Written {
  size: number
  /** Where the message begins. */
  dataStart: number
  /** The envelope, JSON. */
  envelope: string
}

/** Files that were just written, until their item has asked. */
const written = new Map<string, Written>()

/** Envelope and size of a file that was written a moment ago, so that it is not read back; once. */
export function takeWritten(file: string): Written | undefined {
  const found = written.get(file)
  written.delete(file)
  return found
}

/** A message that this process wrote and has not tried yet. */
interface Kept {
  /** In wire form, byte for byte what stands in the queue file. */
  message: Buffer
  /** When it was written, and when the file was last known to stand, in milliseconds of the monotonic clock. */
  written: number
  seen: number
}

/** For how long nobody can have taken a file away that was there, in milliseconds. */
const FRESH = 2000
/** For how long a message is kept that nobody asks for, in milliseconds. */
const LONGEST = 600_000
/** Bytes of messages that are kept in memory at most; the others are read from their files. */
const MAX_KEPT = 32 * 1024 * 1024

const kept = new Map<HMailItem, Kept>()
let keptBytes = 0

/**
 * The message of a file that this process wrote, so that it is not read back.
 *
 * @returns with `fresh` false, the file has to be looked for before: somebody may have taken it away meanwhile
 */
export function keptMessage(item: HMailItem): { message: Buffer; fresh: boolean } | undefined {
  const found = kept.get(item)
  return found && { message: found.message, fresh: performance.now() - found.seen <= FRESH }
}

/** The file was there just now. */
export function fileSeen(item: HMailItem): void {
  const found = kept.get(item)
  if (found !== undefined) found.seen = performance.now()
}

/** To be called when the first attempt is over: a mail that is put off waits in its file. */
export function forgetMessage(item: HMailItem): void {
  const found = kept.get(item)
  if (found === undefined) return
  kept.delete(item)
  keptBytes -= found.message.length
}

function keep(item: HMailItem, message: Buffer): void {
  const now = performance.now()
  // In the order of writing: the first that is young enough ends the look.
  for (const [old, { written: at }] of kept) {
    if (now - at <= LONGEST) break
    forgetMessage(old)
  }
  if (keptBytes + message.length > MAX_KEPT) return
  kept.set(item, { message, written: now, seen: now })
  keptBytes += message.length
}

/**
 * Our own writer of queue files, in the place of `outbound.process_delivery`: a failed write never leaves a file that a
 * restart would take for a mail, and a mail that was acknowledged survives a power cut (file and directory synced).
 */
export function queueWriter(haraka: HarakaModules): HarakaModules['outbound']['process_delivery'] {
  const syncDirectory = groupedSync(haraka.queue.queue_dir)
  return async function processDelivery(okPaths: string[], todo: Todo, items: HMailItem[]): Promise<void> {
    const dir = haraka.queue.queue_dir
    const filename = haraka.queueFile.name()
    const unfinished = path.join(dir, `${haraka.queueFile.platformDOT}${filename}`)
    const target = path.join(dir, filename)
    let content: Buffer | null
    try {
      content = await writeQueueFile(haraka, todo, unfinished)
      await fs.rename(unfinished, target)
      await syncDirectory()
    } catch (error) {
      await fs.unlink(unfinished).catch(() => undefined)
      await fs.unlink(target).catch(() => undefined)
      throw new Error(`cannot write the queue file: ${(error as Error).message}`, { cause: error })
    }
    okPaths.push(target)
    if (content === null) {
      items.push(new haraka.HMailItem(filename, target, todo.notes))
      return
    }
    const dataStart = PREFIX + content.readUInt32BE(0)
    written.set(target, { size: content.length, dataStart, envelope: content.toString('utf8', PREFIX, dataStart) })
    // the constructor asks for it
    const item = new haraka.HMailItem(filename, target, todo.notes)
    written.delete(target)
    keep(item, content.subarray(dataStart))
    items.push(item)
  }
}

/** @returns what was written, or null when it was too big to be gathered */
async function writeQueueFile(haraka: HarakaModules, todo: Todo, file: string): Promise<Buffer | null> {
  const message = todo.message_stream
  if (message === undefined) throw new Error('the transaction has no message')
  if (!((message.bytes_read ?? Infinity) <= ONE_WRITE)) {
    await pour(haraka, todo, message, createWriteStream(file, { flags: 'wx', mode: 0o600, flush: true }))
    return null
  }
  const pieces: Buffer[] = []
  const gather = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece)
      done()
    },
  })
  await pour(haraka, todo, message, gather)
  const content = Buffer.concat(pieces)
  const handle = await fs.open(file, 'wx', 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  return content
}

/** Envelope and message into a stream; resolves when it has finished. */
async function pour(
  haraka: HarakaModules,
  todo: Todo,
  message: NonNullable<Todo['message_stream']>,
  out: Writable,
): Promise<void> {
  const failed = (error: Error) => out.destroy(error)
  message.on('error', failed)
  try {
    haraka.outbound.build_todo(todo, out, () => {
      try {
        message.pipe(out, { dot_stuffed: false })
      } catch (error) {
        failed(error as Error)
      }
    })
    await finished(out)
  } finally {
    message.removeListener('error', failed)
  }
}

/**
 * A rename is only durable once its directory is (open(2), fsync(2) NOTES). Whoever asks while one sync is under way
 * shares the next: it begins after their renames, so it covers them all.
 */
export function groupedSync(dir: string, sync: (dir: string) => Promise<void> = syncDirectory): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined
        running = sync(dir)
        return running
      })
    return next
  }
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await fs.open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
