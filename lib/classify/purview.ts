/**
 * Sensitivity labels of Microsoft Purview (MIP): in message headers as `msip_labels`, in the older form with one header
 * per key, and in the properties of files (learn.microsoft.com/information-protection/develop/concept-mip-metadata). A
 * label is its tenant and its GUID; its name is only text.
 */
import { fieldsNamed, type HeaderBlock } from '../message/header'
import { decodeWords } from '../message/encoded-words'
import type { FileProperty } from '../message/files/types'

export interface PurviewLabel {
  /** Tenant GUID, lower case. */
  tenant: string
  /** Label GUID, lower case. */
  id: string
  /** ContentBits has 8: the label stands for encryption. */
  encrypts: boolean
  where: string
}

export interface PurviewReading {
  labels: PurviewLabel[]
  conflicts: { where: string; detail: string }[]
}

const KEY = /^msip_label_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_([a-z]\w*)$/i
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * @param prefix place of the header: '' or e.g. `nested message 1.3 > `
 */
export function readPurview(block: HeaderBlock, prefix: string): PurviewReading {
  const reading: PurviewReading = { labels: [], conflicts: [] }
  const fields = fieldsNamed(block, 'msip_labels').filter((field) => field.value !== '')
  const where = `${prefix}header msip_labels`
  const conflict = (detail: string) => reading.conflicts.push({ where, detail })
  if (fieldsNamed(block, 'msip_labels').length > 1) conflict('The label header is there more than once.')
  const pairs: [key: string, value: string][] = []
  for (const field of fields) {
    const { text, broken } = decodeWords(field.value)
    if (broken) conflict('The label header does not parse.')
    for (const piece of text.split(';').map((one) => one.trim())) {
      if (piece === '') continue
      const equals = piece.indexOf('=')
      pairs.push([equals === -1 ? piece : piece.slice(0, equals).trim(), equals === -1 ? '' : piece.slice(equals + 1)])
    }
  }
  // older Exchange writes one header per key
  for (const field of block.fields) {
    if (field.key.startsWith('msip_label_')) pairs.push([field.key, field.value])
  }
  collect(pairs, reading, where, conflict)
  return reading
}

/**
 * The labels that stand in one place of the properties of a file; other properties are left out. A PDF gives them twice,
 * in its Info dictionary and in its XMP, which are two places and have to agree.
 *
 * @param properties all with the same `where`
 */
export function readPurviewProperties(properties: readonly FileProperty[], where: string): PurviewReading {
  const reading: PurviewReading = { labels: [], conflicts: [] }
  const pairs = properties
    .map(({ key, value }): [string, string] => [key.replace(/^pdfx:/i, '').trim(), value])
    .filter(([key]) => /^msip_label/i.test(key) && !/^msip_labels$/i.test(key))
  collect(pairs, reading, where, (detail) => reading.conflicts.push({ where, detail }))
  return reading
}

function collect(
  pairs: readonly (readonly [string, string])[],
  reading: PurviewReading,
  where: string,
  conflict: (detail: string) => void,
): void {
  const said = new Set<string>()
  const once = (detail: string) => {
    if (!said.has(detail)) conflict(detail)
    said.add(detail)
  }
  const byLabel = new Map<string, Map<string, string>>()
  for (const [key, value] of pairs) {
    const match = KEY.exec(key)
    if (match === null) {
      once('A label does not parse.')
      continue
    }
    const id = (match[1] ?? '').toLowerCase()
    const name = (match[2] ?? '').toLowerCase()
    const values = byLabel.get(id) ?? new Map<string, string>()
    if (values.has(name)) once('A label gives a key twice.')
    values.set(name, value.trim())
    byLabel.set(id, values)
  }
  for (const [id, values] of byLabel) {
    const enabled = values.get('enabled')?.toLowerCase()
    if (enabled === 'false') continue
    const tenant = values.get('siteid')?.toLowerCase() ?? ''
    const bits = values.get('contentbits') ?? '0'
    if (enabled !== 'true' || !GUID.test(tenant) || !/^\d{1,3}$/.test(bits)) {
      once('A label is not complete.')
      continue
    }
    reading.labels.push({ tenant, id, encrypts: (Number(bits) & 8) !== 0, where })
  }
}
