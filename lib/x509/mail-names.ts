/** The mail addresses that a certificate is for (RFC 8550 section 3). */
import { children, contentOf, element, extensionsOf, oidOf, toBeSigned, type Element } from './der'
import { EXTENSION } from './usage'

/** Tags of GeneralName (RFC 5280 section 4.2.1.6). */
const OTHER_NAME = 0xa0
const RFC822_NAME = 0x81
/** id-on-SmtpUTF8Mailbox (RFC 9598 section 3). */
const SMTP_UTF8_MAILBOX = '2b06010505070809'
/** emailAddress (RFC 2985 section 5.2.1), which older authorities put into the subject. */
const EMAIL_ADDRESS = '2a864886f70d010901'
/** More are not looked at. */
const MAX_NAMES = 100

/**
 * Addresses as they stand there. Those of the subject count only where subjectAltName has none, as for a host name
 * (RFC 6125 section 6.4.4): an authority that knows the extension says there what it has looked at.
 *
 * @param der a certificate that OpenSSL's parser has accepted
 * @throws RangeError when the names cannot be read
 */
export function mailNames(der: Buffer): string[] {
  const alternative = alternativeNames(der)
  return (alternative.length > 0 ? alternative : subjectNames(der)).slice(0, MAX_NAMES)
}

function alternativeNames(der: Buffer): string[] {
  const value = extensionsOf(der).get(EXTENSION.subjectAltName)?.value
  if (value === undefined) return []
  return children(value, element(value, 0)).flatMap((name) => {
    if (name.tag === RFC822_NAME) return textOf(value, name, 'latin1')
    if (name.tag !== OTHER_NAME) return []
    const [type, wrapper] = children(value, name)
    if (oidOf(value, type) !== SMTP_UTF8_MAILBOX || wrapper === undefined) return []
    return textOf(value, element(value, wrapper.content), 'utf8')
  })
}

function subjectNames(der: Buffer): string[] {
  return children(der, toBeSigned(der).subject).flatMap((set) =>
    children(der, set).flatMap((attribute) => {
      const [type, text] = children(der, attribute)
      return text !== undefined && oidOf(der, type) === EMAIL_ADDRESS ? textOf(der, text, 'latin1') : []
    }),
  )
}

/** Only what can be an address; a NUL in the middle is an old way to fool who compares. */
function textOf(der: Buffer, one: Element, encoding: 'latin1' | 'utf8'): string[] {
  const text = contentOf(der, one).toString(encoding)
  return /^[^\s<>\p{Cc}\ufffd]+@[^\s<>@\p{Cc}\ufffd]+$/u.test(text) && text.length <= 320 ? [text] : []
}
