/**
 * Labels in the properties of files: Purview by (tenant, GUID) in OOXML and PDF, and the keys of other products. They
 * only speak against: that an attachment is public does not make the mail around it public.
 */
import type { Settings } from '../config/settings'
import type { Marker } from '../gate/types'
import type { FileProperty } from '../message/files/types'
import { classOfWords } from './classification-words'
import { readPurviewProperties, type PurviewLabel } from './purview'

export interface FileLabels {
  markers: Marker[]
  conflicts: { where: string; detail: string }[]
}

/** Keys whose value is a class, whatever the product. */
const CLASS_KEY =
  /^(?:(?:data|document|security|information|corporate)? ?(?:classification|klassifikation|klassificering|sensitivity|confidentiality|fortrolighed)(?: ?level| ?label)?|titus.*|bj(?:documentsecuritylabel|label.*|protectivemarking.*)|security ?label|protective ?marking)$/i
/** Keys of free text, in which a class is one item of its own. */
const ITEM_KEY = /^(?:keywords?|category|categories|tags?|subject|status|contentstatus)$/i
/** Most that is shown of a value. */
const SHOWN = 80

/**
 * @param properties of all files of a message
 * @param rules the `[public]` section
 */
export function labelsFromProperties(properties: readonly FileProperty[], rules: Settings['public']): FileLabels {
  const result: FileLabels = { markers: [], conflicts: [] }
  const places = new Map<string, FileProperty[]>()
  for (const property of properties) {
    const known = places.get(property.where) ?? []
    known.push(property)
    places.set(property.where, known)
  }
  for (const [where, found] of places) {
    const { labels, conflicts } = readPurviewProperties(found, where)
    result.conflicts.push(...conflicts)
    for (const label of labels) {
      const verdict = purviewClass(label, rules)
      if (verdict === 'public') continue
      result.markers.push({ class: verdict, source: 'attachment', value: `${label.tenant}/${label.id}`, where })
    }
    const own = labels.filter(({ tenant }) => tenant === rules.purviewTenant?.toLowerCase())
    if (own.length > 1) result.conflicts.push({ where, detail: 'Two labels of the own organisation are set.' })
    for (const property of found) result.markers.push(...otherLabel(property))
  }
  return result
}

/**
 * What a Purview label says here: public only when it is the own organisation's, listed, and does not stand for
 * encryption. A label of another organisation is not known to be public.
 */
export function purviewClass(label: PurviewLabel, rules: Settings['public']): Marker['class'] {
  const own = label.tenant === rules.purviewTenant?.toLowerCase()
  if (own && !label.encrypts && rules.purviewLabels.some((id) => id.toLowerCase() === label.id)) return 'public'
  return own || label.encrypts ? 'non-public' : 'unknown'
}

function otherLabel({ where, key, value }: FileProperty): Marker[] {
  const shown = `${key}: ${value.replace(/\p{C}+/gu, ' ').trim()}`.slice(0, SHOWN)
  if (CLASS_KEY.test(key.trim())) {
    if (value.trim() === '') return []
    const verdict = classOfWords(value)
    return verdict === 'public' ? [] : [{ class: verdict, source: 'attachment', value: shown, where }]
  }
  if (!ITEM_KEY.test(key.trim())) return []
  const items = value
    .slice(0, 2000)
    .split(/[,;\n]/)
    .map((item) => item.trim())
  return items.some((item) => item.length <= 40 && isClassItem(item))
    ? [{ class: 'non-public', source: 'attachment', value: shown, where }]
    : []
}

/** A class and nothing else; `internal medicine` is a keyword like any other. */
function isClassItem(item: string): boolean {
  return !/\s/.test(item.replace(/^(?:strengt|strictly|company|til)\s+/i, '')) && classOfWords(item) === 'non-public'
}
