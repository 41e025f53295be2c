/** What follows where a mail to the outside needs more than encryption in transport: a notice, a report, or a record. */
import type { Inspection } from '../lib/gate/types'
import type { GateDecision } from './decisions'
import { encryptMail, isHopeless, planFor, type MailPlan } from './encryption'
import { CODE, type HarakaAddress, type HarakaModules, type Transaction } from './haraka'
import type { HookResult } from './guard'
import { envelopeAddress } from './mail-facts'
import type { ReportedMail } from './reporter'
import type { Runtime } from './runtime'

/** The decision by which the mail goes on or was dealt with, or the hook's answer that ends it. */
export type Category3Outcome = { decision: GateDecision } | { answer: HookResult }

/** What a report needs of a mail that is still in its transaction. */
export function reportedMail(transaction: Transaction, notes: GateDecision['notes']): ReportedMail {
  return {
    facts: { ...notes, logId: `${transaction.uuid}.0`, queuedAt: notes.acceptedAt, notes },
    head: Buffer.from(`${transaction.header.header_list.join('')}\r\n`),
  }
}

/**
 * Carry out what `decideCategory3` said. A report is queued when this resolves; external recipients that it is about are
 * taken out of the envelope, and an encrypted message has taken the place of the mail. Advice is only noted down: it is
 * sent when the mail is queued.
 *
 * @param external recipients outside, never empty
 */
export async function outcomeOfCategory3(
  haraka: HarakaModules,
  runtime: Runtime,
  transaction: Transaction,
  decision: GateDecision,
  inspection: Inspection,
  external: readonly HarakaAddress[],
): Promise<Category3Outcome> {
  const { category3, takesAdvice } = inspection
  const outside = external.map(envelopeAddress)
  const monitored = runtime.settings().main.mode === 'monitor'
  const plan = category3.outcome === 'encrypt' ? await planFor(runtime, transaction, external) : null
  tellDetected(runtime, decision, inspection, outside, { monitored, plan })
  if (monitored) return { decision }
  switch (category3.outcome) {
    case 'none':
      return { decision }
    case 'notify':
      return { decision: takesAdvice ? { ...decision, advise: outside } : decision }
    case 'defer':
      return { answer: [CODE.denysoft, '4.3.0 the mail cannot be inspected now, try again later'] }
    case 'encrypt':
      if (plan === null || plan.messages.length === 0) break
      return { decision: await encryptOrWithhold(haraka, runtime, transaction, decision, inspection, external, plan) }
    default:
  }
  // 'ndr', nobody with a certificate, and whatever is not known: do not send
  return { decision: await withhold(runtime, transaction, decision, external) }
}

/** Encrypted to those who can read it; the sender is told about the others. */
async function encryptOrWithhold(
  haraka: HarakaModules,
  runtime: Runtime,
  transaction: Transaction,
  decision: GateDecision,
  inspection: Inspection,
  external: readonly HarakaAddress[],
  plan: MailPlan,
): Promise<GateDecision> {
  const inside = transaction.rcpt_to.filter((recipient) => !external.includes(recipient))
  // of the mail as the sender wrote it, subject and all
  const mail = reportedMail(transaction, decision.notes)
  let encrypted: GateDecision
  try {
    encrypted = await encryptMail(haraka, runtime, transaction, decision, inspection, plan, inside)
  } catch (error) {
    if (!isHopeless(error)) throw error
    runtime.reportError('encryption', error)
    return await withhold(runtime, transaction, decision, external)
  }
  await reportRequired(runtime, mail, plan.withheld)
  return encrypted
}

/** Report about the recipients outside, and keep those inside. */
async function withhold(
  runtime: Runtime,
  transaction: Transaction,
  decision: GateDecision,
  external: readonly HarakaAddress[],
): Promise<GateDecision> {
  await reportRequired(runtime, reportedMail(transaction, decision.notes), external)
  const inside = transaction.rcpt_to.filter((recipient) => !external.includes(recipient))
  if (inside.length === 0) return { ...decision, reportedInstead: true }
  transaction.rcpt_to = inside
  // the record is about this mail to these recipients
  return { ...decision, notes: { ...decision.notes, recipients: inside.map(envelopeAddress) } }
}

async function reportRequired(
  runtime: Runtime,
  mail: ReportedMail,
  recipients: readonly HarakaAddress[],
): Promise<void> {
  if (recipients.length === 0) return
  await runtime.reporter.category3Required(
    mail,
    recipients.map(envelopeAddress),
    required('the mail must be sent with encrypted content (category 3)'),
  )
}

/** Send the advice that was noted down; never rejects, for the mail is on its way. */
export async function advise(runtime: Runtime, transaction: Transaction, decision: GateDecision): Promise<void> {
  if (decision.advise === undefined) return
  try {
    await runtime.reporter.category3Advice(
      reportedMail(transaction, decision.notes),
      decision.advise,
      required('encrypted content (category 3) is advised'),
    )
  } catch (error) {
    runtime.reportError('category3', error)
  }
}

function required(publicText: string) {
  // X.7.10 of the registry that RFC 5248 set up: encryption needed
  return { resultType: 'category3-required', enhancedCode: '5.7.10', publicText } as const
}

function tellDetected(
  runtime: Runtime,
  { notes }: GateDecision,
  { category3, verdict }: Inspection,
  recipients: readonly string[],
  { monitored, plan }: { monitored: boolean; plan: MailPlan | null },
): void {
  const { reasons, persons, threshold, outcome } = category3
  if (reasons.length === 0) return
  const why = reasons.includes('asked')
    ? 'full encryption is asked for in the subject, and the mail is not encrypted'
    : 'more persons are named than may go without full encryption'
  const does = outcome === 'encrypt' ? encryptionWord(plan) : ACTION_WORDS[outcome]
  runtime.audit.tell({
    action: 'category3-detected',
    message: why,
    mailId: notes.mailId,
    caseId: notes.caseId,
    sender: notes.sender,
    recipients,
    ...(notes.source === undefined ? {} : { source: notes.source }),
    extra: {
      persons,
      name_rows: verdict.nameRows,
      threshold,
      reasons: reasons.join(','),
      category3_action: monitored ? ACTION_WORDS.none : does,
      ...(plan === null ? {} : { without_certificate: plan.missing.length }),
      ...(monitored ? { would_have: does } : {}),
    },
  })
}

/** As the audit log and docs/category3.md write it. */
const ACTION_WORDS = { none: 'delivered', notify: 'notice', ndr: 'report', defer: 'deferred' } as const

/** `split` = encrypted to some, a report about the others. */
function encryptionWord(plan: MailPlan | null): 'encrypted' | 'split' | 'report' {
  if (plan === null || plan.messages.length === 0) return 'report'
  return plan.withheld.length === 0 ? 'encrypted' : 'split'
}
