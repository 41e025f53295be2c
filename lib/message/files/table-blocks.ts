/** A long sheet is told in several tables, one after the other: where they end, and what heads their columns. */
import type { TableCell } from './types'

/** Cells of one table. */
const BLOCK = 20_000
/** Rows at the top that may head the columns. */
const HEAD_ROWS = 20
/** Cells that are looked at for them. */
export const MAX_HEADINGS = 4000

/**
 * Does a new table begin with this cell?
 *
 * @param length cells that the last table has
 * @param inNewRow the cell is the first of its row; else the row goes on, unless it is very long
 */
export function isFull(length: number, inNewRow: boolean): boolean {
  return length >= BLOCK && (inNewRow || length >= 2 * BLOCK)
}

/** @param cells of the first table of a sheet, in reading order */
export function headingsAmong(cells: readonly TableCell[]): TableCell[] {
  const top = cells[0]?.row ?? 0
  return cells.slice(0, MAX_HEADINGS).filter(({ row }) => row < top + HEAD_ROWS)
}
