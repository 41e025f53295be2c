/** TLS reports (RFC 8460) in the running gateway: whose turn it is, how they leave, and what is told of them. */
import type { AuditEvent } from '../lib/audit/types'
import type { Settings } from '../lib/config/settings'
import type { Resolver } from '../lib/dns/types'
import { caseId } from '../lib/notify/case-id'
import {
  isPublicAddress,
  POST_DEADLINE,
  postReport,
  reportMail,
  reportSender,
  type ReportEvent,
  type ReportSender,
} from '../lib/report/tlsrpt'
import { turnOf } from '../lib/store/turns'
import { background } from './guard'
import type { HarakaModules } from './haraka'
import type { MailFacts } from './mail-facts'
import { queueOwnMail } from './own-mail'
import type { FailedRecipient } from './reporter'
import type { Runtime } from './runtime'

/** How often each process looks whether something is due, and for how long it is then nobody else's turn. */
const LOOK = 5 * 60_000
const TURN = 4.5 * 60_000

export interface TlsReports {
  send: ReportSender['send']
  /** Look now: the settings have changed. */
  look(): void
  close(): void
}

type Needs = Pick<Runtime, 'store' | 'clock' | 'settings' | 'audit' | 'signal' | 'reportError'> & {
  resolver(): Resolver
}

/** @param key makes report ids, the same in all processes that share the store */
export function openTlsReports(haraka: HarakaModules, runtime: Needs, key: Buffer): TlsReports {
  const { store, clock, settings, audit, signal, reportError } = runtime
  const sender = reportSender({
    ...{ store, clock, settings, key, signal },
    resolver: () => runtime.resolver(),
    async deliver(report, to) {
      if (to.kind === 'https') {
        const { verified } = await postReport(to.url, report.gzip, runtime.resolver(), postOptions(settings()), signal)
        return { detail: verified ? 'posted' : 'posted, although the certificate of the host is not valid' }
      }
      const pass = { kind: 'tlsrpt' as const, caseId: caseId(`${report.id} ${to.address}`), requiretls: false }
      await queueOwnMail(haraka, to.address, await reportMail(report, to.address, clock.now()), pass)
      return { detail: 'queued as a mail' }
    },
    onReport: (event) => audit.tell(auditEvent(event)),
    onTrouble: (error) => reportError('tlsrpt', error),
  })
  const look = (): void => {
    background('tlsrpt', reportError, async () => {
      if (!settings().tlsrpt.enabled || signal.aborted) return
      if (await turnOf(store, 'tlsrpt', TURN)) await sender.pass()
    })
  }
  const timer = setInterval(look, LOOK)
  timer.unref()
  return { send: (...order) => sender.send(...order), look, close: () => clearInterval(timer) }
}

function postOptions({ tls, delivery }: Settings): Parameters<typeof postReport>[3] {
  return {
    ...(tls.caFile === undefined ? {} : { caFile: tls.caFile }),
    inetPrefer: delivery.inetPrefer,
    mayConnect: (address) => delivery.localMxOk || isPublicAddress(address),
    deadline: POST_DEADLINE,
  }
}

function auditEvent(event: ReportEvent): AuditEvent {
  const { domain, day, id, to, takenOver, detail } = event
  const about = `the TLS report about ${domain} for ${day}`
  const before = takenOver ? ' (a process that had begun it ended; it may arrive twice, under the same report id)' : ''
  return {
    action: 'tlsrpt-sent',
    message: `${about} ${wordsFor(event)}${before}: ${detail}`,
    outcome: event.result === 'sent' ? 'success' : 'failure',
    recipients: [`@${domain}`],
    report: { kind: 'tlsrpt', status: event.result },
    extra: {
      ...{ report_id: id, report_day: day, report_to: to, report_taken_over: takenOver },
      ...(event.result === 'failed' ? { report_again: new Date(event.again).toISOString() } : {}),
    },
  }
}

function wordsFor(event: ReportEvent): string {
  switch (event.result) {
    case 'sent':
      return `went to ${event.to}`
    case 'failed':
      return `could not go to ${event.to} and is tried again`
    case 'given-up':
      return `could not go to ${event.to} within a day and is given up`
  }
}

/** A report mail that left the queue without being delivered (RFC 8460 section 5.5: after a day of tries). */
export function undeliveredTlsReport(facts: MailFacts, failed: readonly FailedRecipient[], now: number): AuditEvent {
  const failure = failed[0]?.record.lastFailure
  return {
    action: 'report-undeliverable',
    message: `a TLS report could not be delivered and is given up: ${failure?.publicText ?? 'the reason is not known'}`,
    outcome: 'failure',
    mailId: facts.mailId,
    caseId: facts.caseId,
    sender: facts.sender,
    recipients: failed.map(({ recipient }) => recipient),
    report: { kind: 'tlsrpt', status: failure?.enhancedCode ?? '' },
    queueAge: now - facts.queuedAt,
    ...(failure === undefined ? {} : { failure }),
  }
}
