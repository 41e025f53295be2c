/** X.509 certificates of any shape, also ones that no authority would issue: to see what verification makes of them. */
import { createHash, generateKeyPairSync, sign, X509Certificate, type KeyObject } from 'node:crypto'

export interface KeyPair {
  publicKey: KeyObject
  privateKey: KeyObject
}

/** A certificate and the key that belongs to it. */
export interface Made {
  certificate: X509Certificate
  key: KeyPair
  name: string
}

export interface Wish {
  /** Common name of the subject. */
  name: string
  /** Default: itself. */
  issuer?: Pick<Made, 'name' | 'key'>
  key?: KeyPair
  /** subjectAltName, dNSName. */
  dns?: readonly string[]
  /** subjectAltName, iPAddress (v4). */
  ip?: readonly string[]
  /** Default: true for what is its own issuer. */
  ca?: boolean
  /** No basicConstraints at all. */
  noBasicConstraints?: boolean
  pathLength?: number
  /** keyUsage, first byte; 0x04 = keyCertSign. */
  keyUsage?: number
  /** extKeyUsage, dotted. */
  purposes?: readonly string[]
  permitted?: readonly Subtree[]
  excluded?: readonly Subtree[]
  /** More extensions: dotted identifier, critical, DER value. */
  extensions?: readonly [string, boolean, Buffer][]
  /** Milliseconds from now; default minus and plus one day. */
  notBefore?: number
  notAfter?: number
  digest?: 'sha1' | 'sha256' | 'sha384'
  version?: 1 | 3
}

type Subtree = { dns: string } | { ip: string } | { directory: string }

export const DAY = 86_400_000
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

export function ecKey(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
}

export function rsaKey(modulusLength: number): KeyPair {
  return generateKeyPairSync('rsa', { modulusLength })
}

/** Make and sign one. */
export function make(wish: Wish): Made {
  const key = wish.key ?? ecKey()
  const issuer = wish.issuer ?? { name: wish.name, key }
  const algorithm = algorithmOf(issuer.key.privateKey, wish.digest ?? 'sha256')
  const now = Date.now()
  const extensions = wish.version === 1 ? [] : extensionsOf(wish, wish.issuer === undefined)
  const toBeSigned = seq(
    ...(wish.version === 1 ? [] : [tlv(0xa0, int(2))]),
    int(++serial),
    algorithm,
    distinguishedName(issuer.name),
    seq(time(now + (wish.notBefore ?? -DAY)), time(now + (wish.notAfter ?? DAY))),
    distinguishedName(wish.name),
    key.publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [tlv(0xa3, seq(...extensions))]),
  )
  const signature = sign(wish.digest ?? 'sha256', toBeSigned, issuer.key.privateKey)
  const der = seq(toBeSigned, algorithm, tlv(0x03, Buffer.concat([Buffer.of(0), signature])))
  return { certificate: new X509Certificate(der), key, name: wish.name }
}

/** Hex of what a TLSA record of this selector and matching type holds. */
export function association(made: Made, selector: 0 | 1, matchingType: 0 | 1 | 2): string {
  const bytes =
    selector === 0 ? made.certificate.raw : made.certificate.publicKey.export({ type: 'spki', format: 'der' })
  if (matchingType === 0) return bytes.toString('hex')
  return createHash(matchingType === 1 ? 'sha256' : 'sha512')
    .update(bytes)
    .digest('hex')
}

let serial = 0x10000

function extensionsOf(wish: Wish, selfIssued: boolean): Buffer[] {
  const { dns = [], ip = [], permitted = [], excluded = [], purposes = [] } = wish
  const names = [
    ...dns.map((name) => tlv(0x82, name)),
    ...ip.map((one) => tlv(0x87, Buffer.from(one.split('.').map(Number)))),
  ]
  const ca = wish.ca ?? selfIssued
  const constraints = seq(
    ...(ca ? [tlv(0x01, Buffer.of(0xff))] : []),
    ...(wish.pathLength === undefined ? [] : [int(wish.pathLength)]),
  )
  const subtrees = (tag: number, list: readonly Subtree[]) =>
    list.length === 0 ? [] : [tlv(tag, ...list.map((one) => seq(generalName(one))))]
  return [
    ...(wish.noBasicConstraints === true ? [] : [extension('2.5.29.19', true, constraints)]),
    ...(wish.keyUsage === undefined ? [] : [extension('2.5.29.15', true, tlv(0x03, Buffer.of(0, wish.keyUsage)))]),
    ...(purposes.length === 0 ? [] : [extension('2.5.29.37', false, seq(...purposes.map(oid)))]),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', false, seq(...names))]),
    ...(permitted.length + excluded.length === 0
      ? []
      : [extension('2.5.29.30', true, seq(...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)))]),
    ...(wish.extensions ?? []).map(([id, critical, value]) => extension(id, critical, value)),
  ]
}

function generalName(subtree: Subtree): Buffer {
  if ('dns' in subtree) return tlv(0x82, subtree.dns)
  // RFC 5280 section 4.2.1.10: address and mask
  if ('ip' in subtree) return tlv(0x87, Buffer.from([...subtree.ip.split('.').map(Number), 255, 255, 255, 255]))
  return tlv(0xa4, distinguishedName(subtree.directory))
}

function algorithmOf(key: KeyObject, digest: NonNullable<Wish['digest']>): Buffer {
  const rsa = { sha1: '5', sha256: '11', sha384: '12' }
  if (key.asymmetricKeyType === 'rsa') return seq(oid(`1.2.840.113549.1.1.${rsa[digest]}`), tlv(0x05))
  const ec = { sha1: '1', sha256: '3.2', sha384: '3.3' }
  return seq(oid(`1.2.840.10045.4.${ec[digest]}`))
}

/** A DER element. */
export function tlv(tag: number, ...parts: (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)))
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

const seq = (...parts: Buffer[]): Buffer => tlv(0x30, ...parts)

/** Below 0x80, or of three bytes. */
function int(value: number): Buffer {
  return tlv(0x02, value < 0x80 ? Buffer.of(value) : Buffer.of(value >> 16, (value >> 8) & 0xff, value & 0xff))
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = rest.flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return tlv(0x06, Buffer.from([first * 40 + second, ...bytes]))
}

const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
  seq(oid(id), ...(critical ? [tlv(0x01, Buffer.of(0xff))] : []), tlv(0x04, value))

const distinguishedName = (name: string): Buffer => seq(tlv(0x31, seq(oid('2.5.4.3'), tlv(0x0c, name))))

/** UTCTime (RFC 5280 section 4.1.2.5.1). */
const time = (at: number): Buffer => tlv(0x17, `${new Date(at).toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`)
