/** Zip files, and the documents that are zip files inside: told by their members, never by a name or a type. */
import { addProblem, addText, type LegacyContext } from './ole-context'
import { isOdf, readOdf } from './odf'
import { isOoxml, readOoxml } from './ooxml'
import { emptyReading, type FileReading, type OpenFile, type ReadBudget } from './types'
import { zipLayout, type ZipLayout, type ZipMember } from './zip-layout'
import { memberPlace } from './zip-places'
import { isClear, unpackMember } from './zip-unpack'

/** Reader of zip files; see {@link import('./types').FileReader}. */
export function readZip(file: OpenFile, budget: ReadBudget): FileReading | null {
  const layout = zipLayout(file.bytes)
  if (layout === null) return null
  const context: LegacyContext = { reading: emptyReading(), budget }
  const { where } = file
  for (const reason of layout.problems) addProblem(context, where, reason)
  const { members } = layout
  addNames(context, layout, where)
  const encrypted = members.filter((member) => member.encrypted)
  if (encrypted.length > 0) return withEncrypted(context, members, encrypted, where)
  const isDocument = isOoxml(members)
  if (isDocument && isOdf(members)) addProblem(context, where, 'two kinds of document are in one file')
  if (isDocument) readOoxml(context, members, where)
  else if (isOdf(members)) readOdf(context, members, where)
  else openMembers(context, members, where)
  return context.reading
}

/** Names and comments are there for everyone to read, also where the content is encrypted. */
function addNames(context: LegacyContext, { members, comment }: ZipLayout, where: string): void {
  const names = members.flatMap(({ name, otherNames }) => [name, ...otherNames])
  addText(context, `${where} (names)`, 'name', names.join('\n'))
  const comments = [comment, ...members.map((member) => member.comment)].filter((one) => one !== '')
  addText(context, `${where} (comment)`, 'hidden', comments.join('\n'))
}

/**
 * Protected is an archive whose whole content is encrypted. When only some of it is, or when it only says so, it is
 * content that nobody can read here.
 */
function withEncrypted(
  context: LegacyContext,
  members: readonly ZipMember[],
  encrypted: readonly ZipMember[],
  where: string,
): FileReading {
  const open = members.filter((member) => !member.encrypted && !member.isDirectory)
  const pretended = encrypted.some((member) => member.packed.length < 12 || isClear(member))
  if (open.length === 0 && !pretended) {
    context.reading.protection.push({ where, kind: 'zip-encrypted' })
    return context.reading
  }
  addProblem(context, where, pretended ? 'content only says that it is encrypted' : 'some of the content is encrypted')
  openMembers(context, open, where)
  return context.reading
}

function openMembers(context: LegacyContext, members: readonly ZipMember[], where: string): void {
  const { budget, reading } = context
  for (const member of members) {
    if (member.isDirectory) continue
    const place = memberPlace(where, member.name)
    if (!budget.part()) {
      addProblem(context, where, 'there are too many parts')
      return
    }
    const content = unpackMember(member, budget)
    if ('problem' in content) addProblem(context, place, content.problem)
    else reading.embedded.push({ bytes: content.bytes, name: member.name, where: place, type: '', archive: true })
  }
}
