/** What a peer certificate says: facts for logs and reports, names and key bytes for verification. */
import { createHash, type X509Certificate } from 'node:crypto'
import type { CertificateFacts } from '../failure'

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
  const certificate = element(der, 0)
  const tbs = element(der, certificate.content)
  let offset = tbs.content
  // [0] EXPLICIT version is optional; serialNumber, signature, issuer, validity, subject come before the key.
  const first = element(der, offset)
  if (first.tag === 0xa0) offset = first.end
  for (let skipped = 0; skipped < 5; skipped += 1) offset = element(der, offset).end
  const key = element(der, offset)
  if (key.tag !== 0x30 || key.end > tbs.end) throw new RangeError('no SubjectPublicKeyInfo where it belongs')
  return der.subarray(offset, key.end)
}

/** One DER element (X.690): where its content begins and where it ends. */
function element(der: Buffer, offset: number): { tag: number; content: number; end: number } {
  const tag = der.readUInt8(offset)
  const short = der.readUInt8(offset + 1)
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f
  if (short === 0x80 || lengthBytes > 4) throw new RangeError('length form that DER does not have')
  const content = offset + 2 + lengthBytes
  const end = content + (lengthBytes === 0 ? short : der.readUIntBE(offset + 2, lengthBytes))
  if (end > der.length) throw new RangeError('element longer than its certificate')
  return { tag, content, end }
}
