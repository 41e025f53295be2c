/** Tables in plain text (RFC 4180 and its kin): which character separates the cells is told by the text. */
import { headingsAmong, isFull } from './table-blocks'
import { columnName } from './table-names'
import type { FileReading, ReadBudget, Table, TableCell } from './types'

/** In this order when two fit alike. */
const DELIMITERS = ['\t', ';', ',', '|'] as const
/** Lines that are looked at to find the delimiter. */
const SAMPLE = 20
/** Cells between two looks at the clock. */
const CHECK_EVERY = 4096
const NUMBER = /^[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d{1,3})?$/

/** Where a cell begins. */
interface Place {
  /** In the text. */
  at: number
  row: number
  column: number
}

/**
 * The text is cut into tables of some ten thousand cells, whose cells are made when they are asked for: objects for all
 * of a long list would be more than a worker has.
 *
 * @param text line ends are LF
 */
export function readCsv(reading: FileReading, budget: ReadBudget, where: string, text: string): void {
  const delimiter = delimiterOf(text)
  if (delimiter === null) return
  const start: Place = { at: 0, row: 0, column: 0 }
  const blocks = [start]
  let length = 0
  let count = 0
  readCells(text, delimiter, start, (place) => {
    if (isFull(length, place.column === 0)) {
      blocks.push({ ...place })
      length = 0
    }
    length++
    return ++count % CHECK_EVERY !== 0 || !budget.timeUp()
  })
  reading.tables.push(...tablesOf(text, delimiter, where, blocks))
}

/** One table for each block of the text. */
function tablesOf(text: string, delimiter: string, where: string, blocks: readonly Place[]): Table[] {
  /** One block at a time has its cells as objects. */
  let made: { n: number; cells: readonly TableCell[] } | null = null
  const cellsOf = (n: number): readonly TableCell[] => {
    const start = blocks[n]
    if (start === undefined) return []
    if (made?.n !== n) made = { n, cells: cellsBetween(text, delimiter, start, blocks[n + 1]?.at ?? Infinity) }
    return made.cells
  }
  const headings = blocks.length === 1 ? [] : headingsAmong(cellsOf(0))
  return blocks.map((_, n) => ({
    where,
    cellName: (row: number, column: number) => `${columnName(column)}${row + 1}`,
    ...(n === 0 ? {} : { headings }),
    get cells() {
      return cellsOf(n)
    },
  }))
}

function cellsBetween(text: string, delimiter: string, start: Place, end: number): TableCell[] {
  const cells: TableCell[] = []
  readCells(text, delimiter, start, ({ at, row, column }, value) => {
    if (at >= end) return false
    // Excel: ="0707614285" keeps the zero
    const cell = value()
      .trim()
      .replace(/^="(.*)"$/s, '$1')
    if (cell !== '') cells.push(typed(row, column, cell))
    return true
  })
  return cells
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
 * @param start where the first cell begins
 * @param each given a place that changes after the call; tells whether it wants more
 */
function readCells(
  text: string,
  delimiter: string,
  start: Readonly<Place>,
  each: (place: Readonly<Place>, value: () => string) => boolean,
): void {
  const line = 0x0a
  const cell = delimiter === '' ? line : delimiter.charCodeAt(0)
  const place = { ...start }
  let end = start.at
  const value = () => valueOf(text.slice(place.at, end))
  while (place.at <= text.length) {
    end = text.charAt(place.at) === '"' ? behindQuotes(text, place.at) : place.at
    if (end === -1) end = text.length
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end)
      if (code === line || code === cell) break
    }
    if (!each(place, value)) return
    place.at = end + 1
    if (text.charCodeAt(end) === line) {
      place.row++
      place.column = 0
    } else place.column++
  }
}

/** @returns where the quoted part that begins at `at` has ended; -1 = nothing ends it */
function behindQuotes(text: string, at: number): number {
  let quote = text.indexOf('"', at + 1)
  while (quote !== -1 && text.charAt(quote + 1) === '"') quote = text.indexOf('"', quote + 2)
  return quote === -1 ? -1 : quote + 1
}

/** A cell as it stands in the text, without its quotes. */
function valueOf(cell: string): string {
  if (!cell.startsWith('"')) return cell
  const end = behindQuotes(cell, 0)
  const [quoted, rest] = end === -1 ? [cell.slice(1), ''] : [cell.slice(1, end - 1), cell.slice(end)]
  return quoted.replaceAll('""', '"') + rest
}
