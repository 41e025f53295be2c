/** CMS SignedData without the content (RFC 5652 section 5), as it stands beside a message in multipart/signed. */
import { constants, sign, X509Certificate, type KeyObject } from 'node:crypto'
import { nameOf } from './certificate'
import { context, der, nothing, octets, oid, sequence, setOf, small, TAG } from './der-write'
import { OID } from './oids'

/** Who signs: the gateway, for everybody. */
export interface Signer {
  /** DER. */
  certificate: Uint8Array
  /** Certificates between the signer's and the root, DER; they go along. */
  chain: readonly Uint8Array[]
  /** RSA or EC. */
  key: KeyObject
}

/**
 * @param certificate PEM or DER
 * @throws Error when key and certificate do not belong together, or nothing can be signed with the key
 */
export function signer(certificate: Uint8Array, chain: readonly Uint8Array[], key: KeyObject): Signer {
  if (key.asymmetricKeyType !== 'rsa' && key.asymmetricKeyType !== 'ec') {
    throw new Error(`a key of this kind cannot sign mail (${key.asymmetricKeyType ?? 'secret'})`)
  }
  const x509 = new X509Certificate(certificate)
  if (!x509.checkPrivateKey(key)) throw new Error('the key is not the one of the certificate')
  return { certificate: x509.raw, chain: chain.map((one) => new X509Certificate(one).raw), key }
}

/**
 * @param digest SHA-256 of the content
 * @param now milliseconds
 * @returns the bytes of a ContentInfo, DER
 * @throws Error of OpenSSL when the key does not sign
 */
export function signedData({ certificate, chain, key }: Signer, digest: Buffer, now: number): Buffer {
  const { identifier, byKeyId } = nameOf(Buffer.from(certificate))
  const sha256 = sequence(oid(OID.sha256))
  const attributes = [
    attribute(OID.contentType, oid(OID.data)),
    attribute(OID.signingTime, time(now)),
    attribute(OID.messageDigest, octets(digest)),
    attribute(OID.smimeCapabilities, CAPABILITIES),
  ]
  // RFC 5652 section 5.4: signed is the SET, though another tag stands in the message
  const signedAttributes = setOf(...attributes)
  const isRsa = key.asymmetricKeyType === 'rsa'
  const signature = sign(
    'sha256',
    signedAttributes,
    isRsa ? { key, padding: constants.RSA_PKCS1_PADDING } : { key, dsaEncoding: 'der' },
  )
  const signerInfo = sequence(
    small(byKeyId ? 3 : 1),
    identifier,
    sha256,
    retagged(signedAttributes, context(0)),
    isRsa ? sequence(oid(OID.rsaEncryption), nothing()) : sequence(oid(OID.ecdsaWithSha256)),
    octets(signature),
  )
  const certificates = [certificate, ...chain].sort((a, b) => Buffer.compare(a, b))
  return sequence(
    oid(OID.signedData),
    der(
      context(0),
      sequence(
        small(byKeyId ? 3 : 1),
        setOf(sha256),
        sequence(oid(OID.data)),
        der(context(0), ...certificates),
        setOf(signerInfo),
      ),
    ),
  )
}

/** RFC 8551 section 2.5.2: what the answer may be encrypted with, best first. */
const CAPABILITIES = sequence(sequence(oid(OID.aes256Cbc)), sequence(oid(OID.aes128Cbc)))

function attribute(type: string, value: Buffer): Buffer {
  return sequence(oid(type), setOf(value))
}

function retagged(element: Buffer, tag: number): Buffer {
  const copy = Buffer.from(element)
  copy[0] = tag
  return copy
}

/** RFC 5652 section 11.3: UTCTime up to 2049, without fractions of a second. */
function time(now: number): Buffer {
  const digits = new Date(now).toISOString().replace(/[-:T]|\.\d+/g, '')
  const early = digits < '2050'
  return der(early ? TAG.utcTime : TAG.generalizedTime, Buffer.from(early ? digits.slice(2) : digits))
}
