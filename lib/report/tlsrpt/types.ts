/** What is counted for TLS reports (RFC 8460), as plain JSON-safe values. */
import type { Rfc8460ResultType } from '../../failure'

/** RFC 8460 section 4.4: which policy the sending side applied. */
export type PolicyType = 'tlsa' | 'sts' | 'no-policy-found'

/** One policy that was applied, as a report names it. */
export interface AppliedPolicy {
  type: PolicyType
  /** A-labels: the TLSA base domain for `tlsa`, else the next-hop domain (RFC 8460 section 3). */
  domain: string
  /** TLSA records in presentation form, or the lines of the MTA-STS policy. */
  strings: readonly string[]
  /** The patterns of the MTA-STS policy; for `tlsa` the MX host. */
  mxHosts: readonly string[]
}

/** Sessions that failed in one way, at one place. */
export interface FailureCount {
  resultType: Rfc8460ResultType
  /** MX host name, A-labels. */
  mx?: string
  /** IP addresses: of that host, and of this gateway. */
  receivingIp?: string
  sendingIp?: string
  reason?: string
  sessions: number
}

/** Sessions under one policy. */
export interface PolicyCounts {
  policy: AppliedPolicy
  successes: number
  failures: FailureCount[]
}

/** Everything counted on one UTC day for one next-hop domain; `tlsa` policies of its MX hosts included. */
export interface DayCounts {
  policies: PolicyCounts[]
  /** Sessions under more policies than a domain may have in a day: they are in no report. */
  uncounted: number
}

/** One session, ready to be added. */
export interface Sighting {
  policy: AppliedPolicy
  /** Absent = it succeeded. */
  failure?: Omit<FailureCount, 'sessions'>
}
