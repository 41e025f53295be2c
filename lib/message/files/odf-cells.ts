/** Typed cells of OpenDocument spreadsheets (OpenDocument 1.3 part 3, section 9.1): what repeats is told at both ends. */
import { addProblem, type LegacyContext } from './ole-context'
import { valueOf, type Story } from './ooxml-story'
import { columnName } from './table-names'
import type { Table, TableCell } from './types'
import { plainNumber } from './xlsx-format'
import type { CellCount, SheetReader } from './xlsx-sheet'
import type { XmlAttribute } from './xml-tokens'
import { memberPlace } from './zip-places'

/** As for workbooks. */
const MAX_CELLS = 1_500_000
const NUMERIC = new Set(['float', 'currency', 'percentage'])
/** Attributes of a cell that no reader of it needs a second time. */
const PLAIN =
  /^(?:table:style-name|office:value(?:-type)?|calcext:value-type|table:number-(?:columns|rows)-(?:repeated|spanned))$/

interface Cell {
  column: number
  repeated: number
  attributes: readonly XmlAttribute[]
  lines: string[]
}

/** @param where of the file; each table has its name behind it */
export function odfCellsReader(context: LegacyContext, story: Story, where: string, count: CellCount): SheetReader {
  const tables: Table[] = []
  let cells: TableCell[] = []
  let row = 0
  let rowRepeated = 1
  let column = 0
  let inRow: TableCell[] = []
  let cell: Cell | null = null
  /** Boxes and shapes inside the cell: their text is not the cell's. */
  let apart = 0
  /** Tables around; one inside a cell is text. */
  let depth = 0
  let inSheets = 0

  const endCell = (): void => {
    const done = cell
    cell = null
    if (done === null) return
    column = done.column + done.repeated
    const shown = cellOf(done)
    if (shown.text === '') return
    if (count.cells > MAX_CELLS || !context.budget.bytes(shown.text.length)) {
      addProblem(context, where, 'there are too many cells')
      return
    }
    inRow.push(shown)
    // its other copies say nothing new, but the last one has another neighbour
    if (done.repeated > 1) inRow.push({ ...shown, column: column - 1 })
  }
  const cellOf = ({ column: at, attributes, lines }: Cell): TableCell => {
    const type = valueOf(attributes, 'value-type')
    const shown = lines.join('\n')
    if (NUMERIC.has(type)) {
      const value = Number(valueOf(attributes, 'value'))
      if (!Number.isFinite(value)) addProblem(context, where, 'a number does not parse')
      const raw = plainNumber(Number.isFinite(value) ? value : 0)
      const text = shown === '' ? raw : shown
      return raw === text ? { row, column: at, text, numeric: true } : { row, column: at, text, raw, numeric: true }
    }
    const stored = ['string-value', 'date-value', 'time-value', 'boolean-value'].map((name) =>
      valueOf(attributes, name),
    )
    const raw = stored.find((one) => one !== '') ?? ''
    const text = shown === '' ? raw : shown
    if (raw === '' && text === '' && valueOf(attributes, 'formula') !== '') {
      // an empty text is an outcome of a formula, and says so by its type
      if (type === '') addProblem(context, where, 'the value of a formula is not stored')
    }
    return raw === '' || raw === text
      ? { row, column: at, text, numeric: false }
      : { row, column: at, text, raw, numeric: false }
  }
  const endRow = (): void => {
    const last = row + rowRepeated - 1
    for (const one of inRow) cells.push(one)
    if (rowRepeated > 1) for (const one of inRow) cells.push({ ...one, row: last })
    count.cells += inRow.length * (rowRepeated > 1 ? 2 : 1)
    row = last + 1
    inRow = []
  }

  return {
    tables,
    meaning(space, local) {
      if (space === 'odf-office' && local === 'spreadsheet') return 'sheets'
      if (space === 'odf-table' && local === 'table') return 'sheet-table'
      return story.meaning(space, local)
    },
    open(name, attributes) {
      if (name.meaning === 'sheets') inSheets++
      if (name.meaning === 'sheet-table') {
        if (cell === null && inSheets > 0 && depth === 0) {
          cells = []
          row = 0
          tables.push({
            where: memberPlace(where, valueOf(attributes, 'name')),
            cells,
            cellName: (r, c) => `${columnName(c)}${r + 1}`,
          })
        }
        depth++
        story.open(name, attributes)
        return
      }
      const isOwn = inSheets > 0 && depth === 1 && apart === 0
      if (isOwn && name.meaning === 'row') {
        rowRepeated = repeats(attributes, 'number-rows-repeated')
        column = 0
        return
      }
      if (isOwn && name.meaning === 'cell') {
        cell = { column, repeated: repeats(attributes, 'number-columns-repeated'), attributes, lines: [] }
        const others = attributes.filter((one) => !PLAIN.test(one.name))
        if (others.length > 0) story.attributes.add(name, others)
        return
      }
      if (cell !== null && (apart > 0 || name.meaning === 'box' || name.space === 'odf-draw' || depth > 1)) apart++
      if (cell === null || apart > 0) {
        story.open(name, attributes)
        return
      }
      switch (name.meaning) {
        case 'paragraph':
          cell.lines.push('')
          return
        case 'blanks':
          append(cell, ' ')
          return
        case 'tab':
        case 'break':
          append(cell, name.meaning === 'tab' ? '\t' : '\n')
          return
        default:
          story.open(name, attributes)
          return
      }
    },
    close(name) {
      if (name.meaning === 'sheets') inSheets--
      if (name.meaning === 'sheet-table') {
        depth--
        story.close(name)
        return
      }
      const isOwn = inSheets > 0 && depth === 1 && apart === 0
      if (isOwn && name.meaning === 'row') {
        endRow()
        return
      }
      if (isOwn && name.meaning === 'cell') {
        endCell()
        return
      }
      if (apart > 0) {
        apart--
        story.close(name)
        return
      }
      if (cell === null || !['paragraph', 'blanks', 'tab', 'break'].includes(name.meaning)) story.close(name)
    },
    text(text, parent) {
      if (cell !== null && apart === 0 && parent.space === 'odf-text' && cell.lines.length > 0) {
        append(cell, text.replace(/[ \t\n]+/g, ' '))
        return
      }
      story.text(text, parent)
    },
  }
}

function append(cell: Cell, text: string): void {
  const last = cell.lines.length - 1
  if (last >= 0) cell.lines[last] = `${cell.lines[last] ?? ''}${text}`
}

function repeats(attributes: readonly XmlAttribute[], name: string): number {
  const count = Number(valueOf(attributes, name) || '1')
  return Number.isInteger(count) && count >= 1 && count <= 0xffffff ? count : 1
}
