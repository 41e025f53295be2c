/** Typed cells of OpenDocument spreadsheets (OpenDocument 1.3 part 3, section 9.1): what repeats is told at both ends. */
import { addProblem, type LegacyContext } from './ole-context'
import { valueOf, type Story } from './ooxml-story'
import { cellStore, type CellCount, type CellStore } from './xlsx-cells'
import { plainNumber } from './xlsx-format'
import type { SheetReader } from './xlsx-sheet'
import type { XmlAttribute } from './xml-tokens'
import { memberPlace } from './zip-places'

const NUMERIC = new Set(['float', 'currency', 'percentage'])
/** Attributes of a cell that no reader of it needs a second time. */
const PLAIN =
  /^(?:table:style-name|office:value(?:-type)?|calcext:value-type|table:number-(?:columns|rows)-(?:repeated|spanned))$/

/** What is shown of a cell, and what is stored. */
interface Shown {
  column: number
  text: string
  /** A number. */
  value: number | null
  raw: string
}

interface Cell {
  column: number
  repeated: number
  attributes: readonly XmlAttribute[]
  lines: string[]
}

/** @param where of the file; each table has its name behind it */
export function odfCellsReader(context: LegacyContext, story: Story, where: string, count: CellCount): SheetReader {
  const sheets: { where: string; cells: CellStore }[] = []
  let cells: CellStore | null = null
  let row = 0
  let rowRepeated = 1
  let column = 0
  let inRow: Shown[] = []
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
    if (shown.text === '' && shown.raw === '') return
    inRow.push(shown)
    // its other copies say nothing new, but the last one has another neighbour
    if (done.repeated > 1) inRow.push({ ...shown, column: column - 1 })
  }
  const cellOf = ({ column: at, attributes, lines }: Cell): Shown => {
    const type = valueOf(attributes, 'value-type')
    const text = lines.join('\n')
    if (NUMERIC.has(type)) {
      const value = Number(valueOf(attributes, 'value') || 'x')
      if (Number.isFinite(value)) return { column: at, text: text === '' ? plainNumber(value) : text, value, raw: '' }
      addProblem(context, where, 'a number does not parse')
    }
    const stored = ['string-value', 'date-value', 'time-value', 'boolean-value'].map((name) =>
      valueOf(attributes, name),
    )
    const raw = stored.find((one) => one !== '') ?? ''
    // an empty text is an outcome of a formula, and says so by its type
    if (raw === '' && text === '' && type === '' && valueOf(attributes, 'formula') !== '') {
      addProblem(context, where, 'the value of a formula is not stored')
    }
    return { column: at, text: text === '' ? raw : text, value: null, raw }
  }
  const addRow = (at: number): void => {
    for (const { column: place, text, value, raw } of inRow) {
      if (value !== null) cells?.numberWithText(at, place, value, text)
      else cells?.text(at, place, text, 0, raw === '' ? undefined : raw)
    }
  }
  const endRow = (): void => {
    const last = row + rowRepeated - 1
    addRow(row)
    if (rowRepeated > 1) addRow(last)
    row = last + 1
    inRow = []
  }

  return {
    tables: () => sheets.flatMap((sheet) => sheet.cells.tables(sheet.where)),
    meaning(space, local) {
      if (space === 'odf-office' && local === 'spreadsheet') return 'sheets'
      if (space === 'odf-table' && local === 'table') return 'sheet-table'
      return story.meaning(space, local)
    },
    open(name, attributes) {
      if (name.meaning === 'sheets') inSheets++
      if (name.meaning === 'sheet-table') {
        if (cell === null && inSheets > 0 && depth === 0) {
          const place = memberPlace(where, valueOf(attributes, 'name'))
          cells = cellStore(context, place, count, { strings: [], formats: null })
          sheets.push({ where: place, cells })
          row = 0
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
