/** One recipient's way to the key of the content: RecipientInfo (RFC 5652 section 6.2). */
import { constants, createCipheriv, createHash, diffieHellman, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { children, contentOf, element } from '../../x509/der'
import type { RecipientKey } from './certificate'
import { context, der, nothing, octets, oid, sequence, small, TAG } from './der-write'
import { oaepAlgorithm, USUAL_OAEP } from './oaep'
import { OID } from './oids'

/** How a content key is encrypted to an RSA key whose certificate leaves the choice. */
export type RsaPadding = 'pkcs1' | 'oaep'

export interface RecipientInfo {
  bytes: Buffer
  /** CMSVersion of the structure, on which the version of the whole depends. */
  version: 0 | 2 | 3
}

/** @param contentKey 32 bytes */
export function recipientInfo(recipient: RecipientKey, contentKey: Buffer, padding: RsaPadding): RecipientInfo {
  return recipient.key.asymmetricKeyType === 'rsa'
    ? keyTransport(recipient, contentKey, padding)
    : keyAgreement(recipient, contentKey)
}

/** KeyTransRecipientInfo: RSAES-PKCS1-v1_5 (RFC 3370 section 4.2.1) or RSAES-OAEP (RFC 3560). */
function keyTransport(recipient: RecipientKey, contentKey: Buffer, padding: RsaPadding): RecipientInfo {
  const { key, identifier, byKeyId } = recipient
  const oaep = recipient.oaep ?? (padding === 'oaep' ? USUAL_OAEP : null)
  const version = byKeyId ? 2 : 0
  const algorithm = oaep === null ? sequence(oid(OID.rsaEncryption), nothing()) : oaepAlgorithm(oaep)
  const encrypted = publicEncrypt(
    oaep === null
      ? { key, padding: constants.RSA_PKCS1_PADDING }
      : { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaep.hash, oaepLabel: oaep.label },
    contentKey,
  )
  return { version, bytes: sequence(small(version), identifier, algorithm, octets(encrypted)) }
}

/** KeyAgreeRecipientInfo: ephemeral-static ECDH (RFC 5753 section 3.1) with AES-256 key wrap (RFC 3394, RFC 3565). */
function keyAgreement({ key, identifier, byKeyId }: RecipientKey, contentKey: Buffer): RecipientInfo {
  const namedCurve = key.asymmetricKeyDetails?.namedCurve ?? ''
  const ephemeral = generateKeyPairSync('ec', { namedCurve })
  const wrap = sequence(oid(OID.aes256Wrap))
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: key })
  const wrapped = wrapKey(keyEncryptionKey(shared, wrap), contentKey)
  const point = publicPoint(ephemeral.publicKey.export({ format: 'der', type: 'spki' }))
  // OriginatorPublicKey, [1] IMPLICIT: the curve is the recipient's, and need not be said
  const originator = der(context(1), sequence(oid(OID.ecPublicKey)), point)
  // RecipientKeyIdentifier, [0] IMPLICIT, is a structure around what elsewhere is the tag's own value
  const rid = byKeyId ? der(context(0), octets(contentOf(identifier, element(identifier, 0)))) : identifier
  return {
    version: 3,
    bytes: der(
      context(1),
      small(3),
      der(context(0), originator),
      sequence(oid(OID.ecdhSha256Kdf), wrap),
      sequence(sequence(rid, octets(wrapped))),
    ),
  }
}

/** The BIT STRING of a SubjectPublicKeyInfo. */
function publicPoint(spki: Buffer): Buffer {
  const bits = children(spki, element(spki, 0))[1]
  if (bits?.tag !== TAG.bitString) throw new RangeError('no public key in what OpenSSL exported')
  return der(TAG.bitString, contentOf(spki, bits))
}

/** X9.63 key derivation with SHA-256 over ECC-CMS-SharedInfo (RFC 5753 section 7.2): one round makes 32 bytes. */
function keyEncryptionKey(shared: Buffer, wrap: Buffer): Buffer {
  const keyBits = Buffer.from([0, 0, 1, 0])
  const info = sequence(wrap, der(context(2), octets(keyBits)))
  return createHash('sha256')
    .update(shared)
    .update(Buffer.from([0, 0, 0, 1]))
    .update(info)
    .digest()
}

/** Initial value of RFC 3394 section 2.2.3.1. */
const WRAP_IV = Buffer.alloc(8, 0xa6)

function wrapKey(key: Buffer, contentKey: Buffer): Buffer {
  const cipher = createCipheriv('id-aes256-wrap', key, WRAP_IV)
  return Buffer.concat([cipher.update(contentKey), cipher.final()])
}
