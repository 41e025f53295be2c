/** A table with typed cells as text, so that numbers in it are judged as in any other text, but by its real columns. */
import type { Table, TableCell } from '../message/files/types'
import type { Columns } from './columns'

/** A title and a few notes may stand above the row that heads the columns. */
const HEAD_ROWS = 20
/** Longest heading. */
const HEAD_LENGTH = 200

export interface TableText {
  /** Cells with tabs between, rows with line ends; nothing in a cell breaks either. */
  text: string
  columns: Columns
  /** The cell at a place of the text, or the last one before it. */
  cellAt: (at: number) => TableCell | undefined
}

/** @param value what is read of a cell; given its index among the cells in reading order as well */
export function tableText(table: Table, value: (cell: TableCell, n: number) => string): TableText {
  const cells = inReadingOrder(table.cells)
  const starts = new Uint32Array(cells.length)
  const ends = new Uint32Array(cells.length)
  const pieces: string[] = []
  let length = 0
  let previous: TableCell | undefined
  for (const [n, cell] of cells.entries()) {
    const between = previous === undefined ? '' : previous.row === cell.row ? gap(previous, cell) : '\n'
    const text = onOneLine(value(cell, n))
    pieces.push(between === '' ? text : between + text)
    length += between.length
    starts[n] = length
    length += text.length
    ends[n] = length
    previous = cell
  }
  const indexAt = (at: number): number => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= at) low = middle
      else high = middle - 1
    }
    return low
  }
  const text = pieces.join('')
  const headings = headingsOf(table.headings ?? [], cells)
  return {
    text,
    cellAt: (at) => cells[indexAt(at)],
    columns: {
      isCell(start, end) {
        const n = indexAt(start)
        return text.slice(starts[n], start).trim() === '' && text.slice(end, ends[n]).trim() === ''
      },
      headings(at) {
        const cell = cells[indexAt(at)]
        if (cell === undefined) return []
        const known = headings.get(cell.column) ?? []
        return known.filter((heading) => heading.row < cell.row).map((heading) => heading.text)
      },
      column: (at) => String(cells[indexAt(at)]?.column ?? ''),
    },
  }
}

/** Row by row; readers mostly give them so. */
export function inReadingOrder(cells: readonly TableCell[]): readonly TableCell[] {
  const order = (a: TableCell, b: TableCell) => a.row - b.row || a.column - b.column
  return cells.every((cell, n) => n === 0 || order(cells[n - 1] ?? cell, cell) <= 0) ? cells : [...cells].sort(order)
}

/** Most cells hold nothing to replace, and there are millions. */
function onOneLine(text: string): string {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x09 || code === 0x0a || code === 0x0d) return text.replace(/[\t\r\n]+/g, ' ')
  }
  return text
}

/** Neighbours have one tab between them; where cells are empty, there are more, but not without end. */
function gap(left: TableCell, right: TableCell): string {
  return '\t'.repeat(Math.min(8, Math.max(1, right.column - left.column)))
}

/**
 * Texts among the first rows of a column: each of them may be what heads it.
 *
 * @param before rows of the same table that an earlier part of it has told
 * @param cells in reading order
 * @returns by column
 */
export function headingsOf(
  before: readonly TableCell[],
  cells: readonly TableCell[],
): ReadonlyMap<number, readonly TableCell[]> {
  const found = new Map<number, TableCell[]>()
  const top = (before[0] ?? cells[0])?.row ?? 0
  for (const some of [before, cells]) {
    for (const cell of some) {
      if (cell.row >= top + HEAD_ROWS) break
      if (cell.numeric || cell.text.length > HEAD_LENGTH || !/\p{L}/u.test(cell.text)) continue
      const column = found.get(cell.column) ?? []
      column.push(cell)
      found.set(cell.column, column)
    }
  }
  return found
}
