/**
 * The one vocabulary of failure. Log, metric, report, probe and TLSRPT all name a failure by its
 * result type; nothing else in the house invents a second name for the same thing.
 *
 * The RFC 8460 section 4.3 names come first; the project's own follow and exist only where that registry has none
 * (they travel in TLSRPT as `validation-failure` with a failure-reason-code).
 */

/** Result types of RFC 8460 section 4.3. */
export const RFC8460_RESULT_TYPES = [
  'starttls-not-supported',
  'certificate-host-mismatch',
  'certificate-expired',
  'certificate-not-trusted',
  'validation-failure',
  'tlsa-invalid',
  'dnssec-invalid',
  'dane-required',
  'sts-policy-fetch-error',
  'sts-policy-invalid',
  'sts-webpki-invalid',
] as const
export type Rfc8460ResultType = (typeof RFC8460_RESULT_TYPES)[number]

/** Failures of transport security that RFC 8460 does not name. */
const OWN_TLS_RESULT_TYPES = [
  'starttls-injection',
  'tls-version-too-low',
  'fingerprint-mismatch',
  'requiretls-not-supported',
] as const
export type OwnTlsResultType = (typeof OWN_TLS_RESULT_TYPES)[number]

/** Failures that are no verdict on transport security. */
export type OtherResultType =
  /** RFC 5321: the domain does not exist (NXDOMAIN). */
  | 'domain-not-found'
  /** RFC 7505: the domain says that it takes no mail. */
  | 'null-mx'
  /** No MX host has an address. */
  | 'no-address'
  /** SERVFAIL, time-out, bogus or otherwise unusable DNS answer: temporary. */
  | 'dns-error'
  /** TCP connect refused or timed out, connection lost, SMTP time-out. */
  | 'connection-failed'
  /** The remote server answered 4xx (its own words are in `smtp`). */
  | 'smtp-deferred'
  /** The remote server answered 5xx (its own words are in `smtp`). */
  | 'smtp-rejected'
  /** The peer does not speak SMTP as it should. */
  | 'protocol-error'
  /** Our own machine: disk, store, memory, a bug. Always temporary. */
  | 'local-error'
  /** The map forbids delivery, or every MX host was our own. */
  | 'no-route'
  /** The opt-out was refused and `override.refused` says so at once. */
  | 'optout-refused'
  /** The content is to be encrypted, and is not. */
  | 'category3-required'
  /** The postmaster ended the delivery (`secure-mail queue bounce`). */
  | 'ended-by-postmaster'

export type TlsResultType = Rfc8460ResultType | OwnTlsResultType
export type ResultType = TlsResultType | OtherResultType

/** Every TLS result type, for the question "is this failure about transport security?". */
export const TLS_RESULT_TYPES: ReadonlySet<ResultType> = new Set<ResultType>([
  ...RFC8460_RESULT_TYPES,
  ...OWN_TLS_RESULT_TYPES,
])

/** What a remote server really said; absent when the failure is our own judgement (RFC 3464 section 2.3.5). */
export interface SmtpReply {
  /** Three-digit reply code. */
  code: number
  /** Enhanced status code of the remote, `d.d.d`, when it gave one. */
  enhanced?: string
  /** Text lines joined by a blank, control characters removed, at most 500 characters. */
  text: string
}

/** One failure, as it travels from where it was found to every place that tells somebody about it. JSON-safe. */
export interface Failure {
  resultType: ResultType
  /** Enhanced status code (RFC 3463): class 4 = try again, class 5 = final. */
  enhancedCode: string
  /** One English sentence that may be shown to anybody; no private data. */
  publicText: string
  /** What the postmaster needs beyond that: error codes, stack heads; never shown to senders. */
  privateDetail?: string
  /** The remote server's own words, if the failure is its answer. */
  smtp?: SmtpReply
  /** MX host the failure belongs to (A-labels), if it belongs to one. */
  mx?: string
  /** Address and port of that host, if a connection was tried. */
  address?: string
  port?: number
  /** What TLS there was when it failed. */
  tls?: TlsFacts
  /** Why the postmaster ended the delivery, in their words; shown to the sender. */
  endedReason?: string
}

/** Facts of one TLS handshake, for log, report and probe. JSON-safe. */
export interface TlsFacts {
  /** e.g. `TLSv1.3` */
  version: string
  /** OpenSSL's cipher name. */
  cipher: string
  /** True when the certificate was checked and passed the requirement that asked for it. */
  verified: boolean
  /** What the certificate was checked against; absent = it was not checked. */
  auth?: 'pkix' | 'dane' | 'fingerprint'
  /**
   * What a check against the trusted roots and the MX host's name says, whether or not the requirement asked for one:
   * `ok`, or the result type it fails by. Tells afterwards whom a stricter level would have hit.
   */
  pkix?: 'ok' | TlsResultType
  resumed: boolean
  servername?: string
  certificate?: CertificateFacts
}

/** Facts of a peer's leaf certificate. JSON-safe. */
export interface CertificateFacts {
  /** Distinguished name, one line. */
  subject: string
  issuer: string
  /** DNS names of the subjectAltName extension. */
  names: string[]
  /** ISO 8601. */
  notBefore: string
  notAfter: string
  /** SHA-256 over the DER certificate, lower-case hex. */
  sha256: string
  /** SHA-256 over the SubjectPublicKeyInfo, lower-case hex. */
  spkiSha256: string
}

/** Is a retry pointless? Class 5 of the enhanced status code. */
export function isPermanent(failure: Failure): boolean {
  return failure.enhancedCode.startsWith('5.')
}

/** Is this a verdict on transport security (as against "server not reachable", "no such mailbox")? */
export function isTlsFailure(failure: { readonly resultType: string }): boolean {
  return (TLS_RESULT_TYPES as ReadonlySet<string>).has(failure.resultType)
}
