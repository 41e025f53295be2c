/** Who is told when a mail was not delivered, or is late. */
import type { Settings } from '../config/settings'
import type { ReportKind } from './types'

export interface TargetInput {
  /** Envelope sender; '' = null sender. */
  sender: string
  /** What the failed mail itself is. */
  mailKind: 'mail' | 'report' | 'tlsrpt'
  reportKind: ReportKind
  settings: Pick<Settings, 'ndr' | 'main'>
  /** RFC 3461 parameters of the mail, by recipient address as in the envelope. */
  dsn?: { rcpt: Readonly<Record<string, { notify?: string }>> }
  /** Envelope recipients that the report would be about. */
  recipients: readonly string[]
}

export type ReportTarget =
  /** `recipients`: those that the sender wants to hear about (RFC 3461 section 5.2.6), never empty. */
  | { kind: 'sender'; to: string; recipients: readonly string[] }
  /** Nobody else can be told, and it must not be lost. */
  | { kind: 'postmaster'; to: string; why: string }
  | { kind: 'nobody'; why: string }

/**
 * Decide who gets a report. Pure.
 *
 * @returns the sender, or else the postmaster (failures only), or nobody, with the reason in one English clause
 */
export function reportTarget(input: TargetInput): ReportTarget {
  const { sender, mailKind, reportKind, settings, recipients } = input
  // RFC 3464 section 2: a DSN must not be sent about a DSN.
  if (mailKind !== 'mail') return postmasterOrNobody(input, 'it is about a mail that is itself a report')
  // RFC 3461 section 6.1: no DSN to the null sender.
  if (sender === '') return postmasterOrNobody(input, 'the mail has the null sender')
  const wanted =
    settings.ndr.dsn === 'ignore'
      ? recipients
      : recipients.filter((recipient) => wants(input.dsn?.rcpt[recipient]?.notify, reportKind))
  if (wanted.length > 0) return { kind: 'sender', to: sender, recipients: wanted }
  return postmasterOrNobody(input, 'the sender asked not to be told (RFC 3461 NOTIFY)')
}

/**
 * Is the sender owed a report that a mail was relayed (RFC 3461 section 5.2.2)? Only where success notices are offered:
 * whoever offers DSN has promised an answer to NOTIFY=SUCCESS. Pure.
 *
 * @param offersDsn does the host that took the mail answer for it from here on?
 */
export function owesRelayed(input: Omit<TargetInput, 'reportKind'>, offersDsn: boolean): boolean {
  if (offersDsn || input.settings.ndr.dsn !== 'advertise') return false
  return reportTarget({ ...input, reportKind: 'relayed' }).kind === 'sender'
}

/** RFC 3461 sections 5.2.5 (c) and 5.2.6 (b): what NOTIFY lets through. */
function wants(notify: string | undefined, kind: ReportKind): boolean {
  // Section 4.1: without NOTIFY a sender is told of failures, and may be told of delays; nobody asked about success.
  if (notify === undefined || notify.trim() === '') return kind !== 'relayed'
  const asked = notify
    .toUpperCase()
    .split(',')
    .map((word) => word.trim())
  if (asked.includes('NEVER')) return false
  switch (kind) {
    case 'relayed':
      return asked.includes('SUCCESS')
    case 'delayed':
      return asked.includes('DELAY')
    case 'category3-advice':
      // Advice about a mail that was sent is no delivery status: only NEVER holds it back.
      return true
    default:
      return asked.includes('FAILURE')
  }
}

const NO_LOSS: ReadonlySet<ReportKind> = new Set<ReportKind>(['delayed', 'relayed', 'category3-advice'])

function postmasterOrNobody(input: TargetInput, why: string): ReportTarget {
  // What is about no failure and nobody wants to hear is no loss.
  if (NO_LOSS.has(input.reportKind)) return { kind: 'nobody', why }
  const to = postmasterAddress(input.settings)
  return to === undefined
    ? { kind: 'nobody', why: `${why}, and no postmaster is configured` }
    : { kind: 'postmaster', to, why }
}

/**
 * Where what cannot be reported to a sender goes: `ndr.postmaster`, else postmaster at the first internal domain.
 *
 * @returns undefined when neither is configured
 */
export function postmasterAddress(settings: Pick<Settings, 'ndr' | 'main'>): string | undefined {
  if (settings.ndr.postmaster !== undefined && settings.ndr.postmaster !== '') return settings.ndr.postmaster
  const domain = settings.main.internalDomains.find((name) => !name.startsWith('.'))
  return domain === undefined ? undefined : `postmaster@${domain}`
}
