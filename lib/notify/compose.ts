/**
 * A report as a mail: multipart/report (RFC 6522) of a part for people, a part for machines and the mail's own header
 * fields. Pure: the same input gives the same bytes, so that a crash between two tries cannot make two different
 * reports. The mail's body is never in it.
 */
import { createHash } from 'node:crypto'
import { domainToASCII } from 'node:url'
import MimeNode from 'nodemailer/lib/mime-node'
import { maskCpr } from '../classify/cpr'
import { mailDate } from './dates'
import { deliveryStatus } from './delivery-status'
import { humanPart } from './human'
import { renderHtml, renderText, type ReportDocument } from './render'
import { returnedHeaders } from './returned-headers'
import { oneLine } from '../util/one-line'
import { ascii, isAscii, type Mask } from './sanitize'
import { technicalLines } from './technical'
import { fillText, type Templates } from './templates'
import type { ComposedReport, ReportInput } from './types'
import { reportValues } from './values'

export interface ComposeOptions {
  templates: Templates
  /** Masks CPR numbers; the default is the detector of the classify room. */
  mask?: Mask
}

/** What a sender sees, before it is wrapped into a mail. */
export interface ReportText {
  subject: string
  text: string
  /** '' with `style=plain`. */
  html: string
}

/** Subject, text and HTML of a report. Pure. */
export function reportText(input: ReportInput, options: ComposeOptions): ReportText {
  const mask = options.mask ?? maskCpr
  const languages = input.languages.length === 0 ? (['da', 'en'] as const) : [...new Set(input.languages)]
  const inEach = (section: string) => languages.map((language) => fillText(options.templates[language], section, {}))
  const document: ReportDocument = {
    parts: languages.map((language) => humanPart(input, options.templates[language], language, mask)),
    below: inEach('common.below')
      .slice(1)
      .filter((line) => line !== ''),
    technical: {
      title: [...new Set(inEach('common.technical-title'))].join(' / '),
      lines: technicalLines(input, mask),
    },
    support: { address: oneLine(input.support.address), phone: oneLine(input.support.phone) },
  }
  const subjects = languages.map((language) => {
    const templates = options.templates[language]
    return fillText(templates, `${input.kind}.subject`, reportValues(input, templates, language, mask))
  })
  return {
    subject: subjects.join(' / '),
    text: renderText(document),
    html: input.style === 'plain' ? '' : renderHtml(document),
  }
}

/**
 * Compose one report. `category3-advice` tells of a mail that was sent: it is a notice of the same look without a
 * delivery status (RFC 3464 has none for it).
 *
 * @returns the envelope recipient and the message with CRLF line ends, not dot-stuffed
 */
export async function composeReport(input: ReportInput, options: ComposeOptions): Promise<ComposedReport> {
  const mask = options.mask ?? maskCpr
  const shown = reportText(input, options)
  // RFC 6533: only a sender whose own address is internationalised surely takes an internationalised report; for any
  // other the seven-bit form says the same.
  const utf8 = input.smtpUtf8 && !isAscii(input.sender)
  const status = input.kind === 'category3-advice' ? undefined : deliveryStatus(input, mask, utf8)
  const headers = returnedHeaders(input.original.headers, mask, utf8)

  const digest = createHash('sha256')
  for (const text of [input.messageId, shown.text, shown.html, status ?? '', headers]) digest.update(text).update('\0')
  const root = new MimeNode(
    status === undefined ? 'multipart/mixed' : 'multipart/report; report-type=delivery-status',
    // The boundary follows from the content, so no content can hold it.
    {
      baseBoundary: digest.digest('hex').slice(0, 32),
      boundaryPrefix: 'report',
      normalizeHeaderKey: (key) => HEADER_CASE.get(key.toLowerCase()) ?? key,
    },
  )
  root.setHeader(reportHeaders(input, shown.subject, options.templates))

  const human = shown.html === '' ? root : root.createChild('multipart/alternative')
  human.createChild('text/plain; charset=utf-8').setContent(shown.text)
  if (shown.html !== '') human.createChild('text/html; charset=utf-8').setContent(shown.html)
  if (status !== undefined) {
    root
      .createChild(utf8 ? 'message/global-delivery-status' : 'message/delivery-status')
      .setHeader('Content-Transfer-Encoding', utf8 ? '8bit' : '7bit')
      .setContent(status)
  }
  const returned = root.createChild(utf8 ? 'message/global-headers' : 'text/rfc822-headers')
  if (utf8) returned.setHeader('Content-Transfer-Encoding', '8bit')
  returned.setContent(headers === '' ? '\r\n' : headers)
  return { to: input.sender, message: await root.build() }
}

/** Names as their documents write them; the composer would capitalise each word. */
const HEADER_CASE = new Map(
  ['X-SecureMail-Case', 'Message-ID', 'MIME-Version'].map((name) => [name.toLowerCase(), name]),
)

function reportHeaders(
  input: ReportInput,
  subject: string,
  templates: Templates,
): { key: string; value: string | { name: string; address: string } }[] {
  const first = input.languages[0] ?? 'da'
  const host = domainToASCII(oneLine(input.reportingMta)) || ascii(oneLine(input.reportingMta))
  const original = messageIdHeader(input.original.messageId)
  return [
    { key: 'From', value: { name: fillText(templates[first], 'common.from', {}), address: `MAILER-DAEMON@${host}` } },
    { key: 'To', value: { name: '', address: oneLine(input.sender) } },
    { key: 'Subject', value: subject },
    { key: 'Date', value: mailDate(input.now) },
    { key: 'Message-ID', value: `<${ascii(oneLine(input.messageId)).replace(/[<>\s]/g, '')}>` },
    // RFC 3834 section 5.2: a DSN is auto-replied, never auto-generated.
    { key: 'Auto-Submitted', value: 'auto-replied' },
    { key: 'X-Auto-Response-Suppress', value: 'All' },
    ...(original === undefined
      ? []
      : [
          { key: 'In-Reply-To', value: original },
          { key: 'References', value: original },
        ]),
    { key: 'Content-Language', value: [...new Set(input.languages)].join(', ') || 'da, en' },
    { key: 'X-SecureMail-Case', value: input.caseId },
  ]
}

/** The mail's own Message-ID, if it is one (RFC 5322 section 3.6.4); anything else is not worth a reference. */
function messageIdHeader(messageId: string | undefined): string | undefined {
  const id = (messageId ?? '').trim().replace(/^<|>$/g, '')
  return /^[!-;=?-~]{1,240}$/.test(id) && id.includes('@') ? `<${id}>` : undefined
}
