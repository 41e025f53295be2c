/** Plain text tables, aligned for a terminal and valid Markdown, so that a result can be pasted as it stands. */
import type { Summary } from './stats'

/** A column's heading and which way its cells lean. */
export interface Column {
  title: string
  align: 'left' | 'right'
}

/**
 * @param columns headings, in order
 * @param rows cells, one per column; `|` in a cell is escaped
 * @throws RangeError when a row has another number of cells than there are columns
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  for (const row of rows)
    if (row.length !== columns.length) throw new RangeError(`${row.length} cells for ${columns.length} columns`)
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = columns.map((column, i) => Math.max(3, column.title.length, ...cells.map((row) => row[i]!.length)))
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (columns[i]!.align === 'left' ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`
  const rule = widths.map((width, i) =>
    columns[i]!.align === 'left' ? '-'.repeat(width) : '-'.repeat(width - 1) + ':',
  )
  return [line(columns.map((column) => column.title)), line(rule), ...cells.map(line)].join('\n')
}

/**
 * A number with about three significant digits, thousands grouped, never in exponent form.
 *
 * @param value any finite number
 */
export function figure(value: number): string {
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/**
 * `median (min-max)`, only the median when there was one round, `-` when nothing was measured.
 *
 * @param summary undefined when nothing was measured
 */
export function spread(summary: Summary | undefined): string {
  if (!summary) return '-'
  return summary.n === 1
    ? figure(summary.median)
    : `${figure(summary.median)} (${figure(summary.min)}-${figure(summary.max)})`
}
