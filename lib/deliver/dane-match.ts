/** Is a TLSA record about a certificate? (RFC 6698 sections 2.1.2 to 2.1.4) */
import { createHash, type X509Certificate } from 'node:crypto'
import type { TlsaRecord } from '../policy/types'
import { subjectPublicKeyInfo } from './certificate'

/** An unknown selector or matching type matches nothing; never throws. */
export function matchesRecord(record: TlsaRecord, certificate: X509Certificate): boolean {
  try {
    return associationOf(record, certificate) === record.data
  } catch {
    return false
  }
}

function associationOf(record: TlsaRecord, certificate: X509Certificate): string | undefined {
  const selected =
    record.selector === 0 ? certificate.raw : record.selector === 1 ? subjectPublicKeyInfo(certificate.raw) : undefined
  if (selected === undefined) return undefined
  switch (record.matchingType) {
    case 0:
      return selected.toString('hex')
    case 1:
      return createHash('sha256').update(selected).digest('hex')
    case 2:
      return createHash('sha512').update(selected).digest('hex')
    default:
      return undefined
  }
}
