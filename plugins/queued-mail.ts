/** A queued mail as a file: opening, putting off, removing, setting aside. */
import { createReadStream } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import type { HarakaModules, HMailItem } from './haraka'
import { fileSeen, forgetMessage, keptMessage } from './queue-writer'
import { finishInJournal, giveFile, isInJournal, journalContent } from './spool'
import { EnsureDotStuffed, ensureDotStuffed } from './wire'

/** Largest header block that is read for a report, in bytes. */
const HEAD_LIMIT = 256 * 1024

/** The message in wire form (CRLF, dot-stuffed, no final dot). A missing file shows as an `error` on the stream. */
export function openWire(item: HMailItem): Readable {
  if (isInJournal(item)) return Readable.from(journaledWire(item))
  const file = createReadStream(item.path, { start: item.data_start })
  const stuffed = new EnsureDotStuffed()
  file.once('error', (error) => stuffed.destroy(error))
  stuffed.once('close', () => file.destroy())
  return file.pipe(stuffed)
}

async function* journaledWire(item: HMailItem): AsyncGenerator<Buffer> {
  yield await readWire(item)
}

/** Largest message that is read in one piece, in bytes: a stream costs more than the reading. */
const ONE_PIECE = 256 * 1024

/**
 * The same as `openWire`, in the way that costs least: a small message in one piece, and without reading the file when
 * this process wrote it.
 *
 * @throws Error (rejects) when the file is not there or cannot be read
 */
export function wireContent(item: HMailItem): Readable | Buffer | Promise<Buffer> {
  const kept = keptMessage(item)
  if (kept !== undefined && (kept.fresh || isInJournal(item))) return ensureDotStuffed(kept.message)
  if (kept !== undefined) return fs.access(item.path).then(() => ensureDotStuffed(kept.message))
  return wireSize(item) <= ONE_PIECE ? readWire(item) : openWire(item)
}

async function readWire(item: HMailItem): Promise<Buffer> {
  const journaled = await journalContent(item)
  if (journaled !== undefined) return ensureDotStuffed(journaled.subarray(item.data_start))
  const size = wireSize(item)
  const handle = await fs.open(item.path, 'r')
  try {
    const message = Buffer.allocUnsafe(size)
    const { bytesRead } = await handle.read(message, 0, size, item.data_start)
    if (bytesRead !== size) throw new Error('the queue file is shorter than it was')
    return ensureDotStuffed(message)
  } finally {
    await handle.close()
  }
}

/** Bytes of the message in the queue file (the stuffing that may be added is not counted). */
export function wireSize(item: HMailItem): number {
  return Math.max(0, item.file_size - item.data_start)
}

/**
 * The header block of the queued message, as bytes, with the empty line.
 *
 * @throws Error when the file cannot be read
 */
export async function readHead(item: HMailItem): Promise<Buffer> {
  const head = await readStart(item)
  const end = head.indexOf('\r\n\r\n')
  return end === -1 ? head : head.subarray(0, end + 4)
}

async function readStart(item: HMailItem): Promise<Buffer> {
  const journaled = await journalContent(item)
  if (journaled !== undefined) return journaled.subarray(item.data_start, item.data_start + HEAD_LIMIT)
  const handle = await fs.open(item.path, 'r')
  try {
    const buffer = Buffer.alloc(HEAD_LIMIT)
    const { bytesRead } = await handle.read(buffer, 0, HEAD_LIMIT, item.data_start)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

/** Does the file still stand? A missing one was handled elsewhere (another item of the same file, a person). */
export async function fileStands(item: HMailItem): Promise<boolean> {
  if (isInJournal(item) || keptMessage(item)?.fresh) return true
  try {
    await fs.access(item.path)
    fileSeen(item)
    return true
  } catch (error) {
    forgetMessage(item)
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/**
 * Name the file for its next attempt, so that a restart keeps the time.
 *
 * @param at milliseconds since the epoch
 * @returns false when the file is gone (handled elsewhere); any other failure leaves the old name, which only means
 *   that a restart tries earlier
 */
export async function nameForRetry(haraka: HarakaModules, item: HMailItem, at: number): Promise<boolean> {
  const parts = haraka.queueFile.parts(item.filename)
  if (parts === null) return true
  const { arrival, uid } = parts
  const filename = haraka.queueFile.name({ arrival, uid, next_attempt: at, attempts: item.num_failures })
  const target = path.join(haraka.queue.queue_dir, filename)
  if (isInJournal(item)) return await fileForRetry(item, filename, target, at)
  try {
    await fs.rename(item.path, target)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    item.logerror(`secure-mail: renaming ${item.filename} failed: ${String(error)}; the file keeps its name`)
    return true
  }
  item.path = target
  item.filename = filename
  item.next_process = at
  return true
}

/** A mail that is put off gets a file of its own, at once under the name of its next attempt. */
async function fileForRetry(item: HMailItem, filename: string, target: string, at: number): Promise<boolean> {
  const before = { path: item.path, filename: item.filename, next_process: item.next_process }
  Object.assign(item, { path: target, filename, next_process: at })
  try {
    await giveFile(item)
  } catch (error) {
    Object.assign(item, before)
    item.logerror(`secure-mail: ${String(error)}; ${item.filename} stays in the journal`)
  }
  return true
}

/**
 * Remove the file of a mail that is finished in every recipient.
 *
 * @returns false when it could not be removed and still stands
 */
export async function removeFile(item: HMailItem): Promise<boolean> {
  if (await finishInJournal(item)) return true
  try {
    await fs.unlink(item.path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    item.logerror(`secure-mail: removing ${item.filename} failed: ${String(error)}`)
    return false
  }
}

/** Set a file aside under the name `error.*`, which Haraka leaves alone and `secure-mail queue` lists. */
export async function setAside(haraka: HarakaModules, item: HMailItem): Promise<void> {
  await giveFile(item)
  await fs.rename(item.path, path.join(haraka.queue.queue_dir, `error.${item.filename}`))
}
