/** What the placeholders of the texts stand for in one report. */
import type { Language } from '../config/settings'
import type { CertificateFacts } from '../failure'
import { humanDate, parseIso } from './dates'
import { addressParts } from '../util/address'
import { oneLine } from '../util/one-line'
import { clean, type Mask } from './sanitize'
import type { LanguageTemplates } from './template-format'
import { fillText, type Values } from './templates'
import type { ReportInput, ReportRecipient } from './types'

/**
 * The values of one report in one language. Everything from outside is cleaned and masked here, so that no text can
 * bring in what is not. A value that differs between the recipients of the report is left empty: the sentence that
 * needs it falls away, and the table says it for each.
 */
export function reportValues(input: ReportInput, templates: LanguageTemplates, language: Language, mask: Mask): Values {
  const { recipients, support } = input
  const show = (text: string | undefined, max?: number) => (text === undefined ? '' : clean(text, mask, max))
  const shared = (value: (recipient: ReportRecipient) => string | undefined): string => {
    const all = new Set(recipients.map((recipient) => value(recipient) ?? ''))
    return all.size === 1 ? ([...all][0] ?? '') : ''
  }
  const expiry = parseIso(shared((one) => certificateOf(one)?.notAfter))
  const retryUntil = input.retryUntil
  // Our own settings are exact: a telephone number is no CPR number.
  const phone = oneLine(support.phone)
  const address = oneLine(support.address)
  const name = oneLine(support.name)
  return {
    recipients: recipientsText(input, templates, mask),
    sender: show(input.postmaster?.sender ?? input.sender),
    domain: show(shared((one) => addressParts(oneLine(one.address)).domain)),
    mx: show(shared((one) => one.failure.mx)),
    subject: show(input.original.subject, 200),
    sent: humanDate(input.queuedAt, language),
    ended: humanDate(input.now, language),
    'retry-until': retryUntil === undefined ? '' : humanDate(retryUntil, language),
    case: input.caseId,
    support: supportText(name, address, phone),
    'support-name': name,
    'support-address': address,
    'support-phone': phone,
    tag: oneLine(input.optOutTag),
    'public-tag': oneLine(input.publicTag ?? ''),
    'secure-tag': oneLine(input.secureTag ?? ''),
    'cert-expiry': expiry === undefined ? '' : humanDate(expiry, language),
    'cert-names': show(
      shared((one) => certificateOf(one)?.names.slice(0, 3).join(', ')),
      200,
    ),
    'cert-issuer': show(
      shared((one) => certificateOf(one)?.issuer),
      200,
    ),
    'tls-version': show(shared((one) => tlsOf(one)?.version)),
    'server-words': show(shared(serverWords)),
    'ended-reason': show(shared((one) => one.failure.endedReason)),
  }
}

/** `it-support (it@uni.example, 99 40 20 20)`, with what there is of it; '' when there is nothing. */
function supportText(name: string, address: string, phone: string): string {
  const ways = [address, phone].filter((way) => way !== '').join(', ')
  if (name === '') return ways
  return ways === '' ? name : `${name} (${ways})`
}

/** `bo@partner.example` or `bo@partner.example and 2 others`. */
function recipientsText(input: ReportInput, templates: LanguageTemplates, mask: Mask): string {
  const first = clean(input.recipients[0]?.address ?? '', mask, 100)
  const others = input.recipients.length - 1
  if (others <= 0) return first
  return fillText(templates, others === 1 ? 'common.one-other' : 'common.others', { first, count: String(others) })
}

/** The remote server's reply in one line, as it said it; undefined when the failure is our own judgement. */
export function serverWords(recipient: ReportRecipient): string | undefined {
  const { smtp } = recipient.failure
  if (smtp === undefined) return undefined
  const enhanced = smtp.enhanced === undefined || smtp.text.startsWith(smtp.enhanced) ? '' : `${smtp.enhanced} `
  return `${smtp.code} ${enhanced}${smtp.text}`.trim()
}

/** TLS facts of the failure, else of the last host that was tried. */
export function tlsOf(recipient: ReportRecipient): ReportRecipient['failure']['tls'] {
  return recipient.failure.tls ?? recipient.attempts.at(-1)?.tls ?? recipient.attempts.at(-1)?.failure?.tls
}

/** The certificate that server showed, if it showed one. */
export function certificateOf(recipient: ReportRecipient): CertificateFacts | undefined {
  return tlsOf(recipient)?.certificate
}
