/** A mail that an operator ends: recorded, marked as failed, reported; the same steps as a failure that is final. */
import type { Operator } from '../lib/control'
import type { Failure } from '../lib/failure'
import { comparableAddress } from '../lib/store/address'
import type { RecipientRecord } from '../lib/store/types'
import { recordOf, reportFailed, save, type AttemptContext } from './attempt'

/** What an operator asked for. */
export interface Ending {
  /** Null = all that are open. */
  recipients: readonly string[] | null
  /** '' = none given; stands in the report. */
  reason: string
  operator: Operator
}

/** Recipients that are open and meant. */
export function openRecipients({ facts, progress }: AttemptContext, { recipients }: Ending): string[] {
  const meant = recipients === null ? null : new Set(recipients.map(comparableAddress))
  return [...new Set(facts.recipients)].filter(
    (recipient) =>
      recordOf(progress, recipient).state === 'pending' && (meant === null || meant.has(comparableAddress(recipient))),
  )
}

/**
 * Record who ended what, and mark it. From here on the mail's sender gets a report, if not now then with the next try.
 *
 * @throws (rejects) when it cannot be recorded; nothing is marked then
 */
export async function beginEnding(
  context: AttemptContext,
  recipients: readonly string[],
  { reason, operator }: Ending,
): Promise<void> {
  const { runtime, facts, progress } = context
  const who = nameOf(operator)
  await runtime.audit.tellDurably({
    action: 'queue-bounced',
    message: `${who} ended the delivery${reason === '' ? '' : `: ${reason}`}`,
    outcome: 'success',
    mailId: facts.mailId,
    caseId: facts.caseId,
    sender: facts.sender,
    recipients,
    queueAge: runtime.clock.now() - facts.queuedAt,
    extra: { ...operatorFields(operator), ...(reason === '' ? {} : { ended_reason: reason }) },
  })
  for (const recipient of recipients) {
    const before = recordOf(progress, recipient)
    const record: RecipientRecord = { ...before, state: 'failed', lastFailure: endedFailure(before, reason) }
    progress.set(recipient, record)
    await save(context, facts.mailId, recipient, record)
  }
}

/**
 * @returns who was reported, and how many recipients are still open
 * @throws (rejects) when the report could not be queued
 */
export async function reportEnding(context: AttemptContext): Promise<{ recipients: string[]; left: number }> {
  const recipients = await reportFailed(context)
  const left = [...context.progress.values()].filter(({ state }) => state === 'pending').length
  return { recipients, left }
}

/** RFC 3463 section 3.1, X.0.0: nothing is known but the class; no other code speaks of a person's decision. */
function endedFailure({ lastFailure }: RecipientRecord, reason: string): Failure {
  const last = lastFailure === undefined ? '' : `. The last attempt: ${lastFailure.publicText}`
  return {
    resultType: 'ended-by-postmaster',
    enhancedCode: '5.0.0',
    publicText: `the postmaster ended the delivery${reason === '' ? '' : `: ${reason}`}${last}`,
    ...(reason === '' ? {} : { endedReason: reason }),
  }
}

/** Fields of an event that say who gave an order. */
export function operatorFields({ uid, name }: Operator): Record<string, string | number> {
  return { operator: name === '' ? 'operator' : name, ...(uid === null ? {} : { operator_uid: uid }) }
}

/** For a sentence. */
export function nameOf({ uid, name }: Operator): string {
  if (name !== '') return name
  return uid === null ? 'the operator' : `user ${uid}`
}
