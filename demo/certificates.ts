/**
 * X.509 certificates made while you wait, without any program besides Node: an authority of one's own, and servers'
 * certificates signed by it (or by themselves), good ones and, on demand, bad ones. For the demo and for tests; nothing
 * here is fit to guard anything.
 */
import { createHash, createSign, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import forge from 'node-forge'

const { asn1 } = forge
const { Type, Class } = asn1

/** A certificate with its private key. */
export interface Identity {
  /** PEM, PKCS #8. */
  key: string
  /** PEM, the leaf alone. */
  cert: string
  /** The same certificate, DER. */
  der: Buffer
}

export interface CertificateOptions {
  /** DNS names for subjectAltName; the first one is the common name too. */
  names: readonly string[]
  /** Default: an hour ago. */
  notBefore?: Date
  /** Default: in 30 days. */
  notAfter?: Date
  /** Kind of key: ECDSA P-256 (default) or RSA-2048. */
  algorithm?: 'ec' | 'rsa'
}

export interface Authority extends Identity {
  /** A server's certificate signed by this authority. */
  issue(options: CertificateOptions): Identity
}

/** A certificate authority with a self-signed root. */
export function createAuthority(commonName: string): Authority {
  const pair = keyPair('ec')
  const root = sign({ subject: commonName, names: [], authority: true }, pair, { name: commonName, ...pair })
  return {
    ...root,
    issue: (options) =>
      sign(
        { ...options, subject: options.names[0] ?? 'unnamed', authority: false },
        keyPair(options.algorithm ?? 'ec'),
        {
          name: commonName,
          ...pair,
        },
      ),
  }
}

/** A server's certificate that nobody but its own key vouches for. */
export function selfSigned(options: CertificateOptions): Identity {
  const pair = keyPair(options.algorithm ?? 'ec')
  const subject = options.names[0] ?? 'unnamed'
  return sign({ ...options, subject, authority: false }, pair, { name: subject, ...pair })
}

interface KeyPair {
  publicKey: KeyObject
  privateKey: KeyObject
}

function keyPair(algorithm: 'ec' | 'rsa'): KeyPair {
  return algorithm === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 })
}

type Node = forge.asn1.Asn1

const sequence = (...children: Node[]): Node => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, children)
const set = (...children: Node[]): Node => asn1.create(Class.UNIVERSAL, Type.SET, true, children)
const primitive = (type: forge.asn1.Type, value: string): Node => asn1.create(Class.UNIVERSAL, type, false, value)
const oid = (dotted: string): Node => primitive(Type.OID, asn1.oidToDer(dotted).getBytes())
const octets = (value: string): Node => primitive(Type.OCTETSTRING, value)
/** Context-specific tags, under the names that forge has for these numbers. */
const TAG = { 0: Type.NONE, 2: Type.INTEGER, 3: Type.BITSTRING } as const
const implicit = (tag: keyof typeof TAG, value: string): Node =>
  asn1.create(Class.CONTEXT_SPECIFIC, TAG[tag], false, value)
const explicit = (tag: keyof typeof TAG, child: Node): Node =>
  asn1.create(Class.CONTEXT_SPECIFIC, TAG[tag], true, [child])
const der = (node: Node): string => asn1.toDer(node).getBytes()

/** RFC 5280 section 4.1.2.4: a distinguished name with the one attribute commonName. */
const distinguishedName = (commonName: string): Node =>
  sequence(set(sequence(oid('2.5.4.3'), primitive(Type.UTF8, forge.util.encodeUtf8(commonName)))))

/** RFC 5280 section 4.1.2.5: UTCTime through 2049; nothing here lives longer. */
const time = (at: Date): Node => primitive(Type.UTCTIME, asn1.dateToUtcTime(at))

function extension(id: string, critical: boolean, value: Node): Node {
  const flag = critical ? [primitive(Type.BOOLEAN, '\xff')] : []
  return sequence(oid(id), ...flag, octets(der(value)))
}

/** RFC 5280 section 4.2.1.2: any unique value will do; this is a digest of the whole SubjectPublicKeyInfo. */
function keyIdentifier(key: KeyObject): string {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .toString('latin1')
}

function sign(
  options: Omit<CertificateOptions, 'algorithm'> & { subject: string; authority: boolean },
  pair: KeyPair,
  issuer: KeyPair & { name: string },
): Identity {
  const signatureAlgorithm =
    issuer.privateKey.asymmetricKeyType === 'rsa'
      ? sequence(oid('1.2.840.113549.1.1.11'), primitive(Type.NULL, '')) // sha256WithRSAEncryption
      : sequence(oid('1.2.840.10045.4.3.2')) // ecdsa-with-SHA256
  const extensions = [
    extension('2.5.29.19', true, sequence(...(options.authority ? [primitive(Type.BOOLEAN, '\xff')] : []))),
    // keyUsage: keyCertSign and cRLSign for the authority, digitalSignature and keyEncipherment for servers
    extension('2.5.29.15', true, primitive(Type.BITSTRING, options.authority ? '\x01\x06' : '\x05\xa0')),
    extension('2.5.29.14', false, octets(keyIdentifier(pair.publicKey))),
    extension('2.5.29.35', false, sequence(implicit(0, keyIdentifier(issuer.publicKey)))),
  ]
  if (!options.authority) extensions.push(extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))))
  if (options.names.length > 0)
    extensions.push(extension('2.5.29.17', false, sequence(...options.names.map((name) => implicit(2, name)))))
  const now = Date.now()
  const toBeSigned = sequence(
    explicit(0, primitive(Type.INTEGER, '\x02')),
    // RFC 5280 section 4.1.2.2: a positive number, unique for its issuer
    primitive(Type.INTEGER, '\x01' + randomBytes(15).toString('latin1')),
    signatureAlgorithm,
    distinguishedName(issuer.name),
    sequence(
      time(options.notBefore ?? new Date(now - 3_600_000)),
      time(options.notAfter ?? new Date(now + 30 * 86_400_000)),
    ),
    distinguishedName(options.subject),
    asn1.fromDer(pair.publicKey.export({ type: 'spki', format: 'der' }).toString('latin1')),
    explicit(3, sequence(...extensions)),
  )
  const signature = createSign('sha256')
    .update(Buffer.from(der(toBeSigned), 'latin1'))
    .sign(issuer.privateKey)
  const certificate = Buffer.from(
    der(sequence(toBeSigned, signatureAlgorithm, primitive(Type.BITSTRING, '\0' + signature.toString('latin1')))),
    'latin1',
  )
  return {
    key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem(certificate),
    der: certificate,
  }
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}
