/**
 * Files are opened here: what they are is told by their bytes, what they hold by the reader of that format, and what is
 * in them is opened in its turn. A file that no reader reads to its end is uninspected.
 */
import type { Clock } from '../../clock'
import { decodeUnlabelled } from '../charset'
import type { Message, Part, TextPiece, Uninspectable } from '../message'
import { nameText } from '../percent'
import { readMessage } from '../read'
import { sniff, type BinaryKind } from '../sniff'
import { OVERRIDDEN, OVERRIDES, unixLines } from '../text-leaf'
import type { MessageBudget } from './budget'
import { readCms } from './cms'
import { readGzip } from './gzip'
import { judgePicture } from './images'
import { looksLikeMessage } from './looks-like'
import { readOle } from './ole'
import { readFlatOdf } from './odf'
import { readMbox } from './mbox'
import { readPdf } from './pdf'
import { readPgp } from './pgp'
import { readRtf } from './rtf'
import { readSealedArchive } from './sealed-archive'
import { readStructured } from './structured'
import { readTar } from './tar'
import { readTnef } from './tnef'
import type { FileProperty, FileProtection, FileReader, FileReading, OpenFile, Table } from './types'
import { readZip } from './zip'

/** Archives inside archives that are opened. */
const ARCHIVE_DEPTH = 5
/** Bytes of content that is not read which are searched as raw text. */
const RAW_SEARCH = 4 * 1024 * 1024
const NO_BYTES = Buffer.alloc(0)
/** What the readers found in the files of one message. */
interface Collected {
  texts: TextPiece[]
  tables: Table[]
  properties: FileProperty[]
  protection: FileProtection[]
  uninspected: Uninspectable[]
  innerHeaders: Message['innerHeaders'][number][]
  enclosed: Part[]
}

interface Opening {
  readonly budget: MessageBudget
  readonly clock: Clock
  readonly found: Collected
}

/** How deep a file lies: files in files, and archives among them. */
interface Depth {
  files: number
  archives: number
}

/**
 * Open every leaf of a message that is a file. Never throws on any bytes.
 *
 * @param budget of the message, already spent on by the walker
 * @returns the message with what is in its files
 */
export async function openLeaves(message: Message, budget: MessageBudget, clock: Clock): Promise<Message> {
  const found = nothing()
  const opening: Opening = { budget, clock, found }
  await openAll(opening, message, { files: 0, archives: 0 })
  return {
    ...message,
    innerHeaders: [...message.innerHeaders, ...found.innerHeaders],
    texts: [...message.texts, ...found.texts],
    tables: found.tables,
    properties: found.properties,
    protection: found.protection,
    uninspected: [...message.uninspected, ...found.uninspected],
    enclosed: found.enclosed,
    unopened: [],
    timeUp: message.timeUp || budget.timeUp(),
  }
}

function nothing(): Collected {
  return { texts: [], tables: [], properties: [], protection: [], uninspected: [], innerHeaders: [], enclosed: [] }
}

/** The leaves of one message, in order. */
async function openAll(opening: Opening, message: Message, depth: Depth): Promise<void> {
  for (const { part, file, sound } of message.unopened) {
    const complete = await open(opening, file, depth)
    part.status = complete && sound ? 'inspected' : 'uninspected'
    if (!complete) continue
    // nobody needs the bytes any more, and what was found in them is still to be searched
    file.bytes = NO_BYTES
    delete part.bytes
  }
}

/** @returns was it read completely, with all that is in it? */
async function open(opening: Opening, file: OpenFile, depth: Depth, inDocument = false): Promise<boolean> {
  const { budget, found } = opening
  const unread = (reason: string): boolean => {
    found.uninspected.push({ where: file.where, reason })
    return false
  }
  if (file.bytes.length === 0) return true
  if (budget.timeUp()) return unread('the time for reading was up')
  if (depth.files > budget.limits.maxDepth) return unread('the files are nested too deep')
  if (depth.archives > ARCHIVE_DEPTH) return unread('the archives are nested too deep')
  const kind = sniff(file.bytes)
  if (kind === 'png' || kind === 'jpeg' || kind === 'gif')
    return collect(opening, judgePicture(file, kind, inDocument), depth)
  if (kind === null && looksLikeMessage(file.bytes)) return openMessage(opening, file, depth)
  const reading = await firstReading(readersFor(kind), file, budget)
  if (reading === 'broken') return unread('its reader failed')
  if (reading !== null) return collect(opening, reading, depth)
  searchRaw(opening, file)
  return unread(kind === null ? 'content of this type is not known' : `content of this kind is not read (${kind})`)
}

/** A reader that throws has a fault; what it was given is not read, and everything else still is. */
async function firstReading(
  readers: readonly FileReader[],
  file: OpenFile,
  budget: MessageBudget,
): Promise<FileReading | null | 'broken'> {
  try {
    for (const reader of readers) {
      const reading = await reader(file, budget)
      if (reading !== null) return reading
    }
    return null
  } catch {
    return 'broken'
  }
}

/** By what the bytes begin like; the first reader that knows the file reads it. */
function readersFor(kind: BinaryKind | null): readonly FileReader[] {
  switch (kind) {
    case 'pdf':
      return [readPdf]
    case 'zip':
      return [readZip]
    case 'gzip':
      return [readGzip]
    case 'ole':
      return [readOle]
    case 'rtf':
      return [readRtf]
    case 'tnef':
      return [readTnef]
    case 'der':
      return [readCms]
    case '7z':
    case 'rar':
      return [readSealedArchive]
    case null:
      return [readPgp, readTar, readMbox, readFlatOdf, readStructured]
    default:
      return []
  }
}

/** Take over what a reader found, and open what is inside. */
async function collect(opening: Opening, reading: FileReading, depth: Depth): Promise<boolean> {
  const { found } = opening
  addAll(found.texts, reading.texts)
  const overridden = reading.texts.find(({ role, text }) => role !== 'raw' && OVERRIDES.test(text))
  const unread = overridden === undefined ? [] : [{ where: overridden.where, reason: OVERRIDDEN }]
  addAll(found.tables, reading.tables)
  addAll(found.properties, reading.properties)
  addAll(found.protection, reading.protection)
  addAll(found.uninspected, reading.uninspected)
  if (!reading.uninspected.some(({ reason }) => reason === OVERRIDDEN)) addAll(found.uninspected, unread)
  let complete = reading.protection.length + reading.uninspected.length + unread.length === 0
  for (const inner of reading.embedded) {
    if (inner.name !== '') found.texts.push({ where: inner.where, role: 'name', text: nameText(inner.name) })
    const below = { files: depth.files + 1, archives: depth.archives + (inner.archive ? 1 : 0) }
    complete = (await open(opening, inner, below, !inner.archive)) && complete
  }
  return complete
}

/** Any number: an argument list has an end. */
function addAll<T>(to: T[], items: readonly T[]): void {
  for (const item of items) to.push(item)
}

/** A message that is a file: its own walk, within the same budget. */
async function openMessage(opening: Opening, file: OpenFile, depth: Depth): Promise<boolean> {
  const { budget, clock, found } = opening
  const message = readMessage(file.bytes, budget.limits, clock, { budget, where: file.where, depth: depth.files + 1 })
  addAll(found.texts, message.texts)
  addAll(found.uninspected, message.uninspected)
  addAll(found.innerHeaders, [{ where: file.where, block: message.header }, ...message.innerHeaders])
  found.enclosed.push(message.root)
  const before = found.uninspected.length + found.protection.length
  await openAll(opening, message, { files: depth.files + 1, archives: depth.archives })
  return message.uninspected.length === 0 && found.uninspected.length + found.protection.length === before
}

function searchRaw({ found }: Opening, file: OpenFile): void {
  const text = unixLines(decodeUnlabelled(file.bytes.subarray(0, RAW_SEARCH)))
  // compressed or encrypted bytes are noise
  if (!text.slice(0, 4096).includes('\0')) found.texts.push({ where: file.where, role: 'raw', text })
}
