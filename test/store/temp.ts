import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const made: string[] = []

/** A new directory that `removeTempDirs` takes away again. */
export function tempDir(): string {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-store-'))
  made.push(dir)
  return dir
}

export function removeTempDirs(): void {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true })
}
