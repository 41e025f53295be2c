/**
 * As much of the formatting as decides what is seen (MS-DOC sections 2.4.6.1 and 2.4.6.2): text that is hidden or deleted
 * with tracked changes, and the marks that end the rows of tables.
 */

export interface Formatting {
  /** Stretches of the stream whose text is hidden or deleted, in order. */
  removed: readonly { from: number; to: number }[]
  /** Ends of those paragraphs, in the stream, that end a row. */
  rowEnds: ReadonlySet<number>
}

const PAGE = 512
/** sprmCFRMarkDel, sprmCFVanish, sprmCFWebHidden, sprmCFSpecVanish (section 2.6.1). */
const REMOVING = new Set([0x0800, 0x083c, 0x0811, 0x0818])
/** sprmPFTtp, sprmPFInnerTtp (section 2.6.2). */
const ROW_ENDING = new Set([0x2417, 0x244c])
/** sprmPHugePapx, sprmPTableProps: the list goes on in the Data stream. */
const ELSEWHERE = new Set([0x6646, 0x646b])
const TABLE_DEFINITION = 0xd608
const TAB_CHANGES = 0xc615
/** Bytes of the operand by the upper three bits of the code; 0 = the operand says it itself (section 2.2.5.1). */
const OPERAND = [1, 1, 2, 4, 2, 2, 0, 3] as const

/**
 * @param characters the table of pages about characters (PlcBteChpx)
 * @param paragraphs the table of pages about paragraphs (PlcBtePapx)
 * @param data the Data stream
 * @throws RangeError when they are broken
 */
export function readFormatting(main: Buffer, characters: Buffer, paragraphs: Buffer, data: Buffer): Formatting {
  const removed: { from: number; to: number }[] = []
  const rowEnds = new Set<number>()
  for (const page of pagesOf(characters, main)) {
    const runs = page.readUInt8(PAGE - 1)
    for (let n = 0; n < runs; n++) {
      const at = page.readUInt8((runs + 1) * 4 + n) * 2
      if (at === 0) continue
      const list = page.subarray(at + 1, at + 1 + page.readUInt8(at))
      if (hasSprm(list, REMOVING, data))
        removed.push({ from: page.readUInt32LE(n * 4), to: page.readUInt32LE(n * 4 + 4) })
    }
  }
  for (const page of pagesOf(paragraphs, main)) {
    const runs = page.readUInt8(PAGE - 1)
    for (let n = 0; n < runs; n++) {
      const at = page.readUInt8((runs + 1) * 4 + n * 13) * 2
      if (at === 0) continue
      // section 2.9.181: a length of 0 says that the length in words follows
      const half = page.readUInt8(at)
      const list =
        half === 0
          ? page.subarray(at + 4, at + 2 + page.readUInt8(at + 1) * 2)
          : page.subarray(at + 3, at + 1 + half * 2 - 1)
      if (hasSprm(list, ROW_ENDING, data)) rowEnds.add(page.readUInt32LE(n * 4 + 4))
    }
  }
  removed.sort((a, b) => a.from - b.from)
  return { removed, rowEnds }
}

/** Pages that a table lists, each once. */
function pagesOf(table: Buffer, main: Buffer): Buffer[] {
  if (table.length < 4) return []
  const count = (table.length - 4) / 8
  if (!Number.isInteger(count)) throw new RangeError('bte')
  const numbers = new Set<number>()
  for (let n = 0; n < count; n++) numbers.add(table.readUInt32LE((count + 1) * 4 + n * 4) & 0x3fffff)
  return Array.from(numbers, (number) => {
    if ((number + 1) * PAGE > main.length) throw new RangeError('page')
    return main.subarray(number * PAGE, (number + 1) * PAGE)
  })
}

/** Does a list of modifiers switch one of these on? */
function hasSprm(list: Buffer, wanted: ReadonlySet<number>, data: Buffer, isInner = false): boolean {
  let at = 0
  let found = false
  while (at + 2 < list.length) {
    const code = list.readUInt16LE(at)
    const operand = at + 2
    if (wanted.has(code)) found = list.readUInt8(operand) !== 0
    if (ELSEWHERE.has(code) && !isInner) {
      const place = list.readUInt32LE(operand)
      const inner = data.subarray(place + 2, place + 2 + data.readUInt16LE(place))
      if (hasSprm(inner, wanted, data, true)) found = true
    }
    at = operand + sizeOfOperand(list, code, operand)
  }
  return found
}

function sizeOfOperand(list: Buffer, code: number, at: number): number {
  if (code === TABLE_DEFINITION) return list.readUInt16LE(at) + 1
  const fixed = OPERAND[code >> 13] ?? 0
  if (fixed !== 0) return fixed
  const length = list.readUInt8(at)
  if (code !== TAB_CHANGES || length !== 255) return length + 1
  // section 2.6.2, sprmPChgTabs: deleted tabs of four bytes, then added ones of three
  const deleted = list.readUInt8(at + 1)
  return 3 + deleted * 4 + list.readUInt8(at + 2 + deleted * 4) * 3
}
