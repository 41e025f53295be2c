/** SignedData of CMS (RFC 5652 section 5), as far as signed mail needs it: what it holds, and whether a signature is good. */
import { constants, createHash, verify, type KeyObject, type X509Certificate } from 'node:crypto'
import { octets, parseBer, type BerElement } from '../../message/files/ber'
import { contentOf, extensionsOf, toBeSigned } from '../../x509/der'
import { EXTENSION } from '../../x509/usage'
import { publicKey } from './facts'

/** Largest structure without a content of its own, in bytes: a detached signature with its certificates. */
export const MAX_SIGNATURE = 256 * 1024
/** Certificates and signers that are looked at. */
const MAX_CERTIFICATES = 20
const MAX_SIGNERS = 5

const SIGNED_DATA = '2a864886f70d010702'
const CONTENT_TYPE = '2a864886f70d010903'
const MESSAGE_DIGEST = '2a864886f70d010904'
/** RFC 8551 section 2.5.2, and the older one of Outlook with an issuer and serial number. */
const KEY_PREFERENCE = '2a864886f70d010910020b'
const KEY_PREFERENCE_MICROSOFT = '2b0601040182371004'

/** Digests that are believed (RFC 8551 section 2.1, without SHA-1 and MD5). */
const DIGESTS: Readonly<Record<string, string>> = {
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
}
/** signatureAlgorithm with the digest in it; null = the one of digestAlgorithm. */
const SIGNATURES: Readonly<Record<string, { key: 'rsa' | 'pss' | 'ec'; digest: string | null }>> = {
  '2a864886f70d010101': { key: 'rsa', digest: null },
  '2a864886f70d01010b': { key: 'rsa', digest: 'sha256' },
  '2a864886f70d01010c': { key: 'rsa', digest: 'sha384' },
  '2a864886f70d01010d': { key: 'rsa', digest: 'sha512' },
  '2a864886f70d01010a': { key: 'pss', digest: null },
  // written by some in place of the algorithm
  '2a8648ce3d0201': { key: 'ec', digest: null },
  '2a8648ce3d040302': { key: 'ec', digest: 'sha256' },
  '2a8648ce3d040303': { key: 'ec', digest: 'sha384' },
  '2a8648ce3d040304': { key: 'ec', digest: 'sha512' },
}
const MGF1 = '2a864886f70d010108'

/** Which certificate is meant. */
export type CertificateName = { issuer: Buffer; serial: Buffer } | { keyIdentifier: Buffer }

/** One SignerInfo. */
export interface Signer {
  name: CertificateName
  /** Object identifier of the digest, DER content in hex. */
  digest: string
  /** null = the content itself is signed. */
  attributes: SignedAttributes | null
  algorithm: BerElement
  signature: Buffer
}

interface SignedAttributes {
  /** What is signed in place of the content. */
  bytes: Buffer
  messageDigest: Buffer
  /** Object identifier of the content, hex. */
  contentType: string
  /** The certificate that the signer wants to be written to with. */
  preferred: CertificateName | null
}

export interface SignedData {
  /** Object identifier, hex. */
  contentType: string
  /** null = it stands elsewhere. */
  content: Buffer | null
  /** X.509 certificates in DER form; attribute certificates and revocation lists are passed over. */
  certificates: Buffer[]
  signers: Signer[]
}

/**
 * @returns null when it is another kind of CMS
 * @throws RangeError when it cannot be read, or is too large or too deep
 */
export function parseSignedData(bytes: Buffer): SignedData | null {
  const [type, wrapper] = parseBer(bytes).children
  if (oid(type) !== SIGNED_DATA) return null
  // version, digestAlgorithms, encapContentInfo, [0] certificates, [1] crls, signerInfos
  const [, , encapsulated, ...rest] = childrenOf(wrapper?.children[0])
  const [contentType, content] = childrenOf(encapsulated)
  const infos = rest.at(-1)
  if (infos?.tag !== 0x31) throw new RangeError('no signerInfos')
  return {
    contentType: oid(contentType),
    content: content === undefined ? null : octets(content.children[0]),
    certificates: (rest.find(({ tag }) => tag === 0xa0)?.children ?? [])
      // CHOICE: whatever has another tag is an attribute certificate or older than that
      .filter(({ tag }) => tag === 0x30)
      .slice(0, MAX_CERTIFICATES)
      .map(({ tag, bytes: inside }) => withHead(tag, inside)),
    signers: infos.children.slice(0, MAX_SIGNERS).map(readSigner),
  }
}

function readSigner(info: BerElement): Signer {
  const [, sid, digest, ...rest] = childrenOf(info)
  const attributes = rest[0]?.tag === 0xa0 ? rest.shift() : undefined
  const [algorithm, signature] = rest
  if (algorithm === undefined) throw new RangeError('no signatureAlgorithm')
  return {
    name: readName(sid),
    digest: oid(digest?.children[0]),
    attributes: attributes === undefined ? null : readAttributes(attributes),
    algorithm,
    signature: octets(signature),
  }
}

/** issuerAndSerialNumber, or [0] subjectKeyIdentifier. */
function readName(sid: BerElement | undefined): CertificateName {
  if (sid?.tag === 0x80) return { keyIdentifier: sid.bytes }
  if (sid?.tag !== 0x30) throw new RangeError('no signer identifier')
  return issuerAndSerial(sid)
}

function issuerAndSerial(element: BerElement): CertificateName {
  const [issuer, serial] = element.children
  if (issuer?.tag !== 0x30 || serial?.tag !== 0x02) throw new RangeError('no issuer and serial number')
  return { issuer: issuer.bytes, serial: serial.bytes }
}

function readAttributes(attributes: BerElement): SignedAttributes {
  const values = (type: string) => {
    const found = attributes.children.filter((one) => oid(one.children[0]) === type)
    // section 11: once, with one value
    if (found.length > 1) throw new RangeError('a signed attribute is there twice')
    const list = childrenOf(found[0]?.children[1] ?? EMPTY)
    if (list.length > 1) throw new RangeError('a signed attribute has two values')
    return list[0]
  }
  return {
    // section 5.4: signed with the tag of a SET, not with [0]
    bytes: withHead(0x31, attributes.bytes),
    messageDigest: octets(values(MESSAGE_DIGEST)),
    contentType: oid(values(CONTENT_TYPE)),
    preferred: readPreference(values(KEY_PREFERENCE), values(KEY_PREFERENCE_MICROSOFT)),
  }
}

const EMPTY: BerElement = { tag: 0x31, constructed: true, bytes: Buffer.alloc(0), children: [] }

/** SMIMEEncryptionKeyPreference: [0] issuerAndSerialNumber, [1] recipientKeyId, [2] subjectAltKeyIdentifier. */
function readPreference(own: BerElement | undefined, microsoft: BerElement | undefined): CertificateName | null {
  if (own?.tag === 0xa0) return issuerAndSerial(own)
  if (own?.tag === 0xa1) return { keyIdentifier: octets(own.children[0]) }
  if (own?.tag === 0x82) return { keyIdentifier: own.bytes }
  return microsoft?.tag === 0x30 ? issuerAndSerial(microsoft) : null
}

/** Is this the certificate that is meant? */
export function isNamed(name: CertificateName, { raw }: X509Certificate): boolean {
  if ('keyIdentifier' in name) {
    const extension = extensionsOf(raw).get(EXTENSION.subjectKeyIdentifier)?.value
    // an OCTET STRING in the extension's own
    return extension?.subarray(2).equals(name.keyIdentifier) ?? false
  }
  const { issuer, serial } = toBeSigned(raw)
  return contentOf(raw, issuer).equals(name.issuer) && contentOf(raw, serial).equals(name.serial)
}

/** Why a signature is not believed; null = it is good. */
export type SignatureFault = 'weak-digest' | 'weak-key' | 'changed' | 'bad-signature' | 'unknown-algorithm'

/**
 * @param contents forms of the content of which one has to be what was signed
 * @param certificate the signer's
 */
export function signatureFault(
  signer: Signer,
  contentType: string,
  contents: readonly Buffer[],
  certificate: X509Certificate,
): SignatureFault | null {
  const digest = DIGESTS[signer.digest]
  if (digest === undefined) return 'weak-digest'
  const key = publicKey(certificate)
  const scheme = schemeOf(signer.algorithm, digest)
  if (key === null || scheme === null) return 'unknown-algorithm'
  if (scheme.digest !== digest) return 'weak-digest'
  if ((key.asymmetricKeyDetails?.modulusLength ?? 2048) < 2048) return 'weak-key'
  const { attributes } = signer
  if (attributes === null) {
    return contents.some((one) => isSigned(digest, one, key, scheme, signer.signature)) ? null : 'bad-signature'
  }
  // section 11.1: the type of the content is signed as well
  if (attributes.contentType !== contentType) return 'changed'
  const same = contents.some((one) => createHash(digest).update(one).digest().equals(attributes.messageDigest))
  if (!same) return 'changed'
  return isSigned(digest, attributes.bytes, key, scheme, signer.signature) ? null : 'bad-signature'
}

interface Scheme {
  key: 'rsa' | 'pss' | 'ec'
  digest: string
  saltLength: number
}

/** @returns null when it is not known or its parameters are not what can be verified */
function schemeOf(algorithm: BerElement, digest: string): Scheme | null {
  const [type, parameters] = algorithm.children
  const known = SIGNATURES[oid(type)]
  if (known === undefined) return null
  if (known.key !== 'pss') return { key: known.key, digest: known.digest ?? digest, saltLength: 0 }
  // RFC 4055 section 3.1; what is left out means SHA-1
  const part = (tag: number) => parameters?.children.find((one) => one.tag === tag)?.children[0]
  const hash = DIGESTS[oid(part(0xa0)?.children[0])] ?? 'sha1'
  const mask = part(0xa1)
  const maskHash = DIGESTS[oid(mask?.children[1]?.children[0])] ?? 'sha1'
  if (mask !== undefined && oid(mask.children[0]) !== MGF1) return null
  const salt = part(0xa2)
  if (salt !== undefined && salt.bytes.length > 2) return null
  const saltLength = salt === undefined ? 20 : salt.bytes.readUIntBE(0, salt.bytes.length)
  return hash === maskHash ? { key: 'pss', digest: hash, saltLength } : null
}

function isSigned(digest: string, data: Buffer, key: KeyObject, scheme: Scheme, signature: Buffer): boolean {
  const type = key.asymmetricKeyType
  try {
    if (scheme.key === 'ec') return type === 'ec' && verify(digest, data, key, signature)
    if (scheme.key === 'rsa') return type === 'rsa' && verify(digest, data, key, signature)
    const padding = constants.RSA_PKCS1_PSS_PADDING
    const { saltLength } = scheme
    return (type === 'rsa' || type === 'rsa-pss') && verify(digest, data, { key, padding, saltLength }, signature)
  } catch {
    return false
  }
}

function childrenOf(element: BerElement | undefined): readonly BerElement[] {
  if (element?.constructed !== true) throw new RangeError('a part of the structure is missing')
  return element.children
}

/** @returns DER content in hex; '' when there is none, which is no known one */
function oid(element: BerElement | undefined): string {
  return element?.tag === 0x06 ? element.bytes.toString('hex') : ''
}

/** An element from its content (X.690 section 8.1.3). */
function withHead(tag: number, content: Buffer): Buffer {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  const octetsOfLength = length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4
  const head = Buffer.alloc(2 + octetsOfLength)
  head.writeUInt8(tag, 0)
  head.writeUInt8(0x80 | octetsOfLength, 1)
  head.writeUIntBE(length, 2, octetsOfLength)
  return Buffer.concat([head, content])
}
