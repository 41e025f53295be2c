/**
 * Cells that are kept apart from their sheet, and stay when the sheet is gone: fields of pivot tables (ISO/IEC 29500-1,
 * section 18.10) and values of charts (section 21.2). Each field and each series is a column.
 */
import type { LegacyContext } from './ole-context'
import { valueOf, type Story } from './ooxml-story'
import type { Table } from './types'
import { cellStore, type CellCount } from './xlsx-cells'
import { numberFormat, plainNumber, type NumberFormat } from './xlsx-format'
import { unescapeCharacters } from './xlsx-parts'
import type { SheetReader } from './xlsx-sheet'

/** Beyond this there are no points in a chart. */
const MAX_POINTS = 2_000_000
/** Elements of one cached value. */
const VALUES = ['s', 'n', 'd', 'b', 'e', 'm', 'x'] as const

interface Columns {
  tables: () => Table[]
  add: (row: number, column: number, text: string, numeric: boolean, format?: NumberFormat) => void
}

function columnsOf(context: LegacyContext, where: string, count: CellCount): Columns {
  const cells = cellStore(context, where, count, { strings: [], formats: null })
  return {
    tables: () => cells.tables(where),
    add(row, column, value, isNumber, format) {
      const number = isNumber && value.trim() !== '' ? Number(value) : Number.NaN
      if (!Number.isFinite(number)) cells.text(row, column, unescapeCharacters(value), 0)
      else cells.numberWithText(row, column, number, format?.(number) ?? plainNumber(number))
    },
  }
}

/** Reader of `pivotCacheDefinition` and `pivotCacheRecords`. */
export function pivotReader(context: LegacyContext, story: Story, where: string, count: CellCount): SheetReader {
  const { tables, add } = columnsOf(context, where, count)
  let row = 0
  let column = -1
  let inRecord = false
  return {
    ...story,
    tables,
    open(name, attributes) {
      story.open(name, attributes)
      if (name.space !== 'sheet') return
      if (name.local === 'cacheField') {
        row = 0
        column++
        add(0, column, valueOf(attributes, 'name'), false)
      } else if (name.local === 'r') {
        // of the records: one row of the source
        inRecord = true
        column = -1
        row++
      } else if (VALUES.some((one) => one === name.local)) {
        if (inRecord) column++
        else row++
        // x points to a value that the definition tells
        if (name.local !== 'x') add(row, column, valueOf(attributes, 'v'), name.local === 'n')
      }
    },
  }
}

/** Reader of charts: the values that they remember. */
export function chartReader(context: LegacyContext, story: Story, where: string, count: CellCount): SheetReader {
  const { tables, add } = columnsOf(context, where, count)
  let column = -1
  let row = 0
  let format: NumberFormat | undefined
  let numeric = false
  return {
    ...story,
    tables,
    open(name, attributes) {
      story.open(name, attributes)
      if (name.space !== 'chart') return
      if (['numCache', 'numLit', 'strCache', 'strLit', 'lvl'].includes(name.local)) {
        column++
        row = 0
        numeric = name.local.startsWith('num')
        format = undefined
      } else if (name.local === 'pt') row = Math.min(Number(valueOf(attributes, 'idx')) || 0, MAX_POINTS)
    },
    text(text, parent) {
      if (parent.space === 'chart' && parent.local === 'formatCode') {
        format = text === 'General' ? undefined : numberFormat(0, text, false)
      } else if (parent.space === 'chart' && parent.local === 'v' && column >= 0) {
        add(row, column, text.trim(), numeric, format)
        return
      }
      story.text(text, parent)
    },
  }
}
