/** The header field TLS-Required (RFC 8689 section 3): a sender's wish that recipients' TLS policies be ignored. */
import { fieldsNamed, type HeaderBlock } from '../message/header'

/** Name of the field in lower case. */
export const TLS_REQUIRED = 'tls-required'

/** RFC 8689 section 3: `requiretls-field = "TLS-Required:" [FWS] "No" CRLF`; no comment, nothing else. */
const FIELD = /^tls-required:(?:(?:[ \t]*\r\n)?[ \t]+)?no$/i

/**
 * Is the wish there, in the one form that the RFC gives it? More than one field is a message that must not exist, any
 * other value has no meaning: both leave TLS as it is.
 */
export function saysTlsRequiredNo(block: HeaderBlock): boolean {
  const [field, ...more] = fieldsNamed(block, TLS_REQUIRED)
  return field !== undefined && more.length === 0 && FIELD.test(field.raw)
}
