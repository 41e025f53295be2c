/**
 * Attributes of an office document in which something for a reader may stand: alternative texts, names, targets of
 * links, prompts, and every value with four digits or more. They are told as `name="value"`, one to a line, so that
 * digits of two attributes never look like one number.
 */
import type { XmlAttribute } from './xml-tokens'
import type { XmlName } from './xml-names'

/** Attributes whose value is for people, whatever it looks like. Local names. */
const FOR_PEOPLE = new Set([
  'descr',
  'title',
  'alt',
  'altText',
  'tooltip',
  'name',
  'string',
  'prompt',
  'promptTitle',
  'error',
  'errorTitle',
  'Target',
  'href',
  'location',
  'display',
  'displayText',
  'instr',
  'author',
  'userName',
  'displayName',
  'string-value',
  'formula',
  'uniqueName',
  'caption',
  'description',
  'label',
  'text',
  'result',
])
/** Elements whose `val` is for people. */
const VALUE_FOR_PEOPLE = new Set(['alias', 'tag', 'docVar', 'lvlText', 'statusText', 'helpText', 'default', 'listItem'])
/**
 * Numbers that programs draw by chance, by element and attribute: one in 350 random numbers of ten digits would pass
 * for somebody's. Only values of exactly that form are left out.
 */
const DRAWN_BY_CHANCE = new Set([
  'id val',
  'creationId val',
  'docPr id',
  'cNvPr id',
  'sldId id',
  'sldMasterId id',
  'sldLayoutId id',
  'modelId val',
  'axId val',
  'crossAx val',
  'rowId val',
  'colId val',
])
const CHANCE = /^-?[0-9]{1,10}$/
/** Identifiers in hexadecimal, GUIDs, times, places in a sheet: no number of anybody. */
const NO_TEXT = new RegExp(
  `^(?:${[
    '[0-9A-F]{8}',
    String.raw`\{?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?`,
    String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?`,
    String.raw`[A-Z]{1,3}\d{1,7}(?::[A-Z]{1,3}\d{1,7})?`,
  ].join('|')})$`,
)
/** Lines of drawings: many numbers, of which some look like somebody's by chance. Nobody sees them as numbers. */
const GEOMETRY = new Set([
  'd',
  'path',
  'points',
  'enhanced-path',
  'viewBox',
  'transform',
  'adj',
  'coordsize',
  'stroke-dasharray',
])
const COORDINATES = /^[A-Za-z0-9\s.,+()@#?*/-]*$/
/** Fewer numbers than this are no drawing. */
const LEAST_COORDINATES = 4
/** What is remembered of one file, to tell each value once. */
const MAX_REMEMBERED = 200_000

/** Attributes of one file. */
export interface AttributeTexts {
  add(element: XmlName<string>, attributes: readonly XmlAttribute[]): void
  /** One to a line. */
  text(): string
  /** Files in Base64 that stand in attributes. */
  readonly files: readonly string[]
}

/** Drawings keep a second form of themselves in an attribute, as a package in Base64 (MS-OI29500 section 2.1.1806). */
const FILE = 'gfxdata'

/** @returns attributes of a file, none so far */
export function attributeTexts(): AttributeTexts {
  const seen = new Set<string>()
  const lines: string[] = []
  const files: string[] = []
  return {
    files,
    add(element, attributes) {
      for (const { name, value } of attributes) {
        // most are short: sizes, colours, switches
        if (value.length < 4 || seen.has(value) || name.startsWith('xmlns')) continue
        const local = name.slice(name.indexOf(':') + 1)
        // marks of editing sessions: on every second element of a document
        if (value.length === 8 && local.startsWith('rsid')) continue
        if (local === FILE) {
          files.push(value)
          continue
        }
        if (!isTold(element.local, local, value)) continue
        if (seen.size < MAX_REMEMBERED) seen.add(value)
        lines.push(`${name}="${value}"`)
      }
    },
    text: () => lines.join('\n'),
  }
}

function isTold(element: string, attribute: string, value: string): boolean {
  if (FOR_PEOPLE.has(attribute)) return true
  if ((attribute === 'val' || attribute === 'value') && VALUE_FOR_PEOPLE.has(element)) return true
  if (GEOMETRY.has(attribute) && isGeometry(value)) return false
  let digits = 0
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    // blanks and what is not ASCII make it text
    if (code === 0x20 || code === 0x40 || code > 0x7f) return true
    if (code >= 0x30 && code <= 0x39) digits++
  }
  if (digits < 4 || NO_TEXT.test(value)) return false
  return !(DRAWN_BY_CHANCE.has(`${element} ${attribute}`) && CHANCE.test(value))
}

function isGeometry(value: string): boolean {
  return COORDINATES.test(value) && (value.match(/[0-9.]+/g)?.length ?? 0) >= LEAST_COORDINATES
}
