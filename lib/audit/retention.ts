/** Names of audit files, and how long they are kept. */
import fs from 'node:fs'
import path from 'node:path'

const NAME = /^audit-(\d{4}-\d{2}-\d{2})\.([A-Za-z0-9_-]+)\.ndjson(\.gz|\.zst)?$/
const DAY = 24 * 60 * 60 * 1000

/** UTC day of a time, `YYYY-MM-DD`. */
export function utcDay(millis: number): string {
  const number = Math.floor(millis / DAY)
  if (number !== lastDay.number) lastDay = { number, text: new Date(millis).toISOString().slice(0, 10) }
  return lastDay.text
}

/** Asked for every line of the log. */
let lastDay = { number: NaN, text: '' }

/**
 * `audit-2026-11-23.w1.ndjson`: one file per UTC day and process.
 *
 * @param label of the process; letters, digits, `_` and `-` only
 * @throws Error when the label would lead out of the folder
 */
export function auditFileName(day: string, label: string): string {
  const name = `audit-${day}.${label}.ndjson`
  if (readAuditName(name)?.label !== label) throw new Error(`no label for an audit file: ${JSON.stringify(label)}`)
  return name
}

/** An audit file by its name. */
export interface NamedFile {
  name: string
  /** `YYYY-MM-DD`, UTC. */
  day: string
  /** Of the process that wrote it. */
  label: string
  compression: 'none' | 'gzip' | 'zstd'
}

/** @returns null for a name that is none of an audit file */
export function readAuditName(name: string): NamedFile | null {
  const [, day, label, ending] = NAME.exec(name) ?? []
  if (day === undefined || label === undefined) return null
  return { name, day, label, compression: ending === undefined ? 'none' : ending === '.gz' ? 'gzip' : 'zstd' }
}

/**
 * The audit files of a folder, plain or compressed, oldest day first. Where several forms of one are there (a process
 * died between the two), the plain one is it.
 *
 * @throws Error of the file system
 */
export function namedFiles(dir: string): NamedFile[] {
  const files = fs.readdirSync(dir).flatMap((name) => readAuditName(name) ?? [])
  // the shorter name comes first, and stays
  files.sort((a, b) => (a.name < b.name ? -1 : 1))
  const taken = new Set<string>()
  return files.filter(({ day, label }) => {
    const known = taken.has(`${day} ${label}`)
    taken.add(`${day} ${label}`)
    return !known
  })
}

/** The same of one process. */
export function auditFilesOf(dir: string, label: string): NamedFile[] {
  return namedFiles(dir).filter((file) => file.label === label)
}

/**
 * Remove audit files of days more than `keepDays` before today; files with other names are never touched.
 *
 * @param keepDays 0 or less = keep all
 * @returns names of the files removed
 * @throws Error of the file system
 */
export function removeOldFiles(dir: string, keepDays: number, now: number): string[] {
  if (keepDays <= 0) return []
  const oldest = utcDay(now - keepDays * DAY)
  const old = fs.readdirSync(dir).filter((name) => {
    const file = readAuditName(name)
    return file !== null && file.day < oldest
  })
  for (const name of old) fs.rmSync(path.join(dir, name), { force: true })
  return old
}
