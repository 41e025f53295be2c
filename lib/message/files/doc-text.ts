/** Characters with meanings of their own in a Word document (MS-DOC section 2.4.1), as a reader sees them. */
import type { Formatting } from './doc-formatting'
import type { Piece } from './doc-pieces'
import { ShownText } from './doc-shown'

export interface DocText {
  /** As shown with all tracked changes and all hidden text: fields by their results. */
  shown: string
  /** The same without what is deleted or hidden. */
  reduced: string
  /** The instructions of fields, one a line. */
  instructions: string
}

/** One character with a meaning, or others in a row. */
const RUN = /[\0-\x1f]|[^\0-\x1f]{1,4096}/g
const CELL = 0x07
const FIELD_BEGIN = 0x13
const FIELD_SEPARATOR = 0x14
const FIELD_END = 0x15

/** @param pieces of one part of the document */
export function docText(pieces: readonly Piece[], formatting: Formatting): DocText {
  const shown = new ShownText()
  const instructions: string[] = []
  /** Open fields: are we still in the instruction? */
  const fields: boolean[] = []
  let hidden = 0
  const isRemoved = removalOf(formatting)
  const hasRows = formatting.rowEnds.size > 0
  let lastWasCell = false
  const add = (text: string, removed: boolean) => {
    if (hidden > 0) instructions.push(text)
    else shown.add(text, removed)
  }
  for (const piece of pieces) {
    for (const { 0: run, index } of piece.text.matchAll(RUN)) {
      const code = run.charCodeAt(0)
      const offset = piece.offset + index * piece.width
      if (code === FIELD_BEGIN) {
        fields.push(true)
        hidden++
        instructions.push('\n')
      } else if (code === FIELD_SEPARATOR || code === FIELD_END) {
        if (fields.at(-1) === true) hidden--
        if (code === FIELD_END) fields.pop()
        else if (fields.length > 0) fields[fields.length - 1] = false
        instructions.push('\n')
      } else if (code === CELL) {
        // without formatting, the mark of a row shows as a second mark right behind that of a cell
        const isRowEnd: boolean = hasRows ? formatting.rowEnds.has(offset + piece.width) : lastWasCell
        add(isRowEnd ? '\n' : '\t', isRemoved(offset))
        lastWasCell = !isRowEnd
        continue
      } else if (formatting.removed.length === 0) add(seen(code, run), false)
      else {
        for (let n = 0; n < run.length; n++)
          add(seen(run.charCodeAt(n), run.charAt(n)), isRemoved(offset + n * piece.width))
      }
      lastWasCell = false
    }
  }
  return { shown: shown.all(), reduced: shown.kept(), instructions: instructions.join('') }
}

function seen(code: number, text: string): string {
  switch (code) {
    case 0x09:
      return '\t'
    case 0x0a:
    case 0x0b: // line break
    case 0x0c: // page or section
    case 0x0d: // paragraph
    case 0x0e: // column
      return '\n'
    case 0x1e:
      return '\u2011'
    case 0x1f:
      return '\u00ad'
    default:
      // anchors of pictures, notes, comments and drawings have no width
      return code < 0x20 ? '' : text
  }
}

/** Asked mostly in order of place, so that it costs little. */
function removalOf({ removed }: Formatting): (offset: number) => boolean {
  let at = 0
  let last = 0
  return (offset) => {
    if (removed.length === 0) return false
    if (offset < last) at = firstEndingBehind(removed, offset)
    last = offset
    while (at < removed.length && (removed[at]?.to ?? 0) <= offset) at++
    const range = removed[at]
    return range !== undefined && range.from <= offset && offset < range.to
  }
}

function firstEndingBehind(ranges: Formatting['removed'], offset: number): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ranges[middle]?.to ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  return low
}
