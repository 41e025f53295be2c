/**
 * Paths from a server's certificate to a trust anchor that a DANE-TA(2) record names, out of what the server sent (RFC
 * 7672 section 3.1.2, RFC 7671 section 5.2). Only names and signatures are looked at here; whether a path is valid is
 * judged in `dane-path.ts`.
 */
import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { TlsaRecord } from '../policy/types'
import { pathsFrom, type Path } from '../x509/paths'
import { matchesRecord } from './dane-match'

/** What a server sends beyond this is not looked at: nobody needs it, and it would only cost time. */
const MAX_SENT = 20
/**
 * @param sent as the server sent it, leaf first; the order of the others does not matter (RFC 8446 section 4.4.2)
 * @param records those of usage 2 count
 */
export function* pathsToAnchors(
  sent: readonly X509Certificate[],
  records: readonly TlsaRecord[],
): Generator<Path, void, undefined> {
  const [leaf, ...others] = sent.slice(0, MAX_SENT)
  if (leaf === undefined) return
  const trusted = records.filter((record) => record.usage === 2)
  // RFC 7671 section 5.2.3: an anchor that stands whole in DNS need not be sent
  const published = trusted.filter((record) => record.matchingType === 0)
  const certificates = published.filter(({ selector }) => selector === 0).flatMap(publishedCertificate)
  const keys = published.filter(({ selector }) => selector === 1).flatMap(publishedKey)
  const pool = [...others, ...certificates]
  const anchors = new Set(pool.filter((one) => trusted.some((record) => matchesRecord(record, one))))
  yield* pathsFrom(leaf, pool, { certificates: anchors, keys })
}

function publishedCertificate(record: TlsaRecord): X509Certificate[] {
  try {
    return [new X509Certificate(Buffer.from(record.data, 'hex'))]
  } catch {
    return []
  }
}

function publishedKey(record: TlsaRecord): KeyObject[] {
  try {
    return [createPublicKey({ key: Buffer.from(record.data, 'hex'), format: 'der', type: 'spki' })]
  } catch {
    return []
  }
}
