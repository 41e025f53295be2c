/** A message, encrypted: its header outside, everything inside application/pkcs7-mime (RFC 8551 section 3.3). */
import { removeSubjectTag } from '../message/subject'
import type { HeaderField } from '../message/header'
import { base64Lines } from './cms/base64'
import type { RecipientKey } from './cms/certificate'
import { envelop } from './cms/enveloped'
import type { RsaPadding } from './cms/recipient-info'
import type { Signer } from './cms/signed'
import { innerHeader, outerFields, type Hidden, type Protection } from './header-protection'
import { multipartSigned } from './multipart-signed'
import { openSource } from './source'

export interface EncryptOptions {
  /** At least one. */
  recipients: readonly RecipientKey[]
  padding: RsaPadding
  protection: Protection
  hidden: Hidden
  /** Tags to take out of the subject. */
  tags: readonly string[]
  /** Signs before it is encrypted; null = nobody does. */
  signer: Signer | null
  /** Milliseconds. */
  now: number
}

export interface EncryptedMessage {
  /** Raw fields, one character per byte, CRLF folding, without their last line end. */
  header: string[]
  /** Base64 in lines, each ended; to be read once. Reading it throws what goes wrong on the way. */
  body: AsyncGenerator<Buffer>
}

/** The type of the message, in the words that old and new mail programs know. */
const ENVELOPE_FIELDS: readonly string[] = [
  'MIME-Version: 1.0',
  'Content-Type: application/pkcs7-mime; smime-type=enveloped-data;\r\n\tname="smime.p7m"',
  'Content-Transfer-Encoding: base64',
  'Content-Disposition: attachment; filename="smime.p7m"',
  'Content-Description: S/MIME Encrypted Message',
]

/**
 * @param message not dot-stuffed, line ends CRLF or LF; read while the body is
 * @throws (rejects) CannotEncrypt when the header cannot be parted into what is seen and what is not; what `message` throws
 */
export async function encryptMessage(
  message: AsyncIterable<Buffer>,
  { recipients, padding, protection, hidden, tags, signer, now }: EncryptOptions,
): Promise<EncryptedMessage> {
  const { header, body } = await openSource(message)
  const fields = header.fields.map((field) => withoutTags(field, tags))
  const outer = outerFields(fields, hidden)
  const entity = withHeader(innerHeader(fields, outer, protection), body)
  const content = signer === null ? entity : multipartSigned(entity, signer, now)
  return {
    header: [...outer.map(({ raw }) => raw), ...ENVELOPE_FIELDS],
    body: base64Lines(envelop(content, recipients, padding)),
  }
}

/** What cannot be edited safely stays: the tag is a wish, and no secret. */
function withoutTags(field: HeaderField, tags: readonly string[]): HeaderField {
  if (field.key !== 'subject') return field
  const raw = removeSubjectTag(field.raw, tags)
  if (raw === null) return field
  return {
    ...field,
    raw,
    value: raw
      .slice(raw.indexOf(':') + 1)
      .replaceAll('\r\n', '')
      .trim(),
  }
}

async function* withHeader(header: string, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from(`${header}\r\n`, 'latin1')
  yield* body
}
