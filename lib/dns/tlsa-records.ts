/** Which TLSA records of an RRset count for SMTP. Pure. */
import { createPublicKey, X509Certificate } from 'node:crypto'
import type { TlsaRecord } from '../policy/types'
import type { TlsaData } from './types'

/** RFC 6698 section 2.1.3, hexadecimal digits of each digest. */
const DIGEST_DIGITS: ReadonlyMap<number, number> = new Map([
  [1, 64],
  [2, 128],
])

/**
 * @param records a secure TLSA RRset
 * @returns the records that a certificate is compared with; empty = the RRset is unusable (RFC 7672 section 2.2)
 */
export function usableTlsaRecords(records: readonly TlsaData[]): TlsaRecord[] {
  return withoutWeakerDigests(records.filter(isUsable))
}

function isUsable(record: TlsaData): boolean {
  // RFC 7672 section 3.1.3: PKIX-TA(0) and PKIX-EE(1) say nothing to an SMTP client, nor does a usage without a meaning
  if (record.usage !== 2 && record.usage !== 3) return false
  // RFC 6698 section 2.1.2
  if (record.selector !== 0 && record.selector !== 1) return false
  if (record.matchingType === 0) return record.selector === 0 ? isCertificate(record.data) : isPublicKey(record.data)
  // RFC 6698 section 2.1.3; a digest of another length matches nothing, so the record is malformed
  return record.data.length === DIGEST_DIGITS.get(record.matchingType)
}

/** Full(0) data that is no certificate can match nothing; data that goes on behind it neither. */
function isCertificate(hex: string): boolean {
  try {
    return new X509Certificate(Buffer.from(hex, 'hex')).raw.toString('hex') === hex
  } catch {
    return false
  }
}

function isPublicKey(hex: string): boolean {
  try {
    createPublicKey({ key: Buffer.from(hex, 'hex'), format: 'der', type: 'spki' })
    return true
  } catch {
    return false
  }
}

/**
 * Digest agility (RFC 7671 section 9): of the digests under one usage and selector only the strongest counts, so that a
 * weak one, kept for old clients, cannot be attacked. Full(0) is no digest and always counts. Records that are unusable
 * are gone by now: a malformed strong digest takes nothing away.
 */
function withoutWeakerDigests(records: readonly TlsaRecord[]): TlsaRecord[] {
  const rank = (record: TlsaRecord) => STRENGTH.indexOf(record.matchingType)
  return records.filter(
    (record) =>
      record.matchingType === 0 ||
      !records.some(
        (other) => other.usage === record.usage && other.selector === record.selector && rank(other) > rank(record),
      ),
  )
}

/** Weakest first: SHA-256, SHA-512; Full(0) is in no order with them. */
const STRENGTH: readonly number[] = [1, 2]
