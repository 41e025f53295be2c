/** Events as the rooms tell them; the audit room turns them into ECS JSON lines. Nobody reads them back here. */
import type { Failure, TlsFacts } from '../failure'
import type { PolicySource, Level } from '../policy/types'
import type { RefusalCode } from '../gate/types'

export type AuditAction =
  | 'message-accepted'
  | 'optout-requested'
  | 'optout-granted'
  | 'optout-refused'
  | 'policy-resolved'
  | 'tls-negotiated'
  | 'tls-failed'
  | 'delivery-succeeded'
  | 'delivery-deferred'
  | 'delivery-failed'
  | 'plaintext-permitted'
  | 'plaintext-delivered'
  | 'report-sent'
  | 'report-undeliverable'
  | 'delay-notice-sent'
  | 'support-digest-sent'
  | 'category3-detected'
  | 'category3-encrypted'
  | 'certificate-harvested'
  | 'certificate-changed'
  | 'override-expired'
  | 'probe-run'
  | 'tlsrpt-sent'
  | 'queue-retried'
  | 'queue-bounced'
  | 'config-loaded'
  | 'config-rejected'
  | 'plugin-error'

/** One event. Every field but `action` and `message` is optional; what is absent is absent in the line. */
export interface AuditEvent {
  action: AuditAction
  /** One English sentence. The serializer masks CPR numbers in it all the same. */
  message: string
  outcome?: 'success' | 'failure' | 'unknown'
  mailId?: string
  caseId?: string
  messageId?: string
  /** Envelope sender, in clear. */
  sender?: string
  /** Full address; the serializer writes domain + keyed hash, or clear, as configured. */
  recipients?: readonly string[]
  /** Client that submitted. */
  source?: { ip: string; port?: number; user?: string }
  destination?: { host?: string; ip?: string; port?: number }
  tls?: TlsFacts | null
  failure?: Failure
  /** Result type of what was found without a failure of a mail (a probe). */
  resultType?: string
  policy?: {
    source: PolicySource
    level: Level
    reason?: string
    rule?: string
    wouldHave?: 'delivered' | 'deferred' | 'bounced' | 'rejected' | 'report' | 'encrypted'
  }
  optOut?: { by: string | null; granted: boolean; refusals: readonly RefusalCode[] }
  report?: { kind: string; status: string }
  attempt?: number
  /** Milliseconds since the mail was queued. */
  queueAge?: number
  /** Milliseconds that the reported thing took. */
  duration?: number
  /** Postfix grammar, `tls=encrypt`, `tls=secure:encrypt!`. */
  tlsToken?: string
  /** Anything else, flat, names in snake_case; goes under `securemail.*`. */
  extra?: Readonly<Record<string, string | number | boolean>>
}

export interface Audit {
  /**
   * Write one event, with others of this turn of the event loop, at its end; the event must not be changed any more. Never
   * throws; a failure to write goes to the error callback the audit was opened with and is counted.
   */
  tell(event: AuditEvent): void
  /** Write one event and fsync it. Rejects when that is not certain: the caller must then not go on. */
  tellDurably(event: AuditEvent): Promise<void>
  /**
   * Resolves when everything told so far was handed to the system, or is counted as lost. Never rejects. To be awaited before
   * a step after which nothing would bring the event back: an answer to a client, the end of a queued mail.
   */
  written(): Promise<void>
  close(): Promise<void>
}
