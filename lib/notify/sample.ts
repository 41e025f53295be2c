/** A made-up mail per kind of report, so that a postmaster can look at every report before a sender does. */
import type { Language, Settings } from '../config/settings'
import type { HostAttempt } from '../deliver/types'
import type { CertificateFacts, TlsFacts } from '../failure'
import type { Refusal } from '../gate/types'
import { caseId } from './case-id'
import type { ReportInput, ReportKind, ReportRecipient, Told } from './types'

const MINUTE = 60_000
/** 23 November 2026, 19.03 Danish time. */
const QUEUED = Date.UTC(2026, 10, 23, 18, 3, 14)
const MAIL_ID = 'F35304E8-4DF4-4DEA-8AEA-A1788CEA53B3.1'
const HOST = { host: 'mx1.partner.example', address: '198.51.100.7', port: 25 }

/** What of the settings a report shows. */
export type SampleSettings = Pick<Settings, 'support' | 'ndr' | 'override' | 'public'> & {
  category3: Pick<Settings['category3'], 'subjectTags'>
}

/**
 * Input for one sample report.
 *
 * @param settings as configured, so that support desk, tag and style are the real ones
 * @param languages order of the languages; absent = as configured
 */
export function sampleReport(kind: ReportKind, settings: SampleSettings, languages?: readonly Language[]): ReportInput {
  const { failure, minutes } = SAMPLES[kind]
  const now = QUEUED + minutes * MINUTE
  const recipient = sampleRecipient(failure, now)
  const optOutTag = settings.override.tags[0] ?? ''
  const publicTag = settings.public.subjectTags[0]
  const secureTag = settings.category3.subjectTags[0]
  const tlsKind = !NOT_TLS.has(kind)
  return {
    kind,
    caseId: caseId(MAIL_ID),
    sender: 'anne@uni.example',
    recipients: [recipient],
    original: {
      headers: [
        { name: 'Date', value: 'Mon, 23 Nov 2026 19:03:11 +0100' },
        { name: 'From', value: 'Anne Jensen <anne@uni.example>' },
        { name: 'To', value: 'bo@partner.example' },
        { name: 'Subject', value: '=?UTF-8?Q?Aftale_om_m=C3=B8de?=' },
        { name: 'Message-ID', value: '<m1.20261123@uni.example>' },
      ],
      messageId: '<m1.20261123@uni.example>',
      subject: 'Aftale om møde',
    },
    queuedAt: QUEUED,
    now,
    ...(kind === 'delayed' ? { retryUntil: QUEUED + settings.ndr.undeliverableAfter } : {}),
    optOut: kind === 'optout-refused' ? { requested: true, refusals: REFUSALS } : { requested: false, refusals: [] },
    optOutPossible: tlsKind && optOutTag !== '',
    ...(tlsKind ? {} : { optOutWhyNot: kind === 'category3-required' ? ('findings' as const) : ('not-tls' as const) }),
    optOutTag,
    ...(publicTag === undefined ? {} : { publicTag }),
    ...(secureTag === undefined ? {} : { secureTag }),
    policySource: kind === 'fingerprint-mismatch' ? 'fingerprint (map)' : 'encrypt (default)',
    reportingMta: 'mx.uni.example',
    support: settings.support,
    languages: languages ?? settings.ndr.languages,
    style: settings.ndr.style,
    messageId: `sample.${kind}@mx.uni.example`,
    smtpUtf8: false,
  }
}

const NOT_TLS: ReadonlySet<ReportKind> = new Set<ReportKind>([
  'requiretls-not-supported',
  'domain-unknown',
  'mailbox-refused',
  'unreachable',
  'expired',
  'optout-refused',
  'category3-required',
  'category3-advice',
  'delayed',
  'relayed',
])

const REFUSALS: readonly Refusal[] = [
  { code: 'no-public-marker', where: 'subject', detail: 'no public marker was found' },
  { code: 'cpr', where: 'attachment deltagere.xlsx > Ark1!B7', detail: 'a CPR number was found' },
]

function sampleRecipient(failure: Told, now: number): ReportRecipient {
  const tried = failure.mx !== undefined
  const times = !tried ? [] : failure.resultType === 'relayed' ? [QUEUED] : [QUEUED, QUEUED + 5 * MINUTE, now - MINUTE]
  const { resultType } = failure
  const attempts: HostAttempt[] = times.map((time) => ({
    ...HOST,
    at: new Date(time).toISOString(),
    ...(resultType === 'relayed' ? { ok: true } : { ok: false, failure: { ...failure, resultType } }),
    ...(failure.tls === undefined ? {} : { tls: failure.tls }),
  }))
  return {
    address: 'bo@partner.example',
    failure,
    ...(tried ? { lastAttempt: new Date(now - MINUTE).toISOString() } : {}),
    attempts,
    attemptCount: attempts.length,
    logId: `${MAIL_ID}.1`,
  }
}

function at(resultType: Told['resultType'], enhancedCode: string, publicText: string, more: Partial<Told> = {}): Told {
  return { resultType, enhancedCode, publicText, mx: HOST.host, address: HOST.address, port: HOST.port, ...more }
}

function shown(change: Partial<CertificateFacts>): { tls: TlsFacts } {
  return {
    tls: {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      verified: false,
      resumed: false,
      servername: HOST.host,
      certificate: {
        subject: `CN=${HOST.host}`,
        issuer: 'C=DK, O=Example Trust, CN=Example CA 2',
        names: [HOST.host],
        notBefore: '2025-11-20T00:00:00.000Z',
        notAfter: '2027-11-20T00:00:00.000Z',
        sha256: '3b'.repeat(32),
        spkiSha256: '7c'.repeat(32),
        ...change,
      },
    },
  }
}

const host = HOST.host

/** The failure of each sample, and how long after queueing the report is made. */
const SAMPLES: Readonly<Record<ReportKind, { failure: Told; minutes: number }>> = {
  'tls-not-offered': {
    failure: at('starttls-not-supported', '5.7.4', `${host} did not offer STARTTLS`),
    minutes: 240,
  },
  'handshake-failed': {
    failure: at('validation-failure', '5.7.5', `the TLS handshake with ${host} failed`),
    minutes: 240,
  },
  'tls-version-too-low': {
    failure: at('tls-version-too-low', '5.7.5', `${host} offers TLSv1 at most; TLSv1.2 is required`, {
      tls: { version: 'TLSv1', cipher: 'ECDHE-RSA-AES256-SHA', verified: false, resumed: false, servername: host },
    }),
    minutes: 240,
  },
  'certificate-expired': {
    failure: at('certificate-expired', '5.7.5', `the certificate of ${host} has expired`, {
      ...shown({ notAfter: '2026-11-20T12:00:00.000Z' }),
    }),
    minutes: 240,
  },
  'certificate-wrong-name': {
    failure: at('certificate-host-mismatch', '5.7.5', `the certificate of ${host} is for another name`, {
      ...shown({ subject: 'CN=mail.hosting.example', names: ['mail.hosting.example'] }),
    }),
    minutes: 240,
  },
  'certificate-not-trusted': {
    failure: at('certificate-not-trusted', '5.7.5', `the certificate of ${host} is self-signed`, {
      ...shown({ issuer: `CN=${host}` }),
    }),
    minutes: 240,
  },
  'fingerprint-mismatch': {
    failure: at('fingerprint-mismatch', '5.7.5', `the certificate of ${host} is not the one in the policy map`, {
      ...shown({}),
    }),
    minutes: 240,
  },
  'dane-failed': {
    failure: at('tlsa-invalid', '5.7.5', `the certificate of ${host} matches none of its TLSA records`, {
      ...shown({}),
    }),
    minutes: 240,
  },
  'mta-sts-failed': {
    failure: at('sts-policy-invalid', '5.7.5', `${host} is not in the MTA-STS policy of partner.example`),
    minutes: 240,
  },
  'requiretls-not-supported': {
    failure: at('requiretls-not-supported', '5.7.30', `${host} did not offer REQUIRETLS`, { ...shown({}) }),
    minutes: 1,
  },
  'domain-unknown': {
    failure: {
      resultType: 'domain-not-found',
      enhancedCode: '5.1.2',
      publicText: 'the domain partner.example does not exist',
    },
    minutes: 1,
  },
  'mailbox-refused': {
    failure: at('smtp-rejected', '5.1.1', `${host} refused the recipient`, {
      smtp: {
        code: 550,
        enhanced: '5.1.1',
        text: '5.1.1 <bo@partner.example>: Recipient address rejected: User unknown',
      },
    }),
    minutes: 1,
  },
  unreachable: {
    failure: at('connection-failed', '5.4.1', `no connection to ${host} [${HOST.address}]:25: timed out`),
    minutes: 23 * 60,
  },
  expired: {
    failure: at('smtp-deferred', '5.4.7', `${host} put the mail off until its time was up`, {
      smtp: { code: 452, enhanced: '4.2.2', text: '4.2.2 The mailbox is full' },
    }),
    minutes: 23 * 60,
  },
  'ended-by-postmaster': {
    failure: {
      resultType: 'ended-by-postmaster',
      enhancedCode: '5.0.0',
      publicText: 'the postmaster ended the delivery: sent twice by mistake',
      endedReason: 'sent twice by mistake',
    },
    minutes: 90,
  },
  'optout-refused': {
    failure: {
      resultType: 'optout-refused',
      enhancedCode: '5.7.1',
      publicText: 'the mail asked to be sent without encryption, which was refused',
    },
    minutes: 0,
  },
  'category3-required': {
    failure: {
      resultType: 'category3-required',
      enhancedCode: '5.7.10',
      publicText: 'the mail must be sent with encrypted content (category 3)',
    },
    minutes: 0,
  },
  'category3-advice': {
    failure: {
      resultType: 'category3-required',
      enhancedCode: '5.7.10',
      publicText: 'encrypted content (category 3) is advised',
    },
    minutes: 0,
  },
  delayed: {
    failure: at('connection-failed', '4.4.1', `no connection to ${host} [${HOST.address}]:25: timed out`),
    minutes: 120,
  },
  relayed: {
    failure: at('relayed', '2.0.0', 'the mail was passed on to a server that sends no receipts', {
      smtp: { code: 250, enhanced: '2.0.0', text: 'Ok: queued as 4F1C22A' },
    }),
    minutes: 1,
  },
}
