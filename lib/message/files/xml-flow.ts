/**
 * Text of an office document in lines: one for each paragraph and for each row of a table, cells apart by a tab. What
 * stands in a text box inside a paragraph does not break the paragraph. Programs show the same paragraph in several
 * ways (with changes or without, with hidden text or without); each of them is a line.
 */

/** Why a piece of text is not shown always. */
export const PIECE = {
  /** A tracked deletion. */
  deleted: 1,
  /** A tracked insertion. */
  inserted: 2,
  /** Hidden characters, phonetic guides. */
  hidden: 4,
  /** Only for programs that know an extension, */
  choice: 8,
  /** and only for those that do not. */
  fallback: 16,
  /** Code of a field. */
  code: 32,
  /** Blanks at the ends of a run, which are not kept unless the run says so. */
  edge: 64,
  /** End of a paragraph that is hidden, deleted or not there yet. */
  mark: 128,
} as const

const NEVER = PIECE.code | PIECE.edge | PIECE.mark
/** Ways of showing a paragraph, each by what it leaves out; the first line always holds everything. */
const VIEWS: readonly number[] = [
  NEVER | PIECE.deleted | PIECE.hidden | PIECE.fallback,
  NEVER | PIECE.inserted | PIECE.hidden | PIECE.fallback,
  NEVER | PIECE.deleted | PIECE.hidden | PIECE.choice,
  NEVER | PIECE.inserted | PIECE.hidden | PIECE.choice,
  NEVER | PIECE.deleted | PIECE.fallback,
  NEVER | PIECE.inserted | PIECE.fallback,
]

/** Columns that one cell may span; more than any page has. */
const MAX_SPAN = 64

interface Frame {
  kind: 'line' | 'row'
  /** A paragraph inside a paragraph: ends with it. */
  inner: boolean
  inParagraph: boolean
  pieces: string[]
  flags: number[]
  /** All flags together. */
  any: number
  /** Row: cells begun. */
  cells: number
  /** Row: columns that the cell at hand takes beyond the first. */
  span: number
  /** Row: the cell holds text already. */
  cellText: boolean
  /** The end of its paragraph is no end for everybody. */
  joined: number
}

/** Lines are complete when everything that was opened has been closed. */
export interface Flow {
  /** A text box, a note: what is in it stands apart from the paragraph around it. */
  openBox(): void
  closeBox(): void
  openParagraph(): void
  closeParagraph(): void
  openRow(): void
  closeRow(): void
  openCell(): void
  /** The cell at hand takes so many columns. */
  span(columns: number): void
  /** @param flags of PIECE */
  add(text: string, flags: number): void
  /** A line break inside a paragraph. */
  lineBreak(flags: number): void
  tab(flags: number): void
  /** The end of this paragraph is not shown by everyone. */
  joinNext(): void
  /** A line of its own, which does not touch the paragraph at hand. */
  line(text: string): void
  /** All lines so far, and the other ways of showing some of them. */
  texts(): { lines: string; views: string }
}

/** @returns a text with nothing in it yet */
export function createFlow(): Flow {
  const lines: string[] = []
  const views: string[] = []
  const frames: Frame[] = [newFrame('line')]
  const top = (): Frame => frames.at(-1) ?? newFrame('line')

  const push = (frame: Frame, text: string, flags: number): void => {
    frame.pieces.push(text)
    frame.flags.push(flags)
    frame.any |= flags
  }

  const finish = (frame: Frame): void => {
    if (frame.pieces.length === 0) return
    const all = frame.pieces.join('')
    if (all.trim() !== '') lines.push(all)
    if (frame.any !== 0) {
      const seen = new Set([all])
      for (const left of VIEWS) {
        if ((frame.any & left) === 0) continue
        const view = frame.pieces.filter((_piece, n) => ((frame.flags[n] ?? 0) & left) === 0).join('')
        if (view.trim() !== '' && !seen.has(view)) views.push(view)
        seen.add(view)
      }
    }
    clear(frame)
  }

  const pop = (): void => {
    const frame = frames.length > 1 ? frames.pop() : undefined
    if (frame !== undefined) finish(frame)
  }

  return {
    openBox() {
      frames.push(newFrame('line'))
    },
    closeBox: pop,
    openParagraph() {
      const frame = top()
      if (frame.inParagraph) {
        frames.push({ ...newFrame('line'), inner: true, inParagraph: true })
        return
      }
      frame.inParagraph = true
      if (frame.kind === 'row' && frame.cellText) push(frame, ' ', frame.joined)
      // what stood in front of it is no part of it
      else if (frame.kind === 'line' && frame.joined === 0) finish(frame)
      frame.joined = 0
    },
    closeParagraph() {
      const frame = top()
      frame.inParagraph = false
      if (frame.inner) pop()
      else if (frame.kind === 'line' && frame.joined !== 0 && frame.pieces.length > 0) push(frame, '\n', frame.joined)
      else if (frame.kind === 'line') finish(frame)
    },
    openRow() {
      frames.push(newFrame('row'))
    },
    closeRow: pop,
    openCell() {
      const frame = top()
      if (frame.kind !== 'row') return
      if (frame.cells > 0) push(frame, '\t'.repeat(1 + frame.span), 0)
      frame.cells++
      frame.span = 0
      frame.cellText = false
    },
    span(columns) {
      const frame = top()
      if (frame.kind === 'row' && columns > 1) frame.span = Math.min(columns, MAX_SPAN) - 1
    },
    add(text, flags) {
      const frame = top()
      if (frame.kind === 'row') frame.cellText = true
      push(frame, frame.kind === 'row' && /[\t\n]/.test(text) ? text.replace(/[\t\n]/g, ' ') : text, flags)
    },
    lineBreak(flags) {
      const frame = top()
      push(frame, frame.kind === 'row' ? ' ' : '\n', flags)
    },
    tab(flags) {
      const frame = top()
      push(frame, frame.kind === 'row' ? ' ' : '\t', flags)
    },
    joinNext() {
      top().joined = PIECE.mark
    },
    line(text) {
      if (text.trim() !== '') lines.push(text)
    },
    texts() {
      for (const frame of frames) finish(frame)
      return { lines: lines.join('\n'), views: views.join('\n') }
    },
  }
}

function newFrame(kind: Frame['kind']): Frame {
  return {
    kind,
    inner: false,
    inParagraph: false,
    pieces: [],
    flags: [],
    any: 0,
    cells: 0,
    span: 0,
    cellText: false,
    joined: 0,
  }
}

function clear(frame: Frame): void {
  frame.pieces = []
  frame.flags = []
  frame.any = 0
}
