/** An audit log of an invented month, written by the gateway's own audit room: one file per day and process. */
import { appendFileSync } from 'node:fs'
import path from 'node:path'
import { openAudit } from '../../lib/audit/open'
import { auditFileName, utcDay } from '../../lib/audit/retention'
import { maskCpr } from '../../lib/classify/cpr'
import { randomFrom } from '../corpus'
import { compress } from './compress'
import { dayEvents, type Told } from './day'

export interface LogPlan {
  dir: string
  seed: number
  /** Start of the first day, milliseconds. */
  start: number
  days: number
  /** About so many events of one process. */
  events: number
  /** Label of the process: `w1`, `w2` ... */
  label: string
  /** Plays attacks, an account in other hands, trouble, a torn line. */
  incidents: boolean
  /** Compress what is older: zstd the first third of the days, gzip the second. */
  compress: boolean
}

const DAY = 86_400_000
const KEY = { id: 'k1', key: Buffer.alloc(32, 7) }
/** Events that a mail becomes, on average. */
const EVENTS_PER_MAIL = 4.35
/** Days of monitor mode, at the beginning. */
const MONITOR_DAYS = 3

/** @returns how many events were written */
export async function writeLog(plan: LogPlan): Promise<number> {
  let waiting: Told[] = []
  let written = 0
  for (let number = 0; number < plan.days; number++) {
    const start = plan.start + number * DAY
    const random = randomFrom(plan.seed * 1_000_003 + number * 7919 + Number(/\d+/.exec(plan.label)?.[0] ?? 0))
    const today = dayEvents({
      start,
      number,
      mails: Math.round(plan.events / plan.days / EVENTS_PER_MAIL),
      random,
      monitor: number < MONITOR_DAYS,
      ...(plan.incidents ? { incidentDay: incidentDay(plan) } : {}),
    })
    const all = [...waiting, ...today].sort((a, b) => a.at - b.at)
    const due = all.filter(({ at }) => at < start + DAY)
    waiting = all.filter(({ at }) => at >= start + DAY)
    await writeDay(plan, number, due)
    written += due.length
    // the next day's file has to be begun first: it names the end of this one
    if (plan.compress && number > 0) compress(plan.dir, utcDay(start - DAY), plan.label, (number - 1) / plan.days)
  }
  return written
}

/** Late enough that there is something before it. */
function incidentDay({ days }: LogPlan): number {
  return Math.floor((days * 2) / 3)
}

async function writeDay(plan: LogPlan, number: number, due: readonly Told[]): Promise<void> {
  const torn = plan.incidents && number === incidentDay(plan) ? Math.floor(due.length / 2) : due.length
  await append(plan, due.slice(0, torn), plan.start + number * DAY)
  if (torn === due.length) return
  // the machine stood still in the middle of a line
  const file = path.join(plan.dir, auditFileName(utcDay(plan.start + number * DAY), plan.label))
  appendFileSync(file, '{"@timestamp":"2026-11-21T12:00:00.000Z","message":"del')
  await append(plan, due.slice(torn), plan.start + number * DAY)
}

async function append(plan: LogPlan, due: readonly Told[], start: number): Promise<void> {
  let now = start
  const audit = openAudit({
    dir: plan.dir,
    processLabel: plan.label,
    clock: { now: () => now },
    keepDays: 0,
    hostname: 'mx1.uni.example',
    version: '0.1.0',
    recipients: 'domain+hmac',
    digestKey: () => KEY,
    mask: maskCpr,
    onError: (error) => {
      throw error
    },
  })
  for (const { at, event } of due) {
    now = Math.max(now, at)
    audit.tell(event)
  }
  await audit.close()
}
