/**
 * OOXML packages: documents, workbooks and presentations, with macros or without, templates and shows, transitional and
 * strict. Every member is read: XML by its root (never by its name), everything else as a file inside the file.
 */
import type { TextPiece } from '../message'
import { addProblem, addText, type LegacyContext } from './ole-context'
import { addBinaryMember } from './ooxml-members'
import { addRelationship, isKnownDocument, memberPath, ownerOf, type Relationships } from './ooxml-package'
import { packageProperties, type PackageProperties } from './ooxml-properties'
import { createStory, type Story } from './ooxml-story'
import type { Table } from './types'
import type { CellCount } from './xlsx-cells'
import { chartReader, pivotReader } from './xlsx-caches'
import {
  newWorkbook,
  sharedStringsHandler,
  stylesHandler,
  unescapeCharacters,
  workbookHandler,
  type Workbook,
} from './xlsx-parts'
import { sheetReader } from './xlsx-sheet'
import { looksLikeXml, readXmlMember } from './xml-member'
import type { XmlName } from './xml-names'
import type { XmlHandler } from './xml-tokens'
import type { ZipMember } from './zip-layout'
import { memberPlace } from './zip-places'
import { unpackMember } from './zip-unpack'

/** Roots that hold cells; they are read when the strings and formats are known. */
const CELLS = /^(?:worksheet|dialogsheet|chartsheet|macrosheet|externalLink|revisions)$/
const PIVOT = /^pivotCache(?:Definition|Records)$/
/** Namespaces of what is shown; texts of others are told as hidden. */
const SHOWN = new Set(['word', 'sheet', 'slide', 'drawing', 'chart', 'math', 'svg', 'vml'])
/** Where sheets usually are: no need to look into them before their turn. */
const SHEETS = /\/worksheets\/[^/]*\.xml$/i
const STYLES = /\/styles\.xml$/i

interface Package {
  context: LegacyContext
  /** Place of the file. */
  where: string
  relationships: Relationships
  roots: Map<string, string>
  properties: PackageProperties
  workbook: Workbook
  count: CellCount
  /** Character styles that hide text. */
  hiddenStyles: Set<string>
}

/** Is there what every package of this kind has? */
export function isOoxml(members: readonly ZipMember[]): boolean {
  return members.some(({ name }) => memberPath(name) === '[content_types].xml')
}

/**
 * @param members not encrypted
 * @param where of the file
 */
export function readOoxml(context: LegacyContext, members: readonly ZipMember[], where: string): void {
  const opened: Package = {
    context,
    where,
    relationships: new Map(),
    roots: new Map(),
    properties: packageProperties(),
    workbook: newWorkbook(),
    count: { cells: 0 },
    hiddenStyles: new Set(),
  }
  const paths = new Set(members.map(({ name }) => memberPath(name)))
  if (paths.size < members.length) addProblem(context, where, 'two members of the document have the same name')
  // texts need to know which styles hide them, sheets what all others hold
  const ordered = [
    ...members.filter(({ name }) => STYLES.test(name)),
    ...members.filter(({ name }) => !STYLES.test(name)),
  ]
  const sheets = ordered.filter((member) => !readMember(opened, member, false))
  for (const member of sheets) readMember(opened, member, true)
  finish(opened)
}

/** @returns false: it is to be read again, when all others have been read */
function readMember(opened: Package, member: ZipMember, isLast: boolean): boolean {
  const { context, where } = opened
  if (member.isDirectory) return true
  const path = memberPath(member.name)
  const place = memberPlace(where, member.name)
  if (!isLast && !context.budget.part()) {
    addProblem(context, place, 'there are too many parts')
    return true
  }
  if (!isLast && SHEETS.test(path)) return false
  const content = unpackMember(member, context.budget)
  if ('problem' in content) {
    addProblem(context, place, content.problem)
    return true
  }
  if (!looksLikeXml(content.bytes) || isForeignText(path, content.bytes)) {
    addBinaryMember(context, path, place, content.bytes)
    return true
  }
  return readXmlPart(opened, path, place, content.bytes, isLast)
}

/** @returns false: the root is one that waits for the others */
function readXmlPart(opened: Package, path: string, place: string, bytes: Buffer, isLast: boolean): boolean {
  const { context, roots } = opened
  const story = createStory(opened.hiddenStyles, unescapeCharacters)
  let tables = (): Table[] => []
  const pick = (root: XmlName<string>): XmlHandler<string> | null => {
    roots.set(path, `${root.space} ${root.local}`)
    if (CELLS.test(root.local) && (root.space === 'sheet' || root.local === 'macrosheet')) {
      if (!isLast) return null
      const reader = sheetReader(context, opened.workbook, story, sheetPlace(opened, path, place), opened.count)
      tables = () => reader.tables()
      return reader
    }
    if (root.space === 'sheet' && PIVOT.test(root.local)) {
      const reader = pivotReader(context, story, place, opened.count)
      tables = () => reader.tables()
      return reader
    }
    if (root.space === 'chart') {
      const reader = chartReader(context, story, place, opened.count)
      tables = () => reader.tables()
      return reader
    }
    return handlerOf(opened, path, place, root, story)
  }
  const role = ({ space }: XmlName<string>): TextPiece['role'] => (SHOWN.has(space) ? 'text' : 'hidden')
  const waiting = readXmlMember(context, place, bytes, pick, story, role)
  context.reading.tables.push(...tables())
  return waiting === null
}

function handlerOf(
  opened: Package,
  path: string,
  place: string,
  root: XmlName<string>,
  story: Story,
): XmlHandler<string> {
  const { workbook } = opened
  if (root.space === 'sheet' && (root.local === 'sst' || root.local === 'styleSheet' || root.local === 'workbook')) {
    const count = (workbook.parts.get(root.local) ?? 0) + 1
    workbook.parts.set(root.local, count)
    if (count > 1) addProblem(opened.context, place, 'the workbook has two parts of a kind that it may have once')
    if (root.local === 'sst') return sharedStringsHandler(workbook, story)
    return root.local === 'styleSheet' ? stylesHandler(workbook, story) : workbookHandler(workbook, story)
  }
  const owner = ownerOf(path)
  const { properties, relationships } = opened
  return {
    ...story,
    open(name, attributes) {
      story.open(name, attributes)
      properties.open(place, name, attributes)
      if (owner !== null) addRelationship(relationships, owner, name, attributes)
    },
    close(name) {
      story.close(name)
      properties.close(name)
    },
    text(text, parent) {
      story.text(text, parent)
      properties.text(place, unescapeCharacters(text), parent)
    },
  }
}

/** What can only be said when everything was read. */
function finish({ context, where, relationships, roots, properties, workbook }: Package): void {
  context.reading.properties.push(...properties.list())
  if (!isKnownDocument(relationships, roots)) addProblem(context, where, 'a document of this kind is not read')
  // strings of cells that were deleted stay in the file
  const unused = workbook.strings.filter((_text, index) => !workbook.used.has(index))
  addText(context, `${where} > strings that no cell shows`, 'hidden', unused.join('\n'))
}

/** By the name that people know, if the workbook tells it. */
function sheetPlace({ relationships, workbook, where }: Package, path: string, place: string): string {
  for (const [owner, list] of relationships) {
    if (!owner.endsWith('.xml')) continue
    const id = list.find(({ target }) => target === path)?.id
    const name = workbook.sheets.find((sheet) => sheet.id === id)?.name
    if (id !== undefined && name !== undefined) return memberPlace(where, name)
  }
  return place
}

/** HTML that somebody put into the document has its own reader. */
function isForeignText(path: string, bytes: Buffer): boolean {
  if (/\.(?:xml|rels|vml|svg)$/.test(path)) return false
  const head = bytes.toString('latin1', 0, 200)
  return !/^[^<]{0,3}<\?xml\s/.test(head.replaceAll('\0', '')) && !/^\s*<svg[\s>]/.test(head)
}
