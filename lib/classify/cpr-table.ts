/** CPR numbers in tables with typed cells: spreadsheets store numbers, and numbers have no leading zero. */
import type { Table, TableCell } from '../message/files/types'
import { findCpr, type CprHit } from './cpr'
import { isCprHeading } from './cpr-context'
import { headingsOf, inReadingOrder, tableText } from './table-text'

export interface TableHit extends CprHit {
  /** `attachment list.xlsx > Ark1!B7`; a number over two cells is at the first of them. */
  where: string
}

/** Digits of a number that is stored, not written: its exponent, if any, is worked out and its empty decimals go. */
const STORED = /^([1-9])(?:\.(\d{1,12}))?[eE]\+?0?(\d)$/

/** `707.614.285`, `2,110,625,629`: what a spreadsheet makes of a number that is shown with thousands. */
const GROUPED = /^[1-9]\d{0,2}([.,' \u00a0\u202f\u2019])\d{3}\1\d{3}(?:\1\d{3})?$/

/**
 * Find every number at LOW or above in a table. Cells are read as they are shown and as they are stored; the heading of
 * a column counts for every cell below it, however far.
 *
 * @param now milliseconds: nobody is born later
 * @param isTimeUp as for `findCpr`
 * @returns in order of place; `start` and `end` mean nothing outside
 */
export function findCprInTable(table: Table, now: number, isTimeUp: () => boolean = () => false): TableHit[] {
  const cells = inReadingOrder(table.cells)
  const ordered = { ...table, cells }
  const shown = search(ordered, (cell) => cell.text, now, isTimeUp)
  const isHeaded = columnsOfNumbers(table, cells)
  const digits = (cell: TableCell, n: number) =>
    (isHeaded(cell.column) ? groupedDigits(cell) : null) ?? storedDigits(cells, cell, n)
  if (!cells.some((cell, n) => digits(cell, n) !== cell.text)) return shown
  const stored = search(ordered, digits, now, isTimeUp)
  // the same number in the same cell once, by its stronger reading
  const best = new Map<string, TableHit>()
  for (const hit of [...shown, ...stored]) {
    const key = `${hit.where}\0${hit.digest}`
    const known = best.get(key)
    if (known === undefined || known.score < hit.score) best.set(key, hit)
  }
  return [...best.values()]
}

function search(
  table: Table,
  value: (cell: TableCell, n: number) => string,
  now: number,
  isTimeUp: () => boolean,
): TableHit[] {
  const { text, columns, cellAt } = tableText(table, value)
  return findCpr(text, now, { columns, isTimeUp }).map((hit) => {
    const cell = cellAt(hit.start)
    const where = cell === undefined ? table.where : `${table.where}!${table.cellName(cell.row, cell.column)}`
    return { where, ...hit }
  })
}

/** Is a column headed by a word for the number? Elsewhere thousands are amounts. */
function columnsOfNumbers(table: Table, cells: readonly TableCell[]): (column: number) => boolean {
  const headed = new Set<number>()
  for (const [column, headings] of headingsOf(table.headings ?? [], cells)) {
    if (headings.some(({ text }) => isCprHeading(text))) headed.add(column)
  }
  return (column) => headed.has(column)
}

/** @returns null: it is not written with thousands, or has more or fewer digits than a number has */
function groupedDigits({ text }: TableCell): string | null {
  const digits = GROUPED.test(text.trim()) ? text.replace(/\D/g, '') : ''
  return digits.length === 9 || digits.length === 10 ? digits : null
}

/**
 * A stored number as the digits that were meant: exponents written out, `.0` dropped, and in a column of five digits
 * beside one of four (a number split over two cells) the zeros that both lost.
 */
function storedDigits(cells: readonly TableCell[], cell: TableCell, n: number): string {
  if (!cell.numeric) return cell.text
  const stored = (cell.raw ?? cell.text).trim()
  const exponent = STORED.exec(stored)
  if (exponent !== null) {
    const [, lead = '', rest = '', power = ''] = exponent
    return rest.length > Number(power) ? cell.text : lead + rest.padEnd(Number(power), '0')
  }
  const whole = wholeNumber(cell)
  if (whole === '') return cell.text
  if (whole.length === 5 && hasBeside(cells, n, 1, 1, 4)) return `0${whole}`
  if (whole.length < 4 && hasBeside(cells, n, -1, 5, 6)) return whole.padStart(4, '0')
  return whole
}

function wholeNumber(cell: TableCell): string {
  return /^(\d{1,15})(?:\.0+)?$/.exec((cell.numeric ? (cell.raw ?? cell.text) : cell.text).trim())?.[1] ?? ''
}

/** Does a whole number of so many digits stand in the next cell (`step` 1) or the one before? A hostile sheet has places twice. */
function hasBeside(cells: readonly TableCell[], n: number, step: 1 | -1, least: number, most: number): boolean {
  const cell = cells[n]
  for (let at = n + step; cell !== undefined; at += step) {
    const other = cells[at]
    const columns = other?.row === cell.row ? (other.column - cell.column) * step : Infinity
    if (other === undefined || columns > 1) return false
    if (columns < 1) continue
    const { length } = wholeNumber(other)
    if (length >= least && length <= most) return true
  }
  return false
}
