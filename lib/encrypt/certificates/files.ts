/** Certificates out of files, in the forms in which people are given them. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import forge from 'node-forge'
import { parseBer, type BerElement } from '../../message/files/ber'
import { pemBlocks } from './pem'
import { parseSignedData } from './signed-data'

/** What was in a file. */
export interface FileContent {
  form: 'PEM' | 'DER' | 'PKCS #7' | 'PKCS #12' | 'LDIF'
  /** DER. */
  certificates: Buffer[]
  /** Private keys that were there; they are not kept. */
  privateKeys: number
}

/** Largest file that is read, in bytes. */
export const MAX_FILE = 4 * 1024 * 1024
/** Certificates of one file. */
const MAX_CERTIFICATES = 1000

/** The file can only be read with its password, or with another one. */
export class PasswordNeeded extends Error {}

/**
 * @param password of a PKCS #12 file; undefined = none was given
 * @throws PasswordNeeded
 * @throws RangeError saying what is wrong with the file
 */
export function readCertificateFile(bytes: Buffer, password?: string): FileContent {
  if (bytes.length > MAX_FILE) throw new RangeError('the file is too large')
  const content = readForm(bytes, password)
  if (content.certificates.length > MAX_CERTIFICATES) throw new RangeError('it holds too many certificates')
  if (content.certificates.length > 0) return content
  throw new RangeError(
    content.privateKeys > 0 ? 'it holds a private key and no certificate' : 'it holds no certificate',
  )
}

function readForm(bytes: Buffer, password: string | undefined): FileContent {
  const text = bytes.toString('latin1')
  if (text.includes('-----BEGIN ')) return fromPem(text)
  const entries = ldifValues(text)
  if (entries.length > 0) return { form: 'LDIF', certificates: entries.flatMap(certificatesIn), privateKeys: 0 }
  if (bytes[0] !== 0x30) {
    throw new RangeError('it is none of PEM, DER, PKCS #7, PKCS #12 and LDIF, nor a signed mail')
  }
  if (isCertificate(bytes)) return { form: 'DER', certificates: [bytes], privateKeys: 0 }
  const signed = certificatesIn(bytes)
  if (signed.length > 0) return { form: 'PKCS #7', certificates: signed, privateKeys: 0 }
  if (isPrivateKey(bytes)) return { form: 'DER', certificates: [], privateKeys: 1 }
  return fromPkcs12(bytes, password)
}

function fromPem(text: string): FileContent {
  const plain = ['CERTIFICATE', 'X509 CERTIFICATE'].flatMap((label) => pemBlocks(text, label))
  const signed = ['PKCS7', 'CMS', 'PKCS #7 SIGNED DATA'].flatMap((label) => pemBlocks(text, label))
  const keys = text.match(/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/g) ?? []
  return {
    form: plain.length === 0 && signed.length > 0 ? 'PKCS #7' : 'PEM',
    certificates: [...plain, ...signed.flatMap(certificatesIn)],
    privateKeys: keys.length,
  }
}

/** RFC 4523 section 2.1 and RFC 2798 section 2.8, in RFC 2849's form: base64 behind two colons, folded. */
function ldifValues(text: string): Buffer[] {
  const unfolded = text.replace(/\r?\n /g, '')
  const lines = unfolded.matchAll(/^user(?:SMIME)?Certificate(?:;binary)?:: *([A-Za-z0-9+/=]+) *\r?$/gim)
  return [...lines].map(([, value = '']) => Buffer.from(value, 'base64'))
}

/** A certificate, or those of a PKCS #7 structure; empty when it is neither. */
function certificatesIn(der: Buffer): Buffer[] {
  if (isCertificate(der)) return [der]
  try {
    return parseSignedData(der)?.certificates ?? []
  } catch {
    return []
  }
}

function isCertificate(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.length === der.length
  } catch {
    return false
  }
}

function isPrivateKey(der: Buffer): boolean {
  return (['pkcs8', 'pkcs1', 'sec1'] as const).some((type) => {
    try {
      createPrivateKey({ key: der, format: 'der', type })
      return true
    } catch {
      return false
    }
  })
}

/** Rounds of key derivation that a file may ask for; programs write up to a million. */
const MAX_ROUNDS = 2_000_000
/** PKCS #12 has structures in octet strings in structures. */
const MAX_NESTED = 4

/**
 * What a library without bounds would do at length: too many elements, too deep ones, too many rounds (a number behind a
 * salt, in PBKDF2-params of RFC 8018, the parameters of RFC 7292 appendix C, and MacData).
 *
 * @throws RangeError
 */
function refuseCostly(bytes: Buffer): void {
  const look = (element: BerElement, nested: number): void => {
    for (const [n, child] of element.children.entries()) {
      const isRounds = child.tag === 0x02 && element.children[n - 1]?.tag === 0x04
      if (
        isRounds &&
        (child.bytes.length === 0 ||
          child.bytes.length > 4 ||
          child.bytes.readUIntBE(0, child.bytes.length) > MAX_ROUNDS)
      ) {
        throw new RangeError('it asks for too much work to open it')
      }
      if (child.tag === 0x04 && nested < MAX_NESTED) {
        const inside = structureIn(child.bytes)
        if (inside !== null) look(inside, nested + 1)
      }
      look(child, nested)
    }
  }
  const whole = structureIn(bytes)
  if (whole === null) throw new RangeError('it is no certificate and no file with certificates that can be read')
  look(whole, 0)
}

function structureIn(bytes: Buffer): BerElement | null {
  try {
    return parseBer(bytes)
  } catch {
    return null
  }
}

/** RFC 7292. Keys are decrypted with the rest, and let go. */
function fromPkcs12(bytes: Buffer, password: string | undefined): FileContent {
  const { asn1, pkcs12, pki } = forge
  refuseCostly(bytes)
  let structure: forge.asn1.Asn1
  try {
    structure = asn1.fromDer(bytes.toString('latin1'))
  } catch {
    throw new RangeError('it is no certificate and no file with certificates that can be read')
  }
  let file: forge.pkcs12.Pkcs12Pfx
  try {
    file = pkcs12.pkcs12FromAsn1(structure, password ?? '')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    // what does not fit is said in one of these ways, depending on where decryption went wrong
    if (/MAC could not be verified|Invalid password|decrypt|Too few bytes|Unparsed|Invalid PEM/i.test(why)) {
      throw new PasswordNeeded(password === undefined ? 'it wants a password' : 'the password is not the right one')
    }
    throw new RangeError(`it cannot be read as PKCS #12: ${why}`)
  }
  const bags = file.safeContents.flatMap(({ safeBags }) => safeBags)
  const keyBags = [pki.oids.keyBag, pki.oids.pkcs8ShroudedKeyBag]
  return {
    form: 'PKCS #12',
    certificates: bags.flatMap(({ type, cert, asn1: raw }) => {
      if (type !== pki.oids.certBag) return []
      // a key of a kind that the library does not know leaves the structure alone
      const form = cert == null ? raw : pki.certificateToAsn1(cert)
      return [Buffer.from(asn1.toDer(form).getBytes(), 'latin1')]
    }),
    privateKeys: bags.filter(({ type }) => keyBags.includes(type)).length,
  }
}
