/** Tables in plain text (RFC 4180 and its kin): which character separates the cells is told by the text. */
import { columnName } from './table-names'
import type { FileReading, ReadBudget, TableCell } from './types'

/** In this order when two fit alike. */
const DELIMITERS = ['\t', ';', ',', '|'] as const
/** Lines that are looked at to find the delimiter. */
const SAMPLE = 20
/** Cells of one table. */
const MAX_CELLS = 500_000
const CHECK_EVERY = 4096
const NUMBER = /^[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d{1,3})?$/

/** @param text line ends are LF */
export function readCsv(reading: FileReading, budget: ReadBudget, where: string, text: string): void {
  const delimiter = delimiterOf(text)
  if (delimiter === null) return
  const cells: TableCell[] = []
  const complete = readCells(text, delimiter, (row, column, value) => {
    // Excel: ="0707614285" keeps the zero
    const cell = value.trim().replace(/^="(.*)"$/s, '$1')
    if (cell !== '') cells.push(typed(row, column, cell))
    return cells.length < MAX_CELLS && (cells.length % CHECK_EVERY !== 0 || !budget.timeUp())
  })
  if (!complete) reading.uninspected.push({ where, reason: 'the table is too large' })
  reading.tables.push({ where, cellName: (row, column) => `${columnName(column)}${row + 1}`, cells })
}

/**
 * The character that stands equally often in every line of the beginning; one column counts as a table when numbers
 * stand under a heading.
 *
 * @returns '' for one column; null = the text is no table
 */
export function delimiterOf(text: string): string | null {
  const lines = text
    .slice(0, 64 * 1024)
    // quoted cells may hold delimiters and line ends
    .replace(/"[^"]*"/g, '""')
    .split('\n', SAMPLE)
    .filter((line) => line.trim() !== '')
  if (lines.length < 2) return null
  // the first line may be Excel's own hint
  const hint = /^sep=(.)$/i.exec(lines[0] ?? '')?.[1]
  if (hint !== undefined) return hint
  let best: { delimiter: string; score: number } | null = null
  for (const delimiter of DELIMITERS) {
    const counts = lines.map((line) => line.split(delimiter).length - 1)
    const usual = counts[0] ?? 0
    const alike = counts.filter((count) => count === usual).length / counts.length
    const score = usual === 0 ? 0 : alike * Math.min(usual, 5)
    if (alike >= 0.7 && score > (best?.score ?? 0)) best = { delimiter, score }
  }
  if (best !== null) return best.delimiter
  const [heading = '', ...rest] = lines
  const numbers = rest.filter((line) => NUMBER.test(line.trim())).length
  return rest.length >= 2 && numbers >= rest.length * 0.8 && heading.length <= 40 ? '' : null
}

function typed(row: number, column: number, text: string): TableCell {
  if (!NUMBER.test(text)) return { row, column, text, numeric: false }
  const value = Number(text.replace(',', '.'))
  const isWritten = /^\d+$/.test(text) || !Number.isSafeInteger(value)
  return { row, column, text, numeric: true, ...(isWritten ? {} : { raw: String(value) }) }
}

/**
 * Cut into cells: quoted ones may hold delimiters and line ends, two quotes in them stand for one. What follows the
 * closing quote belongs to the cell.
 *
 * @returns false: `each` wanted no more
 */
function readCells(
  text: string,
  delimiter: string,
  each: (row: number, column: number, value: string) => boolean,
): boolean {
  let row = 0
  let column = 0
  let at = 0
  const isEnd = (character: string) => character === '\n' || (delimiter !== '' && character === delimiter)
  while (at <= text.length) {
    const pieces: string[] = []
    if (text.charAt(at) === '"') {
      at++
      for (;;) {
        const quote = text.indexOf('"', at)
        pieces.push(text.slice(at, quote === -1 ? text.length : quote))
        at = quote === -1 ? text.length : quote + 1
        if (quote === -1 || text.charAt(at) !== '"') break
        pieces.push('"')
        at++
      }
    }
    const from = at
    while (at < text.length && !isEnd(text.charAt(at))) at++
    pieces.push(text.slice(from, at))
    if (!each(row, column, pieces.join(''))) return false
    if (text.charAt(at) === '\n') {
      row++
      column = 0
    } else column++
    at++
  }
  return true
}
