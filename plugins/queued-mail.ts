/** A queued mail as a file: opening, putting off, removing, setting aside. Haraka's format, our durability. */
import { createReadStream, createWriteStream } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { HarakaModules, HMailItem, Todo } from './haraka'
import { EnsureDotStuffed } from './wire'

/** Largest header block that is read for a report, in bytes. */
const HEAD_LIMIT = 256 * 1024

/** The message in wire form (CRLF, dot-stuffed, no final dot). A missing file shows as an `error` on the stream. */
export function openWire(item: HMailItem): Readable {
  const file = createReadStream(item.path, { start: item.data_start })
  const stuffed = new EnsureDotStuffed()
  file.once('error', (error) => stuffed.destroy(error))
  stuffed.once('close', () => file.destroy())
  return file.pipe(stuffed)
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
  const handle = await fs.open(item.path, 'r')
  try {
    const buffer = Buffer.alloc(HEAD_LIMIT)
    const { bytesRead } = await handle.read(buffer, 0, HEAD_LIMIT, item.data_start)
    const head = buffer.subarray(0, bytesRead)
    const end = head.indexOf('\r\n\r\n')
    return end === -1 ? head : head.subarray(0, end + 4)
  } finally {
    await handle.close()
  }
}

/** Does the file still stand? A missing one was handled elsewhere (another item of the same file, a person). */
export async function fileStands(item: HMailItem): Promise<boolean> {
  try {
    await fs.access(item.path)
    return true
  } catch (error) {
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

/**
 * Remove the file of a mail that is finished in every recipient.
 *
 * @returns false when it could not be removed and still stands
 */
export async function removeFile(item: HMailItem): Promise<boolean> {
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
  await fs.rename(item.path, path.join(haraka.queue.queue_dir, `error.${item.filename}`))
}

/**
 * Our own writer of queue files, in the place of `outbound.process_delivery`: a failed write never leaves a file that a
 * restart would take for a mail, and a mail that was acknowledged survives a power cut (file and directory synced).
 */
export function queueWriter(haraka: HarakaModules): HarakaModules['outbound']['process_delivery'] {
  return async function processDelivery(okPaths: string[], todo: Todo, items: HMailItem[]): Promise<void> {
    const dir = haraka.queue.queue_dir
    const filename = haraka.queueFile.name()
    const unfinished = path.join(dir, `${haraka.queueFile.platformDOT}${filename}`)
    const target = path.join(dir, filename)
    try {
      await writeQueueFile(haraka, todo, unfinished)
      await fs.rename(unfinished, target)
      await syncDirectory(dir)
    } catch (error) {
      await fs.unlink(unfinished).catch(() => undefined)
      await fs.unlink(target).catch(() => undefined)
      throw new Error(`cannot write the queue file: ${(error as Error).message}`, { cause: error })
    }
    okPaths.push(target)
    items.push(new haraka.HMailItem(filename, target, todo.notes))
  }
}

async function writeQueueFile(haraka: HarakaModules, todo: Todo, file: string): Promise<void> {
  const message = todo.message_stream
  if (message === undefined) throw new Error('the transaction has no message')
  const out = createWriteStream(file, { flags: 'wx', mode: 0o600, flush: true })
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

/** A rename is only durable once its directory is (open(2), fsync(2) NOTES). */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await fs.open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
