/** The one line per delivery in Haraka's own log, in the grammar of Postfix' smtp(8). */
import { maskCpr } from '../classify/cpr'
import type { RecipientOutcome } from '../deliver/types'
import type { TlsFacts } from '../failure'
import { tlsToken } from '../policy/tls-token'
import type { Requirement } from '../policy/types'
import { addressParts } from '../util/address'
import { oneLine } from '../util/one-line'
import { personsMask, type RecipientStyle } from './identity'

export interface DeliveryLineInput {
  /** Queue id without suffix. */
  mailId: string
  outcome: RecipientOutcome
  /** null = delivery did not get far enough to know. */
  requirement: Requirement | null
  /** Milliseconds since the mail was queued. */
  delay: number
  /** `domain+hmac` writes the recipient's domain only: the digest is in the audit log. */
  recipients: RecipientStyle
  /** Masks CPR numbers; the default is the detector of the classify room. */
  mask?: (text: string) => string
}

/**
 * `ID: to=<partner.example>, relay=mx1.partner.example[198.51.100.7]:25, delay=1.2, tls=encrypt, session=TLSv1.3/TLS_AES_256_GCM_SHA384/new, cert=9bd0bbc744fe5510, dsn=2.0.0, status=sent (250 ok)`
 *
 * `session` and `cert` (the beginning of the certificate's SHA-256) are there when there was TLS; `resumed` in the place
 * of `new`: the certificate is that of the session's full handshake.
 * What a remote server said is one line of printable text, masked, without the recipient's address.
 */
export function formatDeliveryLine(input: DeliveryLineInput): string {
  const { outcome, requirement } = input
  const parts = [
    `to=<${shownRecipient(input)}>`,
    `relay=${relayOf(outcome)}`,
    `delay=${formatDelay(input.delay)}`,
    ...(requirement === null ? [] : [tlsToken(requirement, tlsOf(outcome))]),
    ...sessionOf(tlsOf(outcome)),
    `dsn=${dsnOf(outcome)}`,
    `status=${STATUS[outcome.result]} (${remoteText(input)})`,
  ]
  return `${input.mailId}: ${parts.join(', ')}`
}

const STATUS = { delivered: 'sent', deferred: 'deferred', failed: 'bounced' } as const

function shownRecipient(input: DeliveryLineInput): string {
  const { recipient } = input.outcome
  return printable(input, input.recipients === 'clear' ? recipient : addressParts(recipient).domain).replace(
    /[<>]/g,
    '',
  )
}

function relayOf(outcome: RecipientOutcome): string {
  const where =
    outcome.result === 'delivered'
      ? outcome
      : { host: outcome.failure.mx, address: outcome.failure.address, port: outcome.failure.port }
  if (where.host === undefined) return 'none'
  const address = where.address === undefined ? '' : `[${where.address}]`
  return `${where.host}${address}${where.port === undefined ? '' : `:${where.port}`}`.replace(/[^\x21-\x7e]|,/g, '')
}

/** Seconds with the precision that Postfix shows: two digits that matter. */
function formatDelay(millis: number): string {
  const seconds = Math.max(0, millis) / 1000
  if (seconds >= 10) return String(Math.round(seconds))
  return String(Number(seconds.toFixed(seconds >= 1 ? 1 : 2)))
}

function tlsOf(outcome: RecipientOutcome): TlsFacts | null | undefined {
  return outcome.result === 'delivered' ? outcome.tls : outcome.failure.tls
}

function sessionOf(facts: TlsFacts | null | undefined): string[] {
  if (facts === null || facts === undefined) return []
  const { version, cipher, resumed, certificate } = facts
  const session = `session=${version}/${cipher}/${resumed ? 'resumed' : 'new'}`
  return certificate === undefined ? [session] : [session, `cert=${certificate.sha256.slice(0, 16)}`]
}

function dsnOf(outcome: RecipientOutcome): string {
  if (outcome.result !== 'delivered') return outcome.failure.enhancedCode
  return /^2\d\d[ -](2\.\d{1,3}\.\d{1,3})\b/.exec(outcome.response)?.[1] ?? '2.0.0'
}

function remoteText(input: DeliveryLineInput): string {
  const { outcome } = input
  if (outcome.result === 'delivered') return printable(input, outcome.response)
  const { resultType, publicText, smtp } = outcome.failure
  const said = smtp === undefined ? '' : `; it said: ${smtp.code} ${smtp.text}`
  return printable(input, `${resultType}: ${publicText}${said}`)
}

function printable(input: DeliveryLineInput, text: string): string {
  const line = oneLine(text.slice(0, 2000))
  const person = input.recipients === 'clear' ? line : personsMask([input.outcome.recipient])(line)
  return (input.mask ?? maskCpr)(person).slice(0, 500)
}
