/**
 * Reports on their way: recipients of one mail that fail for one cause within a short while share a report, whichever
 * queue file they were in; the report is handed to Haraka's own queue, and only when it is safely there does the
 * promise resolve that lets the mail go.
 */
import { decodeWords } from '../lib/message/encoded-words'
import { headersForReport } from '../lib/message/report-headers'
import { composeReport } from '../lib/notify/compose'
import { causeKey, reportKindFor } from '../lib/notify/kinds'
import { postmasterAddress, reportTarget, type ReportTarget } from '../lib/notify/target'
import type { ReportInput, ReportKind, ReportRecipient, Told } from '../lib/notify/types'
import { decodeOrcpt, decodeXtext } from '../lib/notify/xtext'
import { isTlsFailure, type Failure } from '../lib/failure'
import type { Refusal } from '../lib/gate/types'
import type { SecureMailNotes } from '../lib/store/notes'
import type { RecipientRecord } from '../lib/store/types'
import { withDeadline } from './guard'
import type { HarakaModules, HMailItem } from './haraka'
import { HOOK_CHAIN_DEADLINE } from './hooks'
import { recipientsLabel, type MailFacts } from './mail-facts'
import { readHead, setAside } from './queued-mail'
import { queueOwnMail } from './own-mail'
import type { Runtime } from './runtime'
import { undeliveredTlsReport } from './tls-reports'

/** One recipient that a report is about. */
export interface FailedRecipient {
  recipient: string
  record: RecipientRecord
}

/** What a report needs of the mail besides its recipients. */
export interface ReportedMail {
  facts: Pick<MailFacts, 'mailId' | 'caseId' | 'sender' | 'kind' | 'queuedAt' | 'logId'> & {
    notes: Pick<SecureMailNotes, 'optOut' | 'dsn' | 'requiretls'> | null
  }
  /** Header block of the mail. */
  head: Buffer
}

export interface Reporter {
  /** Resolves when every recipient's report is queued (or set before the postmaster); rejects otherwise. */
  notDelivered(facts: MailFacts, item: HMailItem, failed: readonly FailedRecipient[]): Promise<void>
  delayed(facts: MailFacts, item: HMailItem, late: readonly FailedRecipient[]): Promise<void>
  /** Recipients whose record says that a success notice is owed (`RecipientRecord.relayed`). */
  relayed(facts: MailFacts, item: HMailItem, served: readonly FailedRecipient[]): Promise<void>
  /** A mail that was not queued at all because its opt-out was refused (`override.refused=ndr`). */
  optOutRefused(mail: ReportedMail, recipients: readonly string[], failure: Failure): Promise<void>
  /** A mail that goes to none of these recipients, because its content is to be encrypted. */
  category3Required(mail: ReportedMail, recipients: readonly string[], failure: Failure): Promise<void>
  /** A mail that is on its way to these recipients; the sender hears of better ways. */
  category3Advice(mail: ReportedMail, recipients: readonly string[], failure: Failure): Promise<void>
}

/** A recipient with what was required for it. */
interface BatchRecipient extends ReportRecipient {
  requirement?: RecipientRecord['requirement']
}

interface Batch {
  mail: ReportedMail
  kind: ReportKind
  recipients: BatchRecipient[]
  waiting: { resolve: () => void; reject: (error: unknown) => void }[]
}

export function createReporter(haraka: HarakaModules, runtime: Omit<Runtime, 'reporter'>): Reporter {
  const batches = new Map<string, Batch>()

  /** Join the batch of this mail and cause, or start one and send it when the others have had time to join. */
  function join(mail: ReportedMail, kind: ReportKind, cause: string, recipients: BatchRecipient[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const key = `${mail.facts.mailId} ${kind} ${cause}`
      const batch = batches.get(key)
      if (batch !== undefined) {
        batch.recipients.push(...recipients)
        batch.waiting.push({ resolve, reject })
        return
      }
      const fresh: Batch = { mail, kind, recipients, waiting: [{ resolve, reject }] }
      batches.set(key, fresh)
      setTimeout(() => {
        batches.delete(key)
        send(fresh).then(
          () => {
            for (const one of fresh.waiting) one.resolve()
          },
          (error: unknown) => {
            for (const one of fresh.waiting) one.reject(error)
          },
        )
      }, runtime.settings().ndr.coalesce)
    })
  }

  async function send(all: Batch): Promise<void> {
    const { mail, kind } = all
    let batch = all
    const settings = runtime.settings()
    const target = reportTarget({
      sender: mail.facts.sender,
      mailKind: mail.facts.kind,
      reportKind: kind,
      settings,
      ...(mail.facts.notes?.dsn === undefined ? {} : { dsn: mail.facts.notes.dsn }),
      recipients: batch.recipients.map((recipient) => recipient.address),
    })
    if (target.kind === 'nobody') {
      tell(batch, 'report-undeliverable', '', target.why)
      return
    }
    if (target.kind === 'sender') {
      batch = { ...batch, recipients: batch.recipients.filter(({ address }) => target.recipients.includes(address)) }
    }
    const report = await composeReport(reportInput(batch, target), {
      templates: runtime.templates(),
    })
    const pass = {
      kind: 'report' as const,
      caseId: mail.facts.caseId,
      requiretls: mail.facts.notes?.requiretls ?? false,
    }
    // other plugins may keep it from getting there for so long that the mail it is about should try again
    await withDeadline(
      queueOwnMail(haraka, target.to, report.message, pass),
      HOOK_CHAIN_DEADLINE,
      'queueing the report',
    )
    tell(
      batch,
      target.kind === 'postmaster' ? 'report-undeliverable' : actionOf(kind),
      target.to,
      target.kind === 'postmaster' ? target.why : '',
    )
  }

  function tell(
    batch: Batch,
    action: 'report-sent' | 'delay-notice-sent' | 'report-undeliverable',
    to: string,
    why: string,
  ) {
    const { facts } = batch.mail
    const failure = batch.recipients[0]?.failure
    runtime.audit.tell({
      action,
      message: why === '' ? `report ${batch.kind} queued for the sender` : `report ${batch.kind}: ${why}`,
      outcome: action === 'report-undeliverable' ? 'failure' : 'success',
      mailId: facts.mailId,
      caseId: facts.caseId,
      sender: facts.sender,
      recipients: batch.recipients.map((recipient) => recipient.address),
      report: { kind: batch.kind, status: failure?.enhancedCode ?? '' },
      queueAge: runtime.clock.now() - facts.queuedAt,
      ...(failure === undefined || batch.kind === 'relayed' ? {} : { failure: failure as Failure }),
      extra: { report_to: to },
    })
  }

  function reportInput(batch: Batch, target: Exclude<ReportTarget, { kind: 'nobody' }>): ReportInput {
    const settings = runtime.settings()
    const { to } = target
    const publicTag = settings.public.subjectTags[0]
    const secureTag = settings.category3.subjectTags[0]
    const { facts, head } = batch.mail
    const headers = headersForReport(head)
    const valueOf = (name: string) => headers.find((header) => header.name === name)?.value
    const subject = valueOf('Subject')
    const messageId = valueOf('Message-ID')
    const optOut = facts.notes?.optOut ?? { requested: false, refusals: [] as Refusal[] }
    const possible = optOutAdvice(batch, settings.override.tags.length > 0)
    const retryUntil = facts.queuedAt + settings.ndr.undeliverableAfter
    const envid = facts.notes?.dsn?.envid
    return {
      kind: batch.kind,
      caseId: facts.caseId,
      sender: to,
      recipients: batch.recipients,
      original: {
        headers,
        ...(messageId === undefined ? {} : { messageId }),
        ...(subject === undefined ? {} : { subject: decodeWords(subject).text }),
      },
      queuedAt: facts.queuedAt,
      now: runtime.clock.now(),
      ...(batch.kind === 'delayed' ? { retryUntil } : {}),
      optOut: { requested: optOut.requested, refusals: optOut.refusals },
      ...possible,
      optOutTag: settings.override.tags[0] ?? '',
      ...(publicTag === undefined ? {} : { publicTag }),
      ...(secureTag === undefined ? {} : { secureTag }),
      ...(target.kind === 'postmaster' ? { postmaster: { why: whyPostmaster(facts), sender: facts.sender } } : {}),
      policySource: policySources(batch),
      reportingMta: runtime.hostname,
      ...(envid === undefined ? {} : { envid: decodeXtext(envid) }),
      support: settings.support,
      languages: settings.ndr.languages,
      style: settings.ndr.style,
      messageId: `${facts.mailId}.${batch.kind}.${recipientsLabel(batch.recipients.map((r) => r.address))}@${runtime.hostname}`,
      smtpUtf8: [to, ...batch.recipients.map((recipient) => recipient.address)].some((text) =>
        /[^\x20-\x7e]/.test(text),
      ),
    }
  }

  function recipientsOf(facts: ReportedMail['facts'], failed: readonly FailedRecipient[]): BatchRecipient[] {
    return failed.map(({ recipient, record }) => {
      const last = record.history.at(-1)
      const orcpt = facts.notes?.dsn?.rcpt[recipient]?.orcpt
      return {
        address: recipient,
        ...(orcpt === undefined ? {} : { originalRecipient: decodeOrcpt(orcpt) }),
        failure: toldOf(record),
        ...(last === undefined ? {} : { lastAttempt: last.at }),
        attempts: record.history,
        attemptCount: record.attempts,
        logId: facts.logId,
        ...(record.requirement === undefined ? {} : { requirement: record.requirement }),
      }
    })
  }

  async function mailOf(facts: MailFacts, item: HMailItem): Promise<ReportedMail> {
    return { facts, head: await readHead(item) }
  }

  /** Of a mail that was never tried: the gate's own word, at once. */
  async function atOnce(kind: ReportKind, mail: ReportedMail, recipients: readonly string[], failure: Failure) {
    const reported = recipients.map((address) => ({
      address,
      failure,
      attempts: [],
      attemptCount: 0,
      logId: mail.facts.logId,
    }))
    await send({ mail, kind, recipients: reported, waiting: [] })
  }

  return {
    async notDelivered(facts, item, failed) {
      if (facts.kind === 'tlsrpt') {
        // nobody is told of a report to a machine that could not be delivered: the event is its trace
        runtime.audit.tell(undeliveredTlsReport(facts, failed, runtime.clock.now()))
        return
      }
      if (facts.kind !== 'mail') {
        await undeliverableReport(facts, item, failed)
        return
      }
      const mail = await mailOf(facts, item)
      await Promise.all(
        [...groupByCause(failed)].map(([cause, group]) => {
          const failure = group[0]?.record.lastFailure
          const source = group[0]?.record.requirement?.source
          const kind = failure === undefined ? 'expired' : reportKindFor(failure, source)
          return join(mail, kind, cause, recipientsOf(facts, group))
        }),
      )
    },
    async delayed(facts, item, late) {
      if (facts.kind !== 'mail' || facts.sender === '') return
      await join(await mailOf(facts, item), 'delayed', 'delayed', recipientsOf(facts, late))
    },
    async relayed(facts, item, served) {
      await join(await mailOf(facts, item), 'relayed', 'relayed', recipientsOf(facts, served))
    },
    optOutRefused: (...about) => atOnce('optout-refused', ...about),
    category3Required: (...about) => atOnce('category3-required', ...about),
    category3Advice: (...about) => atOnce('category3-advice', ...about),
  }

  /**
   * A report that cannot be delivered itself: never a report about it. Its headers go to the postmaster, unless that is
   * whom it could not reach; then the file stays, set aside, and an event says so.
   */
  async function undeliverableReport(
    facts: MailFacts,
    item: HMailItem,
    failed: readonly FailedRecipient[],
  ): Promise<void> {
    const mail = await mailOf(facts, item)
    const postmaster = postmasterAddress(runtime.settings())
    const batch: Batch = { mail, kind: 'expired', recipients: recipientsOf(facts, failed), waiting: [] }
    const failure = failed[0]?.record.lastFailure
    const kind = failure === undefined ? 'expired' : reportKindFor(failure)
    if (postmaster === undefined || facts.recipients.includes(postmaster)) {
      tell(
        { ...batch, kind },
        'report-undeliverable',
        '',
        'it could not be delivered and stays set aside in the queue directory',
      )
      await setAside(haraka, item)
      return
    }
    await send({ ...batch, kind })
  }
}

/** What a report says became of a recipient. */
function toldOf({ relayed, lastFailure }: RecipientRecord): Told {
  if (relayed !== undefined) {
    const { mx, address, port, response } = relayed
    const [, code = '250', text = ''] = /^(\d{3})\s+(.*)$/s.exec(response) ?? []
    return {
      resultType: 'relayed',
      // RFC 3463 section 3.1: X.0.0, nothing more is known than the class
      enhancedCode: '2.0.0',
      publicText: 'the mail was passed on to a server that sends no receipts',
      ...{ mx, address, port },
      smtp: { code: Number(code), text },
    }
  }
  return lastFailure ?? { resultType: 'local-error', enhancedCode: '5.3.0', publicText: 'unknown' }
}

function policySources(batch: Batch): string {
  const sources = batch.recipients.map(({ requirement }) =>
    requirement === undefined ? 'gate' : `${requirement.level} (${requirement.source})`,
  )
  return [...new Set(sources)].join(', ')
}

/** Why a report goes to the postmaster, as the report's text knows it. */
function whyPostmaster(facts: ReportedMail['facts']): NonNullable<ReportInput['postmaster']>['why'] {
  if (facts.kind !== 'mail') return 'report-about-report'
  return facts.sender === '' ? 'null-sender' : 'notify'
}

function actionOf(kind: ReportKind): 'report-sent' | 'delay-notice-sent' {
  return kind === 'delayed' ? 'delay-notice-sent' : 'report-sent'
}

function groupByCause(failed: readonly FailedRecipient[]): Map<string, FailedRecipient[]> {
  const groups = new Map<string, FailedRecipient[]>()
  for (const one of failed) {
    const cause =
      one.record.lastFailure === undefined
        ? 'unknown'
        : causeKey(one.record.lastFailure, one.record.requirement?.source)
    groups.set(cause, [...(groups.get(cause) ?? []), one])
  }
  return groups
}

/** May the report suggest the opt-out? Only where TLS is what failed, nothing stood against it, and the map allows it. */
function optOutAdvice(batch: Batch, configured: boolean): Pick<ReportInput, 'optOutPossible' | 'optOutWhyNot'> {
  const failures = batch.recipients.map((recipient) => recipient.failure)
  if (batch.kind === 'category3-required' || batch.kind === 'category3-advice') {
    return { optOutPossible: false, optOutWhyNot: 'findings' }
  }
  // who demanded TLS at every hop is not told how to do without
  if (batch.mail.facts.notes?.requiretls === true) return { optOutPossible: false }
  if (!configured || !failures.every(isTlsFailure)) return { optOutPossible: false, optOutWhyNot: 'not-tls' }
  // without notes that can be believed nobody knows what is in the mail
  if (batch.mail.facts.notes === null) return { optOutPossible: false }
  if (batch.mail.facts.notes.optOut.forbidden === true) return { optOutPossible: false, optOutWhyNot: 'findings' }
  if (batch.recipients.some((recipient) => recipient.requirement?.overrideNever === true))
    return { optOutPossible: false, optOutWhyNot: 'map' }
  return { optOutPossible: true }
}
