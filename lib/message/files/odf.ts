/**
 * OpenDocument packages: text, spreadsheets, presentations, drawings and their templates; and the same in one XML file
 * (flat ODF). Every member is read; what the manifest says to be encrypted is told as protected.
 */
import type { TextPiece } from '../message'
import { addEmbedded, addProblem, addRaw, addText, type LegacyContext } from './ole-context'
import { odfCellsReader } from './odf-cells'
import { createOdfStory, type OdfData } from './odf-story'
import { addBinaryMember } from './ooxml-members'
import { packageProperties, type PackageProperties } from './ooxml-properties'
import { createStory, valueOf, type Story } from './ooxml-story'
import { emptyReading, type FileReading, type OpenFile, type ReadBudget } from './types'
import type { CellCount } from './xlsx-cells'
import { looksLikeXml, readXmlMember } from './xml-member'
import type { XmlName } from './xml-names'
import { readXml, type XmlHandler } from './xml-tokens'
import type { ZipMember } from './zip-layout'
import { memberPlace } from './zip-places'
import { unpackMember } from './zip-unpack'

const MANIFEST = 'META-INF/manifest.xml'
const MIME_TYPE = 'mimetype'
/** Kinds of document whose text is where this reader looks for it (OpenDocument 1.3 part 2, section 3.3; part 3, 3.2). */
const KIND =
  /^application\/vnd\.oasis\.opendocument\.(?:text|spreadsheet|presentation|graphics|chart|formula)(?:-template|-master|-web|-master-template)?$/
/** The whole content of an encrypted package as one member (OpenDocument 1.3 part 2, section 3.4.3). */
const ENCRYPTED_PACKAGE = 'encrypted-package'
/** Places whose text is shown to a reader; others are told as hidden. */
const SHOWN = /(?:^|\/)(?:content|styles)\.xml$/

interface Opened {
  context: LegacyContext
  where: string
  properties: PackageProperties
  hiddenStyles: Set<string>
  count: CellCount
}

/** What the manifest tells. */
interface Manifest {
  /** Media type of the document. */
  kind: string
  encrypted: Set<string>
}

/** Is there what every package of this kind has? */
export function isOdf(members: readonly ZipMember[]): boolean {
  return members.some(
    ({ name, packed }) =>
      name === MANIFEST ||
      (name === MIME_TYPE && packed.toString('latin1', 0, 40).startsWith('application/vnd.oasis.opendocument')),
  )
}

/**
 * @param members not encrypted as members of a zip file
 * @param where of the file
 */
export function readOdf(context: LegacyContext, members: readonly ZipMember[], where: string): void {
  const opened = newOpened(context, where)
  const manifest = readManifest(context, members, where)
  if (!KIND.test(manifest.kind)) addProblem(context, where, 'a document of this kind is not read')
  const sealed = members.filter(({ name }) => manifest.encrypted.has(name))
  const readable = members.filter(({ name, isDirectory }) => !manifest.encrypted.has(name) && !isDirectory)
  if (sealed.length > 0) tellEncryption(context, sealed, where)
  else if (!members.some(({ name }) => name === 'content.xml'))
    addProblem(context, where, 'the document has no content')
  // text needs to know which styles hide it
  const ordered = [
    ...readable.filter(({ name }) => name.endsWith('styles.xml')),
    ...readable.filter(({ name }) => !name.endsWith('styles.xml')),
  ]
  for (const member of [...ordered, ...sealed.filter((member) => isPlainXml(member))]) readMember(opened, member)
  context.reading.properties.push(...opened.properties.list())
}

/** Reader of flat OpenDocument; see {@link import('./types').FileReader}. */
export function readFlatOdf(file: OpenFile, budget: ReadBudget): FileReading | null {
  if (!looksLikeXml(file.bytes)) return null
  const outcome = readXml(file.bytes, { pick: () => null, aside: () => undefined }, budget)
  if (outcome.other?.space !== 'odf-office' || outcome.other.local !== 'document') return null
  const context: LegacyContext = { reading: emptyReading(), budget }
  const opened = newOpened(context, file.where)
  readXmlPart(opened, file.where, file.bytes, 'text')
  context.reading.properties.push(...opened.properties.list())
  return context.reading
}

function newOpened(context: LegacyContext, where: string): Opened {
  return { context, where, properties: packageProperties(), hiddenStyles: new Set(), count: { cells: 0 } }
}

function readManifest(context: LegacyContext, members: readonly ZipMember[], where: string): Manifest {
  const manifest: Manifest = { kind: '', encrypted: new Set() }
  const member = members.find(({ name }) => name === MANIFEST)
  const content = member === undefined ? null : unpackMember(member, context.budget)
  if (content === null || 'problem' in content) {
    addProblem(context, where, 'the document has no manifest that can be read')
    return manifest
  }
  let path = ''
  const handler: XmlHandler<string> = {
    meaning: (space, local) => (space === 'odf-manifest' ? local : ''),
    open(name, attributes) {
      if (name.meaning === 'file-entry') {
        path = valueOf(attributes, 'full-path')
        if (path === '/') manifest.kind = valueOf(attributes, 'media-type')
      } else if (name.meaning === 'encryption-data') manifest.encrypted.add(path)
    },
    close: () => undefined,
    text: () => undefined,
  }
  // whatever is wrong with it is told when it is read as a member
  readXml(content.bytes, { pick: () => handler, aside: () => undefined }, context.budget)
  return manifest
}

/** Protected is a document whose whole content is encrypted; when it only says so, nobody can read it here. */
function tellEncryption(context: LegacyContext, sealed: readonly ZipMember[], where: string): void {
  const whole = sealed.some(({ name }) => name === 'content.xml' || name === ENCRYPTED_PACKAGE)
  const pretended = sealed.some(({ packed }) => packed.length > 0 && packed.length < 16) || sealed.some(isPlainXml)
  if (whole && !pretended) context.reading.protection.push({ where, kind: 'office-encrypted' })
  else {
    addProblem(
      context,
      where,
      pretended ? 'content only says that it is encrypted' : 'some of the content is encrypted',
    )
  }
}

/** Encrypted content is stored, and looks like nothing. */
function isPlainXml(member: ZipMember): boolean {
  return looksLikeXml(member.packed) || member.method !== 0
}

function readMember(opened: Opened, member: ZipMember): void {
  const { context, where } = opened
  const place = memberPlace(where, member.name)
  if (!context.budget.part()) {
    addProblem(context, place, 'there are too many parts')
    return
  }
  const content = unpackMember(member, context.budget)
  if ('problem' in content) {
    addProblem(context, place, content.problem)
    return
  }
  if (member.name === MIME_TYPE) {
    addText(context, place, 'hidden', content.bytes.toString('latin1'))
    return
  }
  if (!looksLikeXml(content.bytes)) {
    addBinaryMember(context, member.name, place, content.bytes)
    return
  }
  readXmlPart(opened, place, content.bytes, SHOWN.test(member.name) ? 'text' : 'hidden')
}

function readXmlPart(opened: Opened, place: string, bytes: Buffer, role: TextPiece['role']): void {
  const { context, where, properties, hiddenStyles, count } = opened
  const data: OdfData = { files: [], settings: [] }
  const story: Story = createOdfStory(hiddenStyles, data)
  const cells = odfCellsReader(context, story, where, count)
  const handler: XmlHandler<string> = {
    meaning: (space, local) => cells.meaning(space, local),
    open(name, attributes) {
      cells.open(name, attributes)
      properties.open(place, name, attributes)
    },
    close(name) {
      cells.close(name)
      properties.close(name)
    },
    text(text, parent) {
      cells.text(text, parent)
      properties.text(place, text, parent)
    },
  }
  const pick = ({ space }: XmlName<string>) => (space === 'svg' ? null : handler)
  if (readXmlMember(context, place, bytes, pick, story, () => role) !== null) {
    const drawing = createStory()
    readXmlMember(
      context,
      place,
      bytes,
      () => drawing,
      drawing,
      () => 'text',
    )
  }
  context.reading.tables.push(...cells.tables())
  for (const settings of data.settings) addRaw(context, place, Buffer.from(settings, 'base64'))
  for (const file of data.files) addFile(context, place, file)
}

function addFile(context: LegacyContext, place: string, base64: string): void {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64.replace(/\s/g, '')) addProblem(context, place, 'an embedded file is broken')
  else addEmbedded(context, { bytes, name: '', where: `${place} > file`, type: '' })
}
