/** Second part of a report: message/delivery-status (RFC 3464), or its internationalised form (RFC 6533). */
import { foldLines } from 'nodemailer/lib/mime-funcs'
import { mailDate, parseIso } from './dates'
import { oneLine } from '../util/one-line'
import { addressWithALabels, ascii, clean, isAscii, type Mask } from './sanitize'
import type { ReportInput, ReportKind, ReportRecipient } from './types'
import { serverWords } from './values'

/**
 * The part's body, CRLF line ends: one block about the mail, then one block per recipient.
 *
 * @param utf8 true = message/global-delivery-status with UTF-8 addresses as they are; false = seven bits only
 */
export function deliveryStatus(input: ReportInput, mask: Mask, utf8: boolean): string {
  const blocks = [
    [
      // RFC 3464 section 2.2.2: required.
      field('Reporting-MTA', `dns; ${ascii(oneLine(input.reportingMta))}`),
      // RFC 3461 section 6.3 (a): only from ENVID, never made up.
      ...(input.envid === undefined || input.envid === ''
        ? []
        : [field('Original-Envelope-Id', ascii(oneLine(input.envid)))]),
      field('Arrival-Date', mailDate(input.queuedAt)),
      field('X-SecureMail-Case', input.caseId),
    ],
    ...input.recipients.map((recipient) => recipientBlock(input, recipient, mask, utf8)),
  ]
  return blocks.map((fields) => fields.join('')).join('\r\n')
}

function recipientBlock(input: ReportInput, recipient: ReportRecipient, mask: Mask, utf8: boolean): string[] {
  const { failure } = recipient
  const { action, statusClass } = actionOf(input.kind)
  const lastAttempt = parseIso(recipient.lastAttempt)
  return [
    // RFC 3461 section 6.3 (d): only from ORCPT.
    ...(recipient.originalRecipient === undefined ? [] : [originalRecipient(recipient.originalRecipient, utf8)]),
    // RFC 3464 section 2.3.2 to 2.3.4: required.
    addressField('Final-Recipient', addressWithALabels(recipient.address), utf8),
    field('Action', action),
    field('Status', statusCode(failure.enhancedCode, statusClass)),
    ...diagnosis(recipient, mask),
    ...(lastAttempt === undefined ? [] : [field('Last-Attempt-Date', mailDate(lastAttempt))]),
    field('Final-Log-ID', ascii(oneLine(recipient.logId))),
    // RFC 3464 section 2.3.9: only with Action: delayed.
    ...(action === 'delayed' && input.retryUntil !== undefined
      ? [field('Will-Retry-Until', mailDate(input.retryUntil))]
      : []),
  ]
}

/** RFC 3464 section 2.3.3, and the class of status code that goes with it (RFC 3463 section 3.1). */
function actionOf(kind: ReportKind): { action: 'failed' | 'delayed' | 'relayed'; statusClass: '2' | '4' | '5' } {
  switch (kind) {
    case 'delayed':
      return { action: 'delayed', statusClass: '4' }
    case 'relayed':
      return { action: 'relayed', statusClass: '2' }
    default:
      return { action: 'failed', statusClass: '5' }
  }
}

/**
 * RFC 3464 section 2.3.5: Remote-MTA says that the diagnostic code was issued by that host, so it goes with the
 * remote's own reply only. A judgement of ours has a type of our own (section 2.3.6).
 */
function diagnosis(recipient: ReportRecipient, mask: Mask): string[] {
  const { failure } = recipient
  const words = serverWords(recipient)
  if (words === undefined) {
    const text = clean(`${failure.resultType}: ${failure.publicText}`, mask)
    return [field('Diagnostic-Code', `X-SecureMail; ${ascii(text)}`)]
  }
  const remote = failure.mx === undefined ? [] : [field('Remote-MTA', `dns; ${ascii(oneLine(failure.mx))}`)]
  return [...remote, field('Diagnostic-Code', `smtp; ${ascii(clean(words, mask))}`)]
}

function originalRecipient(orcpt: string, utf8: boolean): string {
  const exact = oneLine(orcpt)
  const semicolon = exact.indexOf(';')
  if (semicolon < 0) return addressField('Original-Recipient', exact, utf8)
  const type = exact.slice(0, semicolon).trim().toLowerCase()
  const address = exact.slice(semicolon + 1).trim()
  if (type === 'rfc822' || type === 'utf-8') return addressField('Original-Recipient', address, utf8)
  return field('Original-Recipient', `${ascii(type)};${ascii(address)}`)
}

/** An address with the type that fits it (RFC 6533 section 3). */
function addressField(name: string, address: string, utf8: boolean): string {
  if (isAscii(address)) return field(name, `rfc822; ${address}`)
  return field(name, `utf-8; ${utf8 ? address : utf8AddressXtext(address)}`)
}

/** RFC 6533 section 3, utf-8-addr-xtext: what is not printable ASCII, and `\`, `+`, `=`, as `\x{HEX}`. */
function utf8AddressXtext(address: string): string {
  return address.replace(
    /[^\x21-\x7e]|[\\+=]/gu,
    (char) => `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}}`,
  )
}

/** RFC 3463 section 2: `class.subject.detail` without leading zeros; the class is what the action says. */
function statusCode(code: string, wanted: '2' | '4' | '5'): string {
  const match = /^[245]\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(code)
  return match === null ? `${wanted}.0.0` : `${wanted}.${match[1] ?? '0'}.${match[2] ?? '0'}`
}

function field(name: string, value: string): string {
  return `${foldLines(`${name}: ${value}`, 76)}\r\n`
}
