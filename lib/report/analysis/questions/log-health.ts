/**
 * Whether the log is whole: every file is read again byte by byte. Damaged lines, numbers that are missing or come twice
 * (`event.sequence`), lines that do not follow the line before them (`securemail.prev_hash`), files that do not follow the
 * file before them, compressed files that end too early; and what the gateway itself complained about.
 */
import type { Copy } from '../copies'
import type { Row } from '../engine'
import { linksOf, type Link } from '../links'
import { column, type Question } from '../question'

function rowOf({ file, lines, damaged, scan, kept }: Copy, link: Link | undefined): Row {
  const breaks = scan?.breaks ?? 0
  return {
    day: file.day,
    process: file.label,
    file: file.name,
    lines,
    damaged,
    missing: scan?.missing ?? 0,
    missing_after: (scan?.gaps ?? []).map(({ after }) => after),
    repeated: scan?.repeated ?? 0,
    chain: breaks > 0 ? 'broken' : (scan?.chained ?? 0) > 0 ? 'whole' : 'none',
    broken_at: scan?.brokenAt ?? [],
    breaks,
    link: link ?? 'not-checked',
    cut: scan?.cut ?? '',
    copy: kept ? 'kept' : 'new',
  }
}

function isWhole(row: Row): boolean {
  return (
    [row['damaged'], row['missing'], row['repeated'], row['breaks']].every((count) => count === 0) &&
    row['cut'] === '' &&
    row['link'] !== 'broken' &&
    row['link'] !== 'begun-anew'
  )
}

/** See the head of this file. */
export const logHealth: Question = {
  name: 'log-health',
  title: 'Is the log whole?',
  answers: 'Whether lines are missing, damaged or changed, and what the gateway complained about.',
  unfiltered: true,
  scans: true,
  sections: ({ copies }) => {
    const links = linksOf(copies)
    const files = copies.map((copy) => rowOf(copy, links.get(copy.file.path)))
    return [
      {
        name: 'files',
        title: 'Files',
        judged: true,
        note: 'what is not whole comes first; numbers after which lines are missing, lines (from 1) that do not follow',
        columns: [
          column('day', 'day'),
          column('process', 'process'),
          column('lines', 'lines', 'number'),
          column('damaged', 'damaged', 'number'),
          column('missing', 'missing', 'number'),
          column('missing_after', 'after number', 'list'),
          column('repeated', 'twice', 'number'),
          column('chain', 'chain'),
          column('breaks', 'breaks', 'number'),
          column('broken_at', 'at line', 'list'),
          column('link', 'follows the day before'),
          column('cut', 'ends too early'),
          column('copy', 'copy'),
          column('file', 'file'),
        ],
        from: [...files.filter((row) => !isWhole(row)), ...files.filter(isWhole)],
      },
      {
        name: 'trouble',
        title: 'What the gateway complained about',
        judged: true,
        columns: [
          column('action', 'event'),
          column('what', 'what'),
          column('times', 'times', 'number'),
          column('lost_events', 'events lost', 'number'),
          column('first_at', 'first', 'time'),
          column('last_at', 'last', 'time'),
          column('message', 'last said'),
        ],
        from: `SELECT action, coalesce(what, '') AS what, count(*) AS times, coalesce(sum(lost_events), 0)::BIGINT AS lost_events,
            min(time) AS first_at, max(time) AS last_at, arg_max(message, time) AS message
          FROM events WHERE action IN ('plugin-error', 'config-rejected')
          GROUP BY action, coalesce(what, ''), lost_events IS NULL ORDER BY times DESC, action, what`,
      },
      {
        name: 'daily',
        title: 'Events by day',
        note: 'a day without files is not in it',
        columns: [
          column('day', 'day'),
          column('files', 'files', 'number'),
          column('lines', 'lines', 'number'),
          column('damaged', 'damaged', 'number'),
          column('missing', 'missing', 'number'),
        ],
        from: byDay(files),
        chart: { kind: 'days', along: 'day', series: ['lines'] },
      },
    ]
  },
  verdict(rows) {
    const files = rows.get('files') ?? []
    const bad = files.filter((row) => !isWhole(row)).length
    const complaints = (rows.get('trouble') ?? []).reduce((sum, row) => sum + Number(row['times']), 0)
    const said = complaints === 0 ? '' : `; the gateway complained ${complaints} times`
    if (files.length === 0) return { good: false, text: 'there are no files of this period' }
    return bad === 0
      ? { good: true, text: `whole: ${files.length} files${said}` }
      : { good: false, text: `NOT whole: ${bad} of ${files.length} files${said}` }
  },
}

function byDay(files: readonly Row[]): Row[] {
  const days = new Map<string, { files: number; lines: number; damaged: number; missing: number }>()
  for (const row of files) {
    const day = String(row['day'])
    const sum = days.get(day) ?? { files: 0, lines: 0, damaged: 0, missing: 0 }
    days.set(day, {
      files: sum.files + 1,
      lines: sum.lines + Number(row['lines']),
      damaged: sum.damaged + Number(row['damaged']),
      missing: sum.missing + Number(row['missing']),
    })
  }
  return [...days].sort(([a], [b]) => (a < b ? -1 : 1)).map(([day, sum]) => ({ day, ...sum }))
}
