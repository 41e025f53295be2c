/** Which run of which process a journal belongs to, and whether that process still lives. */
import { readFileSync } from 'node:fs'
import { isRunning, startTicks } from '../util/running'

/** A process by its id alone could be another one after a restart; boot and start time tell them apart. */
export interface Run {
  pid: number
  /** First characters of the boot id and the start in clock ticks since boot (proc(5)); '0' where there is no /proc. */
  boot: string
  start: string
}

const PREFIX = 'journal.'
const NAME = /^journal\.([0-9a-f]{1,8})-(\d{1,10})-(\d{1,20})\.(\d{1,9}|claim)$/

/** This very process. */
export function ownRun(): Run {
  return { pid: process.pid, boot: bootId(), start: startTicks(process.pid) ?? '0' }
}

export function runLabel({ boot, pid, start }: Run): string {
  return `${boot}-${pid}-${start}`
}

export function segmentName(run: Run, segment: number): string {
  return `${PREFIX}${runLabel(run)}.${segment}`
}

export function claimName(run: Run): string {
  return `${PREFIX}${runLabel(run)}.claim`
}

/** Is this the name of a file of a journal? Such a file in the queue directory is ours, and no mail of Haraka's. */
export function isJournalFile(name: string): boolean {
  return name.startsWith(PREFIX)
}

/** @returns null when it is no segment's name */
export function parseSegmentName(name: string): { run: Run; segment: number } | null {
  const match = NAME.exec(name)
  if (match === null || match[4] === 'claim') return null
  const [, boot = '', pid = '', start = '', segment = ''] = match
  return { run: { boot, pid: Number(pid), start }, segment: Number(segment) }
}

/** @returns false only when the process has certainly ended */
export function isAlive(run: Run): boolean {
  const own = ownRun()
  if (run.boot !== own.boot) return false
  const start = startTicks(run.pid)
  return start === null ? isRunning(run.pid) : start === run.start
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')
      .replace(/[^0-9a-f]/g, '')
      .slice(0, 8)
  } catch {
    return '0'
  }
}
