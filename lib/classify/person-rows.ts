/**
 * Persons without CPR numbers: rows of a table that has a column of names beside one that says something private about
 * each, such as a grade, a salary, an address or a date of birth.
 */
import type { Table } from '../message/files/types'
import { linesOf } from '../message/lines'
import { DELIMITERS, holdsRow, isRow, type Delimiter } from './columns'
import * as lists from './words/persons'
import { wordPattern } from './words/matcher'

const NAME = wordPattern(lists.NAME_HEADINGS)
const NO_NAME = wordPattern(lists.NO_NAME_HEADINGS)
const PRIVATE = wordPattern(lists.PRIVATE_HEADINGS)
const NO_PRIVATE = wordPattern(lists.NO_PRIVATE_HEADINGS)

/** The row of headings stands among the first of a table. */
const HEAD_ROWS = 20
/** Longest heading; what is longer is a sentence. */
const HEADING_LENGTH = 60
/** Longest name. */
const NAME_LENGTH = 80

interface Heads {
  name: number
  privates: readonly number[]
}

/**
 * @param table with typed cells
 * @returns how many rows name a person and say something private; 0 when the table is none of that kind
 */
export function personRows(table: Table): number {
  const counter = rowCounter()
  // rows that an earlier part of the same sheet has counted
  for (const cells of rowsOf(table.headings ?? [])) counter.add(cells)
  const before = counter.count()
  for (const cells of rowsOf(table.cells)) counter.add(cells)
  return counter.count() - before
}

function rowsOf(cells: Table['cells']): ReadonlyMap<number, string>[] {
  const rows = new Map<number, Map<number, string>>()
  for (const { row, column, text } of cells) {
    const found = rows.get(row) ?? new Map<number, string>()
    found.set(column, text)
    rows.set(row, found)
  }
  return [...rows.entries()].sort(([a], [b]) => a - b).map(([, found]) => found)
}

/**
 * The same for tables in text: CSV, and tables of HTML and documents, whose cells the readers part with tabs.
 *
 * @param text line ends LF
 */
export function personRowsInText(text: string): number {
  if (!holdsRow(text) || !NAME.test(text)) return 0
  let count = 0
  let counter = rowCounter()
  let delimiter: Delimiter | null = null
  for (const line of linesOf(text)) {
    if (delimiter === null || !isRow(line, delimiter)) {
      count += counter.count()
      counter = rowCounter()
      delimiter = DELIMITERS.find((one) => isRow(line, one)) ?? null
      if (delimiter === null) continue
    }
    counter.add(new Map(line.split(delimiter).map((cell, column) => [column, cell.trim().replace(/^"(.*)"$/, '$1')])))
  }
  return count + counter.count()
}

/** Counts the rows of one table, given from top to bottom. */
function rowCounter(): { add(cells: ReadonlyMap<number, string>): void; count(): number } {
  let heads: Heads | null = null
  let rows = 0
  let count = 0
  return {
    add(cells) {
      if (heads === null) {
        if (rows++ < HEAD_ROWS) heads = headsOf(cells)
        return
      }
      const filled = heads.privates.some((column) => (cells.get(column) ?? '').trim() !== '')
      if (filled && isName(cells.get(heads.name) ?? '')) count++
    },
    count: () => count,
  }
}

/** One row with a heading for names and at least one for something private. */
function headsOf(cells: ReadonlyMap<number, string>): Heads | null {
  let name: number | null = null
  const privates: number[] = []
  for (const [column, text] of cells) {
    const heading = text.trim()
    if (heading === '' || heading.length > HEADING_LENGTH || isSentence(heading)) continue
    if (name === null && NAME.test(heading) && !NO_NAME.test(heading)) name = column
    else if (PRIVATE.test(heading) && !NO_PRIVATE.test(heading)) privates.push(column)
  }
  return name === null || privates.length === 0 ? null : { name, privates }
}

function isSentence(text: string): boolean {
  return /[.!?]$/.test(text) && text.split(/\s+/).length > 3
}

/** Letters, and no sentence; sums and page numbers below a table are none. */
function isName(text: string): boolean {
  const name = text.trim()
  return (
    name.length >= 2 &&
    name.length <= NAME_LENGTH &&
    /\p{L}{2}/u.test(name) &&
    !/^(?:i alt|sum|total|gennemsnit|average|antal|count)(?!\p{L})/iu.test(name)
  )
}
