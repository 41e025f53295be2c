import { isTlsFailure, type Failure } from '../failure'

/**
 * The enhanced status code that a failure has under REQUIRETLS (RFC 8689 section 4.2.1): there TLS that cannot be had is
 * no reason to wait, and the sender is told at once.
 *
 * @returns undefined where the failure is none of transport security, so that it keeps its own code and its own time
 */
export function requiretlsCode(
  failure: Pick<Failure, 'resultType' | 'smtp'>,
): '5.7.30' | '5.7.10' | '4.7.10' | undefined {
  if (!isTlsFailure(failure)) return undefined
  // the keyword is not offered, or nothing vouches for the MX host
  if (failure.resultType === 'requiretls-not-supported') return '5.7.30'
  // RFC 7672 section 2.1.2: a TLSA look-up that failed says nothing about the server yet
  if (failure.resultType === 'dnssec-invalid') return '4.7.10'
  // RFC 3207 section 4: 454, not available due to a temporary reason
  if (failure.smtp !== undefined && failure.smtp.code < 500) return '4.7.10'
  // no TLS session that could be trusted
  return '5.7.10'
}
