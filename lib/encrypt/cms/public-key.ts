/** The key of a certificate in a form that node:crypto takes. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { children, toBeSigned, wholeOf } from '../../x509/der'
import { nothing, oid, sequence } from './der-write'
import { oaepFrom, type Oaep } from './oaep'
import { OID } from './oids'

export interface PublicKey {
  key: KeyObject
  /** The key is for RSAES-OAEP only, with these parameters (RFC 4055 section 4); null = it does not say so. */
  oaep: Oaep | null
}

/**
 * @param certificate DER
 * @throws Error when there is none that OpenSSL can read
 */
export function publicKeyOf(certificate: Buffer): PublicKey {
  const { key: spki } = toBeSigned(certificate)
  const [algorithm, bits] = children(certificate, spki)
  if (algorithm === undefined || bits === undefined) throw new RangeError('no key where it belongs')
  const [id, parameters] = children(certificate, algorithm)
  const isOaep = id !== undefined && wholeOf(certificate, id).equals(oid(OID.rsaesOaep))
  // OpenSSL takes a key for OAEP only when it is said to be any RSA key
  const known = isOaep
    ? sequence(sequence(oid(OID.rsaEncryption), nothing()), wholeOf(certificate, bits))
    : wholeOf(certificate, spki)
  return {
    key: createPublicKey({ key: known, format: 'der', type: 'spki' }),
    oaep: isOaep ? oaepFrom(certificate, parameters) : null,
  }
}
