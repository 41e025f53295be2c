/** What a signed mail proves: that the holder of a key writes from an address, and which certificates to answer with. */
import { certificateFacts, outOfTime, unfit, unusable, type CertificateFacts } from './facts'
import { isNamed, MAX_SIGNATURE, parseSignedData, signatureFault, type Signer } from './signed-data'
import { readSignedMail, type SignedMail } from './signed-mail'

/** Why nothing is taken from a mail that says it is signed. */
export type Refusal =
  | 'malformed'
  | 'no-single-sender'
  | 'no-signer-certificate'
  | 'weak-digest'
  | 'weak-key'
  | 'unknown-algorithm'
  | 'changed'
  | 'bad-signature'
  | 'wrong-address'
  | 'expired'
  | 'not-yet-valid'
  | 'no-encryption-key'

export type Examined =
  | { kind: 'not-signed' }
  | { kind: 'refused'; refusal: Refusal; why: string; address: string | null; fingerprint: string | null }
  | {
      kind: 'signed'
      /** Of the sender, in the form that is compared. */
      address: string
      /** DER of the signer's certificate. */
      signer: Uint8Array
      /** DER of the certificates that mail to the sender can be encrypted to, the one to be preferred first. */
      certificates: Uint8Array[]
      /** DER of the other certificates that came along. */
      others: Uint8Array[]
    }

/** Certificates of one mail that are taken. */
const MAX_TAKEN = 3

const WHY: Readonly<Record<Refusal, string>> = {
  malformed: 'the signature cannot be read',
  'no-single-sender': 'From has not exactly one address',
  'no-signer-certificate': "the signer's certificate did not come along",
  'weak-digest': 'the signature uses a digest that is too weak (SHA-1, MD5) or not known',
  'weak-key': "the signer's key is too short",
  'unknown-algorithm': 'the signature uses an algorithm that is not known',
  changed: 'the content is not what was signed',
  'bad-signature': 'the signature is not by the key of the certificate',
  'wrong-address': "the certificate is not for the sender's address",
  expired: 'the certificate has expired',
  'not-yet-valid': 'the certificate is not valid yet',
  'no-encryption-key': 'nothing can be encrypted to any of the certificates',
}

/**
 * Pure and bounded: the structure is cut off at a size, a depth and a number of elements, signatures at a handful.
 * Never throws.
 *
 * @param raw the message, dots not stuffed
 * @param now milliseconds
 */
export function examine(raw: Buffer, now: number): Examined {
  let mail: SignedMail | null = null
  try {
    mail = readSignedMail(raw)
    return mail === null ? { kind: 'not-signed' } : examineMail(mail, now)
  } catch {
    return refused('malformed', mail?.from ?? null)
  }
}

function examineMail({ from, signature, contents: detached }: SignedMail, now: number): Examined {
  if (detached !== null && signature.length > MAX_SIGNATURE) return refused('malformed', from)
  const data = parseSignedData(signature)
  // encrypted, compressed, or certificates alone
  if (data === null || data.signers.length === 0) return { kind: 'not-signed' }
  if (from === null) return refused('no-single-sender', null)
  const contents = detached ?? (data.content === null ? [] : [data.content])
  const bag = data.certificates.flatMap(readable)
  let first: Examined | undefined
  for (const signer of data.signers) {
    const answer = examineSigner(signer, { from, contentType: data.contentType, contents, bag, now })
    if (answer.kind === 'signed') return answer
    first ??= answer
  }
  return first ?? { kind: 'not-signed' }
}

interface Surroundings {
  from: string
  contentType: string
  contents: readonly Buffer[]
  bag: readonly CertificateFacts[]
  now: number
}

function examineSigner(signer: Signer, around: Surroundings): Examined {
  const { from, bag, now } = around
  const own = bag.find(({ x509 }) => isNamed(signer.name, x509))
  if (own === undefined) return refused('no-signer-certificate', from)
  const fault = signatureFault(signer, around.contentType, around.contents, own.x509)
  if (fault !== null) return refused(fault, from, own)
  if (!own.addresses.includes(from)) return refused('wrong-address', from, own)
  if (outOfTime(own, now) !== null) return refused(now > own.notAfter ? 'expired' : 'not-yet-valid', from, own)
  const taken = encryptionCertificates(signer, own, around).slice(0, MAX_TAKEN)
  if (taken.length === 0) return refused('no-encryption-key', from, own, unfit(own) ?? undefined)
  return {
    kind: 'signed',
    address: from,
    signer: own.x509.raw,
    certificates: taken.map(({ x509 }) => x509.raw),
    others: bag.filter((one) => !taken.includes(one)).map(({ x509 }) => x509.raw),
  }
}

/** RFC 8551 section 2.5.2: what the signer asks for; else what it signs with; else others of the same address. */
function encryptionCertificates(
  signer: Signer,
  own: CertificateFacts,
  { from, bag, now }: Surroundings,
): CertificateFacts[] {
  const wanted = signer.attributes?.preferred ?? null
  const rank = (one: CertificateFacts) => (wanted !== null && isNamed(wanted, one.x509) ? 0 : one === own ? 1 : 2)
  return bag
    .filter((one) => one.addresses.includes(from) && unusable(one, now) === null)
    .sort((a, b) => rank(a) - rank(b) || b.notBefore - a.notBefore)
}

function readable(der: Buffer): CertificateFacts[] {
  try {
    return [certificateFacts(der)]
  } catch {
    return []
  }
}

function refused(refusal: Refusal, address: string | null, own?: CertificateFacts, detail?: string): Examined {
  const why = detail === undefined ? WHY[refusal] : `${WHY[refusal]}: ${detail}`
  return { kind: 'refused', refusal, why, address, fingerprint: own?.fingerprint ?? null }
}
