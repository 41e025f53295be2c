/** The time that a question is about. All of it is UTC, as the log is. */
import { duration, MS } from '../../config/values'

export interface Period {
  /** Milliseconds; the first that belongs to it. */
  since: number
  /** Milliseconds; the first that does not belong to it any more. */
  until: number
}

/** What is looked at when nothing is asked for. */
const USUAL = '30d'

/**
 * @param since a duration before now (`7d`), a day (`2026-11-01`, its beginning) or a time (`2026-11-01T08:00Z`)
 * @param until the same; a day is meant with all of it
 * @returns what is wrong with them, as a text
 */
export function readPeriod(since: string | undefined, until: string | undefined, now: number): Period | string {
  const from = readTime(since ?? USUAL, now, 0)
  if (from === null) return `--since: ${why(since ?? '')}`
  // what is being written now belongs to it
  const to = until === undefined ? now + 1 : readTime(until, now, MS.d)
  if (to === null) return `--until: ${why(until ?? '')}`
  return from < to ? { since: from, until: to } : '--since is not before --until'
}

function why(text: string): string {
  return `${JSON.stringify(text)} is no time; write a duration before now like 7d or 12h, a day like 2026-11-01, or a time like 2026-11-01T08:00Z (UTC)`
}

function readTime(text: string, now: number, wholeDay: number): number | null {
  const trimmed = text.trim()
  if (/^\d{4}-\d{2}-\d{2}$/.test(trimmed)) return shift(dayStart(trimmed), wholeDay)
  if (/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z?$/.test(trimmed)) {
    const millis = Date.parse(trimmed.endsWith('Z') ? trimmed : `${trimmed}Z`)
    return Number.isNaN(millis) || dayStart(trimmed.slice(0, 10)) === null ? null : millis
  }
  const weeks = /^(\d{1,3})w$/.exec(trimmed)
  const before = duration(weeks === null ? trimmed : `${Number(weeks[1]) * 7}d`)
  return before.ok ? now - before.value : null
}

function dayStart(day: string): number | null {
  const millis = Date.parse(`${day}T00:00:00Z`)
  // 2026-02-30 is none
  return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(day) ? millis : null
}

function shift(millis: number | null, by: number): number | null {
  return millis === null ? null : millis + by
}
