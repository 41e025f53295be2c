/** What the queue holds, as `secure-mail queue list` shows it. JSON-safe; all times ISO 8601. */
import type { MailKind } from './envelope'

/** How far a queued mail is. */
export type MailState =
  /** An attempt is under way. */
  | 'delivering'
  /** It is its turn as soon as there is a place. */
  | 'due'
  /** It waits for `nextTryAt`. */
  | 'waiting'
  /** The gateway runs, but none of its processes holds the mail: it is taken up at the next start. */
  | 'not-held'
  /** The process that should hold it did not answer. */
  | 'unknown'
  /** The gateway does not run. */
  | 'stopped'

/** The failure that keeps a recipient waiting. */
export interface QueueFailure {
  resultType: string
  enhancedCode: string
  text: string
  /** Host and address of the server that it belongs to; null = it belongs to none. */
  mx: string | null
  address: string | null
  /** The server's own words, with its code. */
  reply: string | null
}

export interface QueueRecipient {
  address: string
  state: 'open' | 'delivered' | 'failed'
  /** The sender was told that it failed. */
  reported: boolean
  tries: number
  lastTryAt: string | null
  lastFailure: QueueFailure | null
  /** When it is given up and reported; null = it is not open any more. */
  finalAt: string | null
}

export interface QueueMail {
  mailId: string
  /** Id of this part of the mail (one part per domain): what `bounce` takes, too. */
  queueId: string
  caseId: string
  kind: MailKind
  /** '' = null sender. */
  sender: string
  domain: string
  recipients: QueueRecipient[]
  queuedAt: string
  ageSeconds: number
  /** Null while it is being delivered. */
  nextTryAt: string | null
  tries: number
  /** Bytes of the message. */
  size: number
  state: MailState
  /** Name in the queue directory; null = it stands in the journal of its process and has no file yet. */
  file: string | null
  /** Process that holds it. */
  process: number | null
  /** What is known of its recipients could not be read; then they are shown as not tried. */
  recordProblem: string | null
}

/** Why a file in the queue directory is not tried. */
export type StrayReason =
  /** `error.*` and damaged. */
  | 'damaged'
  /** `error.*`, a report that could be delivered to nobody. */
  | 'undeliverable-report'
  /** `error.*` for another reason. */
  | 'set-aside'
  | 'unreadable'
  /** Left by a write that never ended. */
  | 'unfinished'
  /** No queue file at all. */
  | 'foreign'

/** A file of the queue directory that no mail comes of without a person. */
export interface StrayFile {
  file: string
  reason: StrayReason
  detail: string
  /** What to do. */
  advice: string
  size: number | null
  changedAt: string | null
  /** Whose mail it is, where that can be read. */
  sender: string | null
  recipients: string[]
  queueId: string | null
}

/** What waits for one domain. */
export interface DestinationSummary {
  domain: string
  mails: number
  delivering: number
  /** Open recipients. */
  recipients: number
  bytes: number
  oldestAt: string
  nextTryAt: string | null
  /** The first of the mails is given up then. */
  finalAt: string | null
  /** The most frequent result type among the last failures; null = nothing has failed yet. */
  cause: string | null
}
