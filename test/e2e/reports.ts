/** Reports as Python's `email` package reads them: an independent judge of their form. */
import { findPart, parseWithPython, type ParsedPart } from '../internet/clients'
import type { StoredMail } from '../internet/postfix'

export interface ReadReport {
  raw: string
  contentType: string
  defects: string[]
  /** Addresses of the delivery status blocks. */
  recipients: string[]
  text: string
  html: string
  header(name: string): string | undefined
  status(recipient: string): string
  action(recipient: string): string
}

/** Parse what arrived at the sender's mailbox. */
export async function readReports(mails: readonly Pick<StoredMail, 'message'>[]): Promise<ReadReport[]> {
  return Promise.all(mails.map(async (mail) => read(mail.message, await parseWithPython(mail.message))))
}

export function reportFor(reports: readonly ReadReport[], recipient: string): ReadReport {
  const report = reports.find((candidate) => candidate.recipients.includes(recipient))
  if (report === undefined) throw new Error(`no report about ${recipient}`)
  return report
}

function read(raw: Buffer, part: ParsedPart): ReadReport {
  const blocks = (findPart(part, 'message/delivery-status')?.status ?? []).map(
    (block) => new Map(Object.entries(block).map(([name, value]) => [name.toLowerCase(), value])),
  )
  const addressOf = (block: Map<string, string>) => block.get('final-recipient')?.replace(/^rfc822;\s*/i, '') ?? ''
  const field = (recipient: string, name: string) =>
    blocks.find((block) => addressOf(block) === recipient)?.get(name) ?? ''
  return {
    raw: raw.toString('latin1'),
    contentType: part.contentType,
    defects: allDefects(part),
    recipients: blocks.map(addressOf).filter((address) => address !== ''),
    text: findPart(part, 'text/plain')?.text ?? '',
    html: findPart(part, 'text/html')?.text ?? '',
    header: (name) => part.headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1],
    status: (recipient) => field(recipient, 'status'),
    action: (recipient) => field(recipient, 'action'),
  }
}

function allDefects(part: ParsedPart): string[] {
  return [...part.defects, ...part.parts.flatMap(allDefects)]
}

/** Seven bits, CRLF line ends, no line over 998 characters (RFC 5322 section 2.1.1). */
export function isAsciiMessage(raw: string): boolean {
  return raw.split('\r\n').every((line) => line.length <= 998 && /^[\t\x20-\x7e]*$/.test(line))
}
