/** What a certificate says about itself, as far as encryption needs it. */
import { X509Certificate, type KeyObject } from 'node:crypto'
import { extensionsOf } from '../../x509/der'
import { mailNames } from '../../x509/mail-names'
import { publicKeyOf } from '../cms/public-key'
import { keyUsages, PURPOSE, purposes, type KeyUsage } from '../../x509/usage'
import { certificateAddress } from './names'

/** Largest certificate that is read, in bytes: one with a key of 16384 bits and many names fits. */
export const MAX_CERTIFICATE = 16 * 1024

/** JSON-safe but for `x509`. */
export interface CertificateFacts {
  x509: X509Certificate
  /** SHA-256 of the certificate, lower-case hex. */
  fingerprint: string
  /** One line each, `CN=..., O=...`. */
  subject: string
  issuer: string
  /** Upper-case hex. */
  serial: string
  /** Milliseconds since the epoch. */
  notBefore: number
  notAfter: number
  /** Mail addresses in the form that is compared, each once. */
  addresses: readonly string[]
  /** `RSA 2048`, `EC P-256`, or another kind that cannot be encrypted to. */
  key: string
  /** null = the certificate does not say, and every use is allowed. */
  keyUsage: readonly KeyUsage[] | null
  /** Object identifiers of extended key usage (hex); null = as above. */
  purposes: readonly string[] | null
}

/**
 * @param der the bytes of a certificate
 * @throws RangeError when they are none, or it is too large
 */
export function certificateFacts(der: Uint8Array): CertificateFacts {
  if (der.length > MAX_CERTIFICATE) throw new RangeError(`a certificate of ${der.length} bytes is too large`)
  const x509 = parse(der)
  const extensions = extensionsOf(x509.raw)
  const addresses = mailNames(x509.raw).flatMap((name) => certificateAddress(name) ?? [])
  const [notBefore, notAfter] = [Date.parse(x509.validFrom), Date.parse(x509.validTo)]
  if (Number.isNaN(notBefore) || Number.isNaN(notAfter)) throw new RangeError('its dates cannot be read')
  return {
    x509,
    fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    subject: oneLineName(x509.subject),
    issuer: oneLineName(x509.issuer),
    serial: x509.serialNumber,
    notBefore,
    notAfter,
    addresses: [...new Set(addresses)],
    key: keyName(x509),
    keyUsage: keyUsages(extensions),
    purposes: purposes(extensions),
  }
}

function parse(der: Uint8Array): X509Certificate {
  let x509: X509Certificate
  try {
    x509 = new X509Certificate(der)
  } catch {
    throw new RangeError('it is no certificate')
  }
  // OpenSSL reads PEM as well, and passes over what follows the structure
  if (x509.raw.length !== der.length) throw new RangeError('it is no certificate in DER form')
  return x509
}

/** Curves whose keys can be encrypted to, by OpenSSL's names. */
const CURVES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }

function keyName(x509: X509Certificate): string {
  const key = publicKey(x509)
  const details = key?.asymmetricKeyDetails
  switch (key?.asymmetricKeyType) {
    case 'rsa':
      return `RSA ${details?.modulusLength ?? 0}`
    case 'ec':
      return `EC ${CURVES[details?.namedCurve ?? ''] ?? details?.namedCurve ?? 'unknown'}`
    default:
      return key?.asymmetricKeyType ?? 'unknown'
  }
}

/** @returns null when OpenSSL cannot read the key */
export function publicKey(x509: X509Certificate): KeyObject | null {
  try {
    return publicKeyOf(x509.raw).key
  } catch {
    return null
  }
}

/** Node prints one attribute a line; an empty name is possible and legal. */
function oneLineName(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ')
}

/** NIST SP 800-57: 2048 bits are the least that is still good. */
const MIN_RSA_BITS = 2048

/**
 * Can mail be encrypted to it? (RFC 8550 section 4.4)
 *
 * @param now milliseconds
 * @returns why not, in one clause; null when it can
 */
export function unusable(facts: CertificateFacts, now: number): string | null {
  return unfit(facts) ?? outOfTime(facts, now)
}

/** Why it is not for encrypting mail, whatever the time; null when it is. */
export function unfit({ key, keyUsage, purposes: allowed }: CertificateFacts): string | null {
  const [kind, size] = key.split(' ')
  if (kind === 'RSA') {
    if (Number(size) < MIN_RSA_BITS) return `its key is too short (${key})`
    if (keyUsage?.includes('keyEncipherment') === false) return 'it is not for encryption (keyUsage)'
  } else if (kind === 'EC' && Object.values(CURVES).includes(size ?? '')) {
    if (keyUsage?.includes('keyAgreement') === false) return 'it is not for encryption (keyUsage)'
  } else return `nothing can be encrypted to a key of this kind (${key})`
  // RFC 8550 section 4.4.4
  if (allowed !== null && !allowed.includes(PURPOSE.emailProtection) && !allowed.includes(PURPOSE.any)) {
    return 'it is not for mail (extendedKeyUsage)'
  }
  return null
}

/** Why it is not valid at this time; null when it is. */
export function outOfTime({ notBefore, notAfter }: CertificateFacts, now: number): string | null {
  if (now > notAfter) return `it has expired (${new Date(notAfter).toISOString()})`
  if (now < notBefore) return `it is not valid before ${new Date(notBefore).toISOString()}`
  return null
}
