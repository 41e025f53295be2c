/**
 * What follows an attempt, decided from the recipient's record alone. Pure: a restart, or another process that takes
 * the queue over, comes to the same answer. A mail's clock is wall time since it was queued, never the number of tries.
 */
import type { Settings } from '../config/settings'
import { isPermanent, isTlsFailure, type Failure } from '../failure'
import { HISTORY } from '../store/recipient-record'
import type { RecipientRecord } from '../store/types'
import type { HostAttempt, RecipientOutcome } from './types'

/** Retry at a time, or tell the sender now. */
export type NextStep =
  /** `at`: milliseconds since the epoch, never before `now`. */
  | { step: 'retry'; at: number }
  /** `failure`: class 5. */
  | { step: 'report'; failure: Failure }

type DeadlineSettings = {
  ndr: Pick<Settings['ndr'], 'tlsFailureAfter' | 'undeliverableAfter' | 'delayNoticeAfter'>
  delivery: Pick<Settings['delivery'], 'retry'>
}

/** Every undelivered mail is reported within a day, whatever the configuration says. */
const ONE_DAY = 24 * 3_600_000
/** When the list of waits is empty or holds nonsense. */
const FALLBACK_WAIT = 30 * 60_000
/** Waits shorter than this would be a busy loop. */
const SHORTEST_WAIT = 1_000

/**
 * @param record of a recipient that is not delivered
 * @param now milliseconds, after the attempt that the record ends with
 * @throws RangeError for a delivered recipient: there is no next step, and reporting it would be wrong
 */
export function nextStep(record: RecipientRecord, now: number, settings: DeadlineSettings): NextStep {
  if (record.state === 'delivered') throw new RangeError('a delivered recipient has no next step')
  const failure = record.lastFailure
  // Nothing tried yet, or tried without a trace: try.
  if (!failure || record.attempts === 0) return { step: 'retry', at: now }
  if (record.state === 'failed' || isPermanent(failure)) return { step: 'report', failure: asFinal(failure) }
  const left = timeLeft(record, now, settings)
  if (left <= 0) {
    return { step: 'report', failure: isTlsFailure(failure) ? asFinal(failure) : expired(failure) }
  }
  // The last try comes exactly at the deadline, so that the report rests on what was true then; and one comes when the
  // sender is to be told of the delay, so that the notice does not wait for a long pause to end.
  return { step: 'retry', at: now + Math.min(wait(record.attempts, settings), left, noticeIn(record, now, settings)) }
}

/** Is it time for the one notice that a mail is delayed? Never when its report is due. */
export function delayNoticeDue(record: RecipientRecord, now: number, settings: DeadlineSettings): boolean {
  if (record.state !== 'pending' || record.delayNoticeSent || record.attempts === 0) return false
  return age(record, now, settings) >= settings.ndr.delayNoticeAfter && nextStep(record, now, settings).step === 'retry'
}

/** Milliseconds until the notice is due; endless when its time has come already. */
function noticeIn(record: RecipientRecord, now: number, settings: DeadlineSettings): number {
  const left = settings.ndr.delayNoticeAfter - age(record, now, settings)
  return left > 0 ? left : Infinity
}

/**
 * The record after an attempt. Final states are never left again.
 *
 * @param attempts host attempts to remember; may be empty when they are added later
 * @param now milliseconds
 */
export function recordAttempt(
  record: RecipientRecord,
  outcome: RecipientOutcome,
  attempts: readonly HostAttempt[],
  now: number,
): RecipientRecord {
  if (record.state !== 'pending') return record
  const next: RecipientRecord = {
    ...record,
    attempts: record.attempts + 1,
    history: [...record.history, ...attempts].slice(-HISTORY),
  }
  if (outcome.result === 'delivered') return { ...next, state: 'delivered', tlsFailingSince: null }
  const { failure } = outcome
  const everywhere = isTlsFailure(failure) && outcome.onEveryHost !== false
  return {
    ...next,
    state: outcome.result === 'failed' ? 'failed' : 'pending',
    tlsFailingSince: everywhere ? Math.min(record.tlsFailingSince ?? now, now) : null,
    lastFailure: failure,
  }
}

/**
 * When a recipient that is still open is given up, should nothing change: for showing.
 *
 * @returns milliseconds since the epoch; not before `now`
 */
export function givenUpAt(record: RecipientRecord, now: number, settings: DeadlineSettings): number {
  return now + Math.max(0, timeLeft(record, now, settings))
}

/** Milliseconds until the deadline that holds now; zero or less when it has passed. */
function timeLeft(record: RecipientRecord, now: number, settings: DeadlineSettings): number {
  const whole = Math.min(settings.ndr.undeliverableAfter, ONE_DAY) - age(record, now, settings)
  if (record.tlsFailingSince === null || !record.lastFailure || !isTlsFailure(record.lastFailure)) return whole
  // The row of TLS failures cannot be older than the mail.
  const failing = Math.min(Math.max(0, now - record.tlsFailingSince), age(record, now, settings))
  return Math.min(whole, settings.ndr.tlsFailureAfter - failing)
}

/**
 * Wall time since the mail was queued. A clock that was set back below that moment tells nothing; then the waits that
 * the attempts so far must have taken stand in for it, so that the day still ends.
 */
function age(record: RecipientRecord, now: number, settings: DeadlineSettings): number {
  if (now >= record.queuedAt) return now - record.queuedAt
  let planned = 0
  for (let attempt = 1; attempt < record.attempts && planned < ONE_DAY; attempt += 1) planned += wait(attempt, settings)
  return planned
}

/** The wait after the n-th attempt; the last one of the list repeats. */
function wait(attempts: number, settings: DeadlineSettings): number {
  const { retry } = settings.delivery
  const chosen = retry[Math.min(attempts, retry.length) - 1] ?? FALLBACK_WAIT
  return Number.isFinite(chosen) ? Math.max(chosen, SHORTEST_WAIT) : FALLBACK_WAIT
}

/** The same failure, final: 4.7.5 becomes 5.7.5. */
function asFinal(failure: Failure): Failure {
  return { ...failure, enhancedCode: failure.enhancedCode.replace(/^4\./u, '5.') }
}

/** RFC 3463 X.4.7, delivery time expired; what the last attempt met stays the cause, and the sender is told of it. */
function expired(failure: Failure): Failure {
  return {
    ...failure,
    enhancedCode: '5.4.7',
    publicText: `The mail could not be delivered in the time it had. The last attempt: ${failure.publicText}`,
    privateDetail: [`last: ${failure.resultType} ${failure.enhancedCode}`, failure.privateDetail]
      .filter((part) => part !== undefined)
      .join('; '),
  }
}
