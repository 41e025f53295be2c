/** Is there a valid chain from a certificate to a root that is trusted for mail, and has nobody in it been revoked? */
import { X509Certificate } from 'node:crypto'
import { mailNames } from '../../x509/mail-names'
import { pathProblem, type NameKind, type PathProblem } from '../../x509/path-problem'
import { pathsFrom, type Path } from '../../x509/paths'
import { PURPOSE } from '../../x509/usage'
import type { RevocationList } from './crl'
import { MAX_CERTIFICATE } from './facts'
import { certificateDomain } from './names'
import type { ChainResult } from './types'

/** Certificates beside the leaf that are looked at: what comes with a mail is somebody else's choice. */
const MAX_ISSUERS = 20

const WORDS: Readonly<Record<PathProblem, string>> = {
  unreadable: 'a certificate of its chain cannot be read',
  expired: 'a certificate of its chain has expired',
  'not-yet-valid': 'a certificate of its chain is not valid yet',
  'critical-extension': 'a certificate of its chain has a critical extension that is not understood',
  'wrong-purpose': 'a certificate of its chain is not for mail',
  'weak-signature': 'a certificate of its chain is signed with a digest that is too weak',
  'short-key': 'a certificate of its chain has a key that is too short',
  'no-authority': 'a certificate of its chain may not issue others',
  'too-long': 'its chain is longer than an issuer permits',
  'name-not-permitted': 'its chain has a name that an issuer may not give',
}

/** rfc822Name, and what RFC 9598 section 6 treats like it. */
const MAIL_NAMES: NameKind = {
  kind: 1,
  of: ({ raw }) => mailNames(raw).map((name) => name.toLowerCase()),
  isUnder,
  mayFallUnder: isUnder,
}

/** RFC 5280 section 4.2.1.10: an address, a host (all of its mailboxes), or `.domain` (all hosts below it). */
function isUnder(name: string, base: string): boolean {
  if (base === '') return true
  if (base.includes('@')) return name === base
  const domain = certificateDomain(name.slice(name.lastIndexOf('@') + 1))
  return domain !== null && (base.startsWith('.') ? domain.endsWith(base) : domain === base)
}

/** Roots and lists as they were read. */
export interface Anchorage {
  roots: readonly X509Certificate[]
  lists: readonly RevocationList[]
}

/**
 * @param certificate DER
 * @param issuers DER, in any order; those that lead nowhere are passed over
 * @param now milliseconds
 */
export function chainTo(
  { roots, lists }: Anchorage,
  certificate: Uint8Array,
  issuers: readonly Uint8Array[],
  now: number,
): ChainResult {
  if (roots.length === 0) return { result: 'no-roots', why: 'no roots for S/MIME are configured', issuers: [] }
  const leaf = new X509Certificate(certificate)
  const others = issuers.slice(0, MAX_ISSUERS).flatMap(readable)
  let first: ChainResult | undefined
  for (const path of pathsFrom(leaf, [...roots, ...others], { certificates: new Set(roots), keys: [] })) {
    const found = judgePath(path, lists, now)
    // revoked by any of its issuers is revoked
    if (found.result !== 'invalid') return found
    first ??= found
  }
  return first ?? { result: 'unknown-issuer', why: 'none of the configured roots has issued it', issuers: [] }
}

function judgePath(path: Path, lists: readonly RevocationList[], now: number): ChainResult {
  const issuers = path.certificates.slice(1, -1).map(({ raw }) => raw)
  const problem = pathProblem(path, { purpose: PURPOSE.emailProtection, names: MAIL_NAMES }, now)
  if (problem !== undefined) return { result: 'invalid', why: WORDS[problem], issuers }
  for (const [depth, certificate] of path.certificates.entries()) {
    const issuer = path.certificates[depth + 1]
    if (issuer !== undefined && lists.some((list) => list.revokes(certificate, issuer))) {
      const why = depth === 0 ? 'its issuer has revoked it' : 'a certificate of its chain has been revoked'
      return { result: 'revoked', why, issuers }
    }
  }
  const root = path.certificates.at(-1)
  return { result: 'valid', why: `a chain leads to ${(root?.subject ?? '').split('\n').join(', ')}`, issuers }
}

function readable(der: Uint8Array): X509Certificate[] {
  if (der.length > MAX_CERTIFICATE) return []
  try {
    return [new X509Certificate(der)]
  } catch {
    return []
  }
}
