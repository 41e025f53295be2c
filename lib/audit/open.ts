/** The audit log of one process: events in, one line each, into a file per UTC day. */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import type { Clock } from '../clock'
import { CHAIN_START, hashBefore } from './chain'
import { ecsLine, type EcsContext } from './ecs'
import { openAuditFile, type AuditFile } from './file'
import { auditFileName, removeOldFiles, utcDay } from './retention'
import type { Audit, AuditEvent } from './types'

export interface AuditOptions extends EcsContext {
  /** Folder of the files; made, mode 0700, when missing. */
  dir: string
  /** Names this process in file names: `main`, `w1` ... Two processes must never share one. */
  processLabel: string
  clock: Clock
  /** Called for every failure to write; must not throw. */
  onError(error: Error): void
  /** Days that files are kept; 0 = for ever. */
  keepDays: number
  /** Milliseconds until what was told is on the disk; default 1000. */
  syncWithin?: number
}

/** A machine that loses its power loses at most so much of the log, in milliseconds. */
const SYNC_WITHIN = 1000

/** So many events are written at once without waiting for the end of the turn. */
const MOST_WAITING = 1000

/** An event, and when it was told, in milliseconds. */
interface Told {
  event: AuditEvent
  now: number
}

/**
 * Open the audit log.
 *
 * The lines of one turn of the event loop go out with one write(2) at its end: a line costs less when its neighbours are
 * made together with it, and a system call for each was a third of the cost. Whoever takes a step that must not stand
 * without its line waits for `written`; a process that ends in order, or by an exception, writes what waits. No logging
 * library stands in between: the log must know of each line whether it was written (pino's destination keeps what failed in
 * memory, and its fsync passes over errors).
 *
 * @throws Error when today's file cannot be opened
 */
export function openAudit(options: AuditOptions): Audit {
  const { clock, dir, processLabel } = options
  let open: { day: string; file: AuditFile } | undefined
  /** Last number given out, by day: a failed write leaves a gap, and a reopened file goes on behind it. */
  const given = { day: '', sequence: 0 }
  /** Hash before the first line of the file that is open. */
  let linked = CHAIN_START
  /** Events that could not be written and that no line speaks of yet. */
  let lost = 0
  /** How many events each line that waits in the file stands for: the one that speaks of lost ones for all of them. */
  let standing: number[] = []
  let told: Told[] = []
  let turn: { ended: Promise<void>; end: () => void; immediate: NodeJS.Immediate } | undefined
  let closed = false
  let syncing: NodeJS.Timeout | undefined
  const context: EcsContext = { ...options, mask: rememberingClean(options.mask) }

  /** Today's file; opened again after a failure. */
  function fileFor(now: number): AuditFile {
    if (closed) throw new Error('the audit log is closed')
    const day = utcDay(now)
    if (open?.day === day) return open.file
    leave()
    const file = openAuditFile(path.join(dir, auditFileName(day, processLabel)))
    open = { day, file }
    const before = given.day === day ? given.sequence : 0
    given.day = day
    given.sequence = Math.max(before, file.lastSequence)
    if (file.lastHash() === undefined) linked = hashBeforeFile(day)
    tidy(now)
    return file
  }

  /** The chain begins anew where what came before cannot be read: whoever checks it sees that. */
  function hashBeforeFile(day: string): string {
    try {
      return hashBefore(dir, day, processLabel)
    } catch (error) {
      options.onError(asError(error))
      return CHAIN_START
    }
  }

  /** What was told of the day before is written, and synced as well, if later than what follows. */
  function leave(): void {
    if (open === undefined) return
    writeWaiting(open.file)
    sync(open.file)
    open.file.close()
    open = undefined
  }

  function sync(file: AuditFile): void {
    file.sync().catch((error: unknown) => {
      options.onError(asError(error))
    })
  }

  function syncSoon(): void {
    syncing ??= setTimeout(() => {
      syncing = undefined
      if (open !== undefined) sync(open.file)
    }, options.syncWithin ?? SYNC_WITHIN).unref()
  }

  function tidy(now: number): void {
    try {
      removeOldFiles(dir, options.keepDays, now)
    } catch (error) {
      options.onError(asError(error))
    }
  }

  function putLine(file: AuditFile, { event, now }: Told, standsFor: number): void {
    const prevHash = file.lastHash() ?? linked
    const stamp = { now, sequence: ++given.sequence, id: randomUUID(), prevHash }
    file.append(ecsLine(event, context, stamp))
    standing.push(standsFor)
  }

  /** @throws Error of the file system, with what is not in the file counted as lost */
  function writeWaiting(file: AuditFile): void {
    const due = standing
    standing = []
    try {
      file.flush()
    } catch (error) {
      for (const events of due.slice(file.written())) lost += events
      throw error
    }
  }

  /** @throws Error when not all of these are written; those that are not are counted as lost then */
  function write(events: readonly Told[]): void {
    let put = 0
    try {
      for (const one of events) {
        const file = fileFor(one.now)
        if (lost > 0) {
          const speaksOf = lost
          lost = 0
          putLine(file, { event: lossEvent(speaksOf), now: one.now }, speaksOf)
        }
        putLine(file, one, 1)
        put++
      }
      if (open !== undefined) writeWaiting(open.file)
    } catch (error) {
      lost += events.length - put
      for (const waiting of standing) lost += waiting
      standing = []
      open?.file.close()
      open = undefined
      throw error
    }
  }

  /** Write what was told in this turn; who waits for it is told. */
  function endTurn(): void {
    const ending = turn
    turn = undefined
    if (ending !== undefined) clearImmediate(ending.immediate)
    const due = told
    told = []
    try {
      if (due.length > 0) write(due)
    } catch (error) {
      options.onError(asError(error))
    }
    ending?.end()
  }

  function beginTurn(): NonNullable<typeof turn> {
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    return { ended, end, immediate: setImmediate(endTurn) }
  }

  fileFor(clock.now())
  // an exception that nobody catches ends the process here, too
  process.on('exit', endTurn)
  return {
    tell(event) {
      told.push({ event, now: clock.now() })
      turn ??= beginTurn()
      if (told.length >= MOST_WAITING) endTurn()
      syncSoon()
    },
    async tellDurably(event) {
      endTurn()
      write([{ event, now: clock.now() }])
      await open?.file.sync()
    },
    written: () => turn?.ended ?? Promise.resolve(),
    async close() {
      endTurn()
      closed = true
      process.off('exit', endTurn)
      clearTimeout(syncing)
      const last = open?.file
      open = undefined
      const synced = last?.sync()
      last?.close()
      await synced?.catch((error: unknown) => {
        options.onError(asError(error))
      })
    },
  }
}

/** How many texts, and up to which length each, are known to hold nothing. */
const CLEAN = { texts: 2000, length: 300 }

/** Most texts of a log come again and again (hosts, rules, versions): what held nothing is not searched a second time. */
function rememberingClean(mask: (text: string) => string): (text: string) => string {
  const clean = new Set<string>()
  return (text) => {
    if (clean.has(text)) return text
    const masked = mask(text)
    if (masked === text && text.length <= CLEAN.length) {
      // what is no number today may be one tomorrow (a birth date), so nothing is remembered for ever
      if (clean.size >= CLEAN.texts) clean.clear()
      clean.add(text)
    }
    return masked
  }
}

function lossEvent(count: number): AuditEvent {
  return {
    action: 'plugin-error',
    message: `${count} audit ${count === 1 ? 'event' : 'events'} could not be written before this line`,
    outcome: 'failure',
    extra: { lost_events: count },
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
