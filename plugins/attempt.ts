/** One attempt at a queued mail: decide, deliver, record, report, and say when to come back. */
import { delayNoticeDue, nextStep, recordAttempt } from '../lib/deliver/deadline'
import type { DeliveryResult, HostAttempt, RecipientOutcome } from '../lib/deliver/types'
import { isTlsFailure, type Failure } from '../lib/failure'
import { groupRecipients, type RecipientGroup } from '../lib/policy/digest'
import { owesRelayed } from '../lib/notify/target'
import type { Requirement, Route } from '../lib/policy/types'
import { HISTORY } from '../lib/store/recipient-record'
import type { RecipientRecord } from '../lib/store/types'
import { tellOutcomes, tellPolicy, tellSealProblem } from './attempt-events'
import type { HarakaAddress, HarakaModules, HMailItem, Todo } from './haraka'
import { tellBounced, tellDeferred, tellDelivered } from './outcome-hooks'
import { wireContent, wireSize } from './queued-mail'
import type { MailFacts } from './mail-facts'
import { policyDomain } from './mta-sts'
import { forbidsOptOut, requirementsOf } from './requirements'
import { chooseRoute } from './route'
import { runHooks } from './hooks'
import type { Runtime } from './runtime'
import { countingOf, type Counting } from './tls-sessions'

/** What is known of each recipient of a queue file, by envelope address. */
export type Progress = Map<string, RecipientRecord>

/** Everything the steps of an attempt share. */
export interface AttemptContext {
  haraka: HarakaModules
  runtime: Runtime
  item: HMailItem
  todo: Todo
  facts: MailFacts
  progress: Progress
}

/**
 * @returns when to try again (milliseconds since the epoch), or null when every recipient is delivered or reported
 * @throws whatever makes going on pointless now; the caller retries
 */
export async function deliverMail(
  haraka: HarakaModules,
  runtime: Runtime,
  item: HMailItem,
  todo: Todo,
  facts: MailFacts,
  progress: Progress,
): Promise<number | null> {
  const context: AttemptContext = { haraka, runtime, item, todo, facts, progress }
  const pending = facts.recipients.filter((recipient) => recordOf(progress, recipient).state === 'pending')
  if (pending.length > 0) {
    if (facts.sealProblem !== null) tellSealProblem(context)
    await tryPending(context, unique(pending))
  }
  const deferred = await judge(context)
  await reportFailed(context)
  await reportRelayed(context)
  if (deferred === null) return null
  await sendDelayNotices(context)
  return await tellDeferred(context, deferred)
}

export function recordOf(progress: Progress, recipient: string): RecipientRecord {
  const record = progress.get(recipient)
  if (record === undefined) throw new Error('a recipient without a record')
  return record
}

function unique(recipients: readonly string[]): string[] {
  return [...new Set(recipients)]
}

/**
 * An attempt that breaks off through an error of our own counts as one: whom it did not come to is deferred, so that
 * the deadline also ends a mail that breaks us each time, and its sender is told.
 */
async function tryPending(context: AttemptContext, pending: readonly string[]): Promise<void> {
  const { runtime, progress } = context
  const before = new Map(pending.map((recipient) => [recipient, recordOf(progress, recipient).attempts]))
  try {
    await deliverPending(context, pending)
  } catch (error) {
    if (runtime.signal.aborted) throw error
    runtime.reportError('delivery', error)
    const untouched = pending.filter((recipient) => recordOf(progress, recipient).attempts === before.get(recipient))
    const failure: Failure = {
      resultType: 'local-error',
      // RFC 3463 X.3.0: other mail system status
      enhancedCode: '4.3.0',
      publicText: 'the mail gateway met an error of its own',
      privateDetail: error instanceof Error ? error.message : String(error),
    }
    const outcomes = untouched.map((recipient) => refusedOutcome(recipient, failure))
    for (const outcome of outcomes) await note(context, outcome, [])
    tellOutcomes(context, { outcomes, attempts: [] }, undefined)
  }
}

/**
 * Route, requirement per recipient, delivery per group of equal requirement.
 *
 * @param again a second time in one attempt, after a policy changed
 */
async function deliverPending(context: AttemptContext, pending: readonly string[], again = false): Promise<void> {
  const { haraka, runtime, item, todo, facts, progress } = context
  const answer = await runHooks(haraka, item, 'get_mx', todo.domain)
  const chosen = chooseRoute(haraka, answer, facts.domain, todo.notes)
  if (chosen.kind === 'refused') {
    const outcomes = pending.map((recipient) => refusedOutcome(recipient, chosen.failure))
    for (const outcome of outcomes) await note(context, outcome, [])
    tellOutcomes(context, { outcomes, attempts: [] }, undefined)
    return
  }
  const attemptsBefore = new Map(pending.map((recipient) => [recipient, recordOf(progress, recipient).attempts]))
  const { decided, waiting, mtaSts, published } = await requirementsOf(context, pending, chosen)
  // a look-up that the shutdown broke off is nothing to tell anybody about
  if (waiting.length > 0 && runtime.signal.aborted) throw new Error('shutting down')
  const unknown = waiting.map(({ recipient, failure }) => refusedOutcome(recipient, failure))
  for (const outcome of unknown) await note(context, outcome, [])
  if (unknown.length > 0) tellOutcomes(context, { outcomes: unknown, attempts: [] }, undefined)
  const outdated: string[] = []
  for (const group of groupRecipients(decided)) {
    if (runtime.signal.aborted) throw new Error('shutting down')
    tellPolicy(context, group.requirement, group.recipients, chosen.route, mtaSts)
    for (const recipient of group.recipients) remember(context, recipient, group.requirement, chosen.route)
    const counting = countingOf(context, group, chosen, { mtaSts, published: published.get(group.recipients[0] ?? '') })
    const result = await deliverGroup(context, group, { counting, ...chosen })
    if (result.superseded) {
      await deliverPending(
        context,
        pending.filter((recipient) => recordOf(progress, recipient).attempts === attemptsBefore.get(recipient)),
        again,
      )
      return
    }
    const heldBack = await heldBackByOldPolicy(context, group, chosen)
    tellOutcomes(context, again ? result : stillOpen(result, heldBack), group.requirement)
    await tellDelivered(context, result)
    outdated.push(...heldBack)
  }
  // once: a domain that changes its policy all the time must not keep its mail from coming to an end
  if (outdated.length > 0 && !again) await deliverPending(context, outdated, true)
}

/**
 * RFC 8461 section 5.1: before a mail is given up because of an MTA-STS policy, a newer one is looked for.
 *
 * @returns recipients who would be reported now, and for whom another policy holds
 */
async function heldBackByOldPolicy(
  context: AttemptContext,
  { requirement, recipients }: Pick<RecipientGroup, 'requirement' | 'recipients'>,
  chosen: { route: Route; routes?: AttemptRoutes },
): Promise<string[]> {
  const { runtime, progress, facts } = context
  const domain = policyDomain(facts.domain, chosen.route, chosen.routes)
  if (requirement.sts === undefined || domain === undefined) return []
  const last = recipients.filter((recipient) => {
    const record = recordOf(progress, recipient)
    const failed = record.lastFailure !== undefined && isTlsFailure(record.lastFailure)
    return (
      failed &&
      record.state === 'pending' &&
      nextStep(record, runtime.clock.now(), runtime.settings()).step === 'report'
    )
  })
  if (last.length === 0) return []
  return (await runtime.sts.recheck(domain, requirement.sts.id)) ? last : []
}

/** What is told of recipients for whom a newer policy was found: not that they are given up. */
function stillOpen(result: DeliveryResult, recipients: readonly string[]): DeliveryResult {
  const outcomes = result.outcomes.map((outcome) =>
    outcome.result === 'failed' && recipients.includes(outcome.recipient)
      ? { ...outcome, result: 'deferred' as const }
      : outcome,
  )
  return { ...result, outcomes }
}

/** Keep what was required beside the outcome: a report says it, also after a restart. */
function remember(context: AttemptContext, recipient: string, requirement: Requirement, route: Route): void {
  const { progress } = context
  const { level, source, rule } = requirement
  const requirementTold = {
    level,
    source: rule === undefined ? source : `${source}: ${rule.file}:${rule.line} ${rule.pattern}`,
    overrideNever: forbidsOptOut(context, recipient, route),
  }
  progress.set(recipient, Object.assign({}, recordOf(progress, recipient), { requirement: requirementTold }))
}

function refusedOutcome(recipient: string, failure: Failure): RecipientOutcome {
  return { recipient, result: failure.enhancedCode.startsWith('5') ? 'failed' : 'deferred', failure }
}

async function deliverGroup(
  context: AttemptContext,
  { requirement, recipients }: Pick<RecipientGroup, 'requirement' | 'recipients'>,
  chosen: { route: Route; routes?: AttemptRoutes; counting: Counting },
): Promise<DeliveryResult> {
  const { runtime, item, facts } = context
  const noted = new Set<string>()
  const result = await runtime.deliverer.deliver({
    mailId: facts.mailId,
    sender: facts.sender,
    recipients,
    domain: facts.domain,
    requirement,
    ...(chosen.routes === undefined ? {} : { routes: chosen.routes }),
    open: () => wireContent(item),
    size: wireSize(item),
    // what the client declared is not kept by Haraka; the next hop is told 8BITMIME wherever it offers it
    eightBit: true,
    smtpUtf8: [facts.sender, ...recipients].some((address) => /[^\x20-\x7e]/.test(address)),
    ...(facts.notes?.dsn === undefined || runtime.settings().ndr.dsn === 'ignore' ? {} : { dsn: facts.notes.dsn }),
    beforePlaintext: (event) =>
      chosen.route.kind === 'local' ? Promise.resolve() : runtime.permitPlaintext(facts, requirement, event),
    onOutcome: async (outcome) => {
      noted.add(outcome.recipient)
      await note(context, openForNewPolicy(outcome, requirement), [])
    },
    onWait: () => giveSlotBack(item),
    ...chosen.counting,
    signal: runtime.signal,
  })
  for (const outcome of result.outcomes) {
    await note(context, outcome, result.attempts, noted.has(outcome.recipient))
  }
  return result
}

/**
 * RFC 8461 section 5.1 where RFC 8689 section 4.2.1 makes a failure of TLS final at once: the recipient stays open until a
 * newer policy has been looked for. Unless there is one, `judge` ends it in this very attempt, for its code is final.
 */
function openForNewPolicy(outcome: RecipientOutcome, requirement: Requirement): RecipientOutcome {
  const held = outcome.result === 'failed' && requirement.sts !== undefined && isTlsFailure(outcome.failure)
  return held ? { ...outcome, result: 'deferred' } : outcome
}

/** Haraka's queue goes on with mails to others while this one waits for its turn. Its slot is given back only once. */
function giveSlotBack(item: HMailItem): void {
  const give = item.next_cb
  item.next_cb = () => undefined
  give()
}

type AttemptRoutes = NonNullable<Extract<ReturnType<typeof chooseRoute>, { kind: 'deliver' }>['routes']>

/**
 * Keep an outcome in memory and, where something must outlive this process, in the store. When the store cannot take
 * it, memory still knows: the worst that can follow is a second copy after a crash, never a lost mail.
 *
 * @param again the outcome was noted while the connection was open; only the history is new
 */
async function note(
  context: AttemptContext,
  outcome: RecipientOutcome,
  attempts: readonly HostAttempt[],
  again = false,
): Promise<void> {
  const { runtime, facts, progress } = context
  const before = recordOf(progress, outcome.recipient)
  const record = again
    ? { ...before, history: [...before.history, ...attempts].slice(-HISTORY) }
    : { ...recordAttempt(before, outcome, attempts, runtime.clock.now()), ...relayedTo(context, outcome) }
  progress.set(outcome.recipient, record)
  // the only recipient of a file: removing the file is the record, unless a report is to be queued before
  if (record.state === 'delivered' && progress.size === 1 && record.relayed === undefined) return
  await save(context, facts.mailId, outcome.recipient, record)
}

/** What the record keeps of a success that the sender is owed a word about. */
function relayedTo({ runtime, facts }: AttemptContext, outcome: RecipientOutcome): Pick<RecipientRecord, 'relayed'> {
  const { notes, sender, kind: mailKind } = facts
  if (outcome.result !== 'delivered' || notes?.dsn === undefined) return {}
  const about = { sender, mailKind, settings: runtime.settings(), dsn: notes.dsn, recipients: [outcome.recipient] }
  if (!owesRelayed(about, outcome.offersDsn)) return {}
  const { host: mx, address, port, response } = outcome
  return { relayed: { mx, address, port, response } }
}

/** Write a record; when the store cannot take it, memory still knows. */
export async function save(
  context: AttemptContext,
  mailId: string,
  recipient: string,
  record: RecipientRecord,
): Promise<void> {
  try {
    await context.runtime.recipients.save(mailId, recipient, record)
  } catch (error) {
    context.runtime.reportError('store', error)
  }
}

/**
 * Turn what is over into `failed`.
 *
 * @returns what is to be tried again: the earliest time, and for whom; null when nothing is left
 */
async function judge(context: AttemptContext): Promise<{ at: number; recipients: string[]; failure: Failure } | null> {
  const { runtime, facts, progress } = context
  const settings = runtime.settings()
  const now = runtime.clock.now()
  let at = Infinity
  let failure: Failure | undefined
  const recipients: string[] = []
  for (const recipient of unique(facts.recipients)) {
    const record = recordOf(progress, recipient)
    if (record.state !== 'pending') continue
    const step = nextStep(record, now, settings)
    if (step.step === 'report') {
      const failed: RecipientRecord = { ...record, state: 'failed', lastFailure: step.failure }
      progress.set(recipient, failed)
      await save(context, facts.mailId, recipient, failed)
    } else {
      at = Math.min(at, step.at)
      recipients.push(recipient)
      failure ??= record.lastFailure
    }
  }
  if (recipients.length === 0) return null
  failure ??= { resultType: 'local-error', enhancedCode: '4.3.0', publicText: 'not tried yet' }
  return { at, recipients, failure }
}

/**
 * Report what failed and is not reported yet.
 *
 * @returns for whom
 * @throws (rejects) when a report cannot be queued, so that the file stays
 */
export async function reportFailed(context: AttemptContext): Promise<string[]> {
  const { runtime, facts, progress, item } = context
  const failed = unique(facts.recipients).filter((recipient) => {
    const record = recordOf(progress, recipient)
    return record.state === 'failed' && !record.reported
  })
  if (failed.length === 0) return []
  await runtime.reporter.notDelivered(
    facts,
    item,
    failed.map((recipient) => ({ recipient, record: recordOf(progress, recipient) })),
  )
  for (const recipient of failed) {
    const record = { ...recordOf(progress, recipient), reported: true }
    progress.set(recipient, record)
    if (progress.size > 1) await save(context, facts.mailId, recipient, record)
  }
  await tellBounced(context, failed)
  return failed
}

/**
 * Tell senders who asked for it that their mail was taken by a server that will not tell them itself.
 *
 * @throws (rejects) when the report cannot be queued, so that the file stays: whoever is served stays served
 */
async function reportRelayed(context: AttemptContext): Promise<void> {
  const { runtime, facts, progress, item } = context
  const served = unique(facts.recipients).filter((recipient) => {
    const record = recordOf(progress, recipient)
    return record.state === 'delivered' && record.relayed !== undefined && !record.reported
  })
  if (served.length === 0) return
  await runtime.reporter.relayed(
    facts,
    item,
    served.map((recipient) => ({ recipient, record: recordOf(progress, recipient) })),
  )
  for (const recipient of served) {
    const record = { ...recordOf(progress, recipient), reported: true }
    progress.set(recipient, record)
    await save(context, facts.mailId, recipient, record)
  }
}

async function sendDelayNotices(context: AttemptContext): Promise<void> {
  const { runtime, facts, progress, item } = context
  const settings = runtime.settings()
  const now = runtime.clock.now()
  const due = unique(facts.recipients).filter((recipient) => {
    const record = recordOf(progress, recipient)
    return record.state === 'pending' && delayNoticeDue(record, now, settings)
  })
  if (due.length === 0) return
  try {
    await runtime.reporter.delayed(
      facts,
      item,
      due.map((recipient) => ({ recipient, record: recordOf(progress, recipient) })),
    )
  } catch (error) {
    // a notice is a courtesy: the mail goes on, and the next attempt tries the notice again
    runtime.reportError('delay-notice', error)
    return
  }
  for (const recipient of due) {
    const record = { ...recordOf(progress, recipient), delayNoticeSent: true }
    progress.set(recipient, record)
    await save(context, facts.mailId, recipient, record)
  }
}

/** The envelope address object of a recipient, for hooks. */
export function addressOf(todo: Todo, facts: MailFacts, recipient: string): HarakaAddress {
  const address = todo.rcpt_to[facts.recipients.indexOf(recipient)]
  if (address === undefined) throw new Error('a recipient that is not in the envelope')
  return address
}
