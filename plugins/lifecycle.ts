/**
 * The life of one queued mail, from the moment Haraka's queue hands it over to the moment its file is renamed for a
 * retry or removed. Everything Haraka's own class does in a dozen callbacks is here one function that reads top-down.
 *
 * Two rules hold everywhere: a file is only removed when every recipient is delivered or its sender's report is safely
 * queued, and whatever goes wrong in between ends in a retry.
 */
import { deliverMail, type Progress } from './attempt'
import { background } from './guard'
import { CODE, type HarakaModules, type HMailItem, type Todo } from './haraka'
import { freshRecord } from '../lib/store/recipient-record'
import { runHooks } from './hooks'
import { examine } from './mail-facts'
import { forgetMessage } from './queue-writer'
import { fileStands, nameForRetry, removeFile } from './queued-mail'
import type { Runtime } from './runtime'

/** Wait after a failure of our own machine (store, disk, a bug), in milliseconds. */
export const TROUBLE_RETRY = 60_000
/** Longest delay that a `send_email` hook may ask for, in milliseconds. */
const MAX_HOOK_DELAY = 3_600_000

type After =
  | { kind: 'finished' }
  | { kind: 'retry'; at: number; countFailure: boolean }
  /** The file is gone or another item of the same file is at work. */
  | { kind: 'elsewhere' }

/** Files that an item of this process is working on, by the part of the name that a rename keeps. */
const atWork = new Set<string>()

/** Attempts under way, for a shutdown that waits for them. */
const underWay = new Set<Promise<void>>()

/** Progress of mails of this process between attempts; the store has the same, for the next process. */
const progressOf = new WeakMap<HMailItem, Progress>()

/**
 * Take a mail through one attempt and see to it that it comes back or is finished. Never rejects; `next_cb` is called
 * exactly once.
 */
export async function live(haraka: HarakaModules, runtime: Runtime, item: HMailItem): Promise<void> {
  const life = oneLife(haraka, runtime, item)
  underWay.add(life)
  try {
    await life
  } finally {
    underWay.delete(life)
  }
}

/** Resolves when no attempt is under way. Abort the runtime's signal first, or it may take as long as a mail can. */
export async function idle(): Promise<void> {
  while (underWay.size > 0) await Promise.allSettled(underWay)
}

async function oneLife(haraka: HarakaModules, runtime: Runtime, item: HMailItem): Promise<void> {
  const identity = identityOf(haraka, item)
  let after: After = { kind: 'elsewhere' }
  if (!atWork.has(identity)) {
    atWork.add(identity)
    try {
      after = await attempt(haraka, runtime, item)
    } catch (error) {
      runtime.reportError('delivery', error)
      after = { kind: 'retry', at: runtime.clock.now() + TROUBLE_RETRY, countFailure: false }
    }
    forgetMessage(item)
    try {
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
  if (after.kind === 'retry') comeBack(haraka, item, after.at - runtime.clock.now())
}

function identityOf(haraka: HarakaModules, item: HMailItem): string {
  const parts = haraka.queueFile.parts(item.filename)
  return parts === null ? item.filename : `${parts.arrival}_${parts.uid}`
}

/** Put the mail back into Haraka's timer queue. */
export function comeBack(haraka: HarakaModules, item: HMailItem, milliseconds: number): void {
  haraka.queue.temp_fail_queue.add(item.filename, Math.max(0, milliseconds), () => {
    haraka.queue.delivery_queue.push(item)
  })
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

  const facts = await examine(item, todo, runtime.sealKey)
  const progress =
    progressOf.get(item) ?? (await loadProgress(runtime, todo, facts.mailId, facts.recipients, now >= deadline))
  progressOf.set(item, progress)
  const next = await deliverMail(haraka, runtime, item, todo, facts, progress)
  return next === null ? { kind: 'finished' } : { kind: 'retry', at: next, countFailure: true }
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
