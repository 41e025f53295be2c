/** What a report is made from. The composer is pure: same input, same bytes (ids and time are inputs). */
import type { Failure, ResultType } from '../failure'
import type { HostAttempt } from '../deliver/types'
import type { Refusal } from '../gate/types'
import type { Language } from '../config/settings'

export type ReportKind =
  | 'tls-not-offered'
  | 'handshake-failed'
  | 'tls-version-too-low'
  | 'certificate-expired'
  | 'certificate-wrong-name'
  | 'certificate-not-trusted'
  | 'fingerprint-mismatch'
  | 'dane-failed'
  | 'mta-sts-failed'
  | 'requiretls-not-supported'
  | 'domain-unknown'
  | 'mailbox-refused'
  | 'unreachable'
  | 'expired'
  | 'ended-by-postmaster'
  | 'optout-refused'
  | 'category3-required'
  | 'category3-advice'
  | 'delayed'
  | 'relayed'

/**
 * What became of a recipient. `relayed` is no failure: the next hop took the mail, and will tell nobody what it does with
 * it (RFC 3461 section 5.2.2).
 */
export type Told = Omit<Failure, 'resultType'> & { resultType: ResultType | 'relayed' }

export interface ReportRecipient {
  /** As it stood in the envelope. */
  address: string
  /** ORCPT, decoded, `type;address`. */
  originalRecipient?: string
  failure: Told
  /** ISO 8601 of the last attempt. */
  lastAttempt?: string
  attempts: readonly HostAttempt[]
  attemptCount: number
  /** Queue id with suffix: Final-Log-ID. */
  logId: string
}

export interface ReportInput {
  kind: ReportKind
  caseId: string
  /** Envelope sender of the mail = recipient of the report. */
  sender: string
  recipients: readonly ReportRecipient[]
  /** Selected raw header fields of the mail, unfolded, in order: only these may be shown or returned. */
  original: {
    headers: readonly { name: string; value: string }[]
    messageId?: string
    /** Decoded subject; the composer masks CPR numbers. */
    subject?: string
  }
  /** Milliseconds. */
  queuedAt: number
  now: number
  /** For delayed: until when it will be tried. */
  retryUntil?: number
  /** Was an opt-out asked for, and what stood against it? */
  optOut: { requested: boolean; refusals: readonly Refusal[] }
  /** May the text suggest `[unsecure]`? false when findings or the map forbid it; then `optOutWhyNot` says why. */
  optOutPossible: boolean
  optOutWhyNot?: 'findings' | 'map' | 'not-tls'
  /** First configured opt-out tag, e.g. `[unsecure]`. */
  optOutTag: string
  /** First configured subject tag that marks a mail as public, e.g. `[public]`; absent = the text does not name one. */
  publicTag?: string
  /** Subject tag that asks for full encryption, e.g. `[secure]`; absent = there is none. */
  secureTag?: string
  /** Set when the report goes to the postmaster instead (then `sender` is the postmaster's address). */
  postmaster?: {
    why: 'null-sender' | 'report-about-report' | 'notify'
    /** Envelope sender of the mail; '' = null sender. */
    sender: string
  }
  policySource: string
  reportingMta: string
  /** ENVID, decoded. */
  envid?: string
  support: { name: string; address: string; phone: string }
  languages: readonly Language[]
  style: 'report' | 'plain'
  /** Message-ID of the report, without angle brackets; deterministic so that a crash cannot make two different ones. */
  messageId: string
  /** Does the sender's address or a recipient need SMTPUTF8 (RFC 6533)? */
  smtpUtf8: boolean
}

export interface ComposedReport {
  /** Envelope recipient. */
  to: string
  /** RFC 5322 message, CRLF line ends, not dot-stuffed. */
  message: Buffer
}
