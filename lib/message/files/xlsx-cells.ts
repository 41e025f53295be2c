/**
 * Cells of large sheets, kept in some 30 bytes each: objects for all of them would be more than a worker has. A sheet is told
 * in tables of some ten thousand cells, whose cells are made when they are asked for.
 */
import { addProblem, type LegacyContext } from './ole-context'
import type { Table, TableCell } from './types'
import { headingsAmong, isFull, MAX_HEADINGS } from './table-blocks'
import { columnName } from './table-names'
import { plainNumber } from './xlsx-format'
import type { CellFormats } from './xlsx-parts'

/** Cells of one document, in all its sheets and caches. */
const MAX_CELLS = 2_000_000
/** What fits into the columns of a block. */
const MAX_ROW = 0xffffffff
const MAX_COLUMN = 0xffff
/** Behind a text its stored form; neither can hold it (XML 1.0, section 2.2). */
const BETWEEN = '\0'

/** What a number takes when it is written. */
const NUMBER_LENGTH = 12

const KIND = { number: 1, shared: 2, text: 3, numberWithText: 4 } as const

interface Block {
  length: number
  rows: Uint32Array
  columns: Uint16Array
  kinds: Uint8Array
  styles: Uint32Array
  /** The number, or the index of a shared string. */
  values: Float64Array
  /** Where the text of a cell ends in `texts`; it begins where the one before it ends. */
  ends: Uint32Array
  texts: Buffer
}

/** What the cells of a sheet need to be shown. */
export interface CellSource {
  /** Shared by all sheets; looked up when cells are made. */
  strings: readonly string[]
  /** null: texts and numbers come with their text. */
  formats: CellFormats | null
}

/** What all sheets of one document hold together. */
export interface CellCount {
  cells: number
}

/** Cells of one sheet, added in reading order. Beyond the limits of the document they are left out, and that is said. */
export interface CellStore {
  /** A number that its format shows. */
  number(row: number, column: number, value: number, style: number): void
  /** A string that is there already. */
  shared(row: number, column: number, index: number, style: number): void
  /** @param raw as stored, when that is something else */
  text(row: number, column: number, text: string, style: number, raw?: string): void
  /** A number whose text the file gives. */
  numberWithText(row: number, column: number, value: number, text: string): void
  /** All cells so far. @param where of the sheet, for people */
  tables(where: string): Table[]
}

/**
 * @param where of the sheet, for what is left out
 * @param count spent on, for the whole document
 */
export function cellStore(context: LegacyContext, where: string, count: CellCount, source: CellSource): CellStore {
  const blocks: Block[] = []
  let lastRow = -1
  let full = false
  /** What a reader of the cell will have to look at is spent, also where many cells point to the same text. */
  const fits = (row: number, column: number, length: number): boolean => {
    full ||= ++count.cells > MAX_CELLS || !context.budget.bytes(length) || row > MAX_ROW || column > MAX_COLUMN
    if (full) addProblem(context, where, 'there are too many cells')
    return !full
  }
  const blockFor = (row: number): Block => {
    const last = blocks.at(-1)
    const full = last !== undefined && isFull(last.length, row !== lastRow)
    lastRow = row
    if (last !== undefined && !full) return last
    const block = newBlock()
    if (last !== undefined) trim(last)
    blocks.push(block)
    return block
  }
  const add = (
    row: number,
    column: number,
    kind: number,
    value: number,
    style: number,
    text: string,
    length: number,
  ): void => {
    if (!fits(row, column, length + (source.formats?.length(style) ?? 0))) return
    const block = blockFor(row)
    if (block.length === block.rows.length) grow(block)
    const n = block.length++
    block.rows[n] = row
    block.columns[n] = column
    block.kinds[n] = kind
    block.values[n] = value
    block.styles[n] = style
    const start = n === 0 ? 0 : (block.ends[n - 1] ?? 0)
    block.ends[n] = text === '' ? start : addText(block, start, text)
  }
  /** One block at a time has its cells as objects. */
  let made: { block: Block; cells: readonly TableCell[] } | null = null
  const cellsOf = (block: Block): readonly TableCell[] => {
    if (made?.block !== block) made = { block, cells: makeCells(block, block.length, source) }
    return made.cells
  }
  return {
    number: (row, column, value, style) => add(row, column, KIND.number, value, style, '', NUMBER_LENGTH),
    shared: (row, column, index, style) =>
      add(row, column, KIND.shared, index, style, '', source.strings[index]?.length ?? 0),
    text(row, column, text, style, raw) {
      const stored = raw === undefined ? text : `${text}${BETWEEN}${raw}`
      add(row, column, KIND.text, 0, style, stored, stored.length)
    },
    numberWithText: (row, column, value, text) =>
      add(row, column, KIND.numberWithText, value, 0, text, text.length + NUMBER_LENGTH),
    tables(name) {
      const [first, ...others] = blocks
      if (first === undefined) return []
      trim(blocks.at(-1) ?? first)
      const headings =
        others.length === 0 ? [] : headingsAmong(makeCells(first, Math.min(first.length, MAX_HEADINGS), source))
      return blocks.map((block, n) => ({
        where: name,
        cellName: (row: number, column: number) => `${columnName(column)}${row + 1}`,
        ...(n === 0 ? {} : { headings }),
        get cells() {
          return cellsOf(block)
        },
      }))
    },
  }
}

function makeCells(block: Block, count: number, source: CellSource): TableCell[] {
  const cells: TableCell[] = []
  for (let n = 0; n < count; n++) {
    const cell = makeCell(block, n, source)
    if (cell.text !== '') cells.push(cell)
  }
  return cells
}

function makeCell(block: Block, n: number, { strings, formats }: CellSource): TableCell {
  const row = block.rows[n] ?? 0
  const column = block.columns[n] ?? 0
  const style = block.styles[n] ?? 0
  const value = block.values[n] ?? 0
  // a format may show nothing of what the cell holds
  const cell = (text: string, raw: string, numeric: boolean): TableCell =>
    text === raw || text.trim() === '' ? { row, column, text: raw, numeric } : { row, column, text, raw, numeric }
  switch (block.kinds[n]) {
    case KIND.number:
      return cell(formats?.number(style)(value) ?? plainNumber(value), plainNumber(value), true)
    case KIND.shared: {
      const stored = strings[value] ?? ''
      return cell(formats?.text(style)?.(stored) ?? stored, stored, false)
    }
    case KIND.numberWithText:
      return cell(textOf(block, n), plainNumber(value), true)
    default: {
      const [stored = '', raw] = textOf(block, n).split(BETWEEN)
      return cell(formats?.text(style)?.(stored) ?? stored, raw ?? stored, false)
    }
  }
}

function textOf(block: Block, n: number): string {
  return block.texts.toString('utf8', n === 0 ? 0 : block.ends[n - 1], block.ends[n])
}

/** @returns where it ends */
function addText(block: Block, start: number, text: string): number {
  // three bytes at most for each unit of UTF-16
  const needed = start + text.length * 3
  if (needed > block.texts.length) {
    const larger = Buffer.allocUnsafe(Math.max(needed, block.texts.length * 2))
    block.texts.copy(larger, 0, 0, start)
    block.texts = larger
  }
  return start + block.texts.write(text, start)
}

function newBlock(): Block {
  return sized(
    {
      length: 0,
      rows: new Uint32Array(),
      columns: new Uint16Array(),
      kinds: new Uint8Array(),
      styles: new Uint32Array(),
      values: new Float64Array(),
      ends: new Uint32Array(),
      texts: Buffer.alloc(0),
    },
    64,
  )
}

function grow(block: Block): void {
  sized(block, block.rows.length * 2)
}

/** No more room than there are cells: nothing is added any more. */
function trim(block: Block): void {
  if (block.rows.length === block.length) return
  sized(block, block.length)
  block.texts = Buffer.from(block.texts.subarray(0, block.ends[block.length - 1] ?? 0))
}

function sized(block: Block, size: number): Block {
  const moved = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(from: T, to: T): T => {
    to.set(from.subarray(0, block.length))
    return to
  }
  block.rows = moved(block.rows, new Uint32Array(size))
  block.columns = moved(block.columns, new Uint16Array(size))
  block.kinds = moved(block.kinds, new Uint8Array(size))
  block.styles = moved(block.styles, new Uint32Array(size))
  block.values = moved(block.values, new Float64Array(size))
  block.ends = moved(block.ends, new Uint32Array(size))
  return block
}
