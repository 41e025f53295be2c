/** What a peer certificate says: facts for logs and reports, names and key bytes for verification. */
import { createHash, type X509Certificate } from 'node:crypto'
import type { CertificateFacts } from '../failure'
import { toBeSigned, wholeOf } from '../x509/der'

/** Names of the subjectAltName extension. */
export interface AltNames {
  /** dNSName entries, lower case, as they stand in the certificate (perhaps with `*.`). */
  dns: string[]
  /** iPAddress entries in the spelling of the certificate library. */
  ip: string[]
}

/**
 * Node gives the extension as text: `DNS:a.example, IP Address:192.0.2.1`. Values with characters that could be
 * mistaken for a separator are quoted there like JSON strings (CVE-2021-44532), so a quoted name is never split.
 */
export function altNames(subjectAltName: string | undefined): AltNames {
  const names: AltNames = { dns: [], ip: [] }
  for (const entry of (subjectAltName ?? '').matchAll(/(?:^|, )([^:,"]+):(?:"((?:[^"\\]|\\.)*)"|([^",]*))(?=, |$)/gu)) {
    const [, type, quoted, plain] = entry
    // A quoted name holds characters that no host name has: it can match nothing.
    if (quoted !== undefined || plain === undefined) continue
    if (type === 'DNS') names.dns.push(plain.toLowerCase())
    else if (type === 'IP Address') names.ip.push(plain.toLowerCase())
  }
  return names
}

/** JSON-safe facts of a leaf certificate. */
export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    names: altNames(certificate.subjectAltName).dns,
    notBefore: isoDate(certificate.validFrom),
    notAfter: isoDate(certificate.validTo),
    sha256: sha256(certificate.raw),
    spkiSha256: sha256(subjectPublicKeyInfo(certificate.raw)),
  }
}

/** Lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Node prints one attribute a line; an empty name is possible and legal. */
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ')
}

/** Node prints `Nov 23 20:00:00 2026 GMT`; what cannot be read stays as it is. */
function isoDate(text: string): string {
  const time = Date.parse(text)
  return Number.isNaN(time) ? text : new Date(time).toISOString()
}

/**
 * The SubjectPublicKeyInfo exactly as it stands in the certificate (RFC 5280 section 4.1). Exporting the parsed key
 * would encode it anew, and pins and TLSA records are over the original bytes.
 *
 * @param der the certificate; it has already been accepted by OpenSSL's parser
 * @throws RangeError when it is not the structure of a certificate
 */
export function subjectPublicKeyInfo(der: Buffer): Buffer {
  return wholeOf(der, toBeSigned(der).key)
}
