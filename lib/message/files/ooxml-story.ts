/**
 * Text of a member of an OOXML package (ISO/IEC 29500-1): documents, slides, comments, charts, drawings, properties, and
 * any XML that somebody put there. What is a run of text joins without a break, paragraphs and cells break, and every
 * other text is a line of its own with the name of its element.
 */
import { attributeTexts, type AttributeTexts } from './xml-attributes'
import { createFlow, PIECE, type Flow } from './xml-flow'
import type { Space, XmlName } from './xml-names'
import type { XmlAttribute, XmlHandler } from './xml-tokens'

type Meaning =
  | 'paragraph'
  | 'paragraph-properties'
  | 'row'
  | 'cell'
  | 'span'
  | 'box'
  | 'run'
  | 'text'
  | 'kept-text'
  | 'deleted-text'
  | 'code'
  | 'break'
  | 'tab'
  | 'no-break-hyphen'
  | 'soft-hyphen'
  | 'symbol'
  | 'deletion'
  | 'insertion'
  | 'hidden'
  | 'style'
  | 'run-style'
  | 'phonetic'
  | 'choice'
  | 'fallback'
  | 'drawn-paragraph'
  | 'override'
  | 'other'

/** WordprocessingML (section 17). */
const WORD: Readonly<Record<string, Meaning>> = {
  p: 'paragraph',
  pPr: 'paragraph-properties',
  tr: 'row',
  tc: 'cell',
  gridSpan: 'span',
  txbxContent: 'box',
  r: 'run',
  t: 'text',
  delText: 'deleted-text',
  instrText: 'code',
  delInstrText: 'code',
  br: 'break',
  cr: 'break',
  tab: 'tab',
  ptab: 'tab',
  noBreakHyphen: 'no-break-hyphen',
  softHyphen: 'soft-hyphen',
  sym: 'symbol',
  del: 'deletion',
  moveFrom: 'deletion',
  ins: 'insertion',
  moveTo: 'insertion',
  vanish: 'hidden',
  webHidden: 'hidden',
  specVanish: 'hidden',
  rt: 'phonetic',
  style: 'style',
  rStyle: 'run-style',
  bdo: 'override',
}
/** DrawingML (section 21.1.2). */
const DRAWING: Readonly<Record<string, Meaning>> = {
  p: 'paragraph',
  tr: 'row',
  tc: 'cell',
  txBody: 'box',
  r: 'run',
  t: 'kept-text',
  br: 'break',
}
/** SpreadsheetML (section 18): comments and shared strings, rich text in both. */
const SHEET: Readonly<Record<string, Meaning>> = {
  text: 'paragraph',
  si: 'paragraph',
  is: 'paragraph',
  r: 'run',
  t: 'text',
  rPh: 'phonetic',
}
const BY_SPACE: Readonly<Partial<Record<Space, Readonly<Record<string, Meaning>>>>> = {
  word: WORD,
  drawing: DRAWING,
  slide: { txBody: 'box' },
  chart: { rich: 'box', txPr: 'box' },
  sheet: SHEET,
  math: { t: 'text' },
  compatibility: { Choice: 'choice', Fallback: 'fallback' },
  svg: { text: 'drawn-paragraph', tspan: 'kept-text', textPath: 'kept-text', a: 'kept-text', tref: 'kept-text' },
}
/** Flag of the elements that hold text under a condition. */
const CONDITION: ReadonlyMap<string, number> = new Map([
  ['deletion', PIECE.deleted],
  ['insertion', PIECE.inserted],
  ['choice', PIECE.choice],
  ['fallback', PIECE.fallback],
  ['phonetic', PIECE.hidden],
])
/** Values of on/off that mean off (section 22.9.2.7). */
const OFF = new Set(['0', 'false', 'off'])

/** A reader of one member, and what it has read. */
export interface Story extends XmlHandler<string> {
  readonly flow: Flow
  readonly attributes: AttributeTexts
}

/**
 * @param hiddenStyles character styles that hide text: filled by the member that defines them, asked by all others
 * @param unescape applied to the text of every run: spreadsheets write characters as `_x0041_`
 */
export function createStory(
  hiddenStyles: Set<string> = new Set(),
  unescape: (text: string) => string = (text) => text,
): Story {
  const flow = createFlow()
  const attributes = attributeTexts()
  /** How many elements of each condition are open. */
  const conditions = new Map<number, number>()
  let condition = 0
  /** Flags of the runs around. */
  const runs: number[] = []
  let inParagraphProperties = 0
  let runFlags = 0
  let keepsBlanks = false
  /** The style that is being defined. */
  let style = ''
  /** Of the element that was opened last. */
  let lastOpened = ''
  /** Of the boxes that are open: do they stand apart? */
  const boxes: boolean[] = []

  const enter = (flag: number, by: 1 | -1): void => {
    const count = (conditions.get(flag) ?? 0) + by
    conditions.set(flag, count)
    condition = count > 0 ? condition | flag : condition & ~flag
  }
  const addRun = (text: string, flags: number, keep: boolean): void => {
    const all = flags | condition | runFlags
    const inner = keep ? text : text.trim()
    if (inner === text) {
      flow.add(text, all)
      return
    }
    // without xml:space="preserve" programs drop the blanks at the ends (XML 1.0, section 2.10; observed in Word)
    const start = inner === '' ? text.length : text.indexOf(inner)
    if (start > 0) flow.add(text.slice(0, start), all | PIECE.edge)
    if (inner !== '') flow.add(inner, all)
    const end = start + inner.length
    if (end < text.length) flow.add(text.slice(end), all | PIECE.edge)
  }

  return {
    flow,
    attributes,
    meaning: (space, local) => {
      const known = BY_SPACE[space]
      return known !== undefined && Object.hasOwn(known, local) ? (known[local] ?? 'other') : 'other'
    },
    open(name, given) {
      if (given.length > 0) attributes.add(name, given)
      const isCellBody = lastOpened === 'cell'
      lastOpened = name.meaning
      const flag = CONDITION.get(name.meaning)
      if (flag !== undefined) enter(flag, 1)
      switch (name.meaning as Meaning) {
        case 'paragraph':
        case 'drawn-paragraph':
          flow.openParagraph()
          return
        case 'paragraph-properties':
          inParagraphProperties++
          return
        case 'row':
          flow.openRow()
          return
        case 'cell':
          flow.openCell()
          return
        case 'span':
          flow.span(Number(valueOf(given, 'val')))
          return
        case 'box':
          // a cell of a slide's table holds its paragraphs in a body (section 21.1.3.16), which is the cell itself
          boxes.push(!isCellBody)
          if (!isCellBody) flow.openBox()
          return
        case 'run':
          runs.push(runFlags)
          runFlags = 0
          return
        case 'text':
        case 'deleted-text':
        case 'code':
          keepsBlanks = valueOf(given, 'space') === 'preserve'
          return
        case 'break':
          if (runs.length > 0 || name.space === 'drawing') flow.lineBreak(condition | runFlags)
          return
        case 'tab':
          // in the properties of a paragraph the same name is a tab stop
          if (runs.length > 0) flow.tab(condition | runFlags)
          return
        case 'no-break-hyphen':
          flow.add('\u2011', condition | runFlags)
          return
        case 'soft-hyphen':
          flow.add('\u00ad', condition | runFlags)
          return
        case 'symbol':
          flow.add(symbol(valueOf(given, 'char')), condition | runFlags)
          return
        case 'override':
          // section 17.3.2.3: what the character does, as a character
          flow.add('\u202e', condition | runFlags)
          return
        case 'deletion':
        case 'insertion':
          // of the mark at the paragraph's end: the next paragraph is shown as part of this one
          if (inParagraphProperties > 0) flow.joinNext()
          return
        case 'hidden':
          if (OFF.has(valueOf(given, 'val'))) return
          if (runs.length > 0) runFlags |= PIECE.hidden
          else if (style !== '') hiddenStyles.add(style)
          else if (inParagraphProperties > 0) flow.joinNext()
          return
        case 'style':
          style = valueOf(given, 'styleId')
          return
        case 'run-style':
          if (runs.length > 0 && hiddenStyles.has(valueOf(given, 'val'))) runFlags |= PIECE.hidden
          return
        default:
          return
      }
    },
    close(name) {
      const flag = CONDITION.get(name.meaning)
      if (flag !== undefined) enter(flag, -1)
      switch (name.meaning as Meaning) {
        case 'paragraph':
        case 'drawn-paragraph':
          flow.closeParagraph()
          return
        case 'paragraph-properties':
          inParagraphProperties--
          return
        case 'row':
          flow.closeRow()
          return
        case 'box':
          if (boxes.pop() === true) flow.closeBox()
          return
        case 'style':
          style = ''
          return
        case 'run':
          runFlags = runs.pop() ?? 0
          return
        default:
          return
      }
    },
    text(text, parent) {
      switch (parent.meaning as Meaning) {
        case 'text':
          addRun(unescape(text), 0, keepsBlanks)
          return
        case 'kept-text':
        case 'drawn-paragraph':
          addRun(unescape(text), 0, true)
          return
        case 'deleted-text':
          addRun(text, PIECE.deleted, keepsBlanks)
          return
        case 'code':
          addRun(text, PIECE.code, keepsBlanks)
          return
        default:
          flow.line(valueLine(parent, unescape(text)))
          return
      }
    },
  }
}

/** A text that is no run stands behind the name of its element: two of them never look like one number. */
export function valueLine(element: XmlName<string>, text: string): string {
  const value = text.trim()
  return value === '' ? '' : `${element.local}: ${value}`
}

/** @param local name without prefix; @returns '' when there is none */
export function valueOf(attributes: readonly XmlAttribute[], local: string): string {
  for (const { name, value } of attributes) {
    if (name === local || (name.endsWith(local) && name.charAt(name.length - local.length - 1) === ':')) return value
  }
  return ''
}

/** Symbol fonts keep their characters in the private area from U+F000 on (section 17.3.3.30). */
function symbol(hex: string): string {
  const code = /^[0-9a-fA-F]{1,4}$/.test(hex) ? Number.parseInt(hex, 16) : 0
  const plain = code >= 0xf000 && code <= 0xf0ff ? code - 0xf000 : code
  return plain < 0x20 ? '' : String.fromCharCode(plain)
}
