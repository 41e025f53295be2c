/** Everything in a PDF beside the text of its pages: values, notes, properties, enclosed files, scripts. */
import { readXmp } from './pdf-xmp'
import { findOwners, type PdfOwners } from './pdf-graph'
import { unfilter } from './pdf-filters'
import { contentOf, objectAt, resolve, typeOf, type PdfFile, type PdfObject } from './pdf-objects'
import { isArray, isDictionary, isName, isReference, isString, textOf, type PdfValue } from './pdf-syntax'
import { emptyReading, type FileReading, type OpenFile, type ReadBudget } from './types'

/** Keys whose strings are keys, digests and names for machines. */
const MACHINE = new Set(['ID', 'O', 'U', 'OE', 'UE', 'Perms', 'CheckSum', 'Cert', 'DA', 'CharSet', 'Panose', 'Lookup'])
/** Dates (section 7.9.4): fourteen digits in a row. */
const DATE = /^D:\d{4,14}(?:[-+Z][\d']*)?$/
/** Annotations whose content is no text (sections 12.5.6, 13). */
const MEDIA = new Set(['RichMedia', 'Movie', 'Sound', '3D', 'Screen'])
/** Functions that programs put behind fields of a form; they format and add, and hide nothing. */
const FORM_SCRIPT = /^\s*(?:(?:AF[A-Za-z]+_[A-Za-z]+|event\.value\s*=\s*AFMakeNumber)\([^()]*\)\s*;?\s*)+$/
/** Streams that a page may hold and that are no text: fonts, colours, functions. */
const NOT_TEXT = new Set(['XRef', 'ObjStm', 'Metadata', 'EmbeddedFile'])

/** Keys of streams that no page shows as its content (sections 7.10, 8.6.5.5, 8.7.4.5, 8.9.5, 9.7.5, 9.9). */
const OTHER_STREAMS = ['Subtype', 'N', 'Alternate', 'FunctionType', 'ShadingType', 'Length1', 'CMapName', 'Width']

interface Collection {
  file: PdfFile
  owners: PdfOwners
  where: string
  budget: ReadBudget
  reading: FileReading
  /** Owners (`page 3`) of which PDFium gives no text. */
  blank: ReadonlySet<string>
  /** Lines by place. */
  lines: Map<string, string[]>
  enclosed: Set<PdfObject>
}

/**
 * @param maxPages as many pages are told apart
 * @param blank numbers of the pages, from 1, of which PDFium gives no text
 */
export function readPdfObjects(
  file: PdfFile,
  open: OpenFile,
  budget: ReadBudget,
  maxPages: number,
  blank: readonly number[] = [],
): FileReading {
  const owners = findOwners(file, maxPages)
  const collection: Collection = {
    file,
    owners,
    where: open.where,
    blank: new Set(blank.map((page) => `page ${page}`)),
    budget,
    reading: emptyReading(),
    lines: new Map(),
    enclosed: new Set(),
  }
  for (const object of file.objects) {
    if (budget.timeUp()) {
      problem(collection, open.where, 'the time for reading was up')
      break
    }
    const place = placeOf(collection, object)
    collectStrings(collection, object.value, place)
    collectDictionaries(collection, object.value, place)
  }
  // files have their names from the dictionaries that lead to them, so streams come second
  for (const object of file.objects) {
    if (budget.timeUp()) problem(collection, open.where, 'the time for reading was up')
    else if (object.data !== undefined) collectStream(collection, object, placeOf(collection, object))
  }
  for (const trailer of file.trailers) {
    collectStrings(collection, new Map([...trailer].filter(([key]) => key !== 'Encrypt')), `${open.where} > document`)
    collectInfo(collection, resolve(file, trailer.get('Info')))
  }
  for (const [where, lines] of collection.lines) {
    collection.reading.texts.push({ where, role: 'hidden', text: [...new Set(lines)].join('\n') })
  }
  if (file.loose !== '') {
    collection.reading.texts.push({ where: `${open.where} > between the objects`, role: 'raw', text: file.loose })
  }
  return collection.reading
}

function placeOf({ owners, where }: Collection, object: PdfObject): string {
  return `${where} > ${owners.of.get(object) ?? 'unused object'}`
}

function problem({ reading }: Collection, where: string, reason: string): void {
  if (!reading.uninspected.some((one) => one.where === where && one.reason === reason)) {
    reading.uninspected.push({ where, reason })
  }
}

/** The strings of one dictionary are one line: a field's name says what its value is. */
function collectStrings(collection: Collection, start: PdfValue, where: string): void {
  const open: PdfValue[] = [start]
  const add = (line: string) => {
    const lines = collection.lines.get(where)
    if (lines === undefined) collection.lines.set(where, [line])
    else lines.push(line)
  }
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (isString(value)) {
      const text = shown(value)
      if (text !== '') add(text)
    } else if (isName(value)) {
      if (isNumberLong(value.name)) add(value.name)
    } else if (isArray(value)) {
      // [/Indexed base high <bytes>]: a table of colours
      const first = value[0]
      if (isName(first) && (first.name === 'Indexed' || first.name === 'I')) continue
      for (const one of value) open.push(one)
    } else if (isDictionary(value)) {
      const signature = value.has('ByteRange')
      const line: string[] = []
      for (const [key, one] of value) {
        if (MACHINE.has(key) || (signature && key === 'Contents')) continue
        if (isNumberLong(key)) add(key)
        if (isString(one)) line.push(shown(one))
        else if (isName(one)) {
          if (key === 'V' || isNumberLong(one.name)) line.push(one.name)
        } else open.push(one)
      }
      const text = line.filter((part) => part !== '').join(' | ')
      if (text !== '') add(text)
    }
  }
}

/** Names are for machines, but for keys of properties and values of buttons; those of fonts and pictures are short. */
function isNumberLong(name: string): boolean {
  return name.length >= 10 && (name.match(/\d/g)?.length ?? 0) >= 9
}

function shown(value: { string: string }): string {
  const text = textOf(value)
  return DATE.test(text) ? '' : text
}

/** What a dictionary says about itself: scripts, files, media, forms that are programs. */
function collectDictionaries(collection: Collection, start: PdfValue, where: string): void {
  const open: PdfValue[] = [start]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (isArray(value)) for (const one of value) open.push(one)
    if (!isDictionary(value)) continue
    for (const one of value.values()) open.push(one)
    if (value.has('JS')) judgeScript(collection, value.get('JS'), where)
    if (value.has('XFA')) problem(collection, where, 'the form is a program (XFA)')
    if (MEDIA.has(typeOf(value, 'Subtype')) && value.has('Rect')) problem(collection, where, 'media are embedded')
    for (const key of ['EF', 'RF']) {
      const files = resolve(collection.file, value.get(key))
      if (isDictionary(files)) collectFiles(collection, files, fileName(collection, value), where)
    }
  }
}

function judgeScript(collection: Collection, script: PdfValue | undefined, where: string): void {
  const { file, budget } = collection
  let text = ''
  const value = resolve(file, script)
  if (isString(value)) text = textOf(value)
  else if (isReference(script)) {
    const object = objectAt(file, script)
    const content = object === undefined ? { problem: '' } : contentOf(file, object, budget)
    if ('bytes' in content) text = textOf({ string: content.bytes.toString('latin1') })
  }
  if (text !== '') collection.reading.texts.push({ where, role: 'hidden', text })
  if (!FORM_SCRIPT.test(text.slice(0, 10_000)) || text.length > 10_000) problem(collection, where, 'it holds a script')
}

function fileName({ file }: Collection, specification: ReadonlyMap<string, PdfValue>): string {
  for (const key of ['UF', 'F', 'Unix', 'DOS', 'Mac']) {
    const value = resolve(file, specification.get(key))
    if (isString(value)) return textOf(value)
  }
  return ''
}

function collectFiles(collection: Collection, files: ReadonlyMap<string, PdfValue>, name: string, where: string): void {
  const open: PdfValue[] = [...files.values()]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (isArray(value)) for (const one of value) open.push(one)
    const object = isReference(value) ? objectAt(collection.file, value) : undefined
    if (object?.data !== undefined) encloseFile(collection, object, name, where)
  }
}

function encloseFile(collection: Collection, object: PdfObject, name: string, where: string): void {
  const { file, budget, enclosed, reading } = collection
  if (enclosed.has(object)) return
  enclosed.add(object)
  const place = `${where} > ${name === '' ? 'enclosed file' : onOneLine(name)}`
  if (!budget.part()) {
    problem(collection, place, 'there are too many parts')
    return
  }
  const content = contentOf(file, object, budget)
  if ('problem' in content) problem(collection, place, content.problem)
  else reading.embedded.push({ bytes: content.bytes, name, where: place, type: '', archive: true })
}

function onOneLine(name: string): string {
  return name
    .replace(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, 100)
}

/** Streams that are text, and those that could hold some although no page shows them. */
function collectStream(collection: Collection, object: PdfObject, where: string): void {
  const { file, owners, budget, reading } = collection
  const { value } = object
  if (!isDictionary(value)) return
  const type = typeOf(value)
  if (type === 'EmbeddedFile') {
    encloseFile(collection, object, '', where)
    return
  }
  if (type === 'Metadata' || typeOf(value, 'Subtype') === 'XML') {
    const content = contentOf(file, object, budget)
    if ('problem' in content) problem(collection, where, content.problem)
    else {
      const { text, properties } = readXmp(inflated(content.bytes))
      reading.texts.push({ where: `${where} > metadata`, role: 'hidden', text })
      for (const { key, value: text } of properties) reading.properties.push({ where, key, value: text })
    }
    return
  }
  if (NOT_TEXT.has(type)) return
  const unused = !owners.of.has(object)
  // text as a pattern is painted (section 8.7.3), and no page's text
  const pattern = value.get('PatternType') === 1
  const form = typeOf(value, 'Subtype') === 'Form'
  const picture = typeOf(value, 'Subtype') === 'Image'
  if (picture && unused) problem(collection, where, 'a picture is there that no page shows')
  const page = !form && mayBeContent(value)
  const blank = page && collection.blank.has(owners.of.get(object) ?? '')
  if (page && !unused && !value.has('Filter') && isBinary(object.data))
    problem(collection, where, 'the content of the page cannot be read')
  if (picture || !(unused || pattern || form || blank || isText(collection, object))) return
  const content = contentOf(file, object, budget)
  if ('problem' in content) {
    if (unused || pattern || blank) problem(collection, where, content.problem)
    return
  }
  const { text, operators } = stringsOf(content.bytes.toString('latin1'))
  // its font or its resources are missing, or it is no content
  if (blank && ((operators && text.trim() !== '') || isBinary(content.bytes)))
    problem(collection, where, 'the content of the page cannot be read')
  if (text !== '') reading.texts.push({ where, role: 'hidden', text })
  if (!operators) return
  if (unused) problem(collection, where, 'an earlier version of a page is in the file')
  if (pattern) problem(collection, where, 'text is painted as a pattern')
}

/** Could the stream be what a page shows? Fonts, colours, functions and samples say what they are. */
function mayBeContent(dictionary: ReadonlyMap<string, PdfValue>): boolean {
  return !OTHER_STREAMS.some((key) => dictionary.has(key))
}

/** Operators are text, but for the strings among them. */
function isBinary(bytes: Buffer | undefined): boolean {
  const head = (bytes ?? Buffer.alloc(0)).subarray(0, 1024)
  let controls = 0
  for (const byte of head)
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0c && byte !== 0x0d) controls++
  return controls * 20 > head.length
}

/** PDFium drops the filter of metadata, and not what it did, where it takes the encryption off. */
function inflated(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x78) return bytes
  const unpacked = unfilter(bytes, new Map([['Filter', { name: 'FlateDecode' }]]), (value) => value)
  return 'bytes' in unpacked ? unpacked.bytes : bytes
}

/** A string of a field or note that is written as a stream. */
function isText({ file }: Collection, object: PdfObject): boolean {
  const keys = isDictionary(object.value) ? [...object.value.keys()] : []
  const bare = keys.every((key) => ['Length', 'Filter', 'DecodeParms'].includes(key))
  return bare && (textStreams.get(file) ?? findTextStreams(file)).has(object.number)
}

const textStreams = new WeakMap<PdfFile, ReadonlySet<number>>()

/** Numbers of the streams that stand where text belongs: values and rich text (sections 12.5.2, 12.7.3.4). */
function findTextStreams(file: PdfFile): ReadonlySet<number> {
  const found = new Set<number>()
  for (const { value } of file.objects) {
    if (!isDictionary(value)) continue
    const keys = value.has('Rect') || value.has('FT') ? ['V', 'DV', 'RV', 'RC', 'Contents'] : ['V', 'DV', 'RV', 'RC']
    for (const key of keys) {
      const one = value.get(key)
      if (isReference(one)) found.add(one.ref)
    }
  }
  textStreams.set(file, found)
  return found
}

/** Strings of a content stream as they stand: readable where the font has a common alphabet. */
function stringsOf(content: string): { text: string; operators: boolean } {
  const operators = /(?:[)\]>]\s{0,20}(?:Tj|TJ|'|")(?![A-Za-z]))/.test(content)
  if (!operators) return { text: /^[\t\n\r\x20-\x7e\x80-\xff]*$/.test(content) ? content : '', operators }
  const pieces: string[] = []
  for (const [, literal, hex, end] of content.matchAll(
    /\(((?:[^()\\]|\\[\s\S])*)\)|<([0-9a-fA-F\s]*)>|(T\*|T[dDm]\b|ET\b)/g,
  )) {
    if (end !== undefined) pieces.push('\n')
    else if (literal !== undefined) pieces.push(literal.replace(/\\([()\\])/g, '$1'))
    else
      pieces.push(
        Buffer.from((hex ?? '').replace(/\s+/g, ''), 'hex')
          .toString('latin1')
          .replaceAll('\0', ''),
      )
  }
  return { text: pieces.join(''), operators }
}

/** Section 14.3.3: the properties of the document, among them its label. */
function collectInfo({ file, reading, where }: Collection, info: PdfValue | undefined): void {
  if (!isDictionary(info)) return
  for (const [key, value] of info) {
    const found = resolve(file, value)
    const text = isString(found) ? shown(found) : isName(found) ? found.name : ''
    if (text !== '') reading.properties.push({ where: `${where} > properties`, key, value: text })
  }
}
