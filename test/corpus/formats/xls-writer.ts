/** Excel 97-2003 (MS-XLS, BIFF8): sheets with typed cells, and the other places of a workbook that hold text. */
import { compoundFile, type Streams } from './cfb-writer'

export type XlsCell =
  | string
  | number
  | { number: number; format?: string; as?: 'rk' | 'number' | 'formula' }
  | { text: string; as: 'label' | 'formula' | 'rich' }

export interface XlsSheet {
  name: string
  rows: readonly (readonly XlsCell[])[]
  hidden?: boolean
  header?: string
  /** Text boxes and notes. */
  notes?: readonly string[]
  /** Records that come before the end, as they stand. */
  records?: readonly Buffer[]
}

export interface XlsContent {
  sheets: readonly XlsSheet[]
  encrypted?: boolean
  /** Bytes of a record before the rest goes on in the next one. */
  recordLimit?: number
  /** Further streams by path. */
  streams?: Streams
}

const BOF = 0x0809
const EOF = 0x000a
const CONTINUE = 0x003c
const LIMIT = 8224

/** One record; what is longer than a record goes on in CONTINUE records. */
export function xlsRecord(type: number, data: Buffer, limit = LIMIT): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at < data.length || at === 0; at += limit) {
    const piece = data.subarray(at, at + limit)
    pieces.push(u16(at === 0 ? type : CONTINUE, piece.length), piece)
  }
  return Buffer.concat(pieces)
}

export function xlsFile(content: XlsContent): Buffer {
  return compoundFile({ Workbook: xlsStream(content), ...content.streams })
}

export function xlsStream(content: XlsContent): Buffer {
  const strings: string[] = []
  const formats = new Map<string, number>([['General', 0]])
  for (const cell of content.sheets.flatMap((sheet) => sheet.rows).flat()) {
    const format = typeof cell === 'object' && 'format' in cell ? cell.format : undefined
    if (format !== undefined && !formats.has(format)) formats.set(format, formats.size)
  }
  const sheets = content.sheets.map((sheet) => sheetRecords(sheet, strings, formats))
  const before = [
    bof(0x0005),
    ...(content.encrypted === true ? [xlsRecord(0x002f, Buffer.alloc(54))] : []),
    xlsRecord(0x0042, u16(1200)),
    ...[0, 1, 2, 3].map(() =>
      xlsRecord(0x0031, Buffer.concat([u16(200, 0, 0x7fff, 400, 0, 0), Buffer.alloc(2), short('Arial')])),
    ),
    ...[...formats].slice(1).map(([code, n]) => xlsRecord(0x041e, Buffer.concat([u16(163 + n), long(code)]))),
    ...Array.from({ length: 15 }, () => format(0, 0xfff5)),
    ...[...formats.values()].map((n) => format(n === 0 ? 0 : 163 + n, 1)),
  ]
  const shared = sharedStrings(strings, content.recordLimit ?? LIMIT)
  const names = content.sheets.map(({ name }) => short(name))
  const listed = names.reduce((sum, name) => sum + 4 + 6 + name.length, 0)
  const end = xlsRecord(EOF, Buffer.alloc(0))
  let at = before.reduce((sum, record) => sum + record.length, 0) + listed + shared.length + end.length
  const list = content.sheets.map((sheet, n) => {
    const record = xlsRecord(
      0x0085,
      Buffer.concat([u32(at), u16(sheet.hidden === true ? 1 : 0), names[n] ?? Buffer.alloc(0)]),
    )
    at += sheets[n]?.length ?? 0
    return record
  })
  return Buffer.concat([...before, ...list, shared, end, ...sheets])
}

function sheetRecords(sheet: XlsSheet, strings: string[], formats: ReadonlyMap<string, number>): Buffer {
  const cells = sheet.rows.flatMap((row, r) => row.map((cell, c) => cellRecords(cell, r, c, strings, formats)))
  const columns = Math.max(1, ...sheet.rows.map((row) => row.length))
  const notes = (sheet.notes ?? []).map((text) => {
    const head = Buffer.alloc(18)
    head.writeUInt16LE(text.length, 10)
    head.writeUInt16LE(8, 12)
    const body = Buffer.concat([Buffer.of(1), Buffer.from(text, 'utf16le')])
    return Buffer.concat([xlsRecord(0x01b6, head), xlsRecord(CONTINUE, body), xlsRecord(CONTINUE, Buffer.alloc(16))])
  })
  return Buffer.concat([
    bof(0x0010),
    ...(sheet.header === undefined ? [] : [xlsRecord(0x0014, long(sheet.header))]),
    xlsRecord(0x0200, Buffer.concat([u32(0), u32(sheet.rows.length), u16(0, columns, 0)])),
    ...cells,
    ...notes,
    ...(sheet.records ?? []),
    xlsRecord(0x023e, Buffer.concat([u16(0x06b6, 0, 0), Buffer.alloc(12)])),
    xlsRecord(EOF, Buffer.alloc(0)),
  ])
}

function cellRecords(
  cell: XlsCell,
  row: number,
  column: number,
  strings: string[],
  formats: ReadonlyMap<string, number>,
): Buffer {
  const place = (n = 0) => u16(row, column, 15 + n)
  if (typeof cell === 'number') return cellRecords({ number: cell }, row, column, strings, formats)
  if (typeof cell === 'string') {
    if (cell === '') return xlsRecord(0x0201, place())
    strings.push(cell)
    return xlsRecord(0x00fd, Buffer.concat([place(), u32(strings.length - 1)]))
  }
  if ('text' in cell) {
    const { text } = cell
    if (cell.as === 'label') return xlsRecord(0x0204, Buffer.concat([place(), long(text)]))
    if (cell.as === 'rich') return xlsRecord(0x00d6, Buffer.concat([place(), long(text), u16(1, 4, 1)]))
    const result = Buffer.from('000000000000ffff', 'hex')
    return Buffer.concat([
      xlsRecord(0x0006, Buffer.concat([place(), result, Buffer.alloc(6), u16(3), Buffer.from('1e0000', 'hex')])),
      xlsRecord(0x0207, long(text)),
    ])
  }
  const { number } = cell
  const style = place(formats.get(cell.format ?? 'General'))
  const value = Buffer.alloc(8)
  value.writeDoubleLE(number)
  const isSmall = Number.isInteger(number) && Math.abs(number) < 2 ** 29
  switch (cell.as ?? (isSmall ? 'rk' : 'number')) {
    case 'rk':
      return xlsRecord(0x027e, Buffer.concat([style, u32(((number << 2) | 2) >>> 0)]))
    case 'formula':
      return xlsRecord(0x0006, Buffer.concat([style, value, Buffer.alloc(6), u16(3), Buffer.from('1e0000', 'hex')]))
    case 'number':
      return xlsRecord(0x0203, Buffer.concat([style, value]))
  }
}

/** The table of strings, cut at any place; a text that goes on begins with its width anew (section 2.5.293). */
function sharedStrings(strings: readonly string[], limit: number): Buffer {
  const pieces: Buffer[] = []
  let current: Buffer[] = [u32(strings.length), u32(strings.length)]
  let size = 8
  let type = 0x00fc
  const flush = () => {
    pieces.push(xlsRecord(type, Buffer.concat(current)))
    type = CONTINUE
    current = []
    size = 0
  }
  for (const text of strings) {
    // three bytes of head and one character at least
    if (size + 5 > limit) flush()
    const isWide = /[^\0-\xff]/.test(text)
    const flag = Buffer.of(isWide ? 1 : 0)
    current.push(u16(text.length), flag)
    size += 3
    for (let at = 0; at < text.length;) {
      const room = Math.floor((limit - size) / (isWide ? 2 : 1))
      if (room === 0) {
        flush()
        current.push(flag)
        size = 1
        continue
      }
      const bytes = Buffer.from(text.slice(at, at + room), isWide ? 'utf16le' : 'latin1')
      current.push(bytes)
      size += bytes.length
      at += room
    }
  }
  flush()
  return Buffer.concat(pieces)
}

function bof(type: number): Buffer {
  return xlsRecord(BOF, Buffer.concat([u16(0x0600, type, 0x0dbb, 1996), u32(0x41), u32(6)]))
}

function format(index: number, kind: number): Buffer {
  return xlsRecord(0x00e0, Buffer.concat([u16(0, index, kind), Buffer.alloc(14)]))
}

function short(text: string): Buffer {
  const isWide = /[^\0-\xff]/.test(text)
  return Buffer.concat([Buffer.of(text.length, isWide ? 1 : 0), Buffer.from(text, isWide ? 'utf16le' : 'latin1')])
}

function long(text: string): Buffer {
  const isWide = /[^\0-\xff]/.test(text)
  return Buffer.concat([u16(text.length), Buffer.of(isWide ? 1 : 0), Buffer.from(text, isWide ? 'utf16le' : 'latin1')])
}

function u16(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 2)
  numbers.forEach((value, n) => bytes.writeUInt16LE(value, n * 2))
  return bytes
}

function u32(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(number)
  return bytes
}
