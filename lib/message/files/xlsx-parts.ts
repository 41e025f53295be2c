/** What the sheets of a workbook share (ISO/IEC 29500-1, section 18): strings, number formats, names of sheets. */
import type { Story } from './ooxml-story'
import { valueOf } from './ooxml-story'
import { numberFormat, textFormat, type NumberFormat } from './xlsx-format'
import type { XmlHandler } from './xml-tokens'

/** Parts that stand for the whole workbook; filled by their readers, asked by the sheets'. */
export interface Workbook {
  strings: string[]
  /** Which of the strings some cell shows. */
  used: Set<number>
  /** `numFmtId` of each cell format. */
  cellFormats: number[]
  /** Code of each format of the file's own. */
  codes: Map<number, string>
  is1904: boolean
  /** In their order; `id` is the relationship. */
  sheets: { name: string; id: string }[]
  /** Parts of each kind that were read; more than one would make the sheets ambiguous. */
  parts: Map<'sst' | 'styleSheet' | 'workbook', number>
}

/** @returns nothing read yet */
export function newWorkbook(): Workbook {
  return {
    strings: [],
    used: new Set(),
    cellFormats: [],
    codes: new Map(),
    is1904: false,
    sheets: [],
    parts: new Map(),
  }
}

/** Characters that XML cannot hold are written as `_x0007_`, and any other can be (section 22.9.2.19). */
export function unescapeCharacters(text: string): string {
  if (!text.includes('_x')) return text
  return text.replace(/_x([0-9A-Fa-f]{4})_/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** Strings of all sheets (section 18.4.9); what is only a guide to pronunciation is told apart, by the story. */
export function sharedStringsHandler(workbook: Workbook, story: Story): XmlHandler<string> {
  let parts: string[] = []
  let phonetic = 0
  return {
    meaning: (space, local) => (space === 'sheet' && ['si', 't', 'rPh'].includes(local) ? local : 'other'),
    open(name, attributes) {
      if (name.meaning === 'si') parts = []
      else if (name.meaning === 'rPh') phonetic++
      if (attributes.length > 0) story.attributes.add(name, attributes)
    },
    close(name) {
      if (name.meaning === 'si') workbook.strings.push(parts.length === 1 ? (parts[0] ?? '') : parts.join(''))
      else if (name.meaning === 'rPh') phonetic--
    },
    text(text, parent) {
      if (parent.meaning === 't' && phonetic === 0) parts.push(unescapeCharacters(text))
      else if (text.trim() !== '') story.flow.line(unescapeCharacters(text))
    },
  }
}

/** Number formats (sections 18.8.31 and 18.8.10). */
export function stylesHandler(workbook: Workbook, story: Story): XmlHandler<string> {
  let inCellFormats = false
  return {
    ...story,
    open(name, attributes) {
      story.open(name, attributes)
      if (name.space !== 'sheet') return
      if (name.local === 'cellXfs') inCellFormats = true
      else if (name.local === 'numFmt')
        workbook.codes.set(Number(valueOf(attributes, 'numFmtId')), valueOf(attributes, 'formatCode'))
      else if (name.local === 'xf' && inCellFormats)
        workbook.cellFormats.push(Number(valueOf(attributes, 'numFmtId') || '0'))
    },
    close(name) {
      story.close(name)
      if (name.local === 'cellXfs') inCellFormats = false
    },
  }
}

/** Names of the sheets and what dates count from (section 18.2); names for ranges are lines of the story. */
export function workbookHandler(workbook: Workbook, story: Story): XmlHandler<string> {
  return {
    ...story,
    open(name, attributes) {
      story.open(name, attributes)
      if (name.space !== 'sheet') return
      if (name.local === 'sheet')
        workbook.sheets.push({ name: valueOf(attributes, 'name'), id: valueOf(attributes, 'id') })
      else if (name.local === 'workbookPr') workbook.is1904 = ['1', 'true'].includes(valueOf(attributes, 'date1904'))
    },
  }
}

/** How cells of each format are shown. */
export interface CellFormats {
  number(style: number): NumberFormat
  /** Characters that the format may add. */
  length(style: number): number
  /** null = texts are shown as they are. */
  text(style: number): ((text: string) => string) | null
}

/** @param workbook with its styles read */
export function cellFormats(workbook: Workbook): CellFormats {
  const numbers = new Map<number, NumberFormat>()
  const texts = new Map<number, ((text: string) => string) | null>()
  return {
    number(style) {
      const id = workbook.cellFormats[style] ?? 0
      const known = numbers.get(id) ?? numberFormat(id, workbook.codes.get(id), workbook.is1904)
      numbers.set(id, known)
      return known
    },
    length: (style) => workbook.codes.get(workbook.cellFormats[style] ?? 0)?.length ?? 0,
    text(style) {
      const id = workbook.cellFormats[style] ?? 0
      const known = texts.get(id)
      if (known !== undefined) return known
      const format = textFormat(workbook.codes.get(id))
      texts.set(id, format)
      return format
    },
  }
}
