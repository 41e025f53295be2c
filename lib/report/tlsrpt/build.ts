/** One report as JSON (RFC 8460 section 4), and the names that go with it. Pure. */
import { createHmac } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { failedSessions } from './counts'
import { DAY, startOf } from './day'
import type { AppliedPolicy, FailureCount, PolicyCounts } from './types'

/** Who reports; every text is one line. */
export interface ReportingParty {
  organization: string
  /** Mail address for questions. */
  contact: string
  /** `From` of report mails. */
  from: string
  /** Domain of `from`, A-labels: it signs (RFC 8460 section 3), and stands in file name and header fields. */
  submitter: string
}

export interface ReportParts {
  party: ReportingParty
  /** `YYYY-MM-DD`, UTC. */
  day: string
  /** Policy domain, A-labels. */
  domain: string
  policies: readonly PolicyCounts[]
  /** Makes the report's id the same for every process and try, and another one for every other gateway. */
  key: Buffer
}

/** RFC 8460 section 4.4, keys as they are there. */
export interface TlsReport {
  'organization-name': string
  'date-range': { 'start-datetime': string; 'end-datetime': string }
  'contact-info': string
  'report-id': string
  policies: {
    policy: { 'policy-type': string; 'policy-string'?: string[]; 'policy-domain': string; 'mx-host'?: string[] }
    summary: { 'total-successful-session-count': number; 'total-failure-session-count': number }
    'failure-details'?: FailureDetail[]
  }[]
}

export interface FailureDetail {
  'result-type': string
  'sending-mta-ip'?: string
  'receiving-mx-hostname'?: string
  'receiving-ip'?: string
  'failed-session-count': number
  'failure-reason-code'?: string
}

/** A finished report. */
export interface BuiltReport {
  domain: string
  day: string
  party: ReportingParty
  /** `left@right`, fit for a message id. */
  id: string
  /** RFC 8460 section 5.1, with `.json.gz`. */
  fileName: string
  json: string
  gzip: Buffer
}

/**
 * @throws RangeError when `day` is none
 */
export function buildReport({ party, day, domain, policies, key }: ReportParts): BuiltReport {
  const start = startOf(day)
  if (start === undefined) throw new RangeError(`${day} is no day`)
  const unique = letters(createHmac('sha256', key).update(`${day} ${domain} ${party.submitter}`).digest())
  const id = `${day.replaceAll('-', '')}.${domain}.${unique}@${party.submitter}`
  const report: TlsReport = {
    'organization-name': party.organization,
    'date-range': { 'start-datetime': `${day}T00:00:00Z`, 'end-datetime': `${day}T23:59:59Z` },
    'contact-info': party.contact,
    'report-id': id,
    policies: policies.map(policyEntry),
  }
  const json = JSON.stringify(report)
  const begin = Math.floor(start / 1000)
  const end = begin + DAY / 1000 - 1
  return {
    ...{ domain, day, party, id, json },
    fileName: `${party.submitter}!${domain}!${begin}!${end}!${unique}.json.gz`,
    gzip: gzipSync(json),
  }
}

/** Sixteen letters: digits could look like somebody's number and be masked in the audit log. */
function letters(bytes: Buffer): string {
  return [...bytes.subarray(0, 16)].map((byte) => String.fromCharCode(0x61 + (byte % 26))).join('')
}

function policyEntry(counts: PolicyCounts): TlsReport['policies'][number] {
  const details = counts.failures.map(failureDetail)
  return {
    policy: policyFields(counts.policy),
    summary: {
      'total-successful-session-count': counts.successes,
      'total-failure-session-count': failedSessions(counts),
    },
    ...(details.length === 0 ? {} : { 'failure-details': details }),
  }
}

function policyFields({ type, domain, strings, mxHosts }: AppliedPolicy): TlsReport['policies'][number]['policy'] {
  return {
    'policy-type': type,
    ...(strings.length === 0 ? {} : { 'policy-string': [...strings] }),
    'policy-domain': domain,
    // a list, as the erratum 6241 of RFC 8460 has it
    ...(mxHosts.length === 0 ? {} : { 'mx-host': [...mxHosts] }),
  }
}

function failureDetail({ resultType, mx, receivingIp, sendingIp, reason, sessions }: FailureCount): FailureDetail {
  return {
    'result-type': resultType,
    ...(sendingIp === undefined ? {} : { 'sending-mta-ip': sendingIp }),
    ...(mx === undefined ? {} : { 'receiving-mx-hostname': mx }),
    ...(receivingIp === undefined ? {} : { 'receiving-ip': receivingIp }),
    'failed-session-count': sessions,
    ...(reason === undefined || reason === '' ? {} : { 'failure-reason-code': reason }),
  }
}
