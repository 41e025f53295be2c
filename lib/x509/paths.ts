/**
 * Paths from a certificate to a trust anchor, out of what is at hand (RFC 4158). Only names and signatures are looked at
 * here; whether a path is valid is judged in `path-problem.ts`.
 */
import type { KeyObject, X509Certificate } from 'node:crypto'

/** Leaf first. The last one is the trust anchor itself, or (`byKey`) signed by the bare key that is the anchor. */
export interface Path {
  certificates: readonly X509Certificate[]
  byKey: boolean
}

/** Who is trusted. */
export interface Anchors {
  certificates: ReadonlySet<X509Certificate>
  /** Bare keys. */
  keys: readonly KeyObject[]
}

/** Certificates in one path. */
const MAX_LENGTH = 10
/** Signatures that are checked for one leaf. */
const MAX_SIGNATURES = 100
/** Paths that are begun for one leaf: among certificates that all sign one another there are millions. */
const MAX_STEPS = 500
/** Paths that lead to an anchor; when so many are not valid, no more are judged. */
const MAX_PATHS = 50

/**
 * @param pool certificates that may be issuers, in any order; the anchors are among them
 */
export function* pathsFrom(
  leaf: X509Certificate,
  pool: readonly X509Certificate[],
  anchors: Anchors,
): Generator<Path, void, undefined> {
  if (anchors.certificates.size === 0 && anchors.keys.length === 0) return
  const issuers = distinct(pool).filter((one) => !one.raw.equals(leaf.raw))
  const signatures = signatureChecker()
  let steps = MAX_STEPS

  function* extend(path: readonly X509Certificate[], top: X509Certificate): Generator<Path, void, undefined> {
    if (anchors.keys.some((key) => signatures.by(top, key))) yield { certificates: path, byKey: true }
    steps -= 1
    if (path.length >= MAX_LENGTH || steps < 0) return
    for (const issuer of issuers) {
      if (path.includes(issuer) || !signatures.issued(issuer, top)) continue
      const longer = [...path, issuer]
      if (anchors.certificates.has(issuer)) yield { certificates: longer, byKey: false }
      else yield* extend(longer, issuer)
    }
  }
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

function distinct(certificates: readonly X509Certificate[]): X509Certificate[] {
  const byBytes = new Map<string, X509Certificate>()
  for (const one of certificates) {
    const bytes = one.raw.toString('latin1')
    if (!byBytes.has(bytes)) byBytes.set(bytes, one)
  }
  return [...byBytes.values()]
}
