/** CMS (RFC 5652): what is only signed is unwrapped and read; what is encrypted is said to be so. */
import { inflateSync } from 'node:zlib'
import { utf16Text } from '../utf16'
import { octets, parseBer, type BerElement } from './ber'
import { emptyReading, type FileReading, type OpenFile, type ReadBudget } from './types'

/** Content types, DER without the tag and length octets. */
const CONTENT = {
  '2a864886f70d010702': 'signed',
  '2a864886f70d010703': 'enveloped',
  '2a864886f70d0109100117': 'enveloped', // authenticated-enveloped (RFC 5083)
  '2a864886f70d010706': 'enveloped', // encrypted-data
  '2a864886f70d0109100109': 'compressed', // RFC 3274
} as const
/** id-data, in the same form. */
const ID_DATA = '2a864886f70d010701'
/** Largest signature without a content: certificates of a chain fit many times. */
const SIGNATURE_LIMIT = 256 * 1024
/** Unpacked size of compressed-data. */
const INFLATE_LIMIT = 50 * 1024 * 1024
/** UTF8String, NumericString, PrintableString, T61String, IA5String, VisibleString. */
const STRING_TAGS = new Set([0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a])
const BMP_STRING = 0x1e

/** Reader of CMS; see {@link import('./types').FileReader}. */
export function readCms(file: OpenFile, budget: ReadBudget): FileReading | null {
  try {
    const info = parseBer(file.bytes)
    const [type, wrapper] = info.children
    const kind = type?.tag === 0x06 ? contentKind(type.bytes) : null
    const content = wrapper?.children[0]
    if (kind === null || content === undefined) return null
    // what stands beside the one content would be seen by nobody here
    if (kind === 'signed' && !(info.children.length === 2 && wrapper?.children.length === 1)) return null
    return readContent(file, budget, kind, content)
  } catch {
    // encrypted content need not be whole to be what it says
    return looksEnveloped(file.bytes) ? encrypted(file) : null
  }
}

type ContentKind = (typeof CONTENT)[keyof typeof CONTENT]

function contentKind(oid: Buffer): ContentKind | null {
  return Object.entries(CONTENT).find(([hex]) => hex === oid.toString('hex'))?.[1] ?? null
}

function readContent(file: OpenFile, budget: ReadBudget, kind: ContentKind, content: BerElement): FileReading | null {
  const reading = emptyReading()
  switch (kind) {
    case 'enveloped':
      return encrypted(file)
    case 'compressed': {
      // CompressedData: version, compressionAlgorithm, encapContentInfo
      const inside = encapsulated(content.children[2])
      if (inside === null) return null
      const bytes = inflateSync(inside, { maxOutputLength: INFLATE_LIMIT })
      if (!budget.bytes(bytes.length)) return unread(file, 'the content is too large')
      reading.embedded.push({ bytes, name: '', type: '', where: `${file.where} > compressed content`, archive: true })
      return reading
    }
    case 'signed': {
      if (!isSignedData(content)) return null
      const inside = encapsulated(content.children[2])
      const text = stringsIn(content).join('\n')
      if (text !== '') reading.texts.push({ where: `${file.where} > signature`, role: 'hidden', text })
      if (inside !== null) {
        if (!budget.bytes(inside.length)) return unread(file, 'the content is too large')
        reading.embedded.push({
          bytes: inside,
          name: '',
          type: '',
          where: `${file.where} > signed content`,
          archive: false,
        })
      } else if (file.bytes.length > SIGNATURE_LIMIT) return unread(file, 'the signature is too large')
      return reading
    }
  }
}

function encrypted(file: OpenFile): FileReading {
  return { ...emptyReading(), protection: [{ where: file.where, kind: 'smime-enveloped' }] }
}

function unread(file: OpenFile, reason: string): FileReading {
  return { ...emptyReading(), uninspected: [{ where: file.where, reason }] }
}

const SEQUENCE = 0x30
const SET = 0x31

/**
 * SignedData (section 5.1): version, digestAlgorithms, encapContentInfo, [0] certificates, [1] crls, signerInfos, each in
 * its place and nothing besides: with a wrong length the content becomes a neighbour of its own place, and some mail
 * programs show it all the same.
 */
function isSignedData({ tag, children }: BerElement): boolean {
  const [version, digests, info, ...rest] = children
  const signers = rest.pop()
  const optional = rest.map((one) => one.tag)
  return (
    tag === SEQUENCE &&
    version?.tag === 0x02 &&
    digests?.tag === SET &&
    info?.tag === SEQUENCE &&
    signers?.tag === SET &&
    signers.children.every((one) => one.tag === SEQUENCE) &&
    [[], [0xa0], [0xa1], [0xa0, 0xa1]].some((allowed) => String(allowed) === String(optional)) &&
    rest.every((one) => one.children.every(({ constructed }) => constructed))
  )
}

/** EncapsulatedContentInfo: the content, or null where it stands elsewhere (a detached signature). */
function encapsulated(info: BerElement | undefined): Buffer | null {
  const [type, wrapper, ...more] = info?.children ?? []
  if (type?.tag !== 0x06) throw new RangeError('no content info')
  if (wrapper === undefined) {
    // signatures beside their mail and lists of certificates (RFC 8551 sections 3.5.3 and 3.6); bytes in the place of
    // another type could be the content
    if (type.bytes.toString('hex') !== ID_DATA) throw new RangeError('no content')
    return null
  }
  if (wrapper.tag !== 0xa0 || wrapper.children.length !== 1 || more.length > 0) throw new RangeError('no content info')
  return octets(wrapper.children[0])
}

/** Names and notes in certificates and attributes. */
function stringsIn(element: BerElement): string[] {
  if (STRING_TAGS.has(element.tag)) return [element.bytes.toString('utf8')]
  if (element.tag === BMP_STRING) {
    return [utf16Text(Buffer.from(element.bytes.subarray(0, element.bytes.length & ~1)).swap16())]
  }
  return element.children.flatMap(stringsIn)
}

function looksEnveloped(bytes: Buffer): boolean {
  const length = bytes[1] ?? 0
  const from = length > 0x80 && length <= 0x84 ? 2 + (length & 0x7f) : 2
  const head = bytes.subarray(from, from + 16).toString('hex')
  return Object.entries(CONTENT).some(
    ([oid, kind]) =>
      kind === 'enveloped' && head.startsWith(`06${(oid.length / 2).toString(16).padStart(2, '0')}${oid}`),
  )
}
