/** What CMS needs of a certificate: how to name it, and the key that the content's key is encrypted to. */
import { contentOf, element, extensionsOf, toBeSigned, wholeOf } from '../../x509/der'
import { certificateFacts, unfit } from '../certificates/facts'
import { der, primitive, sequence } from './der-write'
import { publicKeyOf, type PublicKey } from './public-key'

/** A certificate that nothing can be encrypted to; the message says why, in one clause. */
export class CertificateUnusable extends Error {
  override name = 'CertificateUnusable'
}

/** Whose certificate it is, as recipients and signers are named (RFC 5652 sections 5.3 and 6.2.1). */
export interface CertificateName {
  /** IssuerAndSerialNumber, or `[0]` SubjectKeyIdentifier where the issuer has no name. */
  identifier: Buffer
  /** The version of the structure that it stands in depends on the form. */
  byKeyId: boolean
}

export interface RecipientKey extends CertificateName, PublicKey {
  /** SHA-256 of the certificate, lower-case hex. */
  fingerprint: string
}

/**
 * @param certificate DER
 * @throws CertificateUnusable
 */
export function recipientKey(certificate: Uint8Array): RecipientKey {
  try {
    const facts = certificateFacts(certificate)
    const why = unfit(facts)
    if (why !== null) throw new CertificateUnusable(why)
    const { raw } = facts.x509
    return { ...nameOf(raw), ...publicKeyOf(raw), fingerprint: facts.fingerprint }
  } catch (error) {
    if (error instanceof CertificateUnusable) throw error
    throw new CertificateUnusable(`the certificate cannot be read: ${(error as Error).message}`)
  }
}

/**
 * The bytes of issuer and serial number are the certificate's own: who looks for a certificate compares bytes.
 *
 * @throws RangeError when it is not the structure of a certificate
 */
export function nameOf(raw: Buffer): CertificateName {
  const { issuer, serial } = toBeSigned(raw)
  const keyId = contentOf(raw, issuer).length === 0 ? keyIdOf(raw) : undefined
  if (keyId !== undefined) return { identifier: der(primitive(0), keyId), byKeyId: true }
  return { identifier: sequence(wholeOf(raw, issuer), wholeOf(raw, serial)), byKeyId: false }
}

function keyIdOf(raw: Buffer): Buffer | undefined {
  const value = extensionsOf(raw).get('551d0e')?.value
  return value === undefined ? undefined : contentOf(value, element(value, 0))
}
