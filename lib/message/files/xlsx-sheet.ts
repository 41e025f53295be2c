/**
 * Cells of a sheet with their types (ISO/IEC 29500-1, section 18.3.1.4): also of caches of other workbooks and of logs of
 * changes, which write them in the same way. Everything else in the part (headers, rules, links) goes to the story.
 */
import { addProblem, type LegacyContext } from './ole-context'
import { valueLine, valueOf, type Story } from './ooxml-story'
import { columnName } from './table-names'
import type { Table } from './types'
import { cellStore, type CellCount, type CellStore } from './xlsx-cells'
import { cellFormats, unescapeCharacters, type Workbook } from './xlsx-parts'
import type { XmlAttribute, XmlHandler } from './xml-tokens'

const MAX_ROW = 1_048_576
const MAX_COLUMN = 16_384
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/
/** What makes the text of a formula more than a calculation. */
const TELLING_FORMULA = /["'@]|\d{6}|\d{4}-/

interface Cell {
  row: number
  column: number
  type: string
  style: number
  value: string | null
  inline: string[] | null
  formula: string | null
}

/** A reader of one part and the tables it found. */
export interface SheetReader extends XmlHandler<string> {
  tables(): Table[]
}

/**
 * @param where of the sheet, for people
 * @param count spent on, for all sheets together
 */
export function sheetReader(
  context: LegacyContext,
  workbook: Workbook,
  story: Story,
  where: string,
  count: CellCount,
): SheetReader {
  const formats = cellFormats(workbook)
  const stores: CellStore[] = []
  let cells = cellStore(context, where, count, { strings: workbook.strings, formats })
  let isEmpty = true
  let row = -1
  let column = -1
  let cell: Cell | null = null
  let phonetic = 0
  const problem = (reason: string) => addProblem(context, where, reason)

  const startTable = (): void => {
    if (!isEmpty) cells = cellStore(context, where, count, { strings: workbook.strings, formats })
    if (!isEmpty || stores.length === 0) stores.push(cells)
    isEmpty = true
    row = -1
  }
  const startRow = (attributes: readonly XmlAttribute[]): void => {
    const given = valueOf(attributes, 'r')
    const next = given === '' ? row + 1 : Number(given) - 1
    if (!Number.isInteger(next) || next <= row || next >= MAX_ROW) problem('the rows are not in order')
    else row = next
    column = -1
  }
  const startCell = (local: string, attributes: readonly XmlAttribute[]): void => {
    let type = 'n'
    let style = 0
    let place = ''
    for (const { name, value } of attributes) {
      if (name === 'r') place = value
      else if (name === 't') type = value
      else if (name === 's') style = Number(value)
    }
    // in the log of changes cells stand in any order
    if (local === 'nc' || local === 'oc') row++
    const at = place === '' ? column + 1 : columnOf(place, local === 'nc' || local === 'oc' ? null : row)
    const ordered = local === 'c' || local === 'cell' ? at > column : at >= 0
    if (!ordered || at >= MAX_COLUMN) problem('the cells are not in order')
    column = at >= 0 && at < MAX_COLUMN ? at : column + 1
    cell = { row, column, type, style, value: null, inline: null, formula: null }
  }
  const endCell = (): void => {
    const done = cell
    cell = null
    if (done === null) return
    if (done.formula !== null && TELLING_FORMULA.test(done.formula)) {
      story.flow.line(`${columnName(done.column)}${done.row + 1} =${done.formula}`)
    }
    isEmpty = false
    addCell(done)
  }
  const addCell = ({ row, column, type, style, value, inline, formula }: Cell): void => {
    if (inline !== null && inline.length > 0) {
      cells.text(row, column, inline.join(''), style)
      return
    }
    if (value === null) {
      // who opens the file computes it, from whatever the formula says
      if (formula !== null) problem('the value of a formula is not stored')
      return
    }
    switch (type) {
      case 'n':
        addNumber(row, column, value.trim(), style)
        return
      case 's': {
        const index = /^\s*\d{1,9}\s*$/.test(value) ? Number(value) : -1
        if (workbook.strings[index] === undefined) {
          problem('a cell points to a string that is not there')
          return
        }
        workbook.used.add(index)
        cells.shared(row, column, index, style)
        return
      }
      case 'str':
      case 'inlineStr':
        cells.text(row, column, unescapeCharacters(value), style)
        return
      case 'b':
        cells.text(row, column, value.trim() === '1' ? 'TRUE' : 'FALSE', 0)
        return
      case 'e':
      case 'd':
        cells.text(row, column, value.trim(), 0)
        return
      default:
        problem('the type of a cell is not known')
        cells.text(row, column, value, 0)
    }
  }
  const addNumber = (row: number, column: number, stored: string, style: number): void => {
    if (stored === '') return
    if (NUMBER.test(stored)) {
      cells.number(row, column, Number(stored), style)
      return
    }
    problem('a number does not parse')
    cells.text(row, column, stored, 0)
  }

  startTable()
  return {
    tables: () => stores.flatMap((store) => store.tables(where)),
    meaning(space, local) {
      if (space === 'sheet') {
        if (['c', 'cell', 'nc', 'oc'].includes(local)) return 'sheet-cell'
        if (['row', 'sheetData', 'v', 'f', 'is', 't', 'rPh'].includes(local)) return `sheet-${local}`
      }
      return story.meaning(space, local)
    },
    open(name, attributes) {
      switch (name.meaning) {
        case 'sheet-cell':
          startCell(name.local, attributes)
          return
        case 'sheet-row':
          startRow(attributes)
          return
        case 'sheet-sheetData':
          startTable()
          return
        case 'sheet-is':
          if (cell !== null) cell.inline = []
          return
        case 'sheet-rPh':
          phonetic++
          return
        case 'sheet-v':
          if (cell !== null) cell.value = ''
          return
        case 'sheet-f':
          if (cell !== null) cell.formula = ''
          {
            story.open(name, attributes)
            return
          }
        default:
          story.open(name, attributes)
          return
      }
    },
    close(name) {
      switch (name.meaning) {
        case 'sheet-cell':
          endCell()
          return
        case 'sheet-rPh':
          phonetic--
          return
        case 'sheet-row':
        case 'sheet-sheetData':
        case 'sheet-is':
        case 'sheet-v':
          return
        default:
          story.close(name)
          return
      }
    },
    text(text, parent) {
      if (cell !== null) {
        if (parent.meaning === 'sheet-v') {
          cell.value = (cell.value ?? '') + text
          return
        }
        if (parent.meaning === 'sheet-f') {
          cell.formula = (cell.formula ?? '') + text
          return
        }
        if (parent.meaning === 'sheet-t' && phonetic === 0 && cell.inline !== null) {
          cell.inline.push(unescapeCharacters(text))
          return
        }
      }
      if (/^(?:odd|even|first)(?:Header|Footer)$/.test(parent.local)) {
        const header = headerText(text)
        if (header !== text) story.flow.line(valueLine(parent, header))
      }
      story.text(text, parent)
    },
  }
}

/** @param row that the name must have, or null: any. @returns -1: the name is not one */
function columnOf(place: string, row: number | null): number {
  let column = 0
  let at = 0
  for (; at < place.length && at < 4; at++) {
    const code = place.charCodeAt(at) & ~0x20
    if (code < 65 || code > 90) break
    column = column * 26 + code - 64
  }
  const number = Number(place.slice(at))
  if (at === 0 || !Number.isInteger(number) || number < 1 || (row !== null && number !== row + 1)) return -1
  return column - 1
}

/** Header and footer without their codes for fonts, sizes and places (section 18.3.1.46). */
function headerText(text: string): string {
  return text.replace(
    /&(?:"[^"]*"|K[0-9A-Fa-f]{6}|K\d\d[+-]\d{3}|\d{1,3}|([LCR])|(&)|[A-Za-z+-])/g,
    (_all, part?: string, and?: string) => (part !== undefined ? '\n' : (and ?? '')),
  )
}
