/** Certificates made for one test run: a root, leaves under it, and strangers. RSA keys by Node, X.509 by node-forge. */
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import forge from 'node-forge'

/** PEM key and certificate, as Node's TLS takes them. */
export interface Identity {
  key: string
  cert: string
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
})
const signer = forge.pki.privateKeyFromPem(privateKey)
const subjectKey = forge.pki.publicKeyFromPem(publicKey)
let serial = 1

const DAY = 86_400_000

interface Wish {
  cn: string
  issuer?: string
  /** subjectAltName dNSName entries; absent = no extension. */
  names?: readonly string[]
  ips?: readonly string[]
  notBefore?: number
  notAfter?: number
  ca?: boolean
}

/** All certificates share one key pair: what differs is what they say. */
function make(wish: Wish): string {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = subjectKey
  certificate.serialNumber = (serial += 1).toString(16).padStart(4, '0')
  certificate.validity.notBefore = new Date(wish.notBefore ?? Date.now() - 30 * DAY)
  certificate.validity.notAfter = new Date(wish.notAfter ?? Date.now() + 30 * DAY)
  certificate.setSubject([{ name: 'commonName', value: wish.cn }])
  certificate.setIssuer([{ name: 'commonName', value: wish.issuer ?? wish.cn }])
  const altNames = [
    ...(wish.names ?? []).map((value) => ({ type: 2, value })),
    ...(wish.ips ?? []).map((ip) => ({ type: 7, ip })),
  ]
  certificate.setExtensions([
    { name: 'basicConstraints', cA: wish.ca ?? false, critical: true },
    ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
  ])
  certificate.sign(signer, forge.md.sha256.create())
  return forge.pki.certificateToPem(certificate)
}

/** The root that the tests trust. */
export const rootPem = make({ cn: 'Test Root', ca: true })

/** A leaf under the root. */
export function issued(names: readonly string[] | undefined, more: Partial<Wish> = {}): Identity {
  return {
    key: privateKey,
    cert: make({ cn: names?.[0] ?? 'leaf', issuer: 'Test Root', ...(names ? { names } : {}), ...more }),
  }
}

/** A leaf that vouches for itself. */
export function selfSigned(names: readonly string[]): Identity {
  return { key: privateKey, cert: make({ cn: names[0] ?? 'self', names }) }
}

/** Expired yesterday. */
export function expired(names: readonly string[]): Identity {
  return issued(names, { notBefore: Date.now() - 30 * DAY, notAfter: Date.now() - DAY })
}

/** SHA-256 of certificate and of its public key, computed apart from the code under test. */
export function fingerprints(identity: Identity): { certificate: string; spki: string } {
  const x509 = new X509Certificate(identity.cert)
  const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
  return { certificate: hash(x509.raw), spki: hash(x509.publicKey.export({ type: 'spki', format: 'der' })) }
}
