/**
 * The walker: one strict pass over a raw message. Whatever mail programs read in different ways is read here in the
 * strict way, reported as uninspected, and searched in its raw form besides.
 */
import type { Clock } from '../clock'
import { fieldsNamed, headerExtent, parseHeader, type HeaderBlock } from './header'
import { headerTexts } from './header-texts'
import { createBudget, type MessageBudget } from './files/budget'
import type { Message, Part, ReadLimits, TextPiece, Uninspectable, UnopenedLeaf } from './message'
import { cutMultipart, validBoundary } from './multipart'
import { decodeWords } from './encoded-words'
import { parseStructured, type StructuredValue } from './parameters'
import { nameText, percentDecoded } from './percent'
import { imageEndsClean, sniff } from './sniff'
import { readTextLeaf, SMALL_IMAGE, unixLines, encodedBlock } from './text-leaf'
import { decodeTransfer, transferEncoding } from './transfer'
import { decodeUnlabelled } from './charset'

/** Types that are read as text to the last byte; every other leaf is a file, to be opened by what is in it. */
const READABLE = new Set([
  'text/plain',
  'text/html',
  'text/csv',
  'text/tab-separated-values',
  'text/markdown',
  'text/x-amp-html',
  'text/rfc822-headers',
  'message/delivery-status',
  'message/global-delivery-status',
  'message/disposition-notification',
  'message/feedback-report',
])
/** Bytes of content that is not read which are searched as raw text. */
const RAW_SEARCH = 4 * 1024 * 1024

/** Parameters of a type or disposition that have texts of their own, or are no text. */
const KNOWN_PARAMETERS = new Set(['boundary', 'name', 'filename', 'charset', 'format', 'delsp'])

interface Walk {
  readonly budget: MessageBudget
  readonly unopened: UnopenedLeaf[]
  readonly texts: TextPiece[]
  readonly uninspected: Uninspectable[]
  readonly innerHeaders: { where: string; block: HeaderBlock }[]
  readonly cids: Set<string>
  readonly images: { part: Part; id: string }[]
}

/** Where in the tree an entity stands. */
interface Place {
  path: string
  /** '' or `nested message 1.3 > `. */
  prefix: string
  depth: number
  boundaries: readonly string[]
  /** Type of an entity that declares none: `message/rfc822` inside multipart/digest (RFC 2046 section 5.1.5). */
  defaultType: string
}

/** A message that is a file inside another one. */
export interface Enclosing {
  budget: MessageBudget
  /** Place of the file, for people. */
  where: string
  depth: number
}

/** What the caller knows already. */
export interface ReadBefore extends Enclosing {
  /** The message's own header, parsed. */
  header: HeaderBlock
}

/**
 * Read a message. Never throws on any bytes; linear in their number. Its files are not opened yet (`unopened`).
 *
 * @param raw the message, not dot-stuffed
 * @param inside what encloses it; absent = nothing does, and its budget begins here
 */
export function readMessage(raw: Buffer, limits: ReadLimits, clock: Clock, inside?: Partial<ReadBefore>): Message {
  const walk: Walk = {
    budget: inside?.budget ?? createBudget(limits, clock),
    unopened: [],
    texts: [],
    uninspected: [],
    innerHeaders: [],
    cids: new Set(),
    images: [],
  }
  const header = inside?.header ?? parseHeader(raw.subarray(0, headerExtent(raw, 0, raw.length).end))
  const tooLarge = raw.length > limits.maxBytes
  const prefix = inside?.where === undefined ? '' : `${inside.where} > `
  const place = { path: '', prefix, depth: inside?.depth ?? 0, boundaries: [], defaultType: 'text/plain' }
  const root = tooLarge
    ? unread(walk, emptyPart('', `${prefix}message`), 'the message is too large')
    : readMessageEntity(walk, raw, place, header)
  for (const { part, id } of walk.images) judgeImage(walk, part, id)
  return {
    header,
    innerHeaders: walk.innerHeaders,
    root,
    texts: walk.texts,
    tables: [],
    properties: [],
    protection: [],
    uninspected: walk.uninspected,
    enclosed: [],
    unopened: walk.unopened,
    timeUp: walk.budget.timeUp(),
  }
}

/** A message with its own header: the outer one or an enclosed one. */
function readMessageEntity(walk: Walk, raw: Buffer, place: Place, header: HeaderBlock): Part {
  const { texts, uninspected } = headerTexts(header, place.prefix)
  walk.texts.push(...texts)
  walk.uninspected.push(...uninspected)
  return readBody(walk, raw.subarray(headerExtent(raw, 0, raw.length).body), header, place)
}

/** An entity inside a multipart. */
function readPart(walk: Walk, raw: Buffer, place: Place): Part {
  const { end, body } = headerExtent(raw, 0, raw.length)
  const header = parseHeader(raw.subarray(0, end))
  const where = `${place.prefix}part ${place.path}`
  walk.innerHeaders.push({ where, block: header })
  const { texts, uninspected } = headerTexts(header, `${where} > `)
  walk.texts.push(...texts)
  walk.uninspected.push(...uninspected)
  return readBody(walk, raw.subarray(body), header, place)
}

function readBody(walk: Walk, body: Buffer, header: HeaderBlock, place: Place): Part {
  const contentType = single(header, 'content-type')
  const encodingField = single(header, 'content-transfer-encoding')
  const dispositionField = single(header, 'content-disposition')
  const type = parseStructured(contentType.value === '' ? place.defaultType : contentType.value)
  const disposition = parseStructured(dispositionField.value === '' ? 'inline' : dispositionField.value)
  const name = partName(type, disposition)
  const part = emptyPart(place.path, placeName(place, type.value, name))
  part.type = type.value
  part.parameters = type.parameters
  part.disposition = dispositionField.value === '' ? '' : disposition.value
  if (name !== '') walk.texts.push({ where: part.where, role: 'name', text: nameText(name) })
  const others = [...sideTexts(contentType.value, type), ...sideTexts(dispositionField.value, disposition)]
  if (others.length > 0) walk.texts.push({ where: `${part.where} > header`, role: 'header', text: others.join('\n') })
  if (!walk.budget.mimePart()) return unread(walk, part, 'there are too many parts')
  if (walk.budget.timeUp()) return unread(walk, part, 'the time for reading was up')
  const encoding = transferEncoding(encodingField.value.replace(/;.*$/s, ''))
  const doubts = [
    ...[contentType, encodingField, dispositionField].flatMap((field) => field.problems),
    ...type.problems,
    ...disposition.problems,
    ...(type.value.includes('/') ? [] : ['the content type does not parse']),
    ...(encoding === null ? ['the transfer encoding is not known'] : []),
  ]
  if (doubts.length > 0) {
    unread(walk, part, ...doubts)
    searchRaw(walk, part, body)
  }
  const decoded = decodeTransfer(body, encoding ?? '7bit')
  if (!walk.budget.bytes(decoded.bytes.length)) return unread(walk, part, 'the content is too large')
  if (decoded.problem !== undefined) unread(walk, part, decoded.problem)
  if (decoded.junk) searchRaw(walk, part, body)
  if (type.value.startsWith('multipart/')) {
    if (decoded.bytes !== body) unread(walk, part, 'a multipart is encoded (RFC 2045 section 6.4)')
    return readMultipart(walk, part, decoded.bytes, place)
  }
  if (['message/rfc822', 'message/global', 'message/news'].includes(type.value)) {
    return readEnclosed(walk, part, decoded.bytes, place)
  }
  return readLeaf(walk, part, decoded.bytes, name, single(header, 'content-id').value)
}

function readMultipart(walk: Walk, part: Part, body: Buffer, place: Place): Part {
  if (place.depth >= walk.budget.limits.maxDepth) return unread(walk, part, 'the parts are nested too deep')
  const boundary = part.parameters.get('boundary') ?? ''
  if (!validBoundary(boundary) || place.boundaries.includes(boundary)) {
    searchRaw(walk, part, body)
    unread(walk, part, 'the boundary is missing, not valid or used twice')
    if (boundary === '' || boundary.length > 200 || place.boundaries.includes(boundary)) return part
  }
  const cut = cutMultipart(body, boundary, walk.budget.mimePartsLeft())
  if (cut.more) unread(walk, part, 'there are too many parts')
  if (cut.problems.length > 0) {
    unread(walk, part, ...cut.problems)
    searchRaw(walk, part, body)
  }
  for (const [what, bytes] of [
    ['preamble', cut.preamble],
    ['epilogue', cut.epilogue],
  ] as const) {
    const text = unixLines(decodeUnlabelled(bytes))
    if (text.trim() === '') continue
    part.surrounded = true
    const where = `${place.prefix}${what}${place.path === '' ? '' : ` of part ${place.path}`}`
    walk.texts.push({ where, role: 'around', text })
    const block = encodedBlock(text)
    if (block !== null) walk.uninspected.push({ where, reason: block })
  }
  const children: Part[] = []
  const before = walk.unopened.length
  for (const [n, bytes] of cut.parts.entries()) {
    if (walk.budget.mimePartsLeft() === 0 || walk.budget.timeUp()) {
      unread(walk, part, walk.budget.timeUp() ? 'the time for reading was up' : 'there are too many parts')
      break
    }
    const path = place.path === '' ? `${n + 1}` : `${place.path}.${n + 1}`
    const defaultType = part.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
    const inner = { ...place, path, defaultType, depth: place.depth + 1, boundaries: [...place.boundaries, boundary] }
    children.push(readPart(walk, bytes, inner))
  }
  part.children = children
  return part.type === 'multipart/encrypted' ? leaveSealed(walk, part, before) : part
}

/** RFC 1847 section 2.2: what says that it is encrypted is not opened, whatever its parts look like. */
function leaveSealed(walk: Walk, part: Part, before: number): Part {
  for (const { file } of walk.unopened.splice(before)) searchRaw(walk, part, file.bytes)
  return unread(walk, part, 'it says that it is encrypted')
}

function readEnclosed(walk: Walk, part: Part, bytes: Buffer, place: Place): Part {
  if (place.depth >= walk.budget.limits.maxDepth) return unread(walk, part, 'the messages are nested too deep')
  const { end } = headerExtent(bytes, 0, bytes.length)
  const header = parseHeader(bytes.subarray(0, end))
  const prefix = `${place.prefix}nested message ${place.path === '' ? '1' : place.path} > `
  walk.innerHeaders.push({ where: prefix.slice(0, -3), block: header })
  const inner = { path: '', prefix, depth: place.depth + 1, boundaries: place.boundaries, defaultType: 'text/plain' }
  part.children = [readMessageEntity(walk, bytes, inner, header)]
  return part
}

function readLeaf(walk: Walk, part: Part, bytes: Buffer, name: string, contentId: string): Part {
  part.bytes = bytes
  const kind = sniff(bytes)
  if (kind !== null) {
    part.kind = kind
    const id = contentId.replace(/^<|>$/g, '').toLowerCase()
    if (kind === 'png' || kind === 'jpeg' || kind === 'gif') walk.images.push({ part, id })
    else leaveToReader(walk, part, bytes, name)
    return part
  }
  if (part.type.startsWith('message/') && !READABLE.has(part.type)) {
    // message/partial, message/external-body (RFC 2046 section 5.2): the content is elsewhere, or a piece of something
    searchRaw(walk, part, bytes)
    return unread(walk, part, `content of this type is not read (${part.type.slice(0, 60)})`)
  }
  if (!READABLE.has(part.type)) return leaveToReader(walk, part, bytes, name)
  const type = part.type === 'text/x-amp-html' ? 'text/html' : part.type
  const reading = readTextLeaf(bytes, type, part.parameters, part.where)
  part.shown = reading.shown
  walk.texts.push(...reading.texts)
  for (const cid of reading.cids) walk.cids.add(cid)
  return reading.problems.length === 0 ? part : unread(walk, part, ...reading.problems)
}

/** A file: nobody has read it until it is opened. */
function leaveToReader(walk: Walk, part: Part, bytes: Buffer, name: string): Part {
  const sound = part.status === 'inspected'
  part.status = 'uninspected'
  walk.unopened.push({ part, sound, file: { bytes, name, where: part.where, type: part.type } })
  return part
}

/** Small pictures that the HTML shows are logos; any other picture may show a text that nobody has read. */
function judgeImage(walk: Walk, part: Part, id: string): void {
  const bytes = part.bytes ?? Buffer.alloc(0)
  walk.texts.push({ where: part.where, role: 'raw', text: bytes.toString('latin1', 0, SMALL_IMAGE) })
  if (part.disposition === 'attachment') unread(walk, part, 'the image is attached')
  else if (bytes.length > SMALL_IMAGE) unread(walk, part, 'the image is larger than 64 KiB')
  else if (id === '' || !walk.cids.has(id)) unread(walk, part, 'the image is not shown by the HTML')
  else if (part.kind === undefined || !imageEndsClean(part.kind, bytes)) unread(walk, part, 'bytes follow the image')
}

function searchRaw(walk: Walk, part: Part, bytes: Buffer): void {
  const text = unixLines(bytes.toString('latin1', 0, RAW_SEARCH))
  // compressed or encrypted bytes are noise
  if (!text.slice(0, 4096).includes('\0')) walk.texts.push({ where: part.where, role: 'raw', text })
}

function unread(walk: Walk, part: Part, ...reasons: string[]): Part {
  part.status = 'uninspected'
  for (const reason of new Set(reasons)) walk.uninspected.push({ where: part.where, reason })
  return part
}

/** A field that may stand only once. */
function single(header: HeaderBlock, key: string): { value: string; problems: string[] } {
  const fields = fieldsNamed(header, key)
  return { value: fields[0]?.value ?? '', problems: fields.length > 1 ? [`${key} is there more than once`] : [] }
}

/** All names that a part is given, whichever a mail program shows. */
function partName(type: StructuredValue, disposition: StructuredValue): string {
  const names = [disposition.parameters.get('filename'), type.parameters.get('name')]
    .filter((name) => name !== undefined)
    .map((name) => decodeWords(name).text)
  return [...new Set(names)].join(' ')
}

/** Parameters that nobody looks at by name, and comments. */
function sideTexts(field: string, { parameters }: StructuredValue): string[] {
  const texts = [...parameters].filter(([key]) => !KNOWN_PARAMETERS.has(key)).map(([key, text]) => `${key}=${text}`)
  if (!field.includes('(')) return texts
  const boundary = parameters.get('boundary') ?? ''
  return [...texts, boundary === '' ? field : field.replaceAll(boundary, ' ')]
}

function placeName(place: Place, type: string, name: string): string {
  const path = place.path === '' ? '1' : place.path
  // a name is somebody else's text: no control characters in what is logged, and not without end
  const shown = percentDecoded(name)
    .replace(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, 100)
  if (shown !== '') return `${place.prefix}attachment ${shown}`
  if (type === 'text/html') return `${place.prefix}html part ${path}`
  if (type.startsWith('text/')) return `${place.prefix}text part ${path}`
  return `${place.prefix}part ${path}`
}

function emptyPart(path: string, where: string): Part {
  return {
    path,
    where,
    type: 'text/plain',
    parameters: new Map(),
    disposition: '',
    status: 'inspected',
    children: [],
    surrounded: false,
  }
}
