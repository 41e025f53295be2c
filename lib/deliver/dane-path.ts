/** Is a path of certificates good for a mail server? The rules are in `lib/x509`; here are the words for reports. */
import type { X509Certificate } from 'node:crypto'
import type { TlsResultType } from '../failure'
import { pathProblem, type NameKind, type PathProblem as Problem } from '../x509/path-problem'
import type { Path } from '../x509/paths'
import { PURPOSE } from '../x509/usage'
import { altNames } from './certificate'

/** Why a path is not valid. */
export interface PathProblem {
  resultType: TlsResultType
  text: string
}

/** dNSName is what mail servers' certificates have. */
const DNS_NAMES: NameKind = {
  kind: 2,
  of: (certificate: X509Certificate) => altNames(certificate.subjectAltName).dns,
  isUnder,
  // A wildcard also falls under an excluded base that it can stand for.
  mayFallUnder: (name, base) =>
    isUnder(name, base) || (name.startsWith('*.') && isUnder(base.replace(/^\./, ''), name.slice(2))),
}

/** Zero or more labels before the base; a leading dot, not in the RFC but in the wild, means one or more. */
function isUnder(name: string, base: string): boolean {
  if (base === '') return true
  return base.startsWith('.') ? name.endsWith(base) : name === base || name.endsWith(`.${base}`)
}

const TEXTS: Readonly<Record<Problem, string>> = {
  unreadable: 'A certificate in the chain of the server cannot be read.',
  expired: "A certificate in the server's chain has expired.",
  'not-yet-valid': "A certificate in the server's chain is not valid yet.",
  'critical-extension': "A certificate in the server's chain has a critical extension that is not understood.",
  'wrong-purpose': "A certificate in the server's chain is not meant for servers.",
  'weak-signature': "A certificate in the server's chain is signed with a digest that is too weak.",
  'short-key': "A certificate in the server's chain has a key that is too short.",
  'no-authority': "A certificate in the server's chain is not allowed to issue others.",
  'too-long': "The server's chain is longer than one of its issuers permits.",
  'name-not-permitted': "A certificate in the server's chain has a name that its issuer may not give.",
}

/**
 * @param now milliseconds
 * @returns undefined = valid; never throws
 */
export function problemOf(path: Path, now: number): PathProblem | undefined {
  const problem = pathProblem(path, { purpose: PURPOSE.serverAuth, names: DNS_NAMES }, now)
  if (problem === undefined) return undefined
  return {
    resultType: problem === 'expired' ? 'certificate-expired' : 'certificate-not-trusted',
    text: TEXTS[problem],
  }
}
