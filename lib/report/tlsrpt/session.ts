/** Which policy a session counts under, and how it ended (RFC 8460 section 4.3). Pure. */
import type { TriedSession } from '../../deliver/types'
import {
  isTlsFailure,
  RFC8460_RESULT_TYPES,
  type Failure,
  type ResultType,
  type Rfc8460ResultType,
} from '../../failure'
import type { HostRequirement, MtaStsState, TlsaRecord } from '../../policy/types'
import { oneLine } from '../../util/one-line'
import type { AppliedPolicy, FailureCount, Sighting } from './types'

/** An MTA-STS policy that was applied, or judged beside the delivery (mode testing). */
export type StsApplied = Extract<MtaStsState, { state: 'policy' }>

/** Longest failure-reason-code, in characters. */
const MAX_REASON = 200

/**
 * @param session `published` has been waited for and put in the place of what was enforced, see `asPublished`
 * @param domain next-hop domain, A-labels
 * @param sts undefined = none was applied to this delivery
 * @returns undefined for what is no TLS session: nothing was to be encrypted, or the host could not be reached
 */
export function sightingOf(
  session: Omit<TriedSession, 'published'>,
  domain: string,
  sts: StsApplied | undefined,
): Sighting | undefined {
  const { need, tls } = session
  const failure = session.failure ?? clearTextFailure(session)
  if (failure !== undefined && isTlsFailure(failure)) {
    const policy = policyOf(session.host, need, failure.resultType, domain, sts)
    return { policy, failure: { ...failureOf(failure), ...placeOf(session) } }
  }
  // what came after the handshake is not what this counts
  return tls === null ? undefined : { policy: policyOf(session.host, need, undefined, domain, sts) }
}

/** The session as it would have been had the published policy been enforced. */
export async function asPublished(session: TriedSession): Promise<Omit<TriedSession, 'published'>> {
  const { published, failure: own, ...rest } = session
  // clear text after a handshake that failed is no second session
  if (published === undefined || session.need.tls === 'none') return session
  const verdict = await published
  // not found out in time: what was enforced is all that is known
  if (verdict === undefined) return { ...rest, ...(own === undefined ? {} : { failure: own }) }
  const { need, failure } = verdict
  return { ...rest, need, ...(failure === undefined ? {} : { failure }) }
}

/** RFC 8460 section 4.3.1: opportunistic TLS that the host does not offer is a failed session as well. */
function clearTextFailure({ need, tls }: Pick<TriedSession, 'need' | 'tls'>): Failure | undefined {
  if (tls !== null || need.tls === 'none') return undefined
  return {
    resultType: 'starttls-not-supported',
    enhancedCode: '4.7.4',
    publicText: 'The server does not offer TLS (STARTTLS).',
  }
}

function policyOf(
  host: string,
  need: HostRequirement,
  failed: ResultType | undefined,
  domain: string,
  sts: StsApplied | undefined,
): AppliedPolicy {
  if (need.auth === 'dane' && need.tlsa.length > 0) {
    // RFC 7672 section 8.1: SNI is the TLSA base domain
    const base = need.sni ?? host
    return { type: 'tlsa', domain: base, strings: need.tlsa.map((record) => tlsaString(record, base)), mxHosts: [host] }
  }
  if (failed === 'tlsa-invalid' || failed === 'dnssec-invalid' || failed === 'dane-required') {
    return { type: 'tlsa', domain: host, strings: [], mxHosts: [host] }
  }
  if (sts === undefined) return { type: 'no-policy-found', domain, strings: [], mxHosts: [] }
  return { type: 'sts', domain, strings: stsStrings(sts), mxHosts: sts.mx }
}

/** A policy that could not be had (RFC 8460 section 4.3.2.2): no session failed, but none was protected by it. */
export function fetchFailure(domain: string, resultType: Rfc8460ResultType, detail: string): Sighting {
  const reason = oneLine(detail).slice(0, MAX_REASON)
  return { policy: { type: 'sts', domain, strings: [], mxHosts: [] }, failure: { resultType, reason } }
}

/** RFC 6698 section 2.2 presentation form. */
function tlsaString({ usage, selector, matchingType, data }: TlsaRecord, base: string): string {
  return `_25._tcp.${base}. IN TLSA ${usage} ${selector} ${matchingType} ${data.slice(0, 512)}`
}

/** RFC 8461 section 3.2. */
function stsStrings({ mode, mx, maxAge }: StsApplied): string[] {
  return ['version: STSv1', `mode: ${mode}`, ...mx.map((name) => `mx: ${name}`), `max_age: ${maxAge}`]
}

function placeOf({ host, address, from }: Pick<TriedSession, 'host' | 'address' | 'from'>): Partial<FailureCount> {
  return {
    mx: host,
    ...(address === undefined ? {} : { receivingIp: address }),
    ...(from === undefined ? {} : { sendingIp: from }),
  }
}

function failureOf(failure: Failure): Pick<FailureCount, 'resultType' | 'reason'> {
  const { resultType } = failure
  if (isRegistered(resultType)) {
    // only where the name says little
    return resultType === 'validation-failure'
      ? { resultType, reason: oneLine(failure.publicText).slice(0, MAX_REASON) }
      : { resultType }
  }
  return { resultType: 'validation-failure', reason: resultType }
}

const REGISTERED: ReadonlySet<ResultType> = new Set<ResultType>(RFC8460_RESULT_TYPES)

function isRegistered(resultType: ResultType): resultType is Rfc8460ResultType {
  return REGISTERED.has(resultType)
}
