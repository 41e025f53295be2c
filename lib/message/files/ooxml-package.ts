/** Relationships of an OOXML package (ISO/IEC 29500-2, section 6.5): which member is what, told by the package itself. */
import { valueOf } from './ooxml-story'
import type { XmlName } from './xml-names'
import type { XmlAttribute } from './xml-tokens'

export interface Relationship {
  id: string
  type: string
  /** Path of a member in lower case without a leading slash; null: outside of the package. */
  target: string | null
}

/** Relationships by the member that has them; '' = the package. */
export type Relationships = Map<string, Relationship[]>

/** Roots of the main part of documents that are read. */
const MAIN = new Set(['word document', 'sheet workbook', 'slide presentation'])
/** Roots of packages that RTF and old presentations carry along for newer programs. */
const CARRIED = new Set([
  'drawing themeManager',
  'drawing theme',
  'slide sldLayout',
  'slide sldMaster',
  'slide notesMaster',
])
/** What a package may have beside its main part, without being another kind of document: last part of the type. */
const BESIDE =
  /\/(?:core-properties|extended-properties|extendedProperties|custom-properties|customProperties|thumbnail|classificationlabels|origin|customXml|extensibility|customUI|userCustomization|coreProperties|metadata\/thumbnail)$/

/** Paths of members are compared without regard to case (section 6.2.2.3); some programs write backslashes. */
export function memberPath(name: string): string {
  return name.replaceAll('\\', '/').replace(/^\/+/, '').toLowerCase()
}

/** @returns the member that a `.rels` member belongs to, or null when it is none */
export function ownerOf(path: string): string | null {
  const match = /^(.*?)_rels\/([^/]*)\.rels$/.exec(path)
  return match === null ? null : `${match[1] ?? ''}${match[2] ?? ''}`
}

/** Take over one element of a `.rels` member. */
export function addRelationship(
  relationships: Relationships,
  owner: string,
  name: XmlName<string>,
  attributes: readonly XmlAttribute[],
): void {
  if (name.space !== 'relationships' || name.local !== 'Relationship') return
  const external = valueOf(attributes, 'TargetMode').toLowerCase() === 'external'
  const list = relationships.get(owner) ?? []
  relationships.set(owner, list)
  list.push({
    id: valueOf(attributes, 'Id'),
    type: valueOf(attributes, 'Type'),
    target: external ? null : resolved(owner, valueOf(attributes, 'Target')),
  })
}

/**
 * Is this a document whose rules of reading are known here? Other kinds of the same container (XPS, drawings of Visio)
 * show their text in ways of their own, even when a text document lies beside it.
 *
 * @param roots of all XML members, `space local`, by path
 */
export function isKnownDocument(relationships: Relationships, roots: ReadonlyMap<string, string>): boolean {
  const own = relationships.get('') ?? []
  return (
    own.length > 0 &&
    own.every(({ type, target }) => {
      if (BESIDE.test(type)) return true
      const root = target === null ? undefined : roots.get(target)
      if (root === undefined) return false
      if (CARRIED.has(root)) return true
      return type.endsWith('/officeDocument') ? MAIN.has(root) : root.startsWith('drawing ')
    })
  )
}

function resolved(owner: string, target: string): string {
  let decoded = target
  try {
    decoded = decodeURIComponent(target)
  } catch {
    // a percent sign that encodes nothing
  }
  const plain = decoded.replaceAll('\\', '/').toLowerCase()
  const base = plain.startsWith('/') ? [] : owner.split('/').slice(0, -1)
  for (const step of plain.split('/')) {
    if (step === '..') base.pop()
    else if (step !== '.' && step !== '') base.push(step)
  }
  return base.join('/')
}
