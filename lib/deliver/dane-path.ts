/**
 * Is a path of certificates valid? (RFC 5280 section 6.1, as far as it concerns a mail server and its private issuers.)
 * What is critical and not understood here makes the path invalid, as section 4.2 asks.
 */
import type { X509Certificate } from 'node:crypto'
import type { TlsResultType } from '../failure'
import { altNames } from './certificate'
import type { Path } from './dane-anchors'
import { children, contentOf, element, extensionsOf, oidOf, signatureAlgorithm, type Extension } from './der'

/** Why a path is not valid. */
export interface PathProblem {
  resultType: TlsResultType
  text: string
}

/** Object identifiers, DER content in hex. */
const OID = {
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  extendedKeyUsage: '551d25',
  serverAuth: '2b06010505070301',
  anyUsage: '551d2500',
} as const

/**
 * Extensions that may be critical: those that are processed, here or by OpenSSL's `checkIssued`, and the policy ones,
 * which change nothing where no policy is asked for (RFC 5280 section 6.1.1, initial-explicit-policy false).
 */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.subjectAltName,
  OID.basicConstraints,
  OID.nameConstraints,
  OID.extendedKeyUsage,
  '551d0f', // keyUsage
  '551d0e', // subjectKeyIdentifier
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
export function problemOf(path: Path, now: number): PathProblem | undefined {
  try {
    return firstProblem(path, now)
  } catch {
    return untrusted('A certificate in the chain of the server cannot be read.')
  }
}

function firstProblem({ certificates, byKey }: Path, now: number): PathProblem | undefined {
  /** CA certificates below the one at hand that count for its pathLenConstraint. */
  let below = 0
  for (const [depth, certificate] of certificates.entries()) {
    const extensions = extensionsOf(certificate.raw)
    const isAnchor = !byKey && depth === certificates.length - 1
    const problem =
      datesProblem(certificate, now) ??
      extensionsProblem(extensions) ??
      // nobody relies on the signature of the trust anchor
      (isAnchor ? undefined : signatureProblem(certificate)) ??
      keyProblem(certificate) ??
      (depth === 0
        ? undefined
        : (issuerProblem(certificate, extensions, below) ?? namesProblem(extensions, certificates.slice(0, depth))))
    if (problem !== undefined) return problem
    // RFC 5280 section 6.1.4 (l): self-issued certificates do not count
    if (depth > 0 && certificate.subject !== certificate.issuer) below += 1
  }
  return undefined
}

/** OpenSSL looks at the dates of the trust anchor too, and so do we: an anchor that has ended is one to be replaced. */
function datesProblem(certificate: X509Certificate, now: number): PathProblem | undefined {
  // A date that cannot be read fails both comparisons and so the certificate.
  if (!(now <= Date.parse(certificate.validTo))) {
    return { resultType: 'certificate-expired', text: "A certificate in the server's chain has expired." }
  }
  if (!(now >= Date.parse(certificate.validFrom))) {
    return untrusted("A certificate in the server's chain is not valid yet.")
  }
  return undefined
}

function extensionsProblem(extensions: ReadonlyMap<string, Extension>): PathProblem | undefined {
  for (const [oid, { critical }] of extensions) {
    if (critical && !UNDERSTOOD.has(oid)) {
      return untrusted("A certificate in the server's chain has a critical extension that is not understood.")
    }
  }
  const usage = extensions.get(OID.extendedKeyUsage)
  if (usage === undefined) return undefined
  const purposes = children(usage.value, element(usage.value, 0)).map((one) => oidOf(usage.value, one))
  // RFC 5280 section 4.2.1.12; in an issuer's certificate it limits what may be issued, as OpenSSL has it
  if (purposes.includes(OID.serverAuth) || purposes.includes(OID.anyUsage)) return undefined
  return untrusted("A certificate in the server's chain is not meant for servers.")
}

function signatureProblem(certificate: X509Certificate): PathProblem | undefined {
  const algorithm = signatureAlgorithm(certificate.raw)
  const oid = oidOf(algorithm, element(algorithm, 0))
  // RFC 4055 section 3.1: without parameters the digest of RSASSA-PSS is SHA-1
  if (STRONG.has(oid) || (oid === RSASSA_PSS && PSS_WITH_SHA2.test(algorithm.toString('hex')))) return undefined
  // RFC 9325 section 4.5: SHA-256 or stronger
  return untrusted("A certificate in the server's chain is signed with a digest that is too weak.")
}

function keyProblem(certificate: X509Certificate): PathProblem | undefined {
  const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength
  if (bits === undefined || bits >= MIN_RSA_BITS) return undefined
  return untrusted("A certificate in the server's chain has a key that is too short.")
}

/** RFC 5280 section 6.1.4 (k) to (n); keyUsage has been looked at by `checkIssued`. */
function issuerProblem(
  certificate: X509Certificate,
  extensions: ReadonlyMap<string, Extension>,
  below: number,
): PathProblem | undefined {
  const constraints = extensions.get(OID.basicConstraints)
  if (constraints === undefined || !certificate.ca) {
    return untrusted("A certificate in the server's chain is not allowed to issue others.")
  }
  const { value } = constraints
  const limit = children(value, element(value, 0)).find(({ tag }) => tag === 0x02)
  if (limit === undefined) return undefined
  const bytes = contentOf(value, limit)
  // more than one byte: larger than any path that is built
  if (bytes.length !== 1 || bytes.readUInt8(0) >= below) return undefined
  return untrusted("The server's chain is longer than one of its issuers permits.")
}

/**
 * RFC 5280 section 4.2.1.10. dNSName is what mail servers' certificates have and what is compared; a constraint on a
 * kind of name that a certificate below really has, and that is not compared, makes the path invalid.
 */
function namesProblem(
  extensions: ReadonlyMap<string, Extension>,
  below: readonly X509Certificate[],
): PathProblem | undefined {
  const constraints = extensions.get(OID.nameConstraints)
  if (constraints === undefined) return undefined
  const { permitted, excluded } = readConstraints(constraints.value)
  for (const certificate of below) {
    const names = altNames(certificate.subjectAltName).dns
    const kinds = namesKinds(certificate)
    const broken =
      [...permitted, ...excluded].some(({ kind }) => kind !== DNS_NAME && kinds.has(kind)) ||
      names.some((name) => excluded.some((one) => one.kind === DNS_NAME && mayFallUnder(name, one.name))) ||
      (permitted.some(({ kind }) => kind === DNS_NAME) &&
        names.some((name) => !permitted.some((one) => one.kind === DNS_NAME && isUnder(name, one.name))))
    if (broken) return untrusted("A certificate in the server's chain has a name that its issuer may not give.")
  }
  return undefined
}

/** Tags of GeneralName, without the bit for "constructed" (RFC 5280 section 4.2.1.6). */
const DNS_NAME = 2
const DIRECTORY_NAME = 4
const KIND = 0x1f

interface Subtree {
  kind: number
  /** Of a dNSName. */
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
  if (certificate.subject !== '') kinds.add(DIRECTORY_NAME)
  const names = extensionsOf(certificate.raw).get(OID.subjectAltName)?.value
  if (names !== undefined) for (const one of children(names, element(names, 0))) kinds.add(one.tag & KIND)
  return kinds
}

/** Zero or more labels before the base; a leading dot, not in the RFC but in the wild, means one or more. */
function isUnder(name: string, base: string): boolean {
  if (base === '') return true
  return base.startsWith('.') ? name.endsWith(base) : name === base || name.endsWith(`.${base}`)
}

/** A wildcard also falls under an excluded base that it can stand for. */
function mayFallUnder(name: string, base: string): boolean {
  return isUnder(name, base) || (name.startsWith('*.') && isUnder(base.replace(/^\./, ''), name.slice(2)))
}

function untrusted(text: string): PathProblem {
  return { resultType: 'certificate-not-trusted', text }
}
