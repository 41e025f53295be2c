/** The gate's plain values: what a reading of a message found, and the verdict on it. */

export type RefusalCode =
  | 'tag-in-reply'
  | 'no-public-marker'
  | 'cpr'
  | 'contradicting-label'
  | 'uninspected'
  | 'sensitive'
  | 'sender-not-allowed'
  | 'marker-conflict'
  | 'secure-requested'
  | 'cannot-inspect-now'
  | 'forbidden-for-recipient'
  /** The mail was changed after the verdict, so the verdict is not about this mail any more. */
  | 'changed-after-verdict'

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
}

/** JSON-safe; the shape of `scan --json` is derived from it. */
export interface Verdict {
  category: 1 | 2 | 3
  requested: boolean
  by: 'subject-tag' | 'tls-required-no' | null
  granted: boolean
  /** Every failing condition, not only the first. */
  refusals: Refusal[]
  persons: number
  findings: Finding[]
  markers: Marker[]
  protection: Protection[]
  uninspected: Uninspected[]
}
