/**
 * Files of the log in a form that is quick to ask: columns (Parquet). Of days that are over, the copy is kept for the next
 * time, as long as its source is what it was; of today, and where nothing may be kept, it lasts for one run. Answers never
 * depend on a copy being there.
 */
import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { utcDay } from '../../audit/retention'
import type { LogFile } from '../log-files'
import { lineColumns, lineShape } from './columns'
import { text, type Engine } from './engine'
import { scanFile, type FileScan } from './scan'

/** A file of the log, ready to be asked. */
export interface Copy {
  file: LogFile
  /** Absolute path of the columns. */
  parquet: string
  /** Lines that are not empty. */
  lines: number
  /** Lines that are no events. */
  damaged: number
  /** absent: nobody looked. */
  scan?: FileScan
  /** It was there before. */
  kept: boolean
}

export interface CopyOptions {
  /** Where copies are kept; null = nowhere. */
  cache: string | null
  /** Folder of this run. */
  temporary: string
  /** Look through every file, and whether kept copies still have the source that they were made of, byte by byte. */
  scan: boolean
  now: number
  progress(done: number, all: number): void
}

/** Changes with the columns: copies of another form are made anew. */
const FORM = createHash('sha256').update(`1 ${lineShape()} ${lineColumns()}`).digest('hex').slice(0, 16)

/** Rows of a group: sorted by action, a question reads the groups of the actions that it is about. */
const GROUP = 20_480

/**
 * @throws Error of the file system or of the engine (rejects)
 */
export async function copyFiles(engine: Engine, files: readonly LogFile[], options: CopyOptions): Promise<Copy[]> {
  const copies: Copy[] = []
  for (const [index, file] of files.entries()) {
    options.progress(index, files.length)
    const copy = (await keptCopy(engine, file, options)) ?? (await newCopy(engine, file, options, index))
    copies.push(copy)
  }
  options.progress(files.length, files.length)
  return copies
}

/** What stands beside a kept copy. */
interface Note {
  form: string
  /** Of the source's file system entry, when it was read. */
  source: string
  lines: number
  damaged: number
  /** Bytes of the copy. */
  size: number
  scan: FileScan
}

function noteOf(parquet: string): string {
  return parquet.replace(/\.parquet$/, '.json')
}

async function keptCopy(engine: Engine, file: LogFile, options: CopyOptions): Promise<Copy | undefined> {
  if (options.cache === null || !isOver(file, options.now)) return undefined
  const parquet = path.join(options.cache, `${file.name}.parquet`)
  try {
    const note = JSON.parse(readFileSync(noteOf(parquet), 'utf8')) as Note
    if (note.form !== FORM || note.source !== entryOf(file) || statSync(parquet).size !== note.size) return undefined
    if ((await rowsOf(engine, parquet)) !== note.lines) return undefined
    if (options.scan && storedDigest(file) !== note.scan.stored) return undefined
    return { file, parquet, lines: note.lines, damaged: note.damaged, scan: note.scan, kept: true }
  } catch {
    // none, or one that cannot be used: the source is read
    return undefined
  }
}

async function newCopy(engine: Engine, file: LogFile, options: CopyOptions, index: number): Promise<Copy> {
  if (options.cache !== null && isOver(file, options.now)) {
    try {
      const kept = await copyToKeep(engine, file, options.cache)
      if (kept !== undefined) return kept
    } catch {
      // a cache that cannot be written to, a full disk: without one, and what is wrong with the source shows again
    }
  }
  const parquet = path.join(options.temporary, `${index}.parquet`)
  const [scan, damaged] = await Promise.all([options.scan ? scanFile(file) : undefined, convert(engine, file, parquet)])
  const lines = await rowsOf(engine, parquet)
  return { file, parquet, lines, damaged, kept: false, ...(scan === undefined ? {} : { scan }) }
}

/**
 * @returns undefined where the copy is not certainly that of its source: two readers that know nothing of each other
 *   have to find the same lines, in a file that did not change meanwhile
 */
async function copyToKeep(engine: Engine, file: LogFile, cache: string): Promise<Copy | undefined> {
  const parquet = path.join(cache, `${file.name}.parquet`)
  const fresh = path.join(cache, `${file.name}.${process.pid}.new`)
  const source = entryOf(file)
  const [scan, damaged] = await Promise.all([scanFile(file), convert(engine, file, fresh)])
  const lines = await rowsOf(engine, fresh)
  if (scan.lines !== lines || entryOf(file) !== source) {
    rmSync(fresh, { force: true })
    return undefined
  }
  const note: Note = { form: FORM, source, lines, damaged, size: statSync(fresh).size, scan }
  chmodSync(fresh, 0o600)
  // the note is last: a copy without one is none
  rmSync(noteOf(parquet), { force: true })
  renameSync(fresh, parquet)
  writeFileSync(fresh, JSON.stringify(note), { mode: 0o600 })
  renameSync(fresh, noteOf(parquet))
  return { file, parquet, lines, damaged, scan, kept: false }
}

async function convert(engine: Engine, file: LogFile, parquet: string): Promise<number> {
  const compression = file.compression === 'none' ? 'uncompressed' : file.compression
  await engine.run(
    `COPY (SELECT ${lineColumns()} FROM read_json([${text(file.path)}], format = 'newline_delimited', ` +
      `compression = '${compression}', ignore_errors = true, maximum_object_size = 16777216, columns = ${lineShape()}) ` +
      `ORDER BY action, time) TO ${text(parquet)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${GROUP})`,
  )
  const { rows } = await engine.query(`SELECT count(*) AS n FROM read_parquet(${text(parquet)}) WHERE action IS NULL`)
  return Number(rows[0]?.['n'] ?? 0)
}

async function rowsOf(engine: Engine, parquet: string): Promise<number> {
  const { rows } = await engine.query(`SELECT num_rows AS n FROM parquet_file_metadata(${text(parquet)})`)
  return Number(rows[0]?.['n'] ?? -1)
}

/** Nobody writes to it any more. */
function isOver(file: LogFile, now: number): boolean {
  return file.day < utcDay(now)
}

/** Changes with every change of the file, also one that leaves its size and time as they were. */
function entryOf(file: LogFile): string {
  const { size, mtimeNs, ctimeNs, ino } = statSync(file.path, { bigint: true })
  return [size, mtimeNs, ctimeNs, ino].join(' ')
}

/** Read at once: nothing else waits, and a stream would take four times as long. */
function storedDigest(file: LogFile): string {
  const digest = createHash('sha256')
  const piece = Buffer.allocUnsafe(256 * 1024)
  const source = openSync(file.path, 'r')
  try {
    for (let count = readSync(source, piece); count > 0; count = readSync(source, piece)) {
      digest.update(piece.subarray(0, count))
    }
  } finally {
    closeSync(source)
  }
  return digest.digest('hex')
}

/**
 * The folder of kept copies, inside that of the log: what is kept is as private as its source, and goes with it.
 *
 * @returns null where it cannot be made or written to
 */
export function cacheFolder(dir: string): string | null {
  const folder = path.join(dir, CACHE)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) return null
  }
  try {
    chmodSync(folder, 0o700)
    accessSync(folder, constants.W_OK)
    return folder
  } catch {
    return null
  }
}

const CACHE = 'report-cache'

/** What a run that was killed left behind may go after this many milliseconds. */
const ABANDONED = 3_600_000

/** Remove kept copies whose source is gone: nothing is kept longer than the log. */
export function dropOrphans(cache: string, files: readonly LogFile[], now: number): void {
  const wanted = new Set(files.flatMap(({ name }) => [`${name}.parquet`, `${name}.json`]))
  try {
    for (const name of readdirSync(cache)) {
      if (wanted.has(name) || !/^audit-.*\.(parquet|json|new)$/.test(name)) continue
      const file = path.join(cache, name)
      if (!name.endsWith('.new') || now - statSync(file).mtimeMs > ABANDONED) rmSync(file, { force: true })
    }
  } catch {
    // somebody else's folder: it stays as it is
  }
}
