/** A message read completely, and what its content means: everything that `decide()` is told beside its header. */
import { readMarkers } from '../classify/markers'
import { maskCpr } from '../classify/cpr'
import { protectionOf } from '../classify/protection'
import type { Clock } from '../clock'
import type { Settings } from '../config/settings'
import { createBudget, type MemoryAccount, type MessageBudget } from '../message/files/budget'
import { openLeaves } from '../message/files/open'
import type { HeaderBlock } from '../message/header'
import type { Message } from '../message/message'
import { readMessage } from '../message/read'
import { search } from './search'
import type { Content, Uninspected } from './types'

/** What a reading is told of the configuration. Plain values: it travels to worker threads. */
export type ReadingRules = Pick<Settings, 'content' | 'public' | 'category3'>

/** What a reading found. Plain values: it travels back. */
export type Found = Omit<Content, 'request' | 'sender'>

/**
 * Reads one message.
 *
 * @param raw the message as submitted, not dot-stuffed; given away: the caller must not use it any more
 * @returns a promise that rejects when the message cannot be read now (overload, a crash, the deadline)
 */
export type ContentReader = (raw: Buffer, rules: ReadingRules, clock: Clock) => Promise<Found>

/** Places without end would make a verdict as large as the mail. */
const TOLD_PLACES = 1000

/** Read in this thread, however long it takes within the limits. */
export const readHere: ContentReader = (raw, rules, clock) => readWithin(raw, rules, clock)

/** The same, within the memory that is left for all messages together. */
export async function readWithin(
  raw: Buffer,
  rules: ReadingRules,
  clock: Clock,
  account?: MemoryAccount,
): Promise<Found> {
  const budget = createBudget(rules.content, clock, account)
  if (account?.take(raw.length) === false) throw new Error('too many bytes are read at the same time')
  const message = await openLeaves(readMessage(raw, rules.content, clock, { budget }), budget, clock)
  return meaningOf(message, budget, rules, clock)
}

/** Largest message that is read where it stands. */
const SMALL = 128 * 1024
/** Time for that, in milliseconds; what takes longer is read by somebody else. */
const SHORT = 20

/**
 * Read a small mail of text, which takes less time than handing it over would.
 *
 * @param header that of `raw`, where it is parsed already
 * @returns null when it is not small, has files, or turns out to take long
 */
export function readSmall(raw: Buffer, rules: ReadingRules, clock: Clock, header?: HeaderBlock): Found | null {
  if (raw.length > SMALL) return null
  const limits = shortened(rules.content)
  const budget = createBudget(limits, clock)
  const message = readMessage(raw, limits, clock, { budget, ...(header === undefined ? {} : { header }) })
  if (message.unopened.length > 0 || budget.timeUp()) return null
  const found = meaningOf(message, budget, rules, clock)
  return found.timeUp ? null : found
}

const shortLimits = new WeakMap<ReadingRules['content'], ReadingRules['content']>()

/** The limits of a small mail; made once for each configuration. */
function shortened(content: ReadingRules['content']): ReadingRules['content'] {
  let limits = shortLimits.get(content)
  if (limits === undefined) {
    limits = { ...content, maxMillis: Math.min(SHORT, content.maxMillis) }
    shortLimits.set(content, limits)
  }
  return limits
}

function meaningOf(message: Message, budget: MessageBudget, rules: ReadingRules, clock: Clock): Found {
  const now = clock.now()
  const mask = (text: string) => maskCpr(text, now)
  const { protection, whole } = protectionOf(message)
  const markers = readMarkers(message, rules.public)
  const found = search(message, rules, () => budget.timeUp(), now)
  const uninspected: Uninspected[] = [
    ...message.uninspected,
    ...message.unopened.map(({ file }) => ({ where: file.where, reason: 'nobody has opened it' })),
  ]
  for (const { kind, where } of protection) {
    if (!uninspected.some((one) => one.where === where))
      uninspected.push({ where, reason: `it is encrypted (${kind})` })
  }
  if (found.timeUp) uninspected.push({ where: 'message', reason: 'the time for reading was up' })
  return {
    markers: markers.markers.slice(0, TOLD_PLACES).map((marker) => ({
      ...marker,
      value: mask(marker.value),
      ...(marker.where === undefined ? {} : { where: mask(marker.where) }),
    })),
    conflicts: markers.conflicts.slice(0, TOLD_PLACES).map(({ where, detail }) => ({ where: mask(where), detail })),
    findings: found.findings.map((finding) => ({ ...finding, where: mask(finding.where) })),
    persons: found.persons,
    nameRows: found.nameRows,
    sensitive: found.sensitive.slice(0, TOLD_PLACES).map(({ where, detail }) => ({ where: mask(where), detail })),
    uninspected: uninspected
      .slice(0, TOLD_PLACES)
      .map(({ where, reason }) => ({ where: mask(where), reason: mask(reason) })),
    protection: protection.slice(0, TOLD_PLACES).map(({ kind, where }) => ({ kind, where: mask(where) })),
    wholeProtected: whole,
    timeUp: message.timeUp || found.timeUp,
  }
}
