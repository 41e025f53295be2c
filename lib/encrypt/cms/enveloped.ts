/**
 * CMS EnvelopedData (RFC 5652 section 6) as a stream: BER with indefinite lengths, the encrypted content in octet strings
 * as it comes, so that a message of any size passes through in pieces. AES-256-CBC, because mail programs that are in use
 * do not read AES-GCM (docs/encryption.md).
 */
import { createCipheriv, randomBytes } from 'node:crypto'
import type { RecipientKey } from './certificate'
import { head, octets, oid, sequence, setOf, small, TAG } from './der-write'
import { OID } from './oids'
import { recipientInfo, type RsaPadding } from './recipient-info'
import { inSteps } from './steps'

const KEY_BYTES = 32
const IV_BYTES = 16
/** Indefinite length: the element ends with `END`. */
const OPEN = { sequence: Buffer.from([0x30, 0x80]), context0: Buffer.from([0xa0, 0x80]) }
const END = Buffer.from([0, 0])

/**
 * Encrypt to every one of these.
 *
 * @param recipients at least one
 * @returns the bytes of a ContentInfo, in pieces of about 64 KiB
 * @throws (while it is read) what `content` throws; Error of OpenSSL for a key that it does not take after all
 */
export async function* envelop(
  content: AsyncIterable<Buffer>,
  recipients: readonly RecipientKey[],
  padding: RsaPadding = 'pkcs1',
): AsyncGenerator<Buffer> {
  if (recipients.length === 0) throw new Error('nobody to encrypt to')
  const key = randomBytes(KEY_BYTES)
  const iv = randomBytes(IV_BYTES)
  try {
    const cipher = createCipheriv('aes-256-cbc', key, iv)
    yield opening(
      recipients.map((recipient) => recipientInfo(recipient, key, padding)),
      iv,
    )
    for await (const step of inSteps(content)) {
      const piece = cipher.update(step)
      if (piece.length > 0) {
        yield head(TAG.octetString, piece.length)
        yield piece
      }
    }
    // what pads the last block is never empty; then the five open elements end
    yield Buffer.concat([octets(cipher.final()), END, END, END, END, END])
  } finally {
    key.fill(0)
  }
}

/** Everything before the first octet of content. */
function opening(infos: readonly ReturnType<typeof recipientInfo>[], iv: Buffer): Buffer {
  // RFC 5652 section 6.1: no attributes and no originator information, so only the recipients decide
  const version = infos.every((info) => info.version === 0) ? 0 : 2
  return Buffer.concat([
    OPEN.sequence,
    oid(OID.envelopedData),
    OPEN.context0,
    OPEN.sequence,
    small(version),
    setOf(...infos.map(({ bytes }) => bytes)),
    OPEN.sequence,
    oid(OID.data),
    sequence(oid(OID.aes256Cbc), octets(iv)),
    // encryptedContent [0] IMPLICIT OCTET STRING, constructed
    OPEN.context0,
  ])
}
