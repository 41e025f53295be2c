/**
 * The default engine: LMDB, one memory-mapped file that several processes of one machine share.
 *
 * Durability: `overlappingSync` is off, so LMDB flushes the data pages (fdatasync) and then writes its root page to a
 * descriptor opened O_DSYNC before a commit counts; a promise of ours resolves after that, and not before. The price,
 * a disk flush per transaction, is shared: all writes that arrive while one transaction is on its way to the disk go
 * together into the next.
 *
 * Reads never wait for writers. Writers of all processes take turns; the lock of one that dies is freed by the kernel.
 */
import { statfs } from 'node:fs/promises'
import { open, type RootDatabase } from 'lmdb'
import type { Clock } from '../clock'
import type { Engine, Transaction } from './engine'
import { prepareDirectory } from './lmdb-directory'
import { storeOver } from './store-over'
import type { Store } from './types'
import { serialWriter } from './writer'

/** Slots for processes (times their threads) that read at the same moment; 64 bytes of lock file each. */
const MAX_READERS = 512

/** Milliseconds after which a write is given up: the disk hangs, or a stopped process holds the lock. */
const WRITE_TIMEOUT = 20_000

export interface LmdbOptions {
  /** A directory of its own on a local disk; made when missing. */
  path: string
  clock: Clock
  /** Told of failures that no caller waits for, see `storeOver`. */
  onError?: (error: Error) => void
  /** Milliseconds. */
  writeTimeout?: number
}

/**
 * Open (or make) the store. To be called in the process that uses it, after privileges are dropped: what is made here
 * belongs to whoever runs.
 *
 * @throws Error in plain words when the directory cannot be used or its data file is damaged
 */
export async function openLmdbStore(options: LmdbOptions): Promise<Store> {
  await prepareDirectory(options.path)
  return storeOver(openEngine(options), options.clock, options.onError ?? (() => undefined))
}

function openEngine({ path, writeTimeout = WRITE_TIMEOUT }: LmdbOptions): Engine {
  const db = openDatabase(path)
  const transaction: Transaction = {
    get: (key) => db.getBinary(key),
    // Inside a transaction these act at once and throw when they fail; their promises say nothing more.
    put: (key, value) => void db.put(key, value),
    remove: (key) => void db.remove(key),
  }
  const writer = serialWriter({
    commit: (work) => commit(db, path, work),
    timeout: writeTimeout,
    describe: `store: ${path}`,
    suspect: 'disk or another process',
  })
  return {
    get: (key) =>
      new Promise((resolve) => {
        // A read transaction lives until the turn ends; ours must see what another process has just acknowledged.
        db.resetReadTxn()
        resolve(db.getBinary(key))
      }),
    scan: (start, end, visit) =>
      new Promise((resolve) => {
        db.resetReadTxn()
        for (const { key, value } of db.getRange({ start, end })) if (!visit(key, value)) break
        resolve()
      }),
    write: (_reads, work) => writer.write(() => work(transaction)),
    close: async () => {
      if (await writer.stop()) await db.close()
    },
  }
}

function openDatabase(path: string): RootDatabase<Buffer, Buffer> {
  try {
    return open<Buffer, Buffer>({
      path,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      maxReaders: MAX_READERS,
      // Commit = on the disk, see above.
      overlappingSync: false,
      // Batching makes promises inside lmdb that nobody handles: a full disk would end the process.
      eventTurnBatching: false,
    })
  } catch (error) {
    throw new Error(`store: cannot open ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

/** One LMDB transaction. Rejects with the disk's own words when it could not be committed. */
async function commit(db: RootDatabase<Buffer, Buffer>, path: string, work: () => void): Promise<void> {
  try {
    await db.transaction(work)
  } catch (error) {
    const cause = await commitError(error)
    throw new Error(`store: cannot write to ${path}: ${cause.message} (${await freeSpace(path)})`, { cause })
  }
}

/** LMDB reports a write that was cut short, the usual sign of a full disk, as "Input/output error": so say what is free. */
async function freeSpace(path: string): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(path)
    return `${Math.floor((bavail * bsize) / 2 ** 20)} MiB free there`
  } catch {
    return 'free space unknown'
  }
}

/** lmdb rejects with "Commit failed" and hands the reason in a second promise, which must not stay unhandled. */
async function commitError(error: unknown): Promise<Error> {
  if (!(error instanceof Error)) return new Error(String(error))
  const reason: unknown = 'commitError' in error ? error.commitError : undefined
  if (!(reason instanceof Promise)) return error
  return reason.then(
    () => error,
    (cause: unknown) => (cause instanceof Error ? cause : error),
  )
}
