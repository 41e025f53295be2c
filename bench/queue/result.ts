/** What a run over a big queue gave, and how it is shown. Pure. */
import type { SinkCounters } from '../sink/counters'
import { summarise } from '../stats'
import { figure, renderTable, type Column } from '../table'
import { isAlive, type Partner, type PartnerKind } from './plan'

/** What was measured around the relay. Times in milliseconds since 1970, memory in MB. */
export interface QueueRun {
  partners: readonly Partner[]
  /** Of each partner's server, by domain; a partner without one has no entry. */
  counters: Readonly<Record<string, SinkCounters>>
  /** The same when half of what can be delivered was. */
  atHalf: Readonly<Record<string, SinkCounters>>
  /** When the relay was started on the full queue. */
  startedAt: number
  /** Mails in its queue when all that can be delivered was. */
  left: number
  memory: { empty: number; accepting: number; draining: number }
  acceptSeconds: number
  /** CPU of the relay while it drained, in milliseconds. */
  cpu: number
  /** Share of the machine that other programs used while it drained (0-1). */
  foreign: number
}

export interface QueueFigures {
  mails: number
  deliverable: number
  delivered: number
  /** Seconds from the start on the full queue until the last healthy partner had all of its mail; slow ones apart. */
  drainSeconds: number
  slowSeconds: number
  rate: number
  /** Seconds until healthy partners got their first mail, and all of it. */
  first: { median: number; longest: number }
  all: { median: number; longest: number }
  /** When half was delivered: healthy partners that had nothing yet. */
  unserved: number
  clearEnvelopes: number
  clearMessages: number
  cpuPerMessage: number
  problems: string[]
}

/** The figures, and what is wrong if anything: a mail lost, doubled, or in clear. */
export function figuresOf(run: QueueRun): QueueFigures {
  const { partners, counters, startedAt } = run
  const alive = partners.filter(isAlive)
  const sum = (list: readonly Partner[]) => list.reduce((total, { mails }) => total + mails, 0)
  const of = (domain: string) => counters[domain]
  const seconds = (kind: PartnerKind, which: 'firstArrival' | 'lastArrival') =>
    summarise(
      partners.filter((one) => one.kind === kind).map(({ domain }) => ((of(domain)?.[which] ?? 0) - startedAt) / 1000),
    )
  const [first, all] = [seconds('healthy', 'firstArrival'), seconds('healthy', 'lastArrival')]
  const delivered = alive.reduce((total, { domain }) => total + (of(domain)?.messages ?? 0), 0)
  const everywhere = Object.values(counters)
  const clearEnvelopes = everywhere.reduce((total, one) => total + one.clearEnvelopes, 0)
  const clearMessages = everywhere.reduce((total, one) => total + one.clearMessages, 0)
  const wrong = alive.filter(({ domain, mails }) => of(domain)?.messages !== mails)
  const dead = sum(partners) - sum(alive)
  return {
    mails: sum(partners),
    deliverable: sum(alive),
    delivered,
    drainSeconds: all?.max ?? 0,
    slowSeconds: seconds('slow', 'lastArrival')?.max ?? 0,
    rate: delivered / Math.max(all?.max ?? 0, seconds('slow', 'lastArrival')?.max ?? 0),
    first: { median: first?.median ?? 0, longest: first?.max ?? 0 },
    all: { median: all?.median ?? 0, longest: all?.max ?? 0 },
    unserved: partners.filter((one) => one.kind === 'healthy' && (run.atHalf[one.domain]?.messages ?? 0) === 0).length,
    clearEnvelopes,
    clearMessages,
    cpuPerMessage: run.cpu / Math.max(1, delivered),
    problems: [
      ...(wrong.length > 0
        ? [`${wrong.length} partners did not get exactly their mail, e.g. ${wrong[0]?.domain ?? ''}`]
        : []),
      ...(run.left === dead ? [] : [`${run.left} mails are in the queue, and ${dead} cannot be delivered`]),
      ...(clearEnvelopes + clearMessages > 0
        ? [`${clearEnvelopes} envelopes and ${clearMessages} mails IN CLEAR`]
        : []),
    ],
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'what', align: 'left' },
  { title: 'result', align: 'right' },
  { title: 'unit', align: 'left' },
]

/** Tables for people. */
export function renderQueue(run: QueueRun): string {
  const figures = figuresOf(run)
  const rows: [string, number, string][] = [
    ['accepted while delivery was paused', figures.mails / run.acceptSeconds, 'mails/s'],
    ['healthy partners: all mail delivered after', figures.drainSeconds, 's from the start of the process'],
    ['slow partners: all mail delivered after', figures.slowSeconds, 's'],
    ['rate', figures.rate, 'mails/s'],
    ['healthy partner, first mail: median', figures.first.median, 's'],
    ['healthy partner, first mail: longest', figures.first.longest, 's'],
    ['healthy partner, all mail: median', figures.all.median, 's'],
    ['healthy partner, all mail: longest', figures.all.longest, 's'],
    ['healthy partners without any mail when half was delivered', figures.unserved, 'of them'],
    ['memory at most: start, empty queue', run.memory.empty, 'MB'],
    ['memory at most: accepting', run.memory.accepting, 'MB'],
    ['memory at most: loading and draining', run.memory.draining, 'MB'],
    ['CPU per delivered mail, dead partners included', figures.cpuPerMessage, 'ms'],
    ['envelopes in clear text', figures.clearEnvelopes, ''],
    ['mails in clear text', figures.clearMessages, ''],
    ['still in the queue: mail for dead partners', run.left, 'mails'],
  ]
  const table = renderTable(
    COLUMNS,
    rows.map(([what, value, unit]) => [
      what,
      Number.isInteger(value) ? value.toLocaleString('en') : figure(value),
      unit,
    ]),
  )
  const foreign =
    run.foreign > 0.05
      ? [`WARNING: Other programs used ${Math.round(run.foreign * 100)} % of the machine: times are too long.`]
      : []
  const title = `A queue of ${figures.mails.toLocaleString('en')} mails for ${run.partners.length} destinations, a fifth of them dead`
  const parts = [title, table, kinds(run), ...foreign, ...figures.problems.map((problem) => `FAILED: ${problem}`)]
  return `${parts.join('\n\n')}\n`
}

/** What became of the mail for each kind of partner. */
function kinds({ partners, counters }: QueueRun): string {
  const names = [...new Set(partners.map(({ kind }) => kind))]
  const left = (title: string): Column => ({ title, align: 'left' })
  const right = (title: string): Column => ({ title, align: 'right' })
  return renderTable(
    [left('partner'), right('destinations'), right('mails'), right('delivered'), right('connections')],
    names.map((kind) => {
      const those = partners.filter((partner) => partner.kind === kind)
      const total = (of: (one: Partner) => number) => those.reduce((sum, one) => sum + of(one), 0).toLocaleString('en')
      // nobody listens there, so nobody can count
      const uncounted = those.every(({ domain }) => counters[domain] === undefined)
      return [
        kind,
        those.length.toLocaleString('en'),
        total(({ mails }) => mails),
        total(({ domain }) => counters[domain]?.messages ?? 0),
        uncounted ? '-' : total(({ domain }) => counters[domain]?.connections ?? 0),
      ]
    }),
  )
}
