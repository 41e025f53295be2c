/** Tables in plain text (CSV, TSV, pipes, and HTML tables after reading): which cell is this, and what heads its column? */
import { freeStretches } from './free-stretch'

export interface Columns {
  /** Is this stretch the whole of a table's cell, but for blanks and quotes? */
  isCell: (start: number, end: number) => boolean
  /** Cells above in the same column that may head it, from the top of the table; none outside tables. */
  headings: (at: number) => readonly string[]
  /** The same for all places in one column of one table; null outside tables. */
  column: (at: number) => string | null
}

interface Line {
  start: number
  end: number
  /** Those it holds, in their order of preference. */
  delimiters: readonly Delimiter[]
}

/** A run of lines that hold the same delimiter, as far as it was read. */
interface TextTable {
  start: number
  /** Everything up to here (a line's start) is known to belong to it. */
  known: number
  delimiter: Delimiter
  /** Cells of the first lines, by line. */
  head: string[][] | null
  /** The column that was counted last. */
  counted: { line: number; at: number; column: number }
}

/** What parts the cells of a row, the surest first. */
export const DELIMITERS = ['\t', ';', '|', ','] as const
export type Delimiter = (typeof DELIMITERS)[number]
/** A title and a few notes may stand above the line that heads the columns. */
const HEAD_ROWS = 8
/** Longest cell that is a heading or a value; what is longer is running text with commas. */
const CELL_LENGTH = 200
/** Most characters of a value's cell before and behind it. */
const BOUND_REACH = 60
/** Most characters per cell, on average over a line, in a table that commas make. */
const COMMA_CELL = 32
/** How much of a line is looked at for delimiters and headings. */
const LINE_REACH = 20_000

/** Nothing is read before it is asked for. Linear over the text as long as the questions come in order of place. */
export function columnsOf(text: string): Columns {
  let table: TextTable | null = null
  let line: Line = { start: 0, end: -1, delimiters: [] }
  const unbound = freeStretches(text, isBound)

  // does something end a cell on both sides, not far away? A number in a long stretch is in running text
  const isBounded = (at: number): boolean =>
    (at <= BOUND_REACH || !unbound(at - BOUND_REACH - 1, at)) &&
    (at + BOUND_REACH >= text.length || !unbound(at, at + BOUND_REACH + 1))

  const lineAt = (at: number): Line => {
    if (at < line.start || at > line.end) {
      const start = lastLineEnd(text, at - 1) + 1
      const lf = text.indexOf('\n', at)
      const end = lf === -1 ? text.length : lf
      const head = text.slice(start, Math.min(end, start + LINE_REACH))
      line = { start, end, delimiters: DELIMITERS.filter((delimiter) => isRow(head, delimiter)) }
    }
    return line
  }

  const tableAt = (at: number): TextTable | null => {
    if (!isBounded(at)) return null
    const { start, delimiters } = lineAt(at)
    if (delimiters.length === 0) return null
    if (table !== null && delimiters.includes(table.delimiter) && reaches(text, table, start)) return table
    const [delimiter] = delimiters
    if (delimiter === undefined) return null
    let top = start
    while (top > 0) {
      const above = lastLineEnd(text, top - 2) + 1
      if (!isRow(text.slice(above, top - 1), delimiter)) break
      top = above
    }
    table = { start: top, known: start, delimiter, head: null, counted: { line: -1, at: 0, column: 0 } }
    return table
  }

  const columnAt = (known: TextTable, at: number): number => {
    const { start } = lineAt(at)
    const { counted } = known
    const goOn = counted.line === start && counted.at <= at
    let column = goOn ? counted.column : 0
    const before = text.slice(goOn ? counted.at : start, at)
    for (let next = before.indexOf(known.delimiter); next !== -1; next = before.indexOf(known.delimiter, next + 1)) {
      column++
    }
    known.counted = { line: start, at, column }
    return column
  }

  return {
    isCell(start, end) {
      const known = tableAt(start)
      if (known === null) return false
      const { start: first, end: last } = lineAt(start)
      const before = text.slice(Math.max(first, start - 8), start).replace(/["' ]+$/, '')
      const after = text.slice(end, Math.min(last, end + 8)).replace(/^["' \r]+/, '')
      return (before === '' || before.endsWith(known.delimiter)) && (after === '' || after.startsWith(known.delimiter))
    },
    headings(at) {
      const known = tableAt(at)
      if (known === null) return []
      const column = columnAt(known, at)
      const { start } = lineAt(at)
      known.head ??= headOf(text, known)
      const rows = known.start === start ? [] : known.head.slice(0, rowsAbove(text, known.start, start))
      return rows.map((cells) => unquoted(cells[column] ?? '')).filter((cell) => cell !== '')
    },
    column(at) {
      const known = tableAt(at)
      return known === null ? null : `${known.start}/${columnAt(known, at)}`
    },
  }
}

function isBound(code: number): boolean {
  return code === 0x0a || code === 0x09 || code === 0x2c || code === 0x3b || code === 0x7c
}

/** Is this line a row of cells? Commas are in running text as well: there they stand further apart than in a table. */
export function isRow(line: string, delimiter: Delimiter): boolean {
  const first = line.indexOf(delimiter)
  if (delimiter !== ',' || first === -1) return first !== -1
  let commas = 0
  for (let at = first; at !== -1; at = line.indexOf(delimiter, at + 1)) commas++
  return (commas + 1) * COMMA_CELL >= line.length
}

/** Is any line a row of cells? Only lines that have something to part cells with are looked at. */
export function holdsRow(text: string): boolean {
  return DELIMITERS.some((delimiter) => {
    for (let at = text.indexOf(delimiter); at !== -1;) {
      const lf = text.indexOf('\n', at)
      const end = lf === -1 ? text.length : lf
      if (isRow(text.slice(lastLineEnd(text, at) + 1, end), delimiter)) return true
      at = text.indexOf(delimiter, end)
    }
    return false
  })
}

/** Do all lines from what is known of the table down to this one hold its delimiter? Then they are known, too. */
function reaches(text: string, table: TextTable, start: number): boolean {
  if (start < table.start) return false
  while (table.known < start) {
    const lf = text.indexOf('\n', table.known)
    if (lf === -1 || !isRow(text.slice(table.known, lf), table.delimiter)) return false
    table.known = lf + 1
  }
  return true
}

function headOf(text: string, { start, delimiter }: TextTable): string[][] {
  const rows: string[][] = []
  for (let at = start; at !== 0 || rows.length === 0; at = text.indexOf('\n', at) + 1) {
    const lf = text.indexOf('\n', at)
    const row = text.slice(at, Math.min(lf === -1 ? text.length : lf, at + LINE_REACH))
    if (!isRow(row, delimiter) || rows.length === HEAD_ROWS) break
    rows.push(row.split(delimiter).map((cell) => (cell.length > CELL_LENGTH ? '' : cell)))
    if (lf === -1) break
  }
  return rows
}

/** How many of the head's rows stand above the line that begins here. */
function rowsAbove(text: string, top: number, start: number): number {
  let rows = 0
  for (let at = top; at < start && rows < HEAD_ROWS; rows++) at = text.indexOf('\n', at) + 1
  return rows
}

function lastLineEnd(text: string, at: number): number {
  return at < 0 ? -1 : text.lastIndexOf('\n', at)
}

function unquoted(cell: string): string {
  return cell
    .trim()
    .replace(/^(["'])(.*)\1$/s, '$2')
    .trim()
}
