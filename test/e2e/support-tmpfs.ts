/** A small disk of its own for one directory, to be filled up. Needs root. */
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { runOk } from '../../demo/processes'

export interface SmallDisk {
  /** Leave no free byte (as far as blocks go). */
  fill(): void
  /** Leave so many bytes, in whole blocks. */
  leave(bytes: number): void
  /** Take the filling out again. */
  free(): void
  stop(): Promise<void>
}

const FILLING = '.filling'

/**
 * Mount a tmpfs over a directory.
 *
 * @param size in bytes
 */
export async function mountSmallDisk(dir: string, size: number): Promise<SmallDisk> {
  await runOk('/usr/bin/mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0755`, 'secure-mail-test', dir])
  const file = path.join(dir, FILLING)
  const free = () => rmSync(file, { force: true })
  const leave = (bytes: number) => {
    free()
    const { bavail, bsize } = statfsSync(dir)
    const filling = Buffer.alloc(Math.max(0, bavail * bsize - bytes))
    try {
      writeFileSync(file, filling)
    } catch (error) {
      // the gateway took blocks since they were counted: what was written until then fills the rest
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
  return {
    leave,
    fill: () => leave(0),
    free,
    async stop() {
      // whoever still has a file open there may keep it until it ends
      await runOk('/usr/bin/umount', ['--lazy', dir])
    },
  }
}
