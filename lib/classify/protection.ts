/** Is it encrypted already? Told by bytes; a declared type or a file name proves nothing. */
import type { Message, Part } from '../message/message'
import type { Protection } from '../gate/types'

/** Content types of CMS (RFC 5652, RFC 5083), DER. */
const CMS: readonly (readonly [kind: CmsKind, hex: string])[] = [
  ['enveloped', '06092a864886f70d010703'],
  ['enveloped', '060b2a864886f70d0109100117'],
  ['signed', '06092a864886f70d010702'],
  ['encrypted-data', '06092a864886f70d010706'],
  ['compressed', '060b2a864886f70d0109100109'],
]
type CmsKind = 'enveloped' | 'signed' | 'encrypted-data' | 'compressed'

/** UTF-16LE names of the streams of an encrypted Office file (MS-OFFCRYPTO 2.3). */
const ENCRYPTION_INFO = Buffer.from('EncryptionInfo', 'utf16le')
const ENCRYPTED_PACKAGE = Buffer.from('EncryptedPackage', 'utf16le')
/** Read at most so much of a file to find out. */
const WINDOW = 32 * 1024 * 1024

export interface ProtectionReading {
  protection: Protection[]
  /** The whole content is encrypted: nothing of it can be read on the way. */
  whole: boolean
}

/** @param message with its files opened */
export function protectionOf({ root, enclosed, protection: inFiles }: Message): ProtectionReading {
  const protection: Protection[] = [...inFiles]
  for (const one of [root, ...enclosed]) collect(one, protection)
  const known = new Set<string>()
  const distinct = protection.filter(
    ({ kind, where }) => !known.has(`${kind} ${where}`) && known.add(`${kind} ${where}`),
  )
  return { protection: distinct, whole: isWhole(root) }
}

function collect(part: Part, into: Protection[]): void {
  const kind = protectionKind(part)
  if (kind !== null) into.push({ kind, where: part.where })
  for (const child of part.children) collect(child, into)
}

function protectionKind(part: Part): Protection['kind'] | null {
  if (isPgpMime(part)) return 'pgp-mime'
  const { bytes } = part
  if (bytes === undefined) return null
  if (part.shown !== undefined) return pgpBlock(part.shown.text) === null ? null : 'pgp-inline'
  // a file that was read to its end is not encrypted, whatever it looks like
  if (part.status === 'inspected') return null
  switch (part.kind) {
    case 'der':
      return cmsKind(bytes) === 'enveloped' ? 'smime-enveloped' : null
    case 'zip':
      return zipEncrypted(bytes) ? 'zip-encrypted' : null
    case 'ole': {
      const head = bytes.subarray(0, WINDOW)
      return head.includes(ENCRYPTION_INFO) && head.includes(ENCRYPTED_PACKAGE) ? 'office-encrypted' : null
    }
    default:
      return null
  }
}

/** One part, encrypted, with nothing readable beside it. */
function isWhole(root: Part): boolean {
  if (root.surrounded) return false
  const kind = protectionKind(root)
  if (kind === 'smime-enveloped' || kind === 'pgp-mime') return true
  if (kind === 'pgp-inline') return pgpBlock(root.shown?.text ?? '')?.outside.trim() === ''
  const [only, ...others] = root.children
  return only !== undefined && others.length === 0 && root.type.startsWith('multipart/') && isWhole(only)
}

/** CMS content type of a DER or BER structure: SEQUENCE { OBJECT IDENTIFIER ... } (RFC 5652 section 3). */
export function cmsKind(bytes: Buffer): CmsKind | null {
  if (bytes[0] !== 0x30) return null
  const length = bytes[1] ?? 0
  // short, long or (0x80) indefinite length
  const from = length > 0x80 && length <= 0x84 ? 2 + (length & 0x7f) : 2
  const head = bytes.subarray(from, from + 16).toString('hex')
  return CMS.find(([, oid]) => head.startsWith(oid))?.[0] ?? null
}

/** RFC 3156 section 4: the version part, then the encrypted data. */
function isPgpMime(part: Part): boolean {
  if (part.type !== 'multipart/encrypted' || part.surrounded || part.children.length !== 2) return false
  const [control, data] = part.children
  if (control?.type !== 'application/pgp-encrypted' || data?.bytes === undefined) return false
  if (!/^\s*Version:\s*1\s*$/i.test(control.bytes?.toString('latin1') ?? '')) return false
  const block = pgpBlock(data.bytes.toString('latin1'))
  return block !== null && block.outside.trim() === ''
}

/**
 * An armored OpenPGP message that begins with an encrypted packet (RFC 9580 sections 4.2, 5 and 6.2).
 *
 * @returns the text around it, or null when there is none
 */
export function pgpBlock(text: string): { outside: string } | null {
  const begin = text.indexOf('-----BEGIN PGP MESSAGE-----')
  const end = text.indexOf('-----END PGP MESSAGE-----', begin + 1)
  if (begin === -1 || end === -1) return null
  const armored = text.slice(begin, end).replace(/\r/g, '')
  const empty = armored.search(/\n[ \t]*\n/)
  if (empty === -1) return null
  const first = Buffer.from(armored.slice(empty).replace(/\s+/g, '').slice(0, 8), 'base64')[0] ?? 0
  if ((first & 0x80) === 0) return null
  const tag = (first & 0x40) === 0 ? (first >> 2) & 0x0f : first & 0x3f
  // public-key or symmetric session key, then encrypted data (old, integrity protected, AEAD)
  if (![1, 3, 9, 18, 20].includes(tag)) return null
  return { outside: text.slice(0, begin) + text.slice(end + '-----END PGP MESSAGE-----'.length) }
}

/** Any entry of the central directory with flag bit 0 or 13, or method 99 (APPNOTE 4.4.4, 4.4.5). */
function zipEncrypted(bytes: Buffer): boolean {
  const signature = Buffer.from('504b0102', 'hex')
  for (
    let at = bytes.indexOf(signature);
    at !== -1 && at + 46 <= bytes.length;
    at = bytes.indexOf(signature, at + 46)
  ) {
    const flags = bytes.readUInt16LE(at + 8)
    const method = bytes.readUInt16LE(at + 10)
    if ((flags & 0x2001) !== 0 || method === 99) return true
  }
  return false
}
