/**
 * Which mails wait in this process, and for what: for their time (Haraka's timer queue), for a place (its delivery
 * queue, the backlog), for `[delivery] paused` to end. The one place from which a waiting mail can be called early or taken out, so
 * that there is never a second item of a queue file.
 */
import path from 'node:path'
import { isNameDue, lineUp, namesDue, takeName } from './backlog'
import type { HarakaModules, HMailItem } from './haraka'
import { identityOf } from './queue-file'

/** A mail that waits for its time. */
interface Waiting {
  filename: string
  /** Milliseconds since the epoch. */
  at: number
  due: () => void
}

/** By identity: of several entries of one file the last one counts, the others do nothing when their time comes. */
const waiting = new Map<string, Waiting>()

/** The item that an entry brings back; an entry without one is a file that was not read yet. */
const itemOf = new WeakMap<() => void, HMailItem>()

/** Mails that are held at the door by `[delivery] paused`. */
const paused = new Map<string, { item: HMailItem; take: () => void }>()

/**
 * See every mail that Haraka puts into its timer queue, our own included. To be called once, at the take-over.
 */
export function watchWaiting(haraka: HarakaModules): void {
  const { queue, queueFile } = haraka
  const timers = queue.temp_fail_queue
  const add = timers.add.bind(timers)
  Object.defineProperty(timers, 'add', {
    value: (id: string, milliseconds: number, due: () => void) => {
      const identity = identityOf({ queueFile }, id)
      const entry: Waiting = { filename: id, at: Date.now() + milliseconds, due }
      waiting.set(identity, entry)
      return add(id, milliseconds, () => {
        // it was called early, taken out, or waits anew
        if (waiting.get(identity) !== entry) return
        waiting.delete(identity)
        due()
      })
    },
    writable: false,
    configurable: false,
  })
  // A file found at the start waits as a name and is read when its time has come. Haraka would read all whose time has
  // come at once, and let those that come later wait as long once more.
  queue._add_file = (file) => {
    const wait = (queueFile.parts(file)?.next_attempt ?? 0) - Date.now()
    if (wait <= 0) lineUp(haraka, file)
    else addByName(haraka, file, wait)
    return Promise.resolve(file)
  }
}

/** A mail that waits for its time as a name. */
function addByName(haraka: HarakaModules, filename: string, milliseconds: number): void {
  haraka.queue.temp_fail_queue.add(filename, milliseconds, () => {
    lineUp(haraka, filename)
  })
}

/** So many mails that wait for their time are kept as they are; of more, only the name, to be read anew. */
export const KEPT_WAITING = 1000

/**
 * Put a mail back into Haraka's timer queue.
 *
 * @param hasFile it can be read again from its file
 */
export function comeBack(haraka: HarakaModules, item: HMailItem, milliseconds: number, hasFile = false): void {
  const { queue } = haraka
  if (hasFile && waiting.size >= KEPT_WAITING) {
    addByName(haraka, item.filename, Math.max(0, milliseconds))
    return
  }
  const due = () => {
    queue.delivery_queue.push(item)
  }
  itemOf.set(due, item)
  queue.temp_fail_queue.add(item.filename, Math.max(0, milliseconds), due)
}

/**
 * Wait until deliveries go on.
 *
 * @returns false when the mail was taken out meanwhile: it is not the caller's any more
 */
export async function whilePaused(haraka: HarakaModules, item: HMailItem, isPaused: () => boolean): Promise<boolean> {
  const identity = identityOf(haraka, item.filename)
  while (isPaused()) {
    const mine = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => {
        resolve(true)
      }, PAUSE_LOOK)
      paused.set(identity, {
        item,
        take: () => {
          clearTimeout(timer)
          resolve(false)
        },
      })
    })
    paused.delete(identity)
    if (!mine) return false
  }
  return true
}

/** Are so many held by the pause that more would only cost memory? */
export function isPauseCrowded(): boolean {
  return paused.size >= KEPT_WAITING
}

/** How often the end of a pause is looked for, in milliseconds. */
const PAUSE_LOOK = 1000

/**
 * Let a mail's time come now; everything after that goes as if it had come by itself.
 *
 * @returns undefined when it does not wait for its time here; `domain` is unknown of a file that was not read yet
 */
export function callNow(identity: string): { domain?: string } | undefined {
  const entry = waiting.get(identity)
  if (entry === undefined) return undefined
  waiting.delete(identity)
  const domain = itemOf.get(entry.due)?.todo?.domain
  entry.due()
  return domain === undefined ? {} : { domain }
}

/** Does the mail wait for a place, or for the pause to end? */
export function isDue({ queue, queueFile }: HarakaModules, identity: string): boolean {
  return (
    paused.has(identity) ||
    isNameDue(identity) ||
    queue.delivery_queue.tasks.some((item) => identityOf({ queueFile }, item.filename) === identity)
  )
}

/**
 * Take a mail out that waits here, for whatever: from now on it is the caller's, who has to put it back.
 *
 * @returns undefined when it does not wait here
 */
export function takeOut(haraka: HarakaModules, identity: string): HMailItem | undefined {
  const { queue } = haraka
  const entry = waiting.get(identity)
  if (entry !== undefined) {
    waiting.delete(identity)
    return itemOf.get(entry.due) ?? new haraka.HMailItem(entry.filename, path.join(queue.queue_dir, entry.filename))
  }
  const held = paused.get(identity)
  if (held !== undefined) {
    paused.delete(identity)
    held.take()
    return held.item
  }
  const name = takeName(identity)
  if (name !== undefined) {
    return name.item ?? new haraka.HMailItem(name.filename, path.join(queue.queue_dir, name.filename))
  }
  const place = queue.delivery_queue.tasks.findIndex((item) => identityOf(haraka, item.filename) === identity)
  return place < 0 ? undefined : queue.delivery_queue.tasks.splice(place, 1)[0]
}

/** A mail that waits, as far as this process knows it. */
export interface WaitingMail {
  identity: string
  /** Milliseconds since the epoch. */
  nextTry: number
  /** Absent: a file that was not read yet. */
  item?: HMailItem
}

/** Mails that wait for their time. */
export function waitingMails(): WaitingMail[] {
  return [...waiting].map(([identity, { at, due }]) => {
    const item = itemOf.get(due)
    return { identity, nextTry: at, ...(item === undefined ? {} : { item }) }
  })
}

/** Mails whose turn it is. */
export function dueMails(haraka: HarakaModules): WaitingMail[] {
  const items = [...paused.values()].map(({ item }) => item)
  const held = [...items, ...haraka.queue.delivery_queue.tasks].map((item) => ({
    identity: identityOf(haraka, item.filename),
    nextTry: item.next_process,
    item,
  }))
  return [...held, ...namesDue()]
}
