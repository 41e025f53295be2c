/** The directory that LMDB lives in: made, checked and closed to everybody else before the engine touches it. */
import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { access, chmod, chown, mkdir, open, readdir, stat, statfs, unlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { dataFileProblem, HEAD_BYTES } from './lmdb-header'
import { makeWhole, syncDirectory } from './whole-file'

const FILES = ['data.mdb', 'lock.mdb'] as const

/** Zero bytes that a new lock file starts with: room for more than 1000 readers, so nothing is allocated later. */
const LOCK_BYTES = 128 * 1024

/** More than LMDB writes into a new data file, whatever the page size. */
const FIRST_BYTES = 256 * 1024

/** How often a data file that looks damaged is looked at, and the milliseconds between. */
const LOOKS = 5
const BETWEEN_LOOKS = 20

/**
 * Make `directory` (0700) and its two files (0600) where they are missing, and close them to others where they are not.
 *
 * Run by root on a directory of another user (the command beside the server), new files are given to that user.
 *
 * @throws Error in plain words: not a directory, not ours, not writable, on a network file system, disk full
 */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const stats = await stat(directory)
    if (!stats.isDirectory()) throw new Error('it is not a directory')
    await refuseNetwork(directory)
    await closeDirectory(directory, stats)
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    let made = false
    for (const file of FILES) made = (await prepareFile(path.join(directory, file), stats)) || made
    if (made) await syncDirectory(directory)
    await checkData(path.join(directory, 'data.mdb'))
  } catch (error) {
    throw new Error(`store: cannot use ${directory}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

/** A directory with other things in it may be one that must stay open (`/tmp`, `/var/lib`): left alone, and refused. */
async function closeDirectory(directory: string, stats: Stats): Promise<void> {
  if ((stats.mode & 0o077) === 0) return
  const others = (await readdir(directory)).filter((name) => !(FILES as readonly string[]).includes(name))
  if (others.length > 0) {
    throw new Error('others may enter it and it holds more than the store; give the store a directory of its own')
  }
  await chmod(directory, 0o700)
}

/** @returns whether the file had to be made */
async function prepareFile(file: string, owner: Stats): Promise<boolean> {
  const made = await makeFile(file, owner)
  const stats = await stat(file)
  if (!stats.isFile()) throw new Error(`${file} is not a file`)
  if ((stats.mode & 0o077) !== 0) await chmod(file, 0o600)
  await access(file, constants.R_OK | constants.W_OK)
  return made
}

/**
 * The lock file is mapped and written through memory, where a full disk is no error but a SIGBUS that ends the process.
 * So its blocks are allocated now, where a full disk can be reported, and it appears under its name in one step: a
 * second process may already be using the one that won.
 */
async function makeFile(file: string, owner: Stats): Promise<boolean> {
  if (await exists(file)) return false
  const lock = path.basename(file) === 'lock.mdb'
  return makeWhole(file, Buffer.alloc(lock ? LOCK_BYTES : 0), async (temporary) => {
    if (process.geteuid?.() === 0 && owner.uid !== 0) await chown(temporary, owner.uid, owner.gid)
  })
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/**
 * LMDB ends the process when it cannot open its file, so everything that could stop it is looked at first. Another
 * process may be writing the very first pages just now: what looks damaged gets another look.
 */
async function checkData(file: string): Promise<void> {
  for (let look = 1; ; look++) {
    const problem = await dataProblem(file)
    if (problem === null) return
    if (look === LOOKS) throw new Error(`${path.basename(file)}: ${problem}; restore it from a backup`)
    await wait(BETWEEN_LOOKS)
  }
}

async function dataProblem(file: string): Promise<string | null> {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    // After the head: a file only grows before its head names the new pages.
    const { size } = await handle.stat()
    if (size === 0) await proveRoom(`${file}.${randomBytes(6).toString('hex')}`)
    return dataFileProblem(buffer.subarray(0, bytesRead), size)
  } finally {
    await handle.close()
  }
}

/** An empty file is about to get its first pages. @throws Error when the disk has no room for them */
async function proveRoom(temporary: string): Promise<void> {
  try {
    await writeFile(temporary, Buffer.alloc(FIRST_BYTES), { mode: 0o600, flag: 'wx', flush: true })
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
}

/** LMDB shares memory between processes through the file and needs its locks: neither holds over a network. */
async function refuseNetwork(directory: string): Promise<void> {
  if (process.platform !== 'linux') return
  const name = networkFileSystem((await statfs(directory)).type)
  if (name !== undefined) throw new Error(`it is on a network file system (${name}); the store needs a local disk`)
}

/** Magic numbers of statfs(2). FUSE and 9p are not here: containers use both for local disks. */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
])

/** @param type f_type of statfs(2); the kernel's 32 bits may come sign-extended */
export function networkFileSystem(type: number): string | undefined {
  return NETWORK.get(type >>> 0)
}
