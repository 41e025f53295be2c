/**
 * Is a path of certificates valid? (RFC 5280 section 6.1, as far as it concerns servers and mail.) What is critical and
 * not understood here makes the path invalid, as section 4.2 asks.
 */
import type { X509Certificate } from 'node:crypto'
import {
  children,
  contentOf,
  element,
  extensionsOf,
  oidOf,
  signatureAlgorithm,
  toBeSigned,
  type Extension,
} from './der'
import type { Path } from './paths'
import { EXTENSION, PURPOSE, purposes } from './usage'

/** Why a path is not valid. */
export type PathProblem =
  | 'unreadable'
  | 'expired'
  | 'not-yet-valid'
  | 'critical-extension'
  | 'wrong-purpose'
  | 'weak-signature'
  | 'short-key'
  | 'no-authority'
  | 'too-long'
  | 'name-not-permitted'

/** What the certificates are to be good for. */
export interface PathPurpose {
  /** Object identifier of extended key usage, DER content in hex. */
  purpose: string
  names: NameKind
}

/** The kind of name that is compared with the constraints of issuers (RFC 5280 section 4.2.1.10). */
export interface NameKind {
  /** Tag of GeneralName, without the bit for "constructed". */
  kind: number
  /** In lower case. */
  of: (certificate: X509Certificate) => readonly string[]
  /** Does the name, or anything that it can stand for, fall under the base? */
  mayFallUnder: (name: string, base: string) => boolean
  isUnder: (name: string, base: string) => boolean
}

/**
 * Extensions that may be critical: those that are processed, here or by OpenSSL's `checkIssued`, and the policy ones,
 * which change nothing where no policy is asked for (RFC 5280 section 6.1.1, initial-explicit-policy false).
 */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXTENSION.subjectAltName,
  EXTENSION.basicConstraints,
  EXTENSION.nameConstraints,
  EXTENSION.extendedKeyUsage,
  EXTENSION.keyUsage,
  EXTENSION.subjectKeyIdentifier,
  '551d23', // authorityKeyIdentifier
  '551d20', // certificatePolicies
  '551d21', // policyMappings
  '551d36', // inhibitAnyPolicy
])

/** signatureAlgorithm identifiers with a digest of at least 256 bits (RFC 8017, RFC 5758, RFC 8410). */
const STRONG: ReadonlySet<string> = new Set([
  '2a864886f70d01010b', // sha256WithRSAEncryption
  '2a864886f70d01010c', // sha384WithRSAEncryption
  '2a864886f70d01010d', // sha512WithRSAEncryption
  '2a8648ce3d040302', // ecdsa-with-SHA256
  '2a8648ce3d040303', // ecdsa-with-SHA384
  '2a8648ce3d040304', // ecdsa-with-SHA512
  '2b6570', // Ed25519
  '2b6571', // Ed448
])

const RSASSA_PSS = '2a864886f70d01010a'
/** RFC 4055 section 3.1: [0] with SHA-256, SHA-384 or SHA-512, with or without NULL as its parameters; in hex. */
const PSS_WITH_SHA2 = /a0(?:0f300d|0d300b)060960864801650304020[123]/

/** RFC 9325 section 4.5. */
const MIN_RSA_BITS = 2048

/**
 * @param now milliseconds
 * @returns undefined = valid; never throws
 */
export function pathProblem(path: Path, wanted: PathPurpose, now: number): PathProblem | undefined {
  try {
    return firstProblem(path, wanted, now)
  } catch {
    return 'unreadable'
  }
}

function firstProblem({ certificates, byKey }: Path, wanted: PathPurpose, now: number): PathProblem | undefined {
  /** CA certificates below the one at hand that count for its pathLenConstraint. */
  let below = 0
  for (const [depth, certificate] of certificates.entries()) {
    const extensions = extensionsOf(certificate.raw)
    const isAnchor = !byKey && depth === certificates.length - 1
    const problem =
      datesProblem(certificate, now) ??
      extensionsProblem(extensions, wanted.purpose) ??
      // nobody relies on the signature of the trust anchor
      (isAnchor || isStrong(certificate) ? undefined : 'weak-signature') ??
      keyProblem(certificate) ??
      (depth === 0
        ? undefined
        : (issuerProblem(certificate, extensions, below) ??
          namesProblem(extensions, certificates.slice(0, depth), wanted.names)))
    if (problem !== undefined) return problem
    // RFC 5280 section 6.1.4 (l): self-issued certificates do not count
    if (depth > 0 && certificate.subject !== certificate.issuer) below += 1
  }
  return undefined
}

/** OpenSSL looks at the dates of the trust anchor too, and so do we: an anchor that has ended is one to be replaced. */
function datesProblem(certificate: X509Certificate, now: number): PathProblem | undefined {
  // A date that cannot be read fails both comparisons and so the certificate.
  if (!(now <= Date.parse(certificate.validTo))) return 'expired'
  return now >= Date.parse(certificate.validFrom) ? undefined : 'not-yet-valid'
}

function extensionsProblem(extensions: ReadonlyMap<string, Extension>, purpose: string): PathProblem | undefined {
  for (const [oid, { critical }] of extensions) if (critical && !UNDERSTOOD.has(oid)) return 'critical-extension'
  const allowed = purposes(extensions)
  // RFC 5280 section 4.2.1.12; in an issuer's certificate it limits what may be issued, as OpenSSL has it
  if (allowed === null || allowed.includes(purpose) || allowed.includes(PURPOSE.any)) return undefined
  return 'wrong-purpose'
}

/** RFC 9325 section 4.5: SHA-256 or stronger. */
function isStrong(certificate: X509Certificate): boolean {
  const algorithm = signatureAlgorithm(certificate.raw)
  const oid = oidOf(algorithm, element(algorithm, 0))
  // RFC 4055 section 3.1: without parameters the digest of RSASSA-PSS is SHA-1
  return STRONG.has(oid) || (oid === RSASSA_PSS && PSS_WITH_SHA2.test(algorithm.toString('hex')))
}

function keyProblem(certificate: X509Certificate): PathProblem | undefined {
  const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength
  return bits === undefined || bits >= MIN_RSA_BITS ? undefined : 'short-key'
}

/** RFC 5280 section 6.1.4 (k) to (n); keyUsage has been looked at by `checkIssued`. */
function issuerProblem(
  certificate: X509Certificate,
  extensions: ReadonlyMap<string, Extension>,
  below: number,
): PathProblem | undefined {
  const constraints = extensions.get(EXTENSION.basicConstraints)
  if (constraints === undefined || !certificate.ca) return 'no-authority'
  const { value } = constraints
  const limit = children(value, element(value, 0)).find(({ tag }) => tag === 0x02)
  if (limit === undefined) return undefined
  const bytes = contentOf(value, limit)
  // more than one byte: larger than any path that is built
  return bytes.length !== 1 || bytes.readUInt8(0) >= below ? undefined : 'too-long'
}

/**
 * RFC 5280 section 4.2.1.10. Names of the kind that is asked for are compared; a constraint on another kind of name that
 * a certificate below really has, and that is not compared, makes the path invalid.
 */
function namesProblem(
  extensions: ReadonlyMap<string, Extension>,
  below: readonly X509Certificate[],
  { kind: wanted, of, isUnder, mayFallUnder }: NameKind,
): PathProblem | undefined {
  const constraints = extensions.get(EXTENSION.nameConstraints)
  if (constraints === undefined) return undefined
  const { permitted, excluded } = readConstraints(constraints.value)
  for (const certificate of below) {
    const names = of(certificate)
    const kinds = namesKinds(certificate)
    const broken =
      [...permitted, ...excluded].some(({ kind }) => kind !== wanted && kinds.has(kind)) ||
      names.some((name) => excluded.some((one) => one.kind === wanted && mayFallUnder(name, one.name))) ||
      (permitted.some(({ kind }) => kind === wanted) &&
        names.some((name) => !permitted.some((one) => one.kind === wanted && isUnder(name, one.name))))
    if (broken) return 'name-not-permitted'
  }
  return undefined
}

/** Tags of GeneralName, without the bit for "constructed" (RFC 5280 section 4.2.1.6). */
const DIRECTORY_NAME = 4
const KIND = 0x1f

interface Subtree {
  kind: number
  /** Of a dNSName or an rfc822Name. */
  name: string
}

function readConstraints(value: Buffer): { permitted: Subtree[]; excluded: Subtree[] } {
  const read = (tag: number): Subtree[] =>
    children(value, element(value, 0))
      .filter((part) => part.tag === tag)
      .flatMap((part) => children(value, part))
      .map((subtree) => {
        const base = element(value, subtree.content)
        return { kind: base.tag & KIND, name: contentOf(value, base).toString('latin1').toLowerCase() }
      })
  return { permitted: read(0xa0), excluded: read(0xa1) }
}

/** Which kinds of names a certificate has; its subject is a directoryName. */
function namesKinds(certificate: X509Certificate): Set<number> {
  const kinds = new Set<number>()
  // an empty SEQUENCE
  const { subject } = toBeSigned(certificate.raw)
  if (subject.end > subject.content) kinds.add(DIRECTORY_NAME)
  const names = extensionsOf(certificate.raw).get(EXTENSION.subjectAltName)?.value
  if (names !== undefined) for (const one of children(names, element(names, 0))) kinds.add(one.tag & KIND)
  return kinds
}
