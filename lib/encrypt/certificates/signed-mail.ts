/** A signed mail taken apart: who it says it is from, the signature, and the bytes that were signed (RFC 8551 section 3.5). */
import { mailboxes } from '../../gate/addresses'
import { fieldsNamed, headerExtent, parseHeader, type HeaderBlock } from '../../message/header'
import { cutMultipart, validBoundary } from '../../message/multipart'
import { parseStructured, type StructuredValue } from '../../message/parameters'
import { decodeTransfer, transferEncoding } from '../../message/transfer'
import { certificateAddress } from './names'

/** A mail that says it is signed. */
export interface SignedMail {
  /** The one address in From, in the form that is compared; null when there is not exactly one. */
  from: string | null
  /** CMS. */
  signature: Buffer
  /** Forms of the signed content, as it stands and in its canonical form; null = it is inside the signature. */
  contents: readonly Buffer[] | null
}

/** Could a mail with this Content-Type be signed? */
export function mayBeSigned(contentType: string): boolean {
  return signedForm(parseStructured(contentType)) !== null
}

function signedForm({ value, parameters }: StructuredValue): 'clear' | 'opaque' | null {
  switch (value) {
    case 'multipart/signed':
      return isSignatureType(parameters.get('protocol') ?? '') ? 'clear' : null
    case 'application/pkcs7-mime':
    case 'application/x-pkcs7-mime':
      // what it is stands in its bytes; smime-type is only a hint, yet nobody writes another one for signed mail
      return ['', 'signed-data'].includes((parameters.get('smime-type') ?? '').toLowerCase()) ? 'opaque' : null
    case 'application/octet-stream':
      return /\.p7m$/i.test(parameters.get('name') ?? '') ? 'opaque' : null
    default:
      return null
  }
}

function isSignatureType(type: string): boolean {
  return ['application/pkcs7-signature', 'application/x-pkcs7-signature'].includes(type.toLowerCase())
}

/**
 * @param raw the message, dots not stuffed
 * @returns null when it does not say that it is signed as a whole
 */
export function readSignedMail(raw: Buffer): SignedMail | null {
  const { end, body } = headerExtent(raw, 0, raw.length)
  const header = parseHeader(raw.subarray(0, end))
  const type = parseStructured(soleValue(header, 'content-type'))
  const from = senderOf(header)
  const content = raw.subarray(body)
  switch (signedForm(type)) {
    case 'opaque': {
      const signature = decoded(header, content)
      return signature === null ? null : { from, signature, contents: null }
    }
    case 'clear':
      return clearSigned(content, type.parameters.get('boundary') ?? '', from)
    case null:
      return null
  }
}

function clearSigned(body: Buffer, boundary: string, from: string | null): SignedMail | null {
  if (!validBoundary(boundary)) return null
  // RFC 1847 section 2.1: exactly two parts
  const { parts, more, problems } = cutMultipart(body, boundary, 2)
  const [signed, second] = parts
  if (signed === undefined || second === undefined || more || problems.length > 0) return null
  const { end, body: start } = headerExtent(second, 0, second.length)
  const header = parseHeader(second.subarray(0, end))
  if (!isSignatureType(parseStructured(soleValue(header, 'content-type')).value)) return null
  const signature = decoded(header, second.subarray(start))
  return signature === null ? null : { from, signature, contents: forms(signed) }
}

/** As it stands, and with CRLF for each line end, which is what was signed (RFC 8551 section 3.1.1). */
function forms(signed: Buffer): Buffer[] {
  const text = signed.toString('latin1')
  const canonical = text.replace(/\r?\n/g, '\r\n')
  return canonical === text ? [signed] : [signed, Buffer.from(canonical, 'latin1')]
}

/** @returns null when two readers would not come to the same bytes */
function decoded(header: HeaderBlock, body: Buffer): Buffer | null {
  const encoding = transferEncoding(soleValue(header, 'content-transfer-encoding'))
  if (encoding === null) return null
  const { bytes, problem } = decodeTransfer(body, encoding)
  return problem === undefined ? bytes : null
}

/** @returns the value; '' when the field is missing or there twice */
function soleValue(header: HeaderBlock, key: string): string {
  const [field, ...others] = fieldsNamed(header, key)
  return field === undefined || others.length > 0 ? '' : field.value
}

/** RFC 5322 section 3.6.2: several authors are possible; for a certificate there has to be one. */
function senderOf(header: HeaderBlock): string | null {
  const [field, ...others] = fieldsNamed(header, 'from')
  if (field === undefined || others.length > 0) return null
  // the header is held one character per byte; an address may be UTF-8 (RFC 6532)
  const [address, ...more] = mailboxes(Buffer.from(field.value, 'latin1').toString('utf8')) ?? []
  return address === undefined || more.length > 0 ? null : certificateAddress(address)
}
