/** Word 97-2003 (MS-DOC): the text of all parts of a document in reading order, by its piece table. */
import { streamNamed, type CompoundStorage } from './ole-cfb'
import { addProblem, addText, attempt, type LegacyContext } from './ole-context'
import { addPicture, readDrawing } from './ole-pictures'
import { readFormatting, type Formatting } from './doc-formatting'
import { readPieces, type Piece } from './doc-pieces'
import { docText } from './doc-text'

/** nFib of Word 97; earlier versions have another layout (section 2.5.1). */
const WORD_97 = 0x00c1
const FLAG_GLOSSARY = 0x0002
const FLAG_COMPLEX = 0x0004
const FLAG_ENCRYPTED = 0x0100
const FLAG_TABLE_1 = 0x0200
/** Places in FibRgFcLcb97 (section 2.5.6). */
const PLCF_BTE_CHPX = 12
const PLCF_BTE_PAPX = 13
const CLX = 33
const DGG_INFO = 50
/** Parts of the text in their order, and their places in FibRgLw97 (section 2.5.4). */
const PARTS: readonly (readonly [index: number, name: string])[] = [
  [3, ''],
  [4, ' > footnotes'],
  [5, ' > headers and footers'],
  [6, ' > macros'],
  [7, ' > comments'],
  [8, ' > endnotes'],
  [9, ' > text boxes'],
  [10, ' > text boxes of headers'],
]
const PICTURE_HEADER = 0x44

interface Fib {
  flags: number
  version: number
  /** Of the second document inside, in pages of 512 bytes; 0 = none. */
  next: number
  counts: readonly number[]
  range(index: number): { at: number; length: number }
}

/** Read the storage of a Word document, the main one or an embedded one. */
export function readDoc(context: LegacyContext, where: string, storage: CompoundStorage): void {
  attempt(context, where, 'the Word document', () => {
    const main = streamNamed(storage, 'WordDocument') ?? Buffer.alloc(0)
    const fib = readFib(main)
    if ((fib.flags & FLAG_ENCRYPTED) !== 0) {
      context.reading.protection.push({ where, kind: 'office-encrypted' })
      return
    }
    if (fib.version < WORD_97) {
      addProblem(context, where, 'documents of Word 95 and earlier are not read')
      return
    }
    if (fib.next !== 0 || (fib.flags & FLAG_GLOSSARY) !== 0)
      addProblem(context, where, 'the document holds building blocks, which are not read')
    const table = streamNamed(storage, (fib.flags & FLAG_TABLE_1) === 0 ? '0Table' : '1Table') ?? Buffer.alloc(0)
    const data = streamNamed(storage, 'Data') ?? Buffer.alloc(0)
    readText(context, where, fib, { main, table, data })
    readPictures(context, where, data)
    const drawing = fib.range(DGG_INFO)
    // drawing group first; the shapes of the pages follow, each with one byte before it (section 2.9.172)
    if (drawing.length > 0) {
      const group = slice(table, drawing)
      readDrawing(context, where, group.subarray(0, 8 + group.readUInt32LE(4)), main)
    }
  })
}

/** The file information block (section 2.5.1); its three arrays say themselves how long they are. */
function readFib(main: Buffer): Fib {
  const words = main.readUInt16LE(32)
  const longs = 34 + words * 2 + 2
  const pairs = longs + main.readUInt16LE(longs - 2) * 4 + 2
  if (main.readUInt16LE(0) !== 0xa5ec) throw new RangeError('identifier')
  const pairCount = main.readUInt16LE(pairs - 2)
  return {
    version: main.readUInt16LE(2),
    next: main.readUInt16LE(8),
    flags: main.readUInt16LE(10),
    counts: PARTS.map(([index]) => main.readUInt32LE(longs + index * 4)),
    range(index) {
      if (index >= pairCount) return { at: 0, length: 0 }
      return { at: main.readUInt32LE(pairs + index * 8), length: main.readUInt32LE(pairs + index * 8 + 4) }
    },
  }
}

function slice(bytes: Buffer, { at, length }: { at: number; length: number }): Buffer {
  if (at + length > bytes.length) throw new RangeError('range')
  return bytes.subarray(at, at + length)
}

function readText(
  context: LegacyContext,
  where: string,
  fib: Fib,
  streams: { main: Buffer; table: Buffer; data: Buffer },
): void {
  const pieces = readPieces(slice(streams.table, fib.range(CLX)), streams.main)
  const total = fib.counts.reduce((sum, count) => sum + count, 0)
  const available = pieces.reduce((sum, piece) => sum + piece.text.length, 0)
  // one more character ends the last part when there is more than the main text (section 2.4.1)
  if (available < total || available > total + 1) addProblem(context, where, 'the pieces do not make up the text')
  if (!context.budget.bytes(available * 2)) {
    addProblem(context, where, 'the content is too large')
    return
  }
  if (pieces.some((piece) => piece.modified) && (fib.flags & FLAG_COMPLEX) !== 0)
    addProblem(context, where, 'the document was saved fast, in pieces that change each other')
  let formatting: Formatting = { removed: [], rowEnds: new Set() }
  attempt(context, where, 'the formatting of the text', () => {
    formatting = readFormatting(
      streams.main,
      slice(streams.table, fib.range(PLCF_BTE_CHPX)),
      slice(streams.table, fib.range(PLCF_BTE_PAPX)),
      streams.data,
    )
  })
  let from = 0
  PARTS.forEach(([, name], n) => {
    const isLast = n === PARTS.length - 1
    const to = isLast ? available : Math.min(available, from + (fib.counts[n] ?? 0))
    const { shown, reduced, instructions } = docText(cut(pieces, from, to), formatting)
    addText(context, `${where}${name}`, 'text', shown)
    if (reduced !== shown) addText(context, `${where}${name}`, 'text', reduced)
    addText(context, `${where}${name} > fields`, 'hidden', instructions)
    from = to
  })
}

/** The stretch of the text from one character position to another. */
function cut(pieces: readonly Piece[], from: number, to: number): Piece[] {
  const found: Piece[] = []
  let at = 0
  for (const piece of pieces) {
    const start = Math.max(0, from - at)
    const end = Math.min(piece.text.length, to - at)
    if (end > start)
      found.push({ ...piece, text: piece.text.slice(start, end), offset: piece.offset + start * piece.width })
    at += piece.text.length
  }
  return found
}

/** Pictures in the line of the text, one after the other in a stream of their own (section 2.9.192). */
function readPictures(context: LegacyContext, where: string, data: Buffer): void {
  let at = 0
  while (at + 6 <= data.length) {
    const size = data.readUInt32LE(at)
    const header = data.readUInt16LE(at + 4)
    if (header !== PICTURE_HEADER || size < header || at + size > data.length) {
      // properties and form fields stand here as well; what cannot be told apart is judged as one picture
      addPicture(context, where, data.subarray(at))
      return
    }
    addPicture(context, where, data.subarray(at, at + size))
    at += size
  }
}
