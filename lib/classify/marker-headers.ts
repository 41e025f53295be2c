/** Classification in header fields, own and others'. */
import { decodeWords } from '../message/encoded-words'
import type { HeaderBlock, HeaderField } from '../message/header'
import { fold } from '../message/subject'
import type { Marker } from '../gate/types'
import { classOfWords } from './classification-words'

export interface HeaderMarkers {
  markers: Marker[]
  conflicts: { where: string; detail: string }[]
}

/** Headers of classification products whose value is free or theirs: they can only speak against, unless configured. */
const FOREIGN =
  /^(?:x-titus.*|titus-.*|x-ctpclassification|x-bj(?:protectivemarking|label|dls).*|bj-.*|x-protective-marking|protective-marking|sio-label|(?:x-)?(?:\w+-)?classification|x-(?:data|security|information|mail|email)-?classification|x-security-label|x-sensitivity|x-confidentiality|x-klassifikation|x-classified)$/

/**
 * @param prefix place of the header: '' or e.g. `nested message 1.3 > `
 * @param publicHeaders configured (name, value) pairs
 */
export function readMarkerHeaders(
  block: HeaderBlock,
  prefix: string,
  publicHeaders: readonly { name: string; value: string }[],
): HeaderMarkers {
  const result: HeaderMarkers = { markers: [], conflicts: [] }
  const seen = new Set<string>()
  for (const field of block.fields) {
    const wanted = publicHeaders.filter(({ name }) => name.toLowerCase() === field.key)
    const isSensitivity = field.key === 'sensitivity'
    if (wanted.length === 0 && !isSensitivity && !FOREIGN.test(field.key)) continue
    const where = `${prefix}header ${field.name.slice(0, 60)}`
    if (seen.has(field.key)) {
      result.conflicts.push({ where, detail: 'A marker header is there more than once.' })
    }
    seen.add(field.key)
    const marker = judge(field, wanted, isSensitivity)
    if (marker === null) result.conflicts.push({ where, detail: 'A marker header does not parse.' })
    else result.markers.push({ source: 'header', ...marker, value: `${field.name}: ${marker.value}`, where })
  }
  return result
}

function judge(
  field: HeaderField,
  wanted: readonly { value: string }[],
  isSensitivity: boolean,
): { class: Marker['class']; value: string } | null {
  const { text, broken } = decodeWords(field.value)
  const value = text.trim()
  if (broken || value === '') return null
  const said = readable(field.key, value)
  const shown = said.replace(/\p{C}+/gu, ' ').slice(0, 80)
  // RFC 2156 section 5.3.4: every value of Sensitivity is a veto, absence is normal
  if (isSensitivity) return { class: 'non-public', value: shown }
  if (wanted.some((pair) => asRead(pair.value) === asRead(value))) return { class: 'public', value: shown }
  if (wanted.length > 0) return { class: 'non-public', value: shown }
  return { class: classOfWords(said) === 'non-public' ? 'non-public' : 'unknown', value: shown }
}

/**
 * What products wrap, for people and for the words in it: Titus writes JSON in base64, Boldon James XML. It changes no
 * verdict: whatever is in there is not known to be public.
 */
function readable(key: string, value: string): string {
  if (key.startsWith('x-titus-metadata') && /^[A-Za-z0-9+/=\s]{8,}$/.test(value)) {
    const values = [
      ...Buffer.from(value, 'base64')
        .toString('utf8')
        .matchAll(/"value"\s*:\s*"([^"\\]{1,200})"/g),
    ]
    return values.length === 0 ? value : values.map((match) => match[1]).join(', ')
  }
  if (!key.startsWith('x-bj')) return value
  const named = [...value.matchAll(/\bvalue\s*=\s*"([^"<]{1,200})"/g)].map((match) => match[1])
  return named.length === 0 ? value : named.join(', ')
}

/** One form for what is equal to a reader: NFKC, case and the number of blanks make no difference. */
export function asRead(text: string): string {
  return fold(text).replace(/\s+/g, ' ').trim()
}
