/** A small invented audit log, for the tests of `secure-mail report`. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { writeLog } from '../../bench/audit-log/write'

/** Behind the last event. */
export const NOW = Date.UTC(2026, 10, 30, 12)
export const START = Date.UTC(2026, 10, 18)
export const DAYS = 12

let made: Promise<string> | undefined

/** Twelve days of two processes, a third each in zstd, gzip and plain; made once. @returns its folder */
export function smallLog(): Promise<string> {
  made ??= make()
  return made
}

async function make(): Promise<string> {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-test-log-'))
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  mkdirSync(path.join(dir, 'log'), { mode: 0o700 })
  const plan = { dir: path.join(dir, 'log'), seed: 1, start: START, days: DAYS, compress: true }
  await writeLog({ ...plan, events: 9_000, label: 'w1', incidents: true })
  await writeLog({ ...plan, events: 5_000, label: 'w2', incidents: false })
  return plan.dir
}
