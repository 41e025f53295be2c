/** Which report a failure leads to. */
import type { Failure, ResultType } from '../failure'
import type { ReportKind } from './types'

/** Every kind of report, in the order in which `ndr preview --list` shows them. */
export const REPORT_KINDS: readonly ReportKind[] = [
  'tls-not-offered',
  'handshake-failed',
  'tls-version-too-low',
  'certificate-expired',
  'certificate-wrong-name',
  'certificate-not-trusted',
  'fingerprint-mismatch',
  'dane-failed',
  'mta-sts-failed',
  'requiretls-not-supported',
  'domain-unknown',
  'mailbox-refused',
  'unreachable',
  'expired',
  'ended-by-postmaster',
  'optout-refused',
  'category3-required',
  'category3-advice',
  'delayed',
  'relayed',
]

const KIND_OF: Readonly<Record<ResultType, ReportKind>> = {
  'starttls-not-supported': 'tls-not-offered',
  'starttls-injection': 'handshake-failed',
  'validation-failure': 'handshake-failed',
  'tls-version-too-low': 'tls-version-too-low',
  'certificate-expired': 'certificate-expired',
  'certificate-host-mismatch': 'certificate-wrong-name',
  'certificate-not-trusted': 'certificate-not-trusted',
  'fingerprint-mismatch': 'fingerprint-mismatch',
  'tlsa-invalid': 'dane-failed',
  'dnssec-invalid': 'dane-failed',
  'dane-required': 'dane-failed',
  'sts-policy-fetch-error': 'mta-sts-failed',
  'sts-policy-invalid': 'mta-sts-failed',
  'sts-webpki-invalid': 'mta-sts-failed',
  'requiretls-not-supported': 'requiretls-not-supported',
  'domain-not-found': 'domain-unknown',
  'null-mx': 'domain-unknown',
  // A domain whose MX has no address takes no mail; to the sender that is a wrong or dead address.
  'no-address': 'domain-unknown',
  'dns-error': 'unreachable',
  'connection-failed': 'unreachable',
  'protocol-error': 'unreachable',
  'no-route': 'unreachable',
  'smtp-rejected': 'mailbox-refused',
  'smtp-deferred': 'expired',
  'local-error': 'expired',
  'optout-refused': 'optout-refused',
  'category3-required': 'category3-required',
  'ended-by-postmaster': 'ended-by-postmaster',
}

/**
 * The report that tells a sender about this failure once it is final. Total: every result type has one.
 *
 * @param failure only `resultType` is looked at
 * @param source where the requirement came from, as the record of the recipient has it; a host that is not in the
 *   recipient's own MTA-STS policy has no result type of its own (RFC 8460 section 4.3)
 */
export function reportKindFor(failure: Pick<Failure, 'resultType'>, source?: string): ReportKind {
  if (source === 'mta-sts' && failure.resultType === 'validation-failure') return 'mta-sts-failed'
  return KIND_OF[failure.resultType]
}

/**
 * Recipients of one mail whose failures have the same key share a report. What differs between them inside one cause
 * (servers, replies) stands in the report's table and machine part.
 */
export function causeKey(failure: Pick<Failure, 'resultType'>, source?: string): string {
  return reportKindFor(failure, source)
}
