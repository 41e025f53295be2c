/**
 * What of a header stays outside an encrypted message, and how the whole of it goes inside (docs/encryption.md says which
 * mail programs show what).
 */
import { CannotEncrypt } from './cannot-encrypt'
import { mailboxes } from '../gate/addresses'
import type { HeaderField } from '../message/header'
import { encodeWords } from '../message/encoded-words'

/** How the header goes inside: RFC 9788 (fields beside those of the content), RFC 8551 section 3.1 (a whole message). */
export type Protection = 'rfc9788' | 'rfc8551'

/** Fields about the content: they go inside, and describe nothing outside. */
const CONTENT = /^content-/
/** Whoever stands there shall not be known to others, inside or outside. */
const SECRET = /^(?:resent-)?bcc$/
/** Signatures over the message as it was: they do not fit the encrypted one. */
const SIGNATURE = /^(?:dkim-signature|domainkey-signature|arc-.*|authentication-results)$/
/** Traces of the way so far: outside as they are, and nobody misses them inside (RFC 9788 section 1.1.1). */
const TRACE = /^(?:received(?:-spf)?|return-path|resent-.*|mime-version)$/
/**
 * What stays outside, because servers and mail programs need it before anything is opened: routes, threads, lists,
 * receipts, priority. Every other field may tell of the content.
 */
const OUTSIDE =
  /^(?:date|from|sender|reply-to|to|cc|subject|message-id|in-reply-to|references|auto-submitted|precedence|list-.*|importance|priority|x-priority|x-msmail-priority|disposition-notification-to|return-receipt-to|tls-required|tls-report-.*)$/
const ADDRESSES = /^(?:from|sender|reply-to|to|cc|disposition-notification-to|return-receipt-to)$/

/** What must not be seen outside. */
export interface Hidden {
  /** Text that stands in place of the subject; null = the subject may be seen. */
  subject: string | null
  /** Names (lower case) of other fields that hold findings. */
  fields: ReadonlySet<string>
}

/** A raw field (one character per byte, CRLF folding, no last line end) in the place of the one with this name. */
export interface PlacedField {
  key: string
  raw: string
}

/**
 * The fields of the outer header, in their order, without those about the content.
 *
 * @throws CannotEncrypt when a field that has to stay cannot be freed of what must not be seen
 */
export function outerFields(fields: readonly HeaderField[], hidden: Hidden): PlacedField[] {
  const outer: PlacedField[] = []
  for (const field of fields) {
    const { key, name, raw } = field
    if (key === 'mime-version' || !(OUTSIDE.test(key) || TRACE.test(key)) || SECRET.test(key)) continue
    if (key === 'subject' && hidden.subject !== null) {
      outer.push({ key, raw: `Subject: ${words(hidden.subject)}` })
    } else if (!hidden.fields.has(key)) {
      outer.push({ key, raw })
    } else if (ADDRESSES.test(key)) {
      outer.push({ key, raw: `${name}: ${bareAddresses(field)}` })
    }
  }
  return outer
}

/** Only the addresses: what must not be seen stood in a name beside them. */
function bareAddresses({ key, value }: HeaderField): string {
  const addresses = mailboxes(Buffer.from(value, 'latin1').toString('utf8'))
  if (addresses === null)
    throw new CannotEncrypt(`the field ${key} holds what must not be seen, and is no list of addresses`)
  return Buffer.from(addresses.join(',\r\n\t')).toString('latin1')
}

function words(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeWords(text)
}

/**
 * The header of the entity that is encrypted, each line ended, without the empty line; the body follows as it is.
 *
 * @param fields the header as its reader shall see it
 * @param outer what `outerFields` made of it
 */
export function innerHeader(
  fields: readonly HeaderField[],
  outer: readonly PlacedField[],
  protection: Protection,
): string {
  const content = fields.filter(({ key }) => CONTENT.test(key))
  const inner = fields.filter(({ key }) => !CONTENT.test(key) && !SECRET.test(key) && !SIGNATURE.test(key))
  if (protection === 'rfc8551') {
    const mimeVersion = inner.some(({ key }) => key === 'mime-version') ? [] : ['MIME-Version: 1.0']
    const message = [...inner, ...content].map(({ raw }) => raw)
    return lines(['Content-Type: message/rfc822', 'Content-Transfer-Encoding: 8bit', '', ...mimeVersion, ...message])
  }
  return lines([
    ...inner.filter(({ key }) => !TRACE.test(key)).map(({ raw }) => raw),
    // RFC 9788 section 2.2: what was to be seen outside, so that an answer hides what was hidden
    ...outer.filter(({ key }) => !TRACE.test(key)).map(({ raw }) => `HP-Outer: ${raw}`),
    ...withCipherMark(content),
  ])
}

/** RFC 9788 section 2.1.1: the parameter that says that these fields were encrypted. */
function withCipherMark(content: readonly HeaderField[]): string[] {
  const types = content.filter(({ key }) => key === 'content-type')
  const [type] = types
  if (type === undefined) return ['Content-Type: text/plain; hp="cipher"', ...content.map(({ raw }) => raw)]
  // two types, or one that does not parse: nobody knows what a parameter would belong to
  const parses = /^[^\s;/()"]+\/[^\s;/()"]+\s*(?:;|$)/.test(type.value) && balanced(type.value)
  return content.map((field) =>
    field === type && types.length === 1 && parses
      ? `${field.raw.replace(/[;\s]+$/, '')};\r\n\thp="cipher"`
      : field.raw,
  )
}

/** Neither a quoted string nor a comment is open at the end. */
function balanced(value: string): boolean {
  return !/["()\\]/.test(value.replace(/"(?:[^"\\]|\\[\s\S])*"/g, ''))
}

function lines(fields: readonly string[]): string {
  return fields.map((field) => `${field}\r\n`).join('')
}
