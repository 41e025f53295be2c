/**
 * The life of one queued mail, from the moment Haraka's queue hands it over to the moment its file is renamed for a
 * retry or removed. Everything Haraka's own class does in a dozen callbacks is here one function that reads top-down.
 *
 * Two rules hold everywhere: a file is only removed when every recipient is delivered or its sender's report is safely
 * queued, and whatever goes wrong in between ends in a retry.
 */
import { deliverMail, type AttemptContext, type Progress } from './attempt'
import * as backlog from './backlog'
import { beginEnding, openRecipients, reportEnding, type Ending } from './ending'
import { background } from './guard'
import { CODE, type HarakaModules, type HMailItem, type Todo } from './haraka'
import { freshRecord } from '../lib/store/recipient-record'
import { runHooks } from './hooks'
import { examine, type MailFacts } from './mail-facts'
import { identityOf } from './queue-file'
import { forgetMessage } from './queue-writer'
import { fileStands, nameForRetry, removeFile } from './queued-mail'
import type { Runtime } from './runtime'
import { isInJournal } from './spool'
import { comeBack } from './waiting-room'

/** Wait after a failure of our own machine (store, disk, a bug), in milliseconds. */
export const TROUBLE_RETRY = 60_000
/** Longest delay that a `send_email` hook may ask for, in milliseconds. */
const MAX_HOOK_DELAY = 3_600_000

type After =
  | { kind: 'finished' }
  | { kind: 'retry'; at: number; countFailure: boolean }
  /** The file is gone or another item of the same file is at work. */
  | { kind: 'elsewhere' }

/** Items of this process that are being worked on, by the part of the file's name that a rename keeps. */
const atWork = new Map<string, HMailItem>()

/** Attempts under way, for a shutdown that waits for them. */
const underWay = new Set<Promise<void>>()

/** Progress of mails of this process between attempts; the store has the same, for the next process. */
const progressOf = new WeakMap<HMailItem, Progress>()

/**
 * Take a mail through one attempt and see to it that it comes back or is finished; or, where its domain has enough mail
 * under way, let it stand aside until its turn. Never rejects; `next_cb` is called exactly once.
 */
export async function live(haraka: HarakaModules, runtime: Runtime, item: HMailItem): Promise<void> {
  const hasFile = canBeRead(item)
  if (!backlog.begin(haraka, item, hasFile)) {
    item.next_cb()
    return
  }
  const { domain } = item.todo ?? { domain: '' }
  try {
    await counted(oneLife(haraka, runtime, item, () => attempt(haraka, runtime, item)))
  } finally {
    backlog.end(haraka, domain, hasFile)
  }
}

/** Is the file of a mail all that has to be kept of it? */
export function canBeRead(item: HMailItem): boolean {
  // what is known of it here and nowhere else (delivered, but its file could not be removed) must not be forgotten
  return !isInJournal(item) && !progressOf.has(item)
}

async function counted(life: Promise<void>): Promise<void> {
  underWay.add(life)
  try {
    await life
  } finally {
    underWay.delete(life)
  }
}

/** Mails that are being worked on, by identity. */
export function workedOn(): ReadonlyMap<string, HMailItem> {
  return atWork
}

/** What became of a mail that an operator ended. */
export type EndedMail =
  | { kind: 'ended'; recipients: string[]; left: number; nextTry: number | null }
  | { kind: 'nothing-open' }
  /** The file is gone, or cannot be read. */
  | { kind: 'gone' }
  /** Ended, but the report could not be queued: it is tried again, and the mail stays until it is. */
  | { kind: 'unreported'; why: string }
  /** Nothing is ended. */
  | { kind: 'failed'; why: string }

/**
 * End a mail, or some of its recipients, in the way of a final failure: reported first, removed then. The rest of it
 * keeps the time of its next try. Never rejects.
 *
 * @param item taken out of the waiting room
 */
export async function endMail(
  haraka: HarakaModules,
  runtime: Runtime,
  item: HMailItem,
  ending: Ending,
): Promise<EndedMail> {
  const nextTry = item.next_process
  // it comes from no place in Haraka's delivery queue, so there is none to give back
  item.next_cb = () => undefined
  let ended: EndedMail = { kind: 'gone' }
  const end = async (): Promise<After> => {
    ended = await endNow(haraka, runtime, item, ending, nextTry)
    switch (ended.kind) {
      case 'gone':
        return { kind: 'elsewhere' }
      case 'ended':
        return ended.left === 0 ? { kind: 'finished' } : { kind: 'retry', at: nextTry, countFailure: false }
      case 'unreported':
        return { kind: 'retry', at: Math.min(nextTry, runtime.clock.now() + TROUBLE_RETRY), countFailure: false }
      case 'nothing-open':
      case 'failed':
        return { kind: 'retry', at: nextTry, countFailure: false }
    }
  }
  await counted(oneLife(haraka, runtime, item, end))
  return ended
}

/** Never rejects. */
async function endNow(
  haraka: HarakaModules,
  runtime: Runtime,
  item: HMailItem,
  ending: Ending,
  nextTry: number,
): Promise<EndedMail> {
  let context: AttemptContext
  try {
    const { todo } = item
    if (todo === null || !(await fileStands(item))) return { kind: 'gone' }
    context = { haraka, runtime, item, todo, ...(await known(runtime, item, todo, false)) }
    const chosen = openRecipients(context, ending)
    if (chosen.length === 0) return { kind: 'nothing-open' }
    await beginEnding(context, chosen, ending)
  } catch (error) {
    runtime.reportError('queue-bounce', error)
    return { kind: 'failed', why: textOf(error) }
  }
  try {
    const { recipients, left } = await reportEnding(context)
    return { kind: 'ended', recipients, left, nextTry: left > 0 ? nextTry : null }
  } catch (error) {
    runtime.reportError('queue-bounce', error)
    return { kind: 'unreported', why: textOf(error) }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Resolves when no attempt is under way. Abort the runtime's signal first, or it may take as long as a mail can. */
export async function idle(): Promise<void> {
  while (underWay.size > 0) await Promise.allSettled(underWay)
}

async function oneLife(
  haraka: HarakaModules,
  runtime: Runtime,
  item: HMailItem,
  step: () => Promise<After>,
): Promise<void> {
  const identity = identityOf(haraka, item.filename)
  let after: After = { kind: 'elsewhere' }
  if (!atWork.has(identity)) {
    atWork.set(identity, item)
    try {
      after = await step()
    } catch (error) {
      runtime.reportError('delivery', error)
      after = { kind: 'retry', at: runtime.clock.now() + TROUBLE_RETRY, countFailure: false }
    }
    forgetMessage(item)
    try {
      // the mail is the proof of what it did until the log is
      await runtime.audit.written()
      after = await conclude(haraka, item, after)
    } catch (error) {
      runtime.reportError('requeue', error)
    } finally {
      atWork.delete(identity)
    }
  }
  background(
    'queue-slot',
    (what, error) => {
      runtime.reportError(what, error)
    },
    () => {
      item.next_cb()
    },
  )
  if (after.kind !== 'retry') return
  // only after an attempt that ended as it should: of others this process may know what the store does not
  comeBack(haraka, item, after.at - runtime.clock.now(), after.countFailure && !isInJournal(item))
}

async function attempt(haraka: HarakaModules, runtime: Runtime, item: HMailItem): Promise<After> {
  const todo = item.todo
  if (todo === null) throw new Error(`the envelope of ${item.filename} was not read`)
  if (!(await fileStands(item))) return { kind: 'elsewhere' }

  const deadline = todo.queue_time + runtime.settings().ndr.undeliverableAfter
  const answer = await runHooks(haraka, item, 'send_email')
  const now = runtime.clock.now()
  // no plugin can hold a mail back past its deadline: its sender is promised a report
  if (answer.code === CODE.delay && now < deadline) {
    const seconds = Number.parseInt(String(answer.message), 10)
    const wait = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, MAX_HOOK_DELAY) : TROUBLE_RETRY
    return { kind: 'retry', at: Math.min(now + wait, deadline), countFailure: false }
  }

  const { facts, progress } = await known(runtime, item, todo, now >= deadline)
  const next = await deliverMail(haraka, runtime, item, todo, facts, progress)
  return next === null ? { kind: 'finished' } : { kind: 'retry', at: next, countFailure: true }
}

/** The mail's facts, and what is known of each recipient. @param lastChance see `loadProgress` */
async function known(
  runtime: Runtime,
  item: HMailItem,
  todo: Todo,
  lastChance: boolean,
): Promise<{ facts: MailFacts; progress: Progress }> {
  const facts = await examine(item, todo, runtime.sealKey)
  const progress =
    progressOf.get(item) ?? (await loadProgress(runtime, todo, facts.mailId, facts.recipients, lastChance))
  progressOf.set(item, progress)
  return { facts, progress }
}

/**
 * What the store knows of each recipient.
 *
 * @param lastChance the mail's time is up: a record that cannot be read must not keep its sender from ever hearing of
 *   it, so the recipient counts as not tried. A second copy is the worst that can follow.
 * @throws (rejects) when a record cannot be read and there is still time to try again
 */
async function loadProgress(
  runtime: Runtime,
  todo: Todo,
  mailId: string,
  recipients: readonly string[],
  lastChance: boolean,
): Promise<Progress> {
  const progress: Progress = new Map()
  for (const recipient of recipients) {
    try {
      progress.set(recipient, await runtime.recipients.load(mailId, recipient, todo.queue_time))
    } catch (error) {
      if (!lastChance) throw error
      runtime.reportError('store', error)
      progress.set(recipient, freshRecord(todo.queue_time))
    }
  }
  return progress
}

/** Make the result of the attempt stand on disk. */
async function conclude(haraka: HarakaModules, item: HMailItem, after: After): Promise<After> {
  switch (after.kind) {
    case 'finished':
      if (await removeFile(item)) return after
      // the store says that all is done, so the next try only removes the file
      return { kind: 'retry', at: Date.now() + TROUBLE_RETRY, countFailure: false }
    case 'retry':
      if (after.countFailure) item.num_failures++
      return (await nameForRetry(haraka, item, after.at)) ? after : { kind: 'elsewhere' }
    case 'elsewhere':
      return after
  }
}
