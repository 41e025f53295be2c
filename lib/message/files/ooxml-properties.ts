/**
 * Properties of a document: the ones that people fill in, and the labels that classification products put there
 * (docProps/core.xml, app.xml and custom.xml; docMetadata/LabelInfo.xml, MS-OFFCRYPTO section 2.6.4).
 */
import type { FileProperty } from './types'
import type { XmlName } from './xml-names'
import type { XmlAttribute } from './xml-tokens'
import { valueOf } from './ooxml-story'

/** Names under which the same properties stand in older formats. */
const CORE: Readonly<Record<string, string>> = {
  title: 'Title',
  subject: 'Subject',
  creator: 'Author',
  keywords: 'Keywords',
  keyword: 'Keywords',
  description: 'Comments',
  category: 'Category',
  contentStatus: 'ContentStatus',
  contentType: 'ContentType',
  lastModifiedBy: 'LastAuthor',
}

/** Properties of one package, found in any of its members. */
export interface PackageProperties {
  open(where: string, name: XmlName<string>, attributes: readonly XmlAttribute[]): void
  text(where: string, text: string, parent: XmlName<string>): void
  close(name: XmlName<string>): void
  /** All of them; a label that LabelInfo tells is not repeated from the custom properties, which may be older. */
  list(): FileProperty[]
}

/** @returns none so far */
export function packageProperties(): PackageProperties {
  const found: FileProperty[] = []
  /** GUIDs that have an element in LabelInfo. */
  const labels = new Set<string>()
  let custom: { where: string; key: string; value: string } | null = null
  return {
    open(where, name, attributes) {
      if (name.space === 'custom' && name.local === 'property') {
        custom = { where, key: valueOf(attributes, 'name'), value: '' }
      } else if (name.space === 'label' && name.local === 'label') {
        const id = valueOf(attributes, 'id').replace(/[{}]/g, '').toLowerCase()
        labels.add(id)
        found.push(...labelProperties(where, id, attributes))
      } else if (name.space === 'odf-meta' && name.local === 'user-defined') {
        custom = { where, key: valueOf(attributes, 'name'), value: '' }
      }
    },
    text(where, text, parent) {
      const value = text.trim()
      if (value === '') return
      if (custom !== null) {
        custom.value = custom.value === '' ? value : `${custom.value}; ${value}`
      } else if (['core', 'dublin', 'application', 'odf-meta'].includes(parent.space)) {
        found.push({ where, key: Object.hasOwn(CORE, parent.local) ? (CORE[parent.local] ?? '') : parent.local, value })
      }
    },
    close(name) {
      if (custom === null || !['property', 'user-defined'].includes(name.local)) return
      found.push(custom)
      custom = null
    },
    list: () => found.filter(({ where, key }) => isOfElement(where) || !labels.has(guidOf(key))),
  }
}

/** The keys are the same as in custom properties and in mail headers. */
function labelProperties(where: string, id: string, attributes: readonly XmlAttribute[]): FileProperty[] {
  const on = (name: string) => ['1', 'true', 'on'].includes(valueOf(attributes, name).toLowerCase())
  const place = `${where}${ELEMENT}`
  const key = (name: string) => `MSIP_Label_${id}_${name}`
  const properties = [
    { where: place, key: key('Enabled'), value: String(on('enabled') && !on('removed')) },
    { where: place, key: key('SiteId'), value: valueOf(attributes, 'siteId').replace(/[{}]/g, '').toLowerCase() },
  ]
  for (const [attribute, name] of [
    ['method', 'Method'],
    ['contentBits', 'ContentBits'],
    ['name', 'Name'],
  ] as const) {
    const value = valueOf(attributes, attribute)
    if (value !== '') properties.push({ where: place, key: key(name), value })
  }
  return properties
}

/** Ends the place of what comes from LabelInfo itself. */
const ELEMENT = ' (label)'

function isOfElement(where: string): boolean {
  return where.endsWith(ELEMENT)
}

function guidOf(key: string): string {
  return /^msip_label_([0-9a-f-]{36})_/i.exec(key)?.[1]?.toLowerCase() ?? ''
}
