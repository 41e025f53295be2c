/** The block at the end of a report that the sender hands to IT: exact, in English, times in UTC. */
import type { HostAttempt } from '../deliver/types'
import type { TlsFacts } from '../failure'
import { parseIso, utcDate } from './dates'
import { addressWithALabels, clean, type Mask } from './sanitize'
import type { ReportInput, ReportRecipient } from './types'
import { certificateOf, serverWords, tlsOf } from './values'

/** Recipients and attempts shown; the store has the rest. */
const MAX_RECIPIENTS = 20
const MAX_ATTEMPTS = 10

/** Lines of the block. Everything from outside is cleaned and masked. */
export function technicalLines(input: ReportInput, mask: Mask): string[] {
  const shown = input.recipients.slice(0, MAX_RECIPIENTS)
  const more = input.recipients.length - shown.length
  return [
    row('case', input.caseId),
    row('report', input.kind),
    row('reporting MTA', clean(input.reportingMta, mask)),
    row('queued', utcDate(input.queuedAt)),
    row('reported', utcDate(input.now)),
    row('policy', clean(input.policySource, mask)),
    ...shown.flatMap((recipient) => recipientLines(recipient, mask)),
    ...(more > 0 ? [`... and ${more} more recipients: see the attached delivery status`] : []),
  ]
}

function recipientLines(recipient: ReportRecipient, mask: Mask): string[] {
  const { failure, attempts } = recipient
  const words = serverWords(recipient)
  const tls = tlsOf(recipient)
  const certificate = certificateOf(recipient)
  const command = opensslCommand(recipient)
  const show = (text: string) => clean(text, mask)
  return [
    '',
    row('recipient', show(addressWithALabels(recipient.address))),
    row('queue id', show(recipient.logId)),
    row('result', `${failure.resultType}, status ${show(failure.enhancedCode)}`),
    row('', show(failure.publicText)),
    ...(failure.mx === undefined ? [] : [row('server', show(hostText({ host: failure.mx, ...failure })))]),
    ...(words === undefined ? [] : [row('it replied', show(words))]),
    ...(tls === undefined ? [] : [row('TLS', show(tlsText(tls)))]),
    ...(certificate === undefined
      ? []
      : [
          row('certificate', `subject ${show(certificate.subject)}`),
          row('', `issuer ${show(certificate.issuer)}`),
          row('', `names ${show(certificate.names.join(', ')) || '-'}`),
          row('', `valid ${show(certificate.notBefore)} to ${show(certificate.notAfter)}`),
          row('', `sha256 ${hex(certificate.sha256)}`),
        ]),
    row('attempts', String(recipient.attemptCount)),
    ...attempts.slice(-MAX_ATTEMPTS).map((attempt) => row('', attemptText(attempt, mask))),
    ...(command === undefined ? [] : [row('to see it', command)]),
  ]
}

function row(name: string, value: string): string {
  return `${name.padEnd(14)} ${value}`.trimEnd()
}

/** `mx1.partner.example [198.51.100.7]:25` */
function hostText(where: { host: string; address?: string; port?: number }): string {
  const address = where.address === undefined ? '' : ` [${where.address}]`
  return `${where.host}${address}${where.port === undefined ? '' : `:${where.port}`}`
}

function tlsText(tls: TlsFacts): string {
  const name = tls.servername === undefined ? '' : `, server name ${tls.servername}`
  return `${tls.version} ${tls.cipher}, ${tls.verified ? 'verified' : 'not verified'}${name}`
}

function attemptText(attempt: HostAttempt, mask: Mask): string {
  const at = parseIso(attempt.at)
  const result = attempt.ok ? 'ok' : (attempt.failure?.resultType ?? 'failed')
  return `${at === undefined ? '-' : utcDate(at)} ${clean(hostText(attempt), mask)} ${result}`
}

/** Digests are exact, and nothing but digits and a to f can be in one. */
function hex(text: string): string {
  return /^[0-9a-f]+$/i.test(text) ? text.toLowerCase() : '-'
}

/**
 * The line that shows the fault to whoever runs it. Made only for names that hold nothing a shell could read as more
 * than a name.
 */
function opensslCommand(recipient: ReportRecipient): string | undefined {
  const { mx, port } = recipient.failure
  if (mx === undefined || !/^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(mx)) return undefined
  const isAddress = /^[\d.]+$/.test(mx)
  return `openssl s_client -starttls smtp -connect ${mx}:${port ?? 25}${isAddress ? '' : ` -servername ${mx}`}`
}
