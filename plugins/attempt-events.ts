/** What an attempt tells the audit log, and the one human line per delivery in Haraka's own log. */
import { formatDeliveryLine } from '../lib/audit/delivery-line'
import type { AuditEvent } from '../lib/audit/types'
import type { DeliveryResult, HostAttempt, RecipientOutcome } from '../lib/deliver/types'
import { isTlsFailure, type Failure } from '../lib/failure'
import { forDaneHost } from '../lib/policy/for-dane-host'
import { tlsToken } from '../lib/policy/tls-token'
import type { MtaStsState, Requirement, Route } from '../lib/policy/types'
import { recordOf, type AttemptContext } from './attempt'

/** Fields that every event about one queued mail carries. */
function common(context: AttemptContext): Pick<AuditEvent, 'mailId' | 'caseId' | 'sender' | 'queueAge' | 'source'> {
  const { facts, runtime } = context
  return {
    mailId: facts.mailId,
    caseId: facts.caseId,
    sender: facts.sender,
    queueAge: runtime.clock.now() - facts.queuedAt,
    ...(facts.notes?.source === undefined ? {} : { source: facts.notes.source }),
  }
}

function policyOf(requirement: Requirement): NonNullable<AuditEvent['policy']> {
  const { source, level, reason, rule } = requirement
  return { source, level, reason, ...(rule === undefined ? {} : { rule: `${rule.file}:${rule.line} ${rule.pattern}` }) }
}

/**
 * Once per group and attempt: what is required, and why.
 *
 * @param mtaSts what was looked up; a policy with mode testing changes nothing but stands here (RFC 8461 section 5)
 */
export function tellPolicy(
  context: AttemptContext,
  requirement: Requirement,
  recipients: readonly string[],
  route: Route,
  mtaSts: MtaStsState | undefined,
): void {
  const { runtime, facts } = context
  runtime.audit.tell({
    action: 'policy-resolved',
    message: requirement.reason,
    ...common(context),
    recipients,
    policy: policyOf(requirement),
    extra: {
      route: route.kind,
      ...(mtaSts === undefined ? {} : { sts_state: mtaSts.state }),
      ...(mtaSts?.state === 'policy' ? { sts_mode: mtaSts.mode, sts_id: mtaSts.id } : {}),
    },
  })
  if (!requirement.overrideForbidden) return
  runtime.audit.tell({
    action: 'optout-refused',
    message: 'the opt-out is not used for this recipient: the TLS policy map forbids it',
    outcome: 'failure',
    ...common(context),
    recipients,
    policy: policyOf(requirement),
    optOut: { by: facts.grant?.by ?? null, granted: false, refusals: ['forbidden-for-recipient'] },
  })
}

/** A record that proves nothing: no grant comes from it, and it is worth knowing. */
export function tellSealProblem(context: AttemptContext): void {
  const { runtime, facts, todo } = context
  if (facts.sealProblem === null) return
  const claimsGrant = JSON.stringify(todo.notes).includes('"grant":{')
  runtime.audit.tell({
    action: claimsGrant ? 'optout-refused' : 'plugin-error',
    message: `the record sealed into the queued mail cannot be used (${facts.sealProblem.reason}): ${facts.sealProblem.detail}`,
    outcome: 'failure',
    ...common(context),
    recipients: facts.recipients,
    ...(claimsGrant ? { optOut: { by: null, granted: false, refusals: ['changed-after-verdict'] } } : {}),
    extra: { seal: facts.sealProblem.reason },
  })
}

/** All that one delivery of one group did. */
export function tellOutcomes(
  context: AttemptContext,
  result: DeliveryResult,
  requirement: Requirement | undefined,
): void {
  for (const attempt of result.attempts) tellHost(context, attempt, heldTo(requirement, attempt))
  for (const outcome of result.outcomes) tellOutcome(context, outcome, heldTo(requirement, outcome))
}

/** RFC 8689 section 5: a report for which REQUIRETLS could not be had went out under what is required without it. */
function heldTo(requirement: Requirement | undefined, { otherwise }: { otherwise?: true }): Requirement | undefined {
  return otherwise === undefined ? requirement : (requirement?.otherwise ?? requirement)
}

function tellHost(context: AttemptContext, attempt: HostAttempt, requirement: Requirement | undefined): void {
  const failedTls = attempt.failure !== undefined && isTlsFailure(attempt.failure)
  if (attempt.tls === undefined && !failedTls) return
  // it was told when it was met; that this mail was put off with it is in the event of its recipient
  if (attempt.metAt !== undefined) return
  // One session, one event; what it was is in the event of each delivery over it.
  if (attempt.reused && !failedTls) return
  context.runtime.audit.tell({
    action: failedTls ? 'tls-failed' : 'tls-negotiated',
    message: attempt.failure !== undefined && failedTls ? attempt.failure.publicText : `TLS with ${attempt.host}`,
    outcome: failedTls ? 'failure' : 'success',
    ...common(context),
    recipients: [`@${context.facts.domain}`],
    destination: destinationOf(attempt),
    tls: attempt.tls ?? null,
    ...(attempt.failure === undefined ? {} : { failure: attempt.failure }),
    ...(requirement === undefined
      ? {}
      : {
          policy: policyOf(forDaneHost(requirement, attempt.tls)),
          tlsToken: tlsToken(requirement, attempt.tls ?? null),
        }),
  })
}

function destinationOf(where: {
  host: string
  address?: string
  port?: number
}): NonNullable<AuditEvent['destination']> {
  return {
    host: where.host,
    ...(where.address === undefined ? {} : { ip: where.address }),
    ...(where.port === undefined ? {} : { port: where.port }),
  }
}

function tellOutcome(context: AttemptContext, outcome: RecipientOutcome, requirement: Requirement | undefined): void {
  const { runtime, item, progress, facts } = context
  const record = recordOf(progress, outcome.recipient)
  const tls = outcome.result === 'delivered' ? outcome.tls : outcome.failure.tls
  const base = {
    recipients: [outcome.recipient],
    ...common(context),
    attempt: record.attempts,
    ...(requirement === undefined
      ? {}
      : { policy: { ...policyOf(forDaneHost(requirement, tls)), ...wouldHave(outcome, requirement) } }),
  } satisfies Omit<AuditEvent, 'action' | 'message'>
  if (outcome.result === 'delivered') {
    const token = requirement === undefined ? '' : tlsToken(requirement, outcome.tls)
    const event = {
      outcome: 'success' as const,
      ...base,
      destination: destinationOf(outcome),
      tls: outcome.tls,
      tlsToken: token,
      ...wouldFailBy(outcome.wouldFail, requirement),
    }
    runtime.audit.tell({
      action: 'delivery-succeeded',
      ...event,
      message: `delivered to ${outcome.host}: ${outcome.response}`,
    })
    if (outcome.tls === null && requirement?.source !== 'local') {
      runtime.audit.tell({
        action: 'plaintext-delivered',
        ...event,
        message: `went out in clear text to ${outcome.host}`,
        ...(facts.grant === null ? {} : { optOut: { by: facts.grant.by, granted: true, refusals: [] } }),
      })
    }
  } else {
    runtime.audit.tell({
      action: outcome.result === 'failed' ? 'delivery-failed' : 'delivery-deferred',
      ...base,
      message: outcome.failure.publicText,
      outcome: 'failure',
      failure: outcome.failure,
    })
  }
  const line = formatDeliveryLine({
    mailId: facts.mailId,
    outcome,
    requirement: requirement ?? null,
    delay: runtime.clock.now() - facts.queuedAt,
    recipients: runtime.settings().audit.recipients,
  })
  item.lognotice(`secure-mail: ${line}`)
}

/** mode=monitor: what the partner has to mend before enforcing, as flat fields. */
function wouldFailBy(failure: Failure | undefined, requirement: Requirement | undefined): Pick<AuditEvent, 'extra'> {
  if (failure === undefined) return {}
  return {
    extra: {
      would_level: requirement?.enforced?.level ?? '',
      would_result_type: failure.resultType,
      would_reason: failure.publicText,
    },
  }
}

/**
 * mode=monitor: what enforcing would have done with this host, where it differs in what was asked. Another MX host of the
 * domain might still have taken the mail.
 */
function wouldHave(
  outcome: RecipientOutcome,
  requirement: Requirement,
): Pick<NonNullable<AuditEvent['policy']>, 'wouldHave'> {
  if (requirement.enforced === undefined) return {}
  if (outcome.result !== 'delivered') return { wouldHave: outcome.result === 'failed' ? 'bounced' : 'deferred' }
  return { wouldHave: outcome.wouldFail === undefined ? 'delivered' : 'deferred' }
}
