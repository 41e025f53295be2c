/** Audit events of one mail in the words of a person who explains it to another. */
import { textAt, textsAt, type AuditLine } from './audit-lines'

/** One sentence without a time. */
export function wordsOf(event: AuditLine): string {
  const message = textAt(event, 'message')
  switch (textAt(event, 'event.action')) {
    case 'message-accepted':
      return accepted(event)
    case 'optout-requested':
      return `an opt-out of encryption was asked for (${textAt(event, 'securemail.optout.by') || 'unknown way'})`
    case 'policy-resolved':
      return `${recipientOf(event)}: the policy requires ${textAt(event, 'rule.name') || 'no level'}: ${message}`
    case 'tls-negotiated':
      return `TLS with ${serverOf(event)}: ${tlsOf(event)}`
    case 'tls-failed':
      return `TLS with ${serverOf(event)} failed: ${failureOf(event)}`
    case 'delivery-succeeded':
      return `${attemptOf(event)}${recipientOf(event)}: delivered to ${serverOf(event)}, ${tlsOf(event)}`
    case 'delivery-deferred':
      return `${attemptOf(event)}${recipientOf(event)}: not delivered${atServer(event)}: ${failureOf(event)}; it stays in the queue`
    case 'delivery-failed':
      return `${attemptOf(event)}${recipientOf(event)}: given up${atServer(event)}: ${failureOf(event)}`
    case 'plaintext-permitted':
      return `clear text to ${serverOf(event)} was permitted: ${textAt(event, 'rule.description')}`
    case 'plaintext-delivered':
      return `${recipientOf(event)}: went out in clear text to ${serverOf(event)}`
    case 'report-sent':
      return `report ${textAt(event, 'securemail.report.kind')} about ${recipientOf(event)} sent to ${reportTo(event)}`
    case 'delay-notice-sent':
      return `notice of delay about ${recipientOf(event)} sent to ${reportTo(event)}`
    case 'report-undeliverable':
      return `${message}; told instead: ${textAt(event, 'securemail.report_to') || 'nobody'}`
    default:
      // The gateway's own sentence says it: opt-out granted and refused, category 3, errors.
      return message
  }
}

function accepted(event: AuditLine): string {
  const user = textAt(event, 'user.name')
  const from = `${textAt(event, 'source.ip') || 'an unknown client'}${user === '' ? '' : ` (user ${user})`}`
  const sender = textAt(event, 'email.sender.address') || 'the null sender'
  const count = Number(textAt(event, 'securemail.recipient.count')) || 0
  const bytes = textAt(event, 'securemail.bytes')
  const to = `${count} recipient${count === 1 ? '' : 's'} at ${textsAt(event, 'securemail.recipient.domain').join(', ')}`
  return `accepted from ${from}: ${sender} to ${to}${bytes === '' ? '' : `, ${bytes} bytes`}`
}

/** Address where the log has it, else the domain. */
function recipientOf(event: AuditLine): string {
  const clear = textsAt(event, 'email.to.address')
  const shown = clear.length > 0 ? clear : textsAt(event, 'securemail.recipient.domain')
  return shown.join(', ') || 'the mail'
}

function serverOf(event: AuditLine): string {
  const host = textAt(event, 'destination.domain') || textAt(event, 'securemail.failure.mx')
  const address = textAt(event, 'destination.ip') || textAt(event, 'securemail.failure.address')
  if (host === '') return 'the server'
  return address === '' || address === host ? host : `${host} [${address}]`
}

function atServer(event: AuditLine): string {
  const server = serverOf(event)
  return server === 'the server' ? '' : ` at ${server}`
}

function tlsOf(event: AuditLine): string {
  if (textAt(event, 'tls.established') !== 'true') return 'in clear text'
  const verified = textAt(event, 'securemail.tls.verified') === 'true'
  return `TLS ${textAt(event, 'tls.version')}, ${verified ? 'certificate verified' : 'certificate not checked'}`
}

function failureOf(event: AuditLine): string {
  const type = textAt(event, 'securemail.result_type')
  const said = textAt(event, 'securemail.smtp.text')
  const reply = said === '' ? '' : ` It said: ${textAt(event, 'securemail.smtp.code')} ${said}`
  return `${textAt(event, 'message')}${reply}${type === '' ? '' : ` (${type})`}`
}

function attemptOf(event: AuditLine): string {
  const attempt = textAt(event, 'securemail.attempt')
  return attempt === '' ? '' : `attempt ${attempt}, `
}

function reportTo(event: AuditLine): string {
  return textAt(event, 'securemail.report_to') || 'the sender'
}
