/**
 * Mails whose turn it is and that are only names here, so that a long queue needs little memory: those found at the start,
 * those that come back while many wait, and those whose destination has enough of its mail under way. They are read a
 * few at a time, and none waits behind a partner that is slow or dead: mail for such a one stands aside by itself.
 */
import path from 'node:path'
import { FIRST } from '../lib/deliver/limiter'
import type { HarakaModules, HMailItem } from './haraka'
import { identityOf } from './queue-file'

/** A mail of which only the name is held; of one that has no file yet, its item. */
interface Name {
  filename: string
  /** Milliseconds since the epoch. */
  at: number
  item?: HMailItem
}

/** Files that are being read at once. */
export const READ_AT_ONCE = 32
/** Mails of files that are under way at most, those that wait for a connection included; more are not read. */
export const UNDER_WAY = 1500
/** How often it is looked whether somebody was forgotten or a pause has ended, in milliseconds. */
const LOOK = 1000

/** What the backlog is told once, at the take-over. */
export interface BacklogHandlers {
  /** Resolves when the item's file is read, to whether it can be used; never rejects. */
  opened: (item: HMailItem) => Promise<boolean>
  /** Is nothing delivered at present? */
  isPaused: () => boolean
  /** How many deliveries to a domain can run at a time; asked again each time. */
  places: (domain: string) => number
  /** Is a mail's file all that is needed, so that its item can be forgotten? */
  canBeRead: (item: HMailItem) => boolean
  /** An item is not used any more. */
  forget: (item: HMailItem) => void
}

/** First come, first served; by identity. */
const line = new Map<string, Name>()
/** Those that stand aside, by domain. */
const aside = new Map<string, Map<string, Name>>()
/** Mails of each domain that are under way. */
const working = new Map<string, number>()
let reading = 0
let filed = 0
let timer: NodeJS.Timeout | undefined
let handlers: BacklogHandlers | undefined

/** To be called once, at the take-over; nothing is read before. */
export function openBacklog(haraka: HarakaModules, given: BacklogHandlers): void {
  handlers = given
  clearInterval(timer)
  timer = setInterval(() => {
    shorten(given)
    for (const domain of aside.keys()) callAside(haraka, domain)
    pump(haraka)
  }, LOOK).unref()
}

/** Mails that have got a file while they stood aside become names as well. */
function shorten({ canBeRead, forget }: BacklogHandlers): void {
  for (const names of aside.values()) {
    for (const [identity, { item, at }] of names) {
      if (item === undefined || !canBeRead(item)) continue
      names.set(identity, { filename: item.filename, at })
      forget(item)
    }
  }
}

/** It is the mail's turn: it will be read and delivered when there is room. */
export function lineUp(haraka: HarakaModules, filename: string): void {
  line.set(identityOf(haraka, filename), { filename, at: Date.now() })
  pump(haraka)
}

function pump(haraka: HarakaModules): void {
  if (handlers === undefined || handlers.isPaused()) return
  for (const [identity, { filename }] of line) {
    if (reading >= READ_AT_ONCE || filed + reading >= UNDER_WAY) return
    line.delete(identity)
    read(haraka, handlers, filename)
  }
}

function read(haraka: HarakaModules, { opened }: BacklogHandlers, filename: string): void {
  reading += 1
  const item = new haraka.HMailItem(filename, path.join(haraka.queue.queue_dir, filename))
  void opened(item).finally(() => {
    reading -= 1
    pump(haraka)
  })
  haraka.queue.delivery_queue.push(item)
}

/**
 * A mail that has been read is about to be delivered.
 *
 * @param canBeRead false = its item is all there is (it stands in the journal)
 * @returns false when enough mail of its domain is under way: then it stands aside, and comes again when it is called
 */
export function begin(haraka: HarakaModules, item: HMailItem, canBeRead: boolean): boolean {
  const { domain } = item.todo ?? { domain: '' }
  const now = working.get(domain) ?? 0
  if (handlers !== undefined && now >= most(domain, handlers)) {
    const others = aside.get(domain) ?? new Map<string, Name>()
    const name = { filename: item.filename, at: item.next_process }
    others.set(identityOf(haraka, item.filename), canBeRead ? name : { item, ...name })
    aside.set(domain, others)
    if (canBeRead) handlers.forget(item)
    return false
  }
  working.set(domain, now + 1)
  if (canBeRead) filed += 1
  return true
}

/** The end of what began. @param couldBeRead as it was told to `begin` */
export function end(haraka: HarakaModules, domain: string, couldBeRead: boolean): void {
  const left = (working.get(domain) ?? 1) - 1
  if (left > 0) working.set(domain, left)
  else working.delete(domain)
  if (couldBeRead) filed -= 1
  callAside(haraka, domain)
  pump(haraka)
}

/** How many more are called at a time than one has ended: a destination that gets well is served by more and more. */
const CALLED = 2

/** Those that stand aside go on as far as there is room; they come before the line, for they were in it. */
function callAside(haraka: HarakaModules, domain: string): void {
  const others = aside.get(domain)
  if (others === undefined || handlers === undefined || handlers.isPaused()) return
  const room = Math.min(CALLED, most(domain, handlers) - (working.get(domain) ?? 0))
  let called = 0
  for (const [identity, { filename, item }] of others) {
    if (called >= room) break
    called += 1
    others.delete(identity)
    if (item === undefined) read(haraka, handlers, filename)
    else haraka.queue.delivery_queue.push(item)
  }
  if (others.size === 0) aside.delete(domain)
}

/**
 * Mails of a domain that may be under way. Where mail gets through there are three for each connection: one whose message
 * has been sent, one whose commands went out with it, and one that waits. Of a domain that is not known to take mail nobody
 * waits, and when much of what may be under way is taken, there is only one.
 */
function most(domain: string, { places }: BacklogHandlers): number {
  const open = places(domain)
  if (open > FIRST) return 3 * open
  return filed > UNDER_WAY / 2 ? 1 : open
}

/** Everybody who stands here. */
export function* namesDue(): Generator<{ identity: string; nextTry: number; item?: HMailItem }, void, undefined> {
  for (const names of [line, ...aside.values()]) {
    for (const [identity, { at, item }] of names) {
      yield { identity, nextTry: at, ...(item === undefined ? {} : { item }) }
    }
  }
}

/** Is the mail one of them? */
export function isNameDue(identity: string): boolean {
  return line.has(identity) || [...aside.values()].some((names) => names.has(identity))
}

/** Take a mail out: it is the caller's from now on. @returns undefined when it is not here */
export function takeName(identity: string): Pick<Name, 'filename' | 'item'> | undefined {
  for (const names of [line, ...aside.values()]) {
    const found = names.get(identity)
    if (found === undefined) continue
    names.delete(identity)
    return found
  }
  return undefined
}
