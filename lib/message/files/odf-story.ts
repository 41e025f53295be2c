/**
 * Text of OpenDocument (OASIS OpenDocument 1.3, part 3): paragraphs and rows of tables in lines, with tracked changes,
 * notes, comments, hidden text and text boxes.
 */
import { attributeTexts } from './xml-attributes'
import { createFlow, PIECE } from './xml-flow'
import { valueLine, valueOf, type Story } from './ooxml-story'

/** Elements of the text namespace. */
const TEXT: ReadonlyMap<string, string> = new Map([
  ['p', 'paragraph'],
  ['h', 'paragraph'],
  ['s', 'blanks'],
  ['tab', 'tab'],
  ['line-break', 'break'],
  ['note', 'box'],
  ['ruby-text', 'phonetic'],
  ['span', 'span'],
  ['changed-region', 'region'],
  ['deletion', 'deletion'],
  ['insertion', 'insertion'],
  ['change', 'change'],
  ['change-start', 'change-start'],
  ['change-end', 'change-end'],
])
/** Blanks that `text:s` may stand for. */
const MAX_BLANKS = 64

/** Files and settings that stand in the XML in Base64. */
export interface OdfData {
  files: string[]
  /** Of the printer: opaque, and shown by nothing. */
  settings: string[]
}

/**
 * @param hiddenStyles styles that hide text: filled by the member that defines them, asked by all others
 * @param data to be filled
 */
export function createOdfStory(hiddenStyles: Set<string>, data: OdfData): Story {
  const flow = createFlow()
  const attributes = attributeTexts()
  const spans: number[] = []
  const insertions = new Set<string>()
  /** Text of deletions by their region; it belongs where the document points to it. */
  const deletions = new Map<string, string[]>()
  const inserting = new Set<string>()
  let region = ''
  let inDeletion = 0
  let phonetic = 0
  let style = ''
  let setting = ''

  const flags = (): number =>
    (spans.some((flag) => flag !== 0) || phonetic > 0 ? PIECE.hidden : 0) |
    (inserting.size > 0 ? PIECE.inserted : 0) |
    (inDeletion > 0 ? PIECE.deleted : 0)

  return {
    flow,
    attributes,
    meaning(space, local) {
      if (space === 'odf-text') return TEXT.get(local) ?? 'inline'
      if (space === 'odf-table') {
        if (local === 'table-row') return 'row'
        return local === 'table-cell' || local === 'covered-table-cell' ? 'cell' : 'other'
      }
      if ((space === 'odf-office' && local === 'annotation') || (space === 'odf-draw' && local === 'text-box'))
        return 'box'
      return 'other'
    },
    open(name, given) {
      if (given.length > 0) attributes.add(name, given)
      switch (name.meaning) {
        case 'paragraph':
          flow.openParagraph()
          return
        case 'row':
          flow.openRow()
          return
        case 'cell':
          flow.openCell()
          {
            flow.span(Number(valueOf(given, 'number-columns-repeated')))
            return
          }
        case 'box':
          flow.openBox()
          return
        case 'blanks':
          flow.add(' '.repeat(Math.min(MAX_BLANKS, Number(valueOf(given, 'c')) || 1)), flags())
          return
        case 'tab':
          flow.tab(flags())
          return
        case 'break':
          flow.lineBreak(flags())
          return
        case 'phonetic':
          phonetic++
          return
        case 'span':
          spans.push(hiddenStyles.has(valueOf(given, 'style-name')) ? 1 : 0)
          return
        case 'region':
          region = valueOf(given, 'id')
          return
        case 'deletion':
          inDeletion++
          deletions.set(region, [])
          return
        case 'insertion':
          insertions.add(region)
          return
        case 'change':
          flow.add((deletions.get(valueOf(given, 'change-id')) ?? []).join(''), PIECE.deleted)
          return
        case 'change-start':
          if (insertions.has(valueOf(given, 'change-id'))) inserting.add(valueOf(given, 'change-id'))
          return
        case 'change-end':
          inserting.delete(valueOf(given, 'change-id'))
          return
        default:
          if (name.local === 'style') style = valueOf(given, 'name')
          else if (name.local === 'text-properties' && valueOf(given, 'display') === 'none') hiddenStyles.add(style)
          else if (name.local === 'config-item') setting = valueOf(given, 'name')
      }
    },
    close(name) {
      switch (name.meaning) {
        case 'paragraph':
          flow.closeParagraph()
          return
        case 'row':
          flow.closeRow()
          return
        case 'box':
          flow.closeBox()
          return
        case 'phonetic':
          phonetic--
          return
        case 'span':
          spans.pop()
          return
        case 'deletion':
          inDeletion--
          return
        default:
          return
      }
    },
    text(text, parent) {
      if (parent.space === 'odf-text') {
        // white space is one blank, whatever it is (section 6.1.2)
        const shown = text.replace(/[ \t\n]+/g, ' ')
        if (inDeletion > 0) deletions.get(region)?.push(shown)
        flow.add(shown, flags())
        return
      }
      if (parent.local === 'binary-data') data.files.push(text)
      else if (parent.local === 'config-item' && setting === 'PrinterSetup') data.settings.push(text)
      else flow.line(valueLine(parent, text))
    },
  }
}
