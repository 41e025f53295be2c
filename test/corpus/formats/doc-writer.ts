/** Word 97-2003 (MS-DOC): text in a piece table, with what decides how it is seen. */
import { compoundFile, type Streams } from './cfb-writer'

/** A stretch of the text. */
export interface DocRun {
  text: string
  deleted?: boolean
  hidden?: boolean
  /** Stands as UTF-16 even where eight bits would do. */
  wide?: boolean
}

export interface DocContent {
  /** `\r` ends a paragraph, `\x07` a cell and a row. */
  runs: readonly DocRun[]
  footnotes?: string
  headers?: string
  comments?: string
  endnotes?: string
  textBoxes?: string
  /** In the order of the file instead of that of the text: the piece table puts it right. */
  shuffled?: boolean
  encrypted?: boolean
  /** nFib, when it is not that of Word 97. */
  version?: number
  /** Further streams by path. */
  streams?: Streams
}

const PAGE = 512
const TEXT_AT = 1024
const FLAG_TABLE_1 = 0x0200
const FLAG_ENCRYPTED = 0x0100
const COMPRESSED = 0x4000_0000
const ROW_END = '\x07'

interface Placed {
  run: DocRun
  bytes: Buffer
  offset: number
  width: 1 | 2
}

export function docFile(content: DocContent): Buffer {
  const { main, table } = docStreams(content)
  return compoundFile({ WordDocument: main, '1Table': table, ...content.streams })
}

/** The two streams of a document, for one that is embedded in another. */
export function docStreams(content: DocContent): { main: Buffer; table: Buffer } {
  const parts = [content.footnotes, content.headers, '', content.comments, content.endnotes, content.textBoxes, '']
  const extra = parts.map((text) => text ?? '')
  const runs = [...content.runs, ...extra.map((text) => ({ text }))].filter((run) => run.text !== '')
  // one more paragraph ends the parts that follow the main text (section 2.4.1)
  if (extra.some((text) => text !== '')) runs.push({ text: '\r' })
  const placed = placeRuns(runs, content.shuffled === true)
  const text = Buffer.concat([...placed].sort((a, b) => a.offset - b.offset).map(({ bytes }) => bytes))
  const pagesAt = Math.ceil((TEXT_AT + text.length) / PAGE)
  const characters = characterPage(placed, TEXT_AT + text.length)
  const paragraphs = paragraphPages(placed, TEXT_AT + text.length)
  const clx = pieceTable(placed)
  const bounds = [TEXT_AT, TEXT_AT + text.length]
  const table = Buffer.concat([
    clx,
    ulongs([...bounds, pagesAt]),
    ulongs([TEXT_AT, ...paragraphs.map(({ end }) => end), ...paragraphs.map((_page, n) => pagesAt + 1 + n)]),
  ])
  const main = Buffer.alloc((pagesAt + 1 + paragraphs.length) * PAGE)
  text.copy(main, TEXT_AT)
  characters.copy(main, pagesAt * PAGE)
  paragraphs.forEach(({ page }, n) => page.copy(main, (pagesAt + 1 + n) * PAGE))
  writeFib(
    main,
    content,
    [content.runs.map((run) => run.text).join(''), ...extra].map(({ length }) => length),
    clx.length,
    paragraphs.length,
  )
  return { main, table }
}

function writeFib(
  main: Buffer,
  content: DocContent,
  counts: readonly number[],
  clxLength: number,
  pages: number,
): void {
  main.writeUInt16LE(0xa5ec, 0)
  main.writeUInt16LE(content.version ?? 0x00c1, 2)
  main.writeUInt16LE(FLAG_TABLE_1 | (content.encrypted === true ? FLAG_ENCRYPTED : 0), 10)
  main.writeUInt16LE(14, 32)
  main.writeUInt16LE(22, 62)
  main.writeUInt32LE(main.length, 64)
  counts.forEach((count, n) => main.writeUInt32LE(count, 64 + (3 + n) * 4))
  main.writeUInt16LE(93, 152)
  const pair = (index: number, at: number, length: number) => {
    main.writeUInt32LE(at, 154 + index * 8)
    main.writeUInt32LE(length, 158 + index * 8)
  }
  pair(12, clxLength, 12)
  pair(13, clxLength + 12, 4 + 8 * pages)
  pair(33, 0, clxLength)
}

function placeRuns(runs: readonly DocRun[], shuffled: boolean): Placed[] {
  const placed = runs.map((run): Placed => {
    const wide = run.wide === true || /[^\0-\x7f\xa0-\xff]/.test(run.text)
    const bytes = Buffer.from(run.text, wide ? 'utf16le' : 'latin1')
    return { run, bytes, offset: 0, width: wide ? 2 : 1 }
  })
  let offset = TEXT_AT
  for (const one of shuffled ? [...placed].reverse() : placed) {
    one.offset = offset
    offset += one.bytes.length
  }
  return placed
}

function pieceTable(placed: readonly Placed[]): Buffer {
  const ends: number[] = [0]
  for (const { run } of placed) ends.push((ends.at(-1) ?? 0) + run.text.length)
  const pieces = placed.map(({ offset, width }) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32LE(width === 1 ? (offset * 2) | COMPRESSED : offset, 2)
    return bytes
  })
  const table = Buffer.concat([ulongs(ends), ...pieces])
  const head = Buffer.alloc(5)
  head.writeUInt8(2)
  head.writeUInt32LE(table.length, 1)
  return Buffer.concat([head, table])
}

/** Formatting of runs in the order of the file: which are deleted or hidden (section 2.9.33). */
function characterPage(placed: readonly Placed[], end: number): Buffer {
  const inOrder = [...placed].sort((a, b) => a.offset - b.offset).slice(0, 60)
  const page = Buffer.alloc(PAGE)
  page.writeUInt8(inOrder.length, PAGE - 1)
  let at = PAGE - 2
  inOrder.forEach(({ run, offset }, n) => {
    page.writeUInt32LE(offset, n * 4)
    page.writeUInt32LE(n === inOrder.length - 1 ? end : offset, (n + 1) * 4)
    const list = run.deleted === true ? '000801' : run.hidden === true ? '3c0801' : ''
    if (list === '') return
    at = (at - 4) & ~1
    page.writeUInt8(3, at)
    page.write(list, at + 1, 'hex')
    page.writeUInt8(at / 2, (inOrder.length + 1) * 4 + n)
  })
  return page
}

/** Paragraphs that fit on a page, so that there is room for what some of them say. */
const PARAGRAPHS = 20

/** Paragraphs, and which of them end rows: the second of two cell marks (section 2.9.175). */
function paragraphPages(placed: readonly Placed[], end: number): { page: Buffer; end: number }[] {
  const ends: { at: number; isRow: boolean }[] = []
  for (const { run, offset, width } of [...placed].sort((a, b) => a.offset - b.offset)) {
    for (let n = 0; n < run.text.length; n++) {
      const character = run.text.charAt(n)
      if (character !== '\r' && character !== ROW_END) continue
      const isRow = character === ROW_END && run.text.charAt(n - 1) === ROW_END
      ends.push({ at: offset + (n + 1) * width, isRow })
    }
  }
  const pages: { page: Buffer; end: number }[] = []
  for (let from = 0; from < ends.length || from === 0; from += PARAGRAPHS) {
    const fitting = ends.slice(from, from + PARAGRAPHS)
    const isLast = from + PARAGRAPHS >= ends.length
    pages.push({
      page: paragraphPage(fitting, pages.at(-1)?.end ?? TEXT_AT, end),
      end: isLast ? end : (fitting.at(-1)?.at ?? end),
    })
  }
  return pages
}

function paragraphPage(fitting: readonly { at: number; isRow: boolean }[], start: number, end: number): Buffer {
  const page = Buffer.alloc(PAGE)
  page.writeUInt8(Math.max(1, fitting.length), PAGE - 1)
  page.writeUInt32LE(start, 0)
  if (fitting.length === 0) page.writeUInt32LE(end, 4)
  let at = PAGE - 2
  fitting.forEach(({ at: place, isRow }, n) => {
    page.writeUInt32LE(place, (n + 1) * 4)
    if (!isRow) return
    at = (at - 6) & ~1
    page.writeUInt8(3, at)
    // style 0, then sprmPFTtp
    page.write('0000172401', at + 1, 'hex')
    page.writeUInt8(at / 2, (fitting.length + 1) * 4 + n * 13)
  })
  return page
}

function ulongs(numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4)
  numbers.forEach((value, n) => bytes.writeUInt32LE(value, n * 4))
  return bytes
}
