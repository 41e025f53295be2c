/**
 * Names in XML are a prefix of the writer's choice and a local part; what counts is the namespace behind the prefix.
 * Namespaces whose rules of reading are known have a short name here; the transitional and the strict form of OOXML
 * (ISO/IEC 29500 parts 1 and 4) are the same to a reader.
 */

/** Short name of a namespace; '' = one that has no rules of its own here. */
export type Space =
  | ''
  | 'word'
  | 'sheet'
  | 'slide'
  | 'drawing'
  | 'chart'
  | 'math'
  | 'compatibility'
  | 'vml'
  | 'types'
  | 'relationships'
  | 'core'
  | 'application'
  | 'custom'
  | 'variant'
  | 'label'
  | 'dublin'
  | 'package'
  | 'svg'
  | 'odf-office'
  | 'odf-text'
  | 'odf-table'
  | 'odf-draw'
  | 'odf-meta'
  | 'odf-manifest'

const OOXML = 'http://schemas.openxmlformats.org/'
const STRICT = 'http://purl.oclc.org/ooxml/'
const MICROSOFT = 'http://schemas.microsoft.com/office/'
const OASIS = 'urn:oasis:names:tc:opendocument:xmlns:'

const SPACES: ReadonlyMap<string, Space> = new Map<string, Space>([
  [`${OOXML}wordprocessingml/2006/main`, 'word'],
  [`${STRICT}wordprocessingml/main`, 'word'],
  [`${OOXML}spreadsheetml/2006/main`, 'sheet'],
  [`${STRICT}spreadsheetml/main`, 'sheet'],
  [`${MICROSOFT}spreadsheetml/2009/9/main`, 'sheet'],
  [`${MICROSOFT}spreadsheetml/2018/threadedcomments`, 'sheet'],
  [`${OOXML}presentationml/2006/main`, 'slide'],
  [`${STRICT}presentationml/main`, 'slide'],
  [`${MICROSOFT}powerpoint/2010/main`, 'slide'],
  [`${OOXML}drawingml/2006/main`, 'drawing'],
  [`${STRICT}drawingml/main`, 'drawing'],
  [`${OOXML}drawingml/2006/chart`, 'chart'],
  [`${STRICT}drawingml/chart`, 'chart'],
  [`${MICROSOFT}drawing/2014/chartex`, 'chart'],
  [`${OOXML}officeDocument/2006/math`, 'math'],
  [`${STRICT}officeDocument/math`, 'math'],
  [`${OOXML}markup-compatibility/2006`, 'compatibility'],
  ['urn:schemas-microsoft-com:vml', 'vml'],
  [`${OOXML}package/2006/content-types`, 'types'],
  [`${OOXML}package/2006/relationships`, 'relationships'],
  [`${OOXML}package/2006/metadata/core-properties`, 'core'],
  [`${OOXML}officeDocument/2006/extended-properties`, 'application'],
  [`${STRICT}officeDocument/extendedProperties`, 'application'],
  [`${OOXML}officeDocument/2006/custom-properties`, 'custom'],
  [`${STRICT}officeDocument/customProperties`, 'custom'],
  [`${OOXML}officeDocument/2006/docPropsVTypes`, 'variant'],
  [`${STRICT}officeDocument/docPropsVTypes`, 'variant'],
  [`${MICROSOFT}2020/mipLabelMetadata`, 'label'],
  [`${MICROSOFT}2006/xmlPackage`, 'package'],
  ['http://purl.org/dc/elements/1.1/', 'dublin'],
  ['http://purl.org/dc/terms/', 'dublin'],
  ['http://www.w3.org/2000/svg', 'svg'],
  [`${OASIS}office:1.0`, 'odf-office'],
  [`${OASIS}text:1.0`, 'odf-text'],
  [`${OASIS}table:1.0`, 'odf-table'],
  [`${OASIS}drawing:1.0`, 'odf-draw'],
  [`${OASIS}meta:1.0`, 'odf-meta'],
  [`${OASIS}manifest:1.0`, 'odf-manifest'],
])

/** @param uri as declared by `xmlns` */
export function spaceOf(uri: string): Space {
  return SPACES.get(uri) ?? ''
}

/** A name with its namespace looked up. One object for all that are equal in their scope. */
export interface XmlName<M extends string> {
  /** As written. */
  qname: string
  space: Space
  local: string
  /** What the reader at hand makes of it. */
  meaning: M
}

interface Scope {
  /** Depth of the element that declared it. */
  depth: number
  /** Prefixes that it declared. */
  declared: string[]
  /** Names looked up outside of it. */
  outer: Map<string, XmlName<string>>
}

/** Prefixes in scope. Looking a name up takes the same time however deep the document is. */
export interface NameScopes {
  /** @param declarations prefixes ('' = the default) and URIs that an element at this depth declares */
  enter(depth: number, declarations: readonly (readonly [prefix: string, uri: string])[]): void
  /** The element at this depth has ended. */
  leave(depth: number): void
  /** @returns null when the prefix is not declared */
  look(qname: string, meaning: (space: Space, local: string) => string): XmlName<string> | null
}

/** @returns scopes in which nothing is declared yet */
export function nameScopes(): NameScopes {
  const bindings = new Map<string, Space[]>([
    ['', ['']],
    ['xml', ['']],
  ])
  const scopes: Scope[] = []
  let names = new Map<string, XmlName<string>>()
  return {
    enter(depth, declarations) {
      scopes.push({ depth, declared: declarations.map(([prefix]) => prefix), outer: names })
      names = new Map()
      for (const [prefix, uri] of declarations) {
        const bound = bindings.get(prefix)
        if (bound === undefined) bindings.set(prefix, [spaceOf(uri)])
        else bound.push(spaceOf(uri))
      }
    },
    leave(depth) {
      const scope = scopes.at(-1)
      if (scope?.depth !== depth) return
      scopes.pop()
      names = scope.outer
      for (const prefix of scope.declared) bindings.get(prefix)?.pop()
    },
    look(qname, meaning) {
      const known = names.get(qname)
      if (known !== undefined) return known
      const colon = qname.indexOf(':')
      const space = bindings.get(colon === -1 ? '' : qname.slice(0, colon))?.at(-1)
      if (space === undefined) return null
      const local = qname.slice(colon + 1)
      const name = { qname, space, local, meaning: meaning(space, local) }
      names.set(qname, name)
      return name
    },
  }
}
