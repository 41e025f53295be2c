/** New files that are there whole, under their name, or not at all: several processes may make the same one. */
import { randomBytes } from 'node:crypto'
import { link, open, unlink } from 'node:fs/promises'

/**
 * Make a file of mode 0600 and put it on the disk; its name is durable after `syncDirectory`.
 *
 * @param prepare what is done with the temporary file before it gets its name
 * @returns false when there is one of that name already
 */
export async function makeWhole(
  file: string,
  content: string | Buffer,
  prepare: (temporary: string) => Promise<void> = () => Promise.resolve(),
): Promise<boolean> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await prepare(temporary)
    await link(temporary, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
}

/** The names of new files are durable only once their directory is. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
