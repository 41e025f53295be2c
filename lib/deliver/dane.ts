/**
 * DANE (RFC 7672) for a peer certificate. DANE-EE(3) is decided here. DANE-TA(2) needs path building to the trust
 * anchor that the record names, which does not exist yet: such a record never matches, so a host that has only those
 * is refused and the mail waits.
 */
import { createHash, type X509Certificate } from 'node:crypto'
import type { HostRequirement, TlsaRecord } from '../policy/types'
import { subjectPublicKeyInfo } from './certificate'
import type { Verdict } from './verify'

/** @returns `ok` when one DANE-EE record is about this leaf certificate */
export function verifyDane(leaf: X509Certificate, need: HostRequirement): Verdict {
  if (need.tlsa.length === 0) {
    return {
      ok: false,
      resultType: 'dane-required',
      text: 'DANE is required and the server has no usable TLSA record.',
    }
  }
  // RFC 7672 section 3.1.1: for DANE-EE names and dates of the certificate are not looked at.
  if (need.tlsa.some((record) => record.usage === 3 && matches(record, leaf))) return { ok: true }
  return need.tlsa.some((record) => record.usage === 3)
    ? {
        ok: false,
        resultType: 'validation-failure',
        text: "The server's certificate does not agree with its published TLSA records.",
      }
    : {
        ok: false,
        resultType: 'dane-required',
        text: 'The TLSA records of the server are of a kind that cannot be checked.',
      }
}

/** RFC 6698 sections 2.1.2 to 2.1.4; an unknown selector or matching type matches nothing. */
function matches(record: TlsaRecord, leaf: X509Certificate): boolean {
  const selected = record.selector === 0 ? leaf.raw : record.selector === 1 ? subjectPublicKeyInfo(leaf.raw) : undefined
  if (!selected) return false
  switch (record.matchingType) {
    case 0:
      return selected.toString('hex') === record.data
    case 1:
      return createHash('sha256').update(selected).digest('hex') === record.data
    case 2:
      return createHash('sha512').update(selected).digest('hex') === record.data
    default:
      return false
  }
}
