/** Excel 97-2003 (BIFF8, MS-XLS): typed cells of every sheet, also hidden ones, and all other texts of the workbook. */
import { streamNamed, type CompoundStorage } from './ole-cfb'
import { addProblem, addText, attempt, type LegacyContext } from './ole-context'
import { readDrawing } from './ole-pictures'
import { columnName } from './table-names'
import type { TableCell } from './types'
import { hiddenNumbers, rkValue } from './xls-numbers'
import { isKnown, records, type XlsRecord } from './xls-records'
import { longString, objectText, sharedStrings, shortString } from './xls-strings'
import { numberFormat, plainNumber, type NumberFormat } from './xlsx-format'

const BIFF8 = 0x0600
const GLOBALS = 0x0005
/** Cells of one workbook. */
const MAX_CELLS = 500_000
/** Records of which the values are read below; numbers in all others are looked for byte by byte. */
const CELLS = new Set([0x0203, 0x027e, 0x00bd, 0x00fd, 0x0204, 0x00d6, 0x0205, 0x0201, 0x00be])

interface Sheet {
  where: string
  cells: TableCell[]
}

interface Workbook {
  context: LegacyContext
  where: string
  strings: string[]
  /** Number format of each cell format. */
  formats: number[]
  formatCodes: Map<number, string>
  /** Number formats that were asked for, by their index. */
  shown: Map<number, NumberFormat>
  is1904: boolean
  /** Sheet names by the place where the sheet begins. */
  names: Map<number, string>
  sheets: Sheet[]
  /** Sheets that are open: charts stand inside them. */
  open: Sheet[]
  /** The formula whose text comes in the next record. */
  awaited: { row: number; column: number } | null
  cells: number
  /** Texts that stand in no cell. */
  texts: string[]
  numbers: number[]
}

/** Read the storage of a workbook, the main one or an embedded one. */
export function readXls(context: LegacyContext, where: string, storage: CompoundStorage): void {
  const stream = streamNamed(storage, 'Workbook') ?? streamNamed(storage, 'Book') ?? Buffer.alloc(0)
  attempt(context, where, 'the workbook', () => readWorkbook(context, where, stream))
  // the old form beside the new one, for programs that know only that
  if (streamNamed(storage, 'Workbook') !== undefined && streamNamed(storage, 'Book') !== undefined)
    addProblem(context, where, 'the workbook stands in the file twice')
}

/** Caches of pivot tables: records like those of a workbook, with values of their own (section 2.4.275 and following). */
export function readPivotCache(context: LegacyContext, where: string, stream: Buffer): void {
  attempt(context, where, 'a pivot table', () => readWorkbook(context, where, stream, true))
}

function readWorkbook(context: LegacyContext, where: string, stream: Buffer, isCache = false): void {
  const book: Workbook = {
    context,
    where,
    strings: [],
    formats: [],
    formatCodes: new Map(),
    shown: new Map(),
    is1904: false,
    names: new Map(),
    sheets: [],
    open: [],
    awaited: null,
    cells: 0,
    texts: [],
    numbers: [],
  }
  const first = stream.readUInt16LE(0)
  if (!isCache && (first !== 0x0809 || stream.readUInt16LE(4) !== BIFF8)) {
    addProblem(context, where, 'workbooks of Excel 95 and earlier are not read')
    return
  }
  const walk = records(stream)
  for (let step = walk.next(); ; step = walk.next()) {
    if (step.done === true) {
      // programs fill the last sector up with zeros
      if (stream.subarray(step.value).some((byte) => byte !== 0))
        addProblem(context, where, 'the workbook ends in the middle of a record')
      break
    }
    const record = step.value
    // zeros behind the last sheet are no record
    if (record.type === 0 && book.open.length === 0) continue
    if (record.type === 0x002f) {
      context.reading.protection.push({ where, kind: 'office-encrypted' })
      return
    }
    if (context.budget.timeUp()) {
      addProblem(context, where, 'the time for reading was up')
      return
    }
    if (!isKnown(record.type)) addProblem(context, where, 'the workbook holds a record that is not known')
    readRecord(book, record)
  }
  if (book.open.length > 0) addProblem(context, where, 'a sheet of the workbook has no end')
  if (book.sheets.length === 0 && !isCache) addProblem(context, where, 'the workbook has no sheet')
  tell(book)
}

function tell(book: Workbook): void {
  const { context, where } = book
  addText(context, where, 'hidden', book.texts.join('\n'))
  if (book.numbers.length > 0) {
    const cells = book.numbers.map((value, row) => ({ row, column: 0, text: plainNumber(value), numeric: true }))
    book.sheets.push({ where: `${where} > numbers in formulas`, cells })
  }
  for (const sheet of book.sheets) {
    if (sheet.cells.length === 0) continue
    context.reading.tables.push({
      where: sheet.where,
      cellName: (row, column) => `${columnName(column)}${row + 1}`,
      cells: sheet.cells.sort((a, b) => a.row - b.row || a.column - b.column),
    })
  }
}

function readRecord(book: Workbook, record: XlsRecord): void {
  const { type, data } = record
  if (!CELLS.has(type)) {
    for (const bytes of [type === 0x0006 ? data.subarray(14) : data, ...record.more])
      book.numbers.push(...hiddenNumbers(bytes))
  }
  switch (type) {
    case 0x0809: {
      // BOF
      beginSheet(book, record)
      return
    }
    case 0x000a: // EOF
      if (book.open.pop() === undefined) addProblem(book.context, book.where, 'the workbook has an end too many')
      return
    case 0x00fc: // SST
      book.strings = sharedStrings(record)
      return
    case 0x0022: // Date1904
      book.is1904 = data.readUInt16LE(0) !== 0
      return
    case 0x00e0: // XF
      book.formats.push(data.readUInt16LE(2))
      return
    case 0x041e: // Format
      book.formatCodes.set(data.readUInt16LE(0), longString(record, 2))
      return
    case 0x0085: {
      // BoundSheet8
      const name = shortString(record, 6)
      book.names.set(data.readUInt32LE(0), name)
      book.texts.push(name)
      return
    }
    case 0x0014: // Header
    case 0x0015: // Footer
      if (data.length > 0) book.texts.push(longString(record, 0))
      return
    case 0x01b6: // TxO: text boxes and notes
      book.texts.push(objectText(record))
      return
    case 0x100d: // SeriesText
      book.texts.push(shortString(record, 2))
      return
    case 0x00cd: // SXString
      book.texts.push(longString(record, 0))
      return
    case 0x00eb: {
      // MsoDrawingGroup
      readDrawing(book.context, book.where, Buffer.concat([data, ...record.more]))
      return
    }
    case 0x00e9: // BkHim: the picture behind a sheet
    case 0x0866: // HFPicture
      if (data.length + record.more.reduce((sum, more) => sum + more.length, 0) > 64 * 1024)
        addProblem(book.context, book.where, 'an image is larger than 64 KiB')
      return
    default: {
      readCell(book, record)
      return
    }
  }
}

function beginSheet(book: Workbook, { at, data }: XlsRecord): void {
  if (data.readUInt16LE(0) !== BIFF8) throw new RangeError('version')
  const isGlobals = data.readUInt16LE(2) === GLOBALS
  const outer = book.open.at(-1)
  const name = book.names.get(at)
  if (!isGlobals && outer === undefined && name === undefined)
    addProblem(book.context, book.where, 'a sheet of the workbook is not listed')
  if (!book.context.budget.part()) throw new RangeError('parts')
  // charts inside a sheet keep their cached cells apart
  const where = isGlobals ? book.where : `${outer?.where ?? book.where} > ${name ?? 'chart'}`
  const sheet = { where, cells: [] }
  book.open.push(sheet)
  book.sheets.push(sheet)
}

function readCell(book: Workbook, record: XlsRecord): void {
  const { type, data } = record
  const place = () => ({ row: data.readUInt16LE(0), column: data.readUInt16LE(2) })
  switch (type) {
    case 0x00fd: {
      // LabelSst
      const text = book.strings[data.readUInt32LE(6)]
      if (text === undefined) throw new RangeError('string')
      addCell(book, { ...place(), text, numeric: false })
      return
    }
    case 0x0204: // Label
    case 0x00d6: {
      // RString
      addCell(book, { ...place(), text: longString(record, 6), numeric: false })
      return
    }
    case 0x0203: // Number
      exactly(data, 14)
      {
        addNumber(book, place(), data.readUInt16LE(4), data.readDoubleLE(6))
        return
      }
    case 0x027e: // RK
      exactly(data, 10)
      {
        addNumber(book, place(), data.readUInt16LE(4), rkValue(data.readInt32LE(6)))
        return
      }
    case 0x00bd: {
      // MulRk: row, first column, pairs of format and number, last column
      const { row, column } = place()
      const count = (data.length - 6) / 6
      if (data.readUInt16LE(data.length - 2) - column + 1 !== count) throw new RangeError('mulrk')
      for (let n = 0; n < count; n++) {
        const at = 4 + n * 6
        addNumber(book, { row, column: column + n }, data.readUInt16LE(at), rkValue(data.readInt32LE(at + 2)))
      }
      return
    }
    case 0x0006: // Formula: the value of the last calculation (section 2.5.133)
      if (data.readUInt16LE(12) !== 0xffff) {
        addNumber(book, place(), data.readUInt16LE(4), data.readDoubleLE(6))
        return
      }
      if (data.readUInt8(6) === 0) book.awaited = place()
      return
    case 0x0207: {
      // String: the text that a formula came to
      const text = longString(record, 0)
      if (book.awaited === null) book.texts.push(text)
      else addCell(book, { ...book.awaited, text, numeric: false })
      book.awaited = null
      return
    }
    case 0x0205: {
      // BoolErr
      exactly(data, 8)
      return
    }
    case 0x0201: {
      // Blank
      exactly(data, 6)
      return
    }
    case 0x00be: // MulBlank
      if ((data.readUInt16LE(data.length - 2) - data.readUInt16LE(2) + 1) * 2 + 6 !== data.length)
        throw new RangeError('mulblank')
      return
    case 0x00c9: // SXNum
      return void book.numbers.push(data.readDoubleLE(0))
    default:
      return
  }
}

/** A value of another kind would stand behind a type that was changed. */
function exactly(data: Buffer, length: number): void {
  if (data.length !== length) throw new RangeError('length')
}

function addNumber(book: Workbook, place: { row: number; column: number }, format: number, value: number): void {
  const index = book.formats[format] ?? 0
  const show = book.shown.get(index) ?? numberFormat(index, book.formatCodes.get(index), book.is1904)
  book.shown.set(index, show)
  const raw = plainNumber(value)
  const text = show(value)
  addCell(book, { ...place, text, numeric: true, ...(text === raw ? {} : { raw }) })
}

function addCell(book: Workbook, cell: TableCell): void {
  const sheet = book.open.at(-1)
  if (sheet === undefined) throw new RangeError('no sheet')
  if (++book.cells > MAX_CELLS || !book.context.budget.bytes(cell.text.length + 16)) throw new RangeError('too large')
  sheet.cells.push(cell)
}
