/** Taking on a mail: Haraka's format, our durability. */
import { createWriteStream } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { syncDirectory } from '../lib/spool/journal'
import type { HarakaModules, HMailItem, Todo } from './haraka'
import { HELD_AT_MOST, MessageBuffer } from './message-buffer'
import { NOTES_KEY } from './notes-key'
import { saveQueueFile, unfinishedName } from './queue-file'
import { addToJournal, finishInJournal, standsInJournal } from './spool'

type MessageStream = NonNullable<Todo['message_stream']>

/** Bytes of the length prefix of a queue file. */
export const PREFIX = 4

/** What a queue file holds, as it was written by this process. */
export interface Written {
  size: number
  /** Where the message begins. */
  dataStart: number
  /** The envelope, JSON. */
  envelope: string
  /** Our record in it, the object that was sealed. */
  sealed: unknown
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
 * Our own writer, in the place of `outbound.process_delivery`. What it acknowledges survives a power cut: in the journal,
 * or, when it is too big to be gathered in memory, in a queue file of its own. A failed write leaves nothing that a
 * restart would take for a mail.
 *
 * @param isPaused nothing is delivered at present: what waits for people waits in files, where people look for it
 */
export function queueWriter(
  haraka: HarakaModules,
  report: (what: string, error: unknown) => void,
  isPaused: () => boolean,
): HarakaModules['outbound']['process_delivery'] {
  return async function processDelivery(okPaths: string[], todo: Todo, items: HMailItem[]): Promise<void> {
    const message = todo.message_stream
    if (message === undefined) throw new Error('the transaction has no message')
    const filename = haraka.queueFile.name()
    const target = path.join(haraka.queue.queue_dir, filename)
    try {
      if ((message.bytes_read ?? Infinity) > HELD_AT_MOST) {
        await writeLargeFile(haraka, todo, message, filename)
        items.push(new haraka.HMailItem(filename, target, todo.notes))
      } else {
        const content = await gather(haraka, todo, message)
        const entry = isPaused() ? undefined : await addToJournal(haraka, report, filename, content)
        if (entry === undefined) await saveQueueFile(haraka, filename, content)
        const item = itemOfWritten(haraka, todo, filename, target, content)
        if (entry !== undefined) standsInJournal(item, entry)
        items.push(item)
      }
      okPaths.push(target)
    } catch (error) {
      // Haraka removes the files of the message's other destinations itself
      await Promise.all(items.map((item) => finishInJournal(item)))
      throw error
    }
  }
}

/** The item of a mail that was just made durable; nothing of it is read back. */
function itemOfWritten(
  haraka: HarakaModules,
  todo: Todo,
  filename: string,
  target: string,
  content: Buffer,
): HMailItem {
  const dataStart = PREFIX + content.readUInt32BE(0)
  written.set(target, {
    size: content.length,
    dataStart,
    envelope: content.toString('utf8', PREFIX, dataStart),
    sealed: todo.notes[NOTES_KEY],
  })
  // the constructor asks for it
  const item = new haraka.HMailItem(filename, target, todo.notes)
  written.delete(target)
  keep(item, content.subarray(dataStart))
  return item
}

/** What the queue file holds, in memory. */
async function gather(haraka: HarakaModules, todo: Todo, message: MessageStream): Promise<Buffer> {
  const pieces: Buffer[] = []
  if (message instanceof MessageBuffer && message.held) {
    pieces.push(envelopeOf(haraka, todo), ...message.wire())
  } else {
    const into = new Writable({
      write(piece: Buffer, _encoding, done) {
        pieces.push(piece)
        done()
      },
    })
    await pour(haraka, todo, message, into)
  }
  return Buffer.concat(pieces)
}

/**
 * The envelope with its length before it, as Haraka reads it. Haraka's own way asks a function about each value and sets
 * each on a line of its own, which takes most of the time; what could come out in another way is left to it.
 */
function envelopeOf(haraka: HarakaModules, todo: Todo): Buffer {
  const text = plainJson(todo)
  // Haraka leaves out everything of this name, however deep
  if (text === null || text.includes('"message_stream"')) {
    const pieces: Buffer[] = []
    haraka.outbound.build_todo(todo, { write: (piece) => pieces.push(piece) > 0 }, () => undefined)
    return Buffer.concat(pieces)
  }
  const length = Buffer.byteLength(text)
  const envelope = Buffer.allocUnsafe(PREFIX + length)
  envelope.writeUInt32BE(length, 0)
  envelope.write(text, PREFIX)
  return envelope
}

/** @returns null when something in the notes of other plugins cannot be written */
function plainJson(todo: Todo): string | null {
  try {
    return `\n${JSON.stringify({ ...todo, message_stream: undefined })}\n`
  } catch {
    return null
  }
}

async function writeLargeFile(
  haraka: HarakaModules,
  todo: Todo,
  message: MessageStream,
  filename: string,
): Promise<void> {
  const dir = haraka.queue.queue_dir
  const unfinished = path.join(dir, unfinishedName(haraka, filename))
  const target = path.join(dir, filename)
  try {
    await pour(haraka, todo, message, createWriteStream(unfinished, { flags: 'wx', mode: 0o600, flush: true }))
    await fs.rename(unfinished, target)
    await syncDirectory(dir)
  } catch (error) {
    await fs.unlink(unfinished).catch(() => undefined)
    await fs.unlink(target).catch(() => undefined)
    throw new Error(`cannot write the queue file: ${(error as Error).message}`, { cause: error })
  }
}

/** Envelope and message into a stream; resolves when it has finished. */
async function pour(haraka: HarakaModules, todo: Todo, message: MessageStream, out: Writable): Promise<void> {
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
