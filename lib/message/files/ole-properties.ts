/** Document properties in a property set stream (MS-OLEPS): title, author, keywords, and the ones users and labels add. */
import { utf16Text } from '../utf16'
import { decodeCodePage } from './ole-codepage'
import { addProblem, addText, attempt, type LegacyContext } from './ole-context'
import { addPicture } from './ole-pictures'

const SUMMARY = new Map(
  Object.entries({
    2: 'Title',
    3: 'Subject',
    4: 'Author',
    5: 'Keywords',
    6: 'Comments',
    7: 'Template',
    8: 'LastAuthor',
    9: 'RevisionNumber',
    18: 'Application',
  }),
)
const DOCUMENT_SUMMARY = new Map(
  Object.entries({
    2: 'Category',
    3: 'PresentationFormat',
    13: 'TitlesOfParts',
    14: 'Manager',
    15: 'Company',
    21: 'HyperlinkBase',
    26: 'ContentType',
    27: 'ContentStatus',
    28: 'Language',
    29: 'Version',
  }),
)
/** FMTID of the set that users and labels write to (MS-OLEPS section 2.18.1.2). */
const USER_DEFINED = '05d5cdd59c2e1b10939708002b2cf9ae'
const CODE_PAGE = 1
const DICTIONARY = 0
const LOCALE = 0x80000000
const VT_VECTOR = 0x1000
/** Properties in one set; Office writes dozens. */
const MAX_PROPERTIES = 10_000

/**
 * Read one stream.
 *
 * @param where place of the document; texts are told as `<where> > properties`
 * @param isSummary of `\x05SummaryInformation`, where numbers have other names
 */
export function readPropertySets(context: LegacyContext, where: string, bytes: Buffer, isSummary: boolean): void {
  const place = `${where} > properties`
  attempt(context, place, 'a set of properties', () => {
    if (bytes.readUInt16LE(0) !== 0xfffe) throw new RangeError('byte order')
    const sets = bytes.readUInt32LE(24)
    if (sets > 2) throw new RangeError('sets')
    const lines: string[] = []
    for (let n = 0; n < sets; n++) {
      const format = bytes.toString('hex', 28 + n * 20, 44 + n * 20)
      const set = bytes.subarray(bytes.readUInt32LE(44 + n * 20))
      const names = format === USER_DEFINED ? new Map<string, string>() : isSummary ? SUMMARY : DOCUMENT_SUMMARY
      for (const { key, value } of readSet(context, place, set, names)) {
        if (value.trim() === '') continue
        context.reading.properties.push({ where: place, key, value })
        lines.push(`${key}: ${value}`)
      }
    }
    addText(context, place, 'hidden', lines.join('\n'))
  })
}

interface Property {
  key: string
  value: string
}

function readSet(context: LegacyContext, where: string, set: Buffer, known: ReadonlyMap<string, string>): Property[] {
  const count = set.readUInt32LE(4)
  if (count > MAX_PROPERTIES) throw new RangeError('properties')
  const offsets = new Map<number, number>()
  for (let n = 0; n < count; n++) offsets.set(set.readUInt32LE(8 + n * 8), set.readUInt32LE(12 + n * 8))
  const page = offsets.get(CODE_PAGE)
  const codePage = page === undefined ? 1252 : set.readUInt16LE(page + 4)
  const dictionary = offsets.get(DICTIONARY)
  const names = dictionary === undefined ? new Map<number, string>() : readDictionary(set, dictionary, codePage)
  const found: Property[] = []
  for (const [id, at] of offsets) {
    if (id === CODE_PAGE || id === DICTIONARY || id === LOCALE) continue
    const key = names.get(id) ?? known.get(String(id)) ?? `property ${id}`
    const values: string[] = []
    readValue(context, where, set, at, codePage, values)
    found.push({ key, value: values.join('; ') })
  }
  // a name without its value is still something that somebody wrote
  for (const [id, name] of names) if (!offsets.has(id)) found.push({ key: name, value: '-' })
  return found
}

function readDictionary(set: Buffer, start: number, codePage: number): Map<number, string> {
  const names = new Map<number, string>()
  const count = set.readUInt32LE(start)
  if (count > MAX_PROPERTIES) throw new RangeError('dictionary')
  let at = start + 4
  for (let n = 0; n < count; n++) {
    const id = set.readUInt32LE(at)
    const length = set.readUInt32LE(at + 4)
    const size = codePage === 1200 ? length * 2 : length
    names.set(id, textAt(set, at + 8, size, codePage))
    at += 8 + size
    // section 2.16: names in Unicode are padded to four bytes
    if (codePage === 1200) at += (4 - ((at - start) % 4)) % 4
  }
  return names
}

function textAt(set: Buffer, at: number, size: number, codePage: number): string {
  if (at + size > set.length) throw new RangeError('text')
  return decodeCodePage(set.subarray(at, at + size), codePage).replace(/\0+$/, '')
}

/** Value with its type in front (section 2.15). @returns first byte behind it, padded to four */
function readValue(
  context: LegacyContext,
  where: string,
  set: Buffer,
  at: number,
  codePage: number,
  values: string[],
): number {
  const type = set.readUInt16LE(at)
  if ((type & VT_VECTOR) === 0) return readScalar(context, where, set, at + 4, type, codePage, values)
  const count = set.readUInt32LE(at + 4)
  if (count > set.length / 2) throw new RangeError('vector')
  let next = at + 8
  const element = type & ~VT_VECTOR
  for (let n = 0; n < count; n++) {
    // VT_VARIANT: each element has its own type
    if (element === 0x0c) next = readValue(context, where, set, next, codePage, values)
    else {
      const size = element === 0x1e ? 4 + set.readUInt32LE(next) : 0
      const padded = readScalar(context, where, set, next, element, codePage, values)
      // texts in code pages stand without padding in lists, as Office writes them
      next = size === 0 ? padded : next + size
    }
  }
  return next
}

function readScalar(
  context: LegacyContext,
  where: string,
  set: Buffer,
  at: number,
  type: number,
  codePage: number,
  values: string[],
): number {
  const padded = (size: number) => at + size + ((4 - (size % 4)) % 4)
  switch (type) {
    case 0x00: // VT_EMPTY
    case 0x01: // VT_NULL
      return at
    case 0x02: // VT_I2
      values.push(String(set.readInt16LE(at)))
      return at + 4
    case 0x03: // VT_I4
    case 0x16: // VT_INT
      values.push(String(set.readInt32LE(at)))
      return at + 4
    case 0x13: // VT_UI4
    case 0x17: // VT_UINT
    case 0x0a: // VT_ERROR
      values.push(String(set.readUInt32LE(at)))
      return at + 4
    case 0x05: // VT_R8
      values.push(String(set.readDoubleLE(at)))
      return at + 8
    case 0x0b: // VT_BOOL
      values.push(set.readUInt16LE(at) === 0 ? 'false' : 'true')
      return at + 4
    case 0x14: // VT_I8
      values.push(String(set.readBigInt64LE(at)))
      return at + 8
    case 0x15: // VT_UI8
      values.push(String(set.readBigUInt64LE(at)))
      return at + 8
    case 0x06: // VT_CY
    case 0x07: // VT_DATE
    case 0x40: // VT_FILETIME
      return at + 8
    case 0x08: // VT_BSTR
    case 0x1e: {
      // VT_LPSTR
      const size = set.readUInt32LE(at)
      values.push(textAt(set, at + 4, size, codePage))
      return padded(4 + size)
    }
    case 0x1f: {
      // VT_LPWSTR
      const size = set.readUInt32LE(at) * 2
      values.push(textAt(set, at + 4, size, 1200))
      return padded(4 + size)
    }
    case 0x41: // VT_BLOB
    case 0x47: {
      // VT_CF: the picture of the first page
      const size = set.readUInt32LE(at)
      if (at + 4 + size > set.length) throw new RangeError('blob')
      if (type === 0x47) addPicture(context, where, set.subarray(at + 4, at + 4 + size))
      else values.push(utf16Text(set, at + 4, at + 4 + size).replace(/[\0-\x1f]+/g, ' '))
      return padded(4 + size)
    }
    default:
      addProblem(context, where, 'a property has a type that is not known')
      throw new RangeError('type')
  }
}
