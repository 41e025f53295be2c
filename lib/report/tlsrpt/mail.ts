/** A report as a mail (RFC 8460 section 5.3): multipart/report of a part for people and the compressed report. */
import { createHash } from 'node:crypto'
import MimeNode from 'nodemailer/lib/mime-node'
import { mailDate } from '../../notify/dates'
import type { BuiltReport } from './build'

/** Names as RFC 8460 and 8689 write them; the composer would capitalise each word, and receivers compare. */
const HEADER_CASE = new Map(
  ['TLS-Report-Domain', 'TLS-Report-Submitter', 'TLS-Required', 'Message-ID', 'MIME-Version'].map((name) => [
    name.toLowerCase(),
    name,
  ]),
)

/**
 * The same report to the same address has the same Message-ID, so that a copy that was sent again after a crash is
 * known for one. Not signed yet: the DKIM plugin does that when the mail is queued.
 *
 * @param to address of the record
 * @param now milliseconds since the epoch
 * @returns the message with CRLF line ends, not dot-stuffed, seven-bit
 */
export async function reportMail(report: BuiltReport, to: string, now: number): Promise<Buffer> {
  const { domain, day, id, party, fileName, gzip } = report
  const left = id.slice(0, id.lastIndexOf('@'))
  const label = createHash('sha256').update(to).digest('hex').slice(0, 12)
  const boundary = createHash('sha256').update(`${id} ${label}`).update(gzip).digest('hex').slice(0, 32)
  const root = new MimeNode('multipart/report; report-type=tlsrpt', {
    baseBoundary: boundary,
    boundaryPrefix: 'tlsrpt',
    normalizeHeaderKey: (key) => HEADER_CASE.get(key.toLowerCase()) ?? key,
  })
  root.setHeader([
    { key: 'From', value: { name: party.organization, address: party.from } },
    { key: 'To', value: { name: '', address: to } },
    { key: 'Subject', value: `Report Domain: ${domain} Submitter: ${party.submitter} Report-ID: <${id}>` },
    { key: 'Date', value: mailDate(now) },
    { key: 'Message-ID', value: `<${left}.${label}@${party.submitter}>` },
    { key: 'TLS-Report-Domain', value: domain },
    { key: 'TLS-Report-Submitter', value: party.submitter },
    // RFC 8689 section 5: whoever relays it does not stop it for want of TLS either
    { key: 'TLS-Required', value: 'No' },
    { key: 'Auto-Submitted', value: 'auto-generated' },
  ])
  root
    .createChild('text/plain; charset=utf-8')
    .setContent(
      [
        `This is a report on TLS (RFC 8460) from ${party.organization} about mail to ${domain},`,
        `for ${day}, 00:00 to 24:00 UTC. The report itself is attached, for programs to read.`,
        '',
        `Questions: ${party.contact}`,
        '',
      ].join('\r\n'),
    )
  root
    .createChild('application/tlsrpt+gzip', { filename: fileName })
    .setHeader('Content-Transfer-Encoding', 'base64')
    .setContent(gzip)
  return await root.build()
}
