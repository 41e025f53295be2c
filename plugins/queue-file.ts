/** A queue file written whole: it stands under its name only when all of it is on disk. */
import fs from 'node:fs/promises'
import path from 'node:path'
import { syncDirectory } from '../lib/spool/journal'
import type { HarakaModules } from './haraka'

/** The part of a queue file's name that a rename keeps. */
export function identityOf(haraka: Pick<HarakaModules, 'queueFile'>, filename: string): string {
  const parts = haraka.queueFile.parts(filename)
  return parts === null ? filename : `${parts.arrival}_${parts.uid}`
}

/** Names a file that is being written; Haraka removes what is left of such when it starts. */
export function unfinishedName(haraka: Pick<HarakaModules, 'queueFile'>, filename: string): string {
  return `${haraka.queueFile.platformDOT}${filename}`
}

/**
 * @returns its path
 * @throws Error (rejects) when it is not on disk; then there is no such file
 */
export async function saveQueueFile(
  haraka: Pick<HarakaModules, 'queue' | 'queueFile'>,
  filename: string,
  content: Buffer,
): Promise<string> {
  const dir = haraka.queue.queue_dir
  const unfinished = path.join(dir, unfinishedName(haraka, filename))
  const target = path.join(dir, filename)
  try {
    const handle = await fs.open(unfinished, 'wx', 0o600)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await fs.rename(unfinished, target)
    await syncDirectory(dir)
    return target
  } catch (error) {
    await fs.unlink(unfinished).catch(() => undefined)
    await fs.unlink(target).catch(() => undefined)
    throw new Error(`cannot write the queue file: ${(error as Error).message}`, { cause: error })
  }
}
