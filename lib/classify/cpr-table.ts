/** CPR numbers in tables with typed cells: spreadsheets store numbers, and numbers have no leading zero. */
import type { Table, TableCell } from '../message/files/types'
import { findCpr, type CprHit } from './cpr'
import { tableText } from './table-text'

export interface TableHit extends CprHit {
  /** `attachment list.xlsx > Ark1!B7`; a number over two cells is at the first of them. */
  where: string
}

/** Digits of a number that is stored, not written: its exponent, if any, is worked out and its empty decimals go. */
const STORED = /^([1-9])(?:\.(\d{1,12}))?[eE]\+?0?(\d)$/

/**
 * Find every number at LOW or above in a table. Cells are read as they are shown and as they are stored; the heading of
 * a column counts for every cell below it, however far.
 *
 * @param now milliseconds: nobody is born later
 * @param isTimeUp as for `findCpr`
 * @returns in order of place; `start` and `end` mean nothing outside
 */
export function findCprInTable(table: Table, now: number, isTimeUp: () => boolean = () => false): TableHit[] {
  const shown = search(table, (cell) => cell.text, now, isTimeUp)
  const neighbours = new Map(table.cells.map((cell) => [keyOf(cell.row, cell.column), cell]))
  const digits = (cell: TableCell) => storedDigits(cell, neighbours)
  if (!table.cells.some((cell) => cell.numeric && digits(cell) !== cell.text)) return shown
  const stored = search(table, digits, now, isTimeUp)
  // the same number in the same cell once, by its stronger reading
  const best = new Map<string, TableHit>()
  for (const hit of [...shown, ...stored]) {
    const key = `${hit.where}\0${hit.digest}`
    const known = best.get(key)
    if (known === undefined || known.score < hit.score) best.set(key, hit)
  }
  return [...best.values()]
}

function search(table: Table, value: (cell: TableCell) => string, now: number, isTimeUp: () => boolean): TableHit[] {
  const { text, columns, cellAt } = tableText(table, value)
  return findCpr(text, now, { columns, isTimeUp }).map((hit) => {
    const cell = cellAt(hit.start)
    const where = cell === undefined ? table.where : `${table.where}!${table.cellName(cell.row, cell.column)}`
    return { ...hit, where }
  })
}

/**
 * A stored number as the digits that were meant: exponents written out, `.0` dropped, and in a column of five digits
 * beside one of four (a number split over two cells) the zeros that both lost.
 */
function storedDigits(cell: TableCell, neighbours: ReadonlyMap<number, TableCell>): string {
  const stored = (cell.raw ?? cell.text).trim()
  if (!cell.numeric) return cell.text
  const exponent = STORED.exec(stored)
  if (exponent !== null) {
    const [, lead = '', rest = '', power = ''] = exponent
    return rest.length > Number(power) ? cell.text : lead + rest.padEnd(Number(power), '0')
  }
  const whole = wholeNumber(cell)
  if (whole === '') return cell.text
  const beside = (step: number) => wholeNumber(neighbours.get(keyOf(cell.row, cell.column + step)))
  if (whole.length === 5 && between(beside(1), 1, 4)) return `0${whole}`
  if (whole.length < 4 && between(beside(-1), 5, 6)) return whole.padStart(4, '0')
  return whole
}

function wholeNumber(cell: TableCell | undefined): string {
  if (cell === undefined) return ''
  return /^(\d{1,15})(?:\.0+)?$/.exec((cell.numeric ? (cell.raw ?? cell.text) : cell.text).trim())?.[1] ?? ''
}

function between({ length }: string, least: number, most: number): boolean {
  return length >= least && length <= most
}

/** Sheets have 16,384 columns at most. */
function keyOf(row: number, column: number): number {
  return row * 0x10000 + column
}
