import { fieldsNamed, parseHeader, type HeaderBlock, type RawHeader } from './header'

/** What a report may show or return of a mail, and nothing else (no Received, no Bcc, no X-*). */
const SHOWN = [
  'Date',
  'From',
  'Sender',
  'Reply-To',
  'To',
  'Cc',
  'Subject',
  'Message-ID',
  'In-Reply-To',
  'References',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
] as const

/**
 * The header fields that reports quote: a fixed list, unfolded, not decoded, in the order of the list.
 *
 * @param header the message or its header block, or its raw fields
 */
export function headersForReport(header: RawHeader): { name: string; value: string }[] {
  const block = parseHeader(header)
  return SHOWN.flatMap((name) => fieldsNamed(block, name.toLowerCase()).map(({ value }) => ({ name, value })))
}

/**
 * Does an existing signature cover a field (RFC 6376 section 3.5 `h=`, RFC 8617 section 4.1.2)?
 *
 * @param header as in `headersForReport`, or parsed
 * @param field its name in lower case
 * @returns true also when a signature's field list cannot be read
 */
export function hasSignatureOver(header: RawHeader | HeaderBlock, field: string): boolean {
  const block = typeof header === 'object' && 'fields' in header ? header : parseHeader(header)
  return ['dkim-signature', 'arc-message-signature']
    .flatMap((key) => fieldsNamed(block, key))
    .some(({ value }) => {
      const names = /(?:^|;)\s*h\s*=([^;]*)/i.exec(value)?.[1]
      if (names === undefined) return true
      return names.split(':').some((name) => name.trim().toLowerCase() === field)
    })
}
