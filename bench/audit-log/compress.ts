/** Older days of a log, compressed: the first third with zstd, the second with gzip. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { auditFileName } from '../../lib/audit/retention'

/**
 * @param age place of the day in the log: 0 = the first, 1 = behind the last
 * @throws Error when neither program does it
 */
export function compress(dir: string, day: string, label: string, age: number): void {
  if (age >= 2 / 3) return
  const file = path.join(dir, auditFileName(day, label))
  if (age < 1 / 3 && spawnSync('zstd', ['-qf1', '--rm', file]).status === 0) return
  // also where there is no zstd on this machine
  if (spawnSync('gzip', ['-f1', file]).status !== 0) throw new Error(`cannot compress ${file}`)
}
