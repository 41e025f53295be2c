/** `RecipientRecord` as plain values: how one is read from the store, and how two of the same recipient are joined. */
import type { HostAttempt } from '../deliver/types'
import type { Failure } from '../failure'
import type { RecipientRecord, RelayedTo } from './types'

/** Host attempts that are kept. */
export const HISTORY = 20

/** A recipient that nobody has tried yet. */
export function freshRecord(queuedAt: number): RecipientRecord {
  return {
    queuedAt,
    state: 'pending',
    reported: false,
    delayNoticeSent: false,
    attempts: 0,
    tlsFailingSince: null,
    history: [],
  }
}

/** @param hosts in the order in which they were tried */
function withHistory(record: RecipientRecord, hosts: readonly HostAttempt[]): RecipientRecord {
  return { ...record, history: [...record.history, ...hosts].slice(-HISTORY) }
}

/**
 * What is to stand in the store when `newer` is saved over `older`. Whatever has become true stays true: a final state
 * is never left, a report that went out was sent. So no order of events, and no process that works on an old copy, can
 * make a delivered recipient pending again.
 */
export function joinRecords(older: RecipientRecord | undefined, newer: RecipientRecord): RecipientRecord {
  if (older === undefined) return withHistory(newer, [])
  const base = older.state === 'pending' ? withHistory(newer, []) : older
  return {
    ...base,
    queuedAt: older.queuedAt,
    reported: older.reported || newer.reported,
    delayNoticeSent: older.delayNoticeSent || newer.delayNoticeSent,
  }
}

/**
 * @throws Error naming the field when what stood in the store is no record; an unreadable record must never be taken
 *   for "not tried yet"
 */
export function parseRecord(value: unknown): RecipientRecord {
  const record = asObject(value, 'the record')
  const { state, tlsFailingSince, lastFailure, requirement, relayed, history } = record
  if (state !== 'pending' && state !== 'delivered' && state !== 'failed') throw wrong('state')
  if (!Array.isArray(history)) throw wrong('history')
  return {
    queuedAt: asNumber(record.queuedAt, 'queuedAt'),
    state,
    reported: asBoolean(record.reported, 'reported'),
    delayNoticeSent: asBoolean(record.delayNoticeSent, 'delayNoticeSent'),
    attempts: asNumber(record.attempts, 'attempts'),
    tlsFailingSince: tlsFailingSince === null ? null : asNumber(tlsFailingSince, 'tlsFailingSince'),
    ...(lastFailure === undefined ? {} : { lastFailure: asFailure(lastFailure, 'lastFailure') }),
    ...(requirement === undefined ? {} : { requirement: asRequirement(requirement) }),
    ...(relayed === undefined ? {} : { relayed: asRelayed(relayed) }),
    history: history.map((attempt) => asAttempt(attempt)),
  }
}

function asFailure(value: unknown, field: string): Failure {
  const failure = asObject(value, field)
  for (const name of ['resultType', 'enhancedCode', 'publicText']) {
    if (typeof failure[name] !== 'string') throw wrong(`${field}.${name}`)
  }
  if (!/^[45]\.\d{1,3}\.\d{1,3}$/.test(failure.enhancedCode as string)) throw wrong(`${field}.enhancedCode`)
  return value as Failure
}

function asRequirement(value: unknown): NonNullable<RecipientRecord['requirement']> {
  const { level, source, overrideNever } = asObject(value, 'requirement')
  if (typeof level !== 'string') throw wrong('requirement.level')
  if (typeof source !== 'string') throw wrong('requirement.source')
  return { level, source, overrideNever: asBoolean(overrideNever, 'requirement.overrideNever') }
}

function asRelayed(value: unknown): RelayedTo {
  const relayed = asObject(value, 'relayed')
  for (const name of ['mx', 'address', 'response']) {
    if (typeof relayed[name] !== 'string') throw wrong(`relayed.${name}`)
  }
  asNumber(relayed.port, 'relayed.port')
  return value as RelayedTo
}

function asAttempt(value: unknown): HostAttempt {
  const attempt = asObject(value, 'history')
  if (typeof attempt.host !== 'string') throw wrong('history.host')
  if (typeof attempt.at !== 'string') throw wrong('history.at')
  asBoolean(attempt.ok, 'history.ok')
  if (attempt.failure !== undefined) asFailure(attempt.failure, 'history.failure')
  return value as HostAttempt
}

function asObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(field)
  return value as Record<string, unknown>
}

function asNumber(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw wrong(field)
  return value
}

function asBoolean(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw wrong(field)
  return value
}

function wrong(field: string): Error {
  return new Error(`store: a recipient's record is damaged at ${field}`)
}
