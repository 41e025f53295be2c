/** Names of audit files, and how long they are kept. */
import fs from 'node:fs'
import path from 'node:path'

const NAME = /^audit-(\d{4}-\d{2}-\d{2})\.[A-Za-z0-9_-]+\.ndjson$/
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
  if (!NAME.test(name)) throw new Error(`no label for an audit file: ${JSON.stringify(label)}`)
  return name
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
    const day = NAME.exec(name)?.[1]
    return day !== undefined && day < oldest
  })
  for (const name of old) fs.rmSync(path.join(dir, name), { force: true })
  return old
}
