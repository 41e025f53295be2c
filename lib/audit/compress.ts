/** Closed audit files, compressed once nobody is likely to follow them any more. */
import fs from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { namedFiles, utcDay } from './retention'

const DAY = 24 * 60 * 60 * 1000

/** Another process that began a file and has written nothing for so long has died, in milliseconds. */
const ABANDONED = 3_600_000

/**
 * Compress the plain files of days more than `afterDays` before today: written beside the plain one, synced, renamed,
 * and only then the plain one is removed, so that at every moment one of the two is whole. Of several processes one
 * compresses a file.
 *
 * @param afterDays 0 or less = never; 1 = a file is left alone for the whole day after its own
 * @returns names of the files that were compressed
 * @throws Error of the file system (rejects); what is not compressed then is tried again another time
 */
export async function compressOldFiles(dir: string, afterDays: number, now: number): Promise<string[]> {
  if (afterDays <= 0) return []
  const newest = utcDay(now - afterDays * DAY)
  const done: string[] = []
  removeTwins(dir)
  for (const { name, day, compression } of namedFiles(dir)) {
    if (compression !== 'none' || day >= newest) continue
    if (await compressFile(path.join(dir, name))) done.push(name)
  }
  return done
}

/** Both forms of a file: the process ended after the compressed one was whole. */
function removeTwins(dir: string): void {
  const names = new Set(fs.readdirSync(dir))
  for (const { name, compression } of namedFiles(dir)) {
    if (compression === 'none' && names.has(`${name}.gz`)) fs.rmSync(path.join(dir, name), { force: true })
  }
}

/** @returns false when another process is at it */
async function compressFile(file: string): Promise<boolean> {
  const part = `${file}.gz.part`
  if (isAbandoned(part)) fs.rmSync(part, { force: true })
  let to: fs.promises.FileHandle
  try {
    to = await fs.promises.open(part, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
  try {
    const { atime, mtime } = await fs.promises.stat(file)
    await pipeline(fs.createReadStream(file), createGzip(), fs.createWriteStream('', { fd: to.fd, autoClose: false }))
    await to.utimes(atime, mtime)
    await to.sync()
    await to.close()
    await fs.promises.rename(part, `${file}.gz`)
  } catch (error) {
    await to.close().catch(() => undefined)
    fs.rmSync(part, { force: true })
    throw error
  }
  const folder = await fs.promises.open(path.dirname(file), 'r')
  await folder.sync().finally(() => folder.close())
  await fs.promises.rm(file, { force: true })
  return true
}

function isAbandoned(part: string): boolean {
  const stats = fs.statSync(part, { throwIfNoEntry: false })
  return stats !== undefined && Date.now() - stats.mtimeMs > ABANDONED
}
