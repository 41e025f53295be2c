/**
 * DANE (RFC 7672) on the certificates of one handshake: does the server show what its TLSA records say? Pure, and never
 * throws: what cannot be read does not match.
 */
import type { X509Certificate } from 'node:crypto'
import type { HostRequirement, TlsaRecord } from '../policy/types'
import { altNames, certificateFacts } from './certificate'
import { pathsToAnchors } from './dane-anchors'
import { matchesRecord } from './dane-match'
import { problemOf } from './dane-path'
import { nameMatches } from './names'
import type { Verdict } from './verify'

/**
 * @param sent the certificates that the server sent, its own first
 * @param need `tlsa` are the usable records, `refNames` the names that a DANE-TA certificate may be for
 * @param now milliseconds
 */
export function verifyDane(
  sent: readonly X509Certificate[],
  need: Pick<HostRequirement, 'tlsa' | 'refNames'>,
  now: number,
): Verdict {
  const [leaf] = sent
  if (leaf === undefined) {
    return { ok: false, resultType: 'certificate-not-trusted', text: 'The server showed no certificate.' }
  }
  if (!need.tlsa.some(({ usage }) => usage === 2 || usage === 3)) {
    return {
      ok: false,
      resultType: 'dane-required',
      text: 'DANE is required and the server has no usable TLSA record.',
    }
  }
  // RFC 7672 section 3.1.1: for DANE-EE names and dates of the certificate are not looked at.
  if (need.tlsa.some((record) => record.usage === 3 && matchesRecord(record, leaf))) return { ok: true }
  return verifyByAnchor(sent, leaf, need, now)
}

/** RFC 7672 section 3.1.2: DANE-TA is path validation up to the published anchor, and the right name. */
function verifyByAnchor(
  sent: readonly X509Certificate[],
  leaf: X509Certificate,
  need: Pick<HostRequirement, 'tlsa' | 'refNames'>,
  now: number,
): Verdict {
  let verdict: Verdict | undefined
  for (const path of pathsToAnchors(sent, need.tlsa)) {
    const problem = problemOf(path, now)
    if (problem === undefined) return verifyNames(leaf, need.refNames)
    verdict ??= { ok: false, ...problem }
  }
  return (
    verdict ?? {
      ok: false,
      resultType: 'tlsa-invalid',
      text: "The server's certificate does not agree with its published TLSA records.",
      detail: `published: ${need.tlsa.slice(0, 10).map(shown).join(', ')}; shown: ${sent.slice(0, 5).map(fingerprint).join(', ')}`,
    }
  )
}

/** RFC 7672 section 3.2.2; of the certificate only subjectAltName counts (RFC 9525 section 2). */
function verifyNames(leaf: X509Certificate, refNames: readonly string[]): Verdict {
  const { dns } = altNames(leaf.subjectAltName)
  if (dns.some((name) => refNames.some((reference) => nameMatches(name, reference)))) return { ok: true }
  return {
    ok: false,
    resultType: 'certificate-host-mismatch',
    text: `The server's certificate is for another name than ${refNames.join(' or ') || '(no name to compare with)'}.`,
    detail: `names in the certificate: ${dns.slice(0, 20).join(', ') || 'none'}`,
  }
}

/** As in a zone file, the data shortened. */
function shown({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${data.slice(0, 16)}${data.length > 16 ? '...' : ''}`
}

function fingerprint(certificate: X509Certificate): string {
  try {
    const { sha256, spkiSha256 } = certificateFacts(certificate)
    return `certificate ${sha256.slice(0, 16)}... with key ${spkiSha256.slice(0, 16)}...`
  } catch {
    return 'an unreadable certificate'
  }
}
