/** An answer's section as CSV: RFC 4180, UTF-8, and nothing that a spreadsheet would take for a formula. */
import type { Row, Value } from './engine'

/** @param columns names, in order */
export function csv(columns: readonly string[], rows: readonly Row[]): string {
  const lines = [columns.map(field), ...rows.map((row) => columns.map((name) => cell(row[name] ?? null)))]
  // RFC 4180 section 2: lines end with CRLF
  return lines.map((line) => `${line.join(',')}\r\n`).join('')
}

function cell(value: Value): string {
  if (value === null) return ''
  // a number is none of those texts that somebody else chose
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return field(Array.isArray(value) ? value.map((one) => (one === null ? '' : String(one))).join(' ') : value)
}

/** What a spreadsheet calculates, or would after taking white space away. */
const FORMULA = /^\s*[=+\-@]|^[\t\r\n|%]/

function field(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
