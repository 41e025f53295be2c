/** Which certificate is meant: fingerprints as people have them. */
import type { Scope } from '../../lib/encrypt/certificates/names'
import type { StoredCertificate } from '../../lib/encrypt/certificates/types'
import type { CertificateRoom } from './room'

/** One certificate, and whose it is. */
export interface Found {
  scope: Scope
  holder: string
  stored: StoredCertificate
}

/** A beginning that is shorter could be met by accident. */
const MIN_DIGITS = 8

/** @returns lower-case hex without colons; null when it is no SHA-256 fingerprint or beginning of one */
export function readFingerprint(text: string): string | null {
  const digits = text.replace(/[:\s]/g, '').toLowerCase()
  return /^[0-9a-f]+$/.test(digits) && digits.length >= MIN_DIGITS && digits.length <= 64 ? digits : null
}

/**
 * @param digits of `readFingerprint`
 * @returns every place where the certificate stands; or, in words, why it is not clear which one is meant
 */
export async function findCertificate({ book }: CertificateRoom, digits: string): Promise<Found[] | string> {
  const found = (await book.all()).flatMap(({ scope, name, certificates }) =>
    certificates
      .filter(({ fingerprint }) => fingerprint.startsWith(digits))
      .map((stored) => ({ scope, holder: name, stored })),
  )
  const different = new Set(found.map(({ stored }) => stored.fingerprint))
  return different.size > 1
    ? `${different.size} certificates begin with ${digits}; give more of the fingerprint`
    : found
}
