/** The gate's plain values: what a reading of a message found, and the verdict on it. */

/** Every reason for which an opt-out is refused. */
export const REFUSAL_CODES = [
  'tag-in-reply',
  'no-public-marker',
  'cpr',
  'contradicting-label',
  'uninspected',
  'sensitive',
  'sender-not-allowed',
  'marker-conflict',
  'secure-requested',
  'cannot-inspect-now',
  'forbidden-for-recipient',
  /** The mail was changed after the verdict, so the verdict is not about this mail any more. */
  'changed-after-verdict',
] as const

export type RefusalCode = (typeof REFUSAL_CODES)[number]

export interface Refusal {
  code: RefusalCode
  /** Place in the message: `subject`, `header X-Foo`, `text line 3`, `attachment a.xlsx > Ark1!B7`. */
  where: string
  /** One English sentence, never with a value that was found. */
  detail: string
}

export interface Finding {
  kind: 'cpr'
  confidence: 'high' | 'medium' | 'low'
  where: string
  /** `DDMMYY-****`: day 61-91 and letters masked alike. */
  masked: string
  evidence: string[]
}

export interface Marker {
  class: 'public' | 'non-public' | 'unknown'
  source: 'subject' | 'header' | 'purview' | 'body' | 'attachment'
  value: string
  where?: string
}

export interface Protection {
  kind:
    | 'smime-enveloped'
    | 'pgp-mime'
    | 'pgp-inline'
    | 'zip-encrypted'
    | 'pdf-encrypted'
    | 'office-encrypted'
    | 'archive-encrypted'
  where: string
}

export interface Uninspected {
  where: string
  reason: string
}

/** Who submits, as the seam knows it; decides `sender-not-allowed`. */
export interface Submission {
  /** SMTP AUTH succeeded. */
  authenticated: boolean
  /** The client address is listed in the relay ACL. */
  aclListed: boolean
  /** '' = null sender. */
  mailFrom: string
  /** REQUIRETLS was given on MAIL FROM (RFC 8689); absent = it was not. */
  requiretls?: boolean
}

/** JSON-safe; the shape of `scan --json` is derived from it. */
export interface Verdict {
  category: 1 | 2 | 3
  requested: boolean
  by: 'subject-tag' | 'tls-required-no' | null
  granted: boolean
  /** Every failing condition, not only the first. */
  refusals: Refusal[]
  /** What is in the mail forbids an opt-out, whether one was asked for or not: nobody is to be pointed to it. */
  contentForbids: boolean
  persons: number
  /** Rows of tables that name a person beside something private, without a number. */
  nameRows: number
  findings: Finding[]
  markers: Marker[]
  protection: Protection[]
  uninspected: Uninspected[]
}

/** Who asks for the opt-out, and what else the subject says. */
export interface Request {
  by: 'subject-tag' | 'tls-required-no' | null
  /** Where the request stands: `subject`, `header TLS-Required`. */
  where: string
  /** The tag stands only behind a reply or forward prefix. */
  inherited: boolean
  /** A tag that asks for full encryption is there too. */
  secure: boolean
}

/** Header facts that decide whether the sender may opt out at all. */
export interface SenderFacts extends Submission {
  /** Number of From fields. */
  fromFields: number
  /** Mailboxes of all From fields, `local@domain` in A-labels and lower case; null = a field does not parse. */
  from: readonly string[] | null
  subjectFields: number
  /** Names of the Resent-* fields there are. */
  resent: readonly string[]
  /** A List-Id field is there. */
  list: boolean
  /** Value of Auto-Submitted in lower case, without parameters; null = no such field. */
  autoSubmitted: string | null
}

/** What a reading of one message found: all that `decide()` is told of it. */
export interface Content {
  request: Request
  /** null: not looked at, because nobody asked to opt out. */
  sender: SenderFacts | null
  markers: readonly Marker[]
  /** Marks that are there twice or do not parse. */
  conflicts: readonly { where: string; detail: string }[]
  findings: readonly Finding[]
  /** Distinct persons. */
  persons: number
  /** Rows of tables that name a person beside something private, without a number. */
  nameRows: number
  sensitive: readonly { where: string; detail: string }[]
  uninspected: readonly Uninspected[]
  protection: readonly Protection[]
  /** The whole content is encrypted. */
  wholeProtected: boolean
  /** The time was up before the reading was complete. */
  timeUp: boolean
  /** Nobody has read it: overload, or a reader that broke. Absent = it was read, as far as it can be. */
  unread?: boolean
}

/** What the configuration says about opting out. */
export interface Rules {
  internalDomains: readonly string[]
  sendersAllow: readonly string[]
  sendersDeny: readonly string[]
  blockAt: Finding['confidence']
}

/** What the configuration says about mail that names several persons. */
export interface Category3Rules {
  /** More than this is too many. */
  persons: number
  action: 'notify' | 'encrypt' | 'ndr' | 'off'
}

/** Whether a mail needs more than encryption in transport. */
export interface Category3Decision {
  outcome: 'none' | 'notify' | 'encrypt' | 'ndr' | 'defer'
  /** Why more is needed, whatever the configuration makes of it: too many persons, or the sender asked for it. */
  reasons: ('persons' | 'asked')[]
  /** Persons counted, with or without a number. */
  persons: number
  /** More than this is too many. */
  threshold: number
}

/** The result of `inspect()`. JSON-safe. */
export interface Inspection {
  verdict: Verdict
  category3: Category3Decision
  /** There is something to advise about, and the sender may be told. */
  takesAdvice: boolean
  /** Everything was read to its end, or is encrypted. */
  inspected: boolean
  /** A tag such as `[secure]` asks for full encryption. */
  secureRequested: boolean
  /**
   * The Subject field to put in the place of the old one: set when the opt-out is granted and the tag is to go. null:
   * nothing to change (not granted, not wanted, covered by a signature, or no sure way to do it).
   */
  strippedSubject: string | null
  /** A DKIM or ARC signature covers the subject. */
  subjectSigned: boolean
}
