/**
 * Paths from a server's certificate to a trust anchor that a DANE-TA(2) record names, out of what the server sent (RFC
 * 7672 section 3.1.2, RFC 7671 section 5.2). Only names and signatures are looked at here; whether a path is valid is
 * judged in `dane-path.ts`.
 */
import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { TlsaRecord } from '../policy/types'
import { matchesRecord } from './dane-match'

/** Leaf first. The last one is the trust anchor itself, or (`byKey`) signed by the bare key that is the anchor. */
export interface Path {
  certificates: readonly X509Certificate[]
  byKey: boolean
}

/** What a server sends beyond this is not looked at: nobody needs it, and it would only cost time. */
const MAX_SENT = 20
/** Certificates in one path. */
const MAX_LENGTH = 10
/** Signatures that are checked for one server. */
const MAX_SIGNATURES = 100
/** Paths that are begun for one server: among certificates that all sign one another there are millions. */
const MAX_STEPS = 500
/** Paths that lead to an anchor; when so many are not valid, no more are judged. */
const MAX_PATHS = 50

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
  const pool = distinct([...others, ...certificates]).filter((one) => !one.raw.equals(leaf.raw))
  const anchors = new Set(pool.filter((one) => trusted.some((record) => matchesRecord(record, one))))
  const signatures = signatureChecker()
  let steps = MAX_STEPS

  function* extend(path: readonly X509Certificate[], top: X509Certificate): Generator<Path, void, undefined> {
    if (keys.some((key) => signatures.by(top, key))) yield { certificates: path, byKey: true }
    steps -= 1
    if (path.length >= MAX_LENGTH || steps < 0) return
    for (const issuer of pool) {
      if (path.includes(issuer) || !signatures.issued(issuer, top)) continue
      const longer = [...path, issuer]
      if (anchors.has(issuer)) yield { certificates: longer, byKey: false }
      else yield* extend(longer, issuer)
    }
  }
  if (anchors.size === 0 && keys.length === 0) return
  let found = 0
  for (const path of extend([leaf], leaf)) {
    yield path
    found += 1
    if (found === MAX_PATHS) return
  }
}

interface SignatureChecker {
  /** Did `issuer` issue `subject`? Names, key identifiers, keyUsage, then the signature. */
  issued(issuer: X509Certificate, subject: X509Certificate): boolean
  by(subject: X509Certificate, key: KeyObject): boolean
}

/** Each question is answered once, and only so many signatures are checked. */
function signatureChecker(): SignatureChecker {
  const known = new Map<X509Certificate, Map<X509Certificate | KeyObject, boolean>>()
  let left = MAX_SIGNATURES
  const once = (subject: X509Certificate, signer: X509Certificate | KeyObject, check: () => boolean): boolean => {
    const answers = known.get(subject) ?? new Map<X509Certificate | KeyObject, boolean>()
    known.set(subject, answers)
    const answer = answers.get(signer) ?? safely(check)
    answers.set(signer, answer)
    return answer
  }
  const signed = (subject: X509Certificate, key: KeyObject): boolean => {
    left -= 1
    return left >= 0 && subject.verify(key)
  }
  return {
    issued: (issuer, subject) =>
      once(subject, issuer, () => subject.checkIssued(issuer) && signed(subject, issuer.publicKey)),
    by: (subject, key) => once(subject, key, () => signed(subject, key)),
  }
}

/** A key that OpenSSL cannot use has signed nothing. */
function safely(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false
  }
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

function distinct(certificates: readonly X509Certificate[]): X509Certificate[] {
  const byBytes = new Map(certificates.map((one) => [one.raw.toString('latin1'), one]))
  return [...byBytes.values()]
}
