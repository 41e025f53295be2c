/** From measurements to text: one table per group, then the ratios. Pure. */
import type { Case, Group } from './cases'
import type { Measurement } from './measure'
import type { MicroResult } from './micro'
import { pairedRatio, summarise, type Summary } from './stats'
import { figure, renderTable, spread, type Column } from './table'
import { isMet, microTargetOf, shown, targetOf, type Target } from './targets'

/** All rounds of one row: a measurement each, or why there is none (`failed`: it could run and went wrong). */
export interface RowResult {
  case: Case
  rounds: ({ ok: true; measurement: Measurement } | { ok: false; reason: string; failed: boolean })[]
}

export interface GroupResult {
  group: Group
  rows: RowResult[]
}

/** Where and how it was measured; printed above the tables. */
export interface Surroundings {
  cpu: string
  node: string
  openssl: string
  /** Version of each relay that ran. */
  versions: readonly string[]
  relayCore: number | undefined
  loadCore: number | undefined
  /** How CPU time was counted. */
  meter: string
  rounds: number
  messages: number
  /** Messages that each relay had before. */
  warmUp: number
  sessions: number
  seconds: number
}

const left = (title: string): Column => ({ title, align: 'left' })
const right = (title: string): Column => ({ title, align: 'right' })

type Metric = keyof { [K in keyof Measurement as Measurement[K] extends number | undefined ? K : never]: true }

/** The values of one metric, by round; undefined where the round failed. */
function values(row: RowResult, metric: Metric): (number | undefined)[] {
  return row.rounds.map((round) => (round.ok ? round.measurement[metric] : undefined))
}

function summary(row: RowResult, metric: Metric): Summary | undefined {
  return summarise(values(row, metric).filter((value) => value !== undefined))
}

/** What went wrong in a row, each reason once; undefined when nothing did. */
export function troubles(row: RowResult): string | undefined {
  const reasons = new Set(row.rounds.flatMap((round) => (round.ok ? [] : [round.reason.split('\n')[0]!])))
  return reasons.size > 0 ? [...reasons].join('; ') : undefined
}

const sum = (row: RowResult, metric: Metric) =>
  values(row, metric).reduce<number>((total, value) => total + (value ?? 0), 0)

/** One group's figures. Rows without any keep their place, and say so. */
function figures({ group, rows }: GroupResult): string {
  const split = group.kind === 'split'
  const columns: Column[] = [
    left('relay'),
    right(split ? 'accept/s' : 'messages/s'),
    ...(split ? [right('drain/s')] : []),
    right('CPU ms/message'),
    ...(split ? [right('of it accept'), right('of it deliver')] : []),
    right('sink: messages'),
    right('TLS'),
    right('in clear'),
    right('connections'),
    right('handshakes (resumed)'),
    left('remark'),
  ]
  const cells = rows.map((row) => {
    const trouble = troubles(row)
    const measured = row.rounds.some((round) => round.ok)
    const counts = measured
      ? [
          String(sum(row, 'messages')),
          String(sum(row, 'tlsMessages')),
          String(sum(row, 'clearMessages')),
          String(sum(row, 'connections')),
          `${sum(row, 'handshakes')} (${sum(row, 'resumed')})`,
        ]
      : ['-', '-', '-', '-', '-']
    return [
      row.case.label,
      spread(summary(row, split ? 'acceptRate' : 'rate')),
      ...(split ? [spread(summary(row, 'rate'))] : []),
      spread(summary(row, 'cpu')),
      ...(split ? [spread(summary(row, 'acceptCpu')), spread(summary(row, 'drainCpu'))] : []),
      ...counts,
      trouble === undefined ? '' : `${measured ? 'SOME ROUNDS FAILED' : 'NOT MEASURED'}: ${trouble}`,
    ]
  })
  return renderTable(columns, cells)
}

/** One line of ratios: ours divided by one baseline, paired by round. */
export interface Ratio {
  group: string
  against: string
  metric: string
  /** true: larger is better for us. */
  higherIsBetter: boolean
  ratio: Summary | undefined
  /** What it is meant to be, and whether the median is; absent = nothing was promised. */
  target?: Target & { met: boolean | undefined }
}

/** All ratios of a group: rates and CPU of our row against each baseline. */
export function ratios({ group, rows }: GroupResult): Ratio[] {
  const ours = rows.find((row) => row.case.role === 'ours')
  if (!ours) return []
  const metrics: { metric: Metric; name: string; higherIsBetter: boolean }[] =
    group.kind === 'split'
      ? [
          { metric: 'acceptRate', name: 'accept rate', higherIsBetter: true },
          { metric: 'rate', name: 'drain rate', higherIsBetter: true },
          { metric: 'acceptCpu', name: 'CPU to accept', higherIsBetter: false },
          { metric: 'drainCpu', name: 'CPU to deliver', higherIsBetter: false },
        ]
      : [
          { metric: 'rate', name: 'rate', higherIsBetter: true },
          { metric: 'cpu', name: 'CPU per message', higherIsBetter: false },
        ]
  return rows
    .filter((row) => row.case.role === 'baseline' || row.case.role === 'without')
    .flatMap((row) =>
      metrics.map(({ metric, name, higherIsBetter }) => {
        const ratio = pairedRatio(values(ours, metric), values(row, metric))
        const target = targetOf(group.kind, name, row.case.instance.relay)
        return {
          ...{ group: group.id, against: row.case.label, metric: name, higherIsBetter, ratio },
          ...(target && { target: { ...target, met: ratio && isMet(target, ratio.median) } }),
        }
      }),
    )
}

function ratioTable(results: readonly GroupResult[]): string {
  const all = results.map(ratios)
  const missing = results
    .filter((_, i) => all[i]!.length > 0 && all[i]!.every(({ ratio }) => !ratio))
    .map(({ group }) => [group.id, 'everything', 'everything', '-', '-', 'NOT MEASURED', '', ''])
  const cells = all
    .filter((group) => group.some(({ ratio }) => ratio))
    .flat()
    .map(({ group, against, metric, higherIsBetter, ratio, target }) => [
      group,
      against,
      metric,
      ratio ? `${figure(ratio.median)} x` : '-',
      ratio ? `${figure(ratio.min)}-${figure(ratio.max)}` : '-',
      ratio ? verdict(ratio.median, higherIsBetter) : 'NOT MEASURED',
      target ? `${shown(target)} x` : '',
      target?.met === undefined ? '' : judged(target.met),
    ])
  return renderTable(
    [
      ...[left('group'), left('secure-mail divided by'), left('of'), right('median'), right('min-max'), left('')],
      ...[left('target'), left('')],
    ],
    [...cells, ...missing],
  )
}

const judged = (met: boolean) => (met ? 'met' : 'NOT MET')

/** Differences of less than 15 % mean nothing on a shared machine. */
function verdict(ratio: number, higherIsBetter: boolean): string {
  if (ratio > 1 / 1.15 && ratio < 1.15) return 'about equal'
  return ratio > 1 === higherIsBetter ? 'better' : 'worse'
}

function microTable(results: readonly MicroResult[]): string {
  return renderTable(
    [left('micro benchmark'), right('result'), left('unit'), left('remark')],
    results.map((result) => [
      result.name,
      result.ok ? spread(result.summary) : '-',
      result.unit,
      result.ok ? microRemark(result) : `NOT MEASURED: ${result.reason}`,
    ]),
  )
}

function microRemark({ name, remark, summary }: Extract<MicroResult, { ok: true }>): string {
  const target = microTargetOf(name)
  if (target === undefined) return remark
  return `${remark}; target ${shown(target)}: ${judged(isMet(target, summary.median))}`
}

/** Things that a reader must know before believing the figures. */
export function warnings(results: readonly GroupResult[]): string[] {
  const rows = results.flatMap(({ group, rows }) => rows.map((row) => ({ group, row })))
  const all = rows.flatMap(({ row }) => row.rounds.flatMap((round) => (round.ok ? [round.measurement] : [])))
  const foreign = summarise(all.map((measurement) => measurement.foreign))
  const limited = rows.filter(
    ({ group, row }) => !group.id.endsWith('2cores') && (summary(row, 'loadCore')?.median ?? 0) > 0.85,
  )
  return [
    ...(foreign && foreign.median > 0.05
      ? [
          `Other programs used ${Math.round(foreign.median * 100)} % of the machine (median; up to ${Math.round(foreign.max * 100)} %): rates are too low, ratios less sure.`,
        ]
      : []),
    ...(limited.length > 0
      ? [
          `Load and sink had their core more than 85 % busy, so these rates are lower limits: ${limited.map(({ group, row }) => `${row.case.label} (${group.id})`).join(', ')}.`,
        ]
      : []),
  ]
}

/**
 * The whole report.
 *
 * @param around where it was measured
 * @param results one per group, in order
 * @param micro micro benchmarks; may be empty
 */
export function renderReport(
  around: Surroundings,
  results: readonly GroupResult[],
  micro: readonly MicroResult[],
): string {
  const cores =
    around.relayCore === undefined
      ? 'NOT PINNED: fewer than two cores'
      : `relay on core ${around.relayCore}, load, sink and DNS on core ${around.loadCore ?? '?'}`
  const parts = [
    `${around.cpu}; Node ${around.node}, OpenSSL ${around.openssl}; ${around.versions.join(', ') || 'no relay'}`,
    ...(results.length > 0
      ? [
          `${cores}; CPU counted by ${around.meter}; ${around.rounds} interleaved rounds, ${around.messages} messages x share of the group after ${around.warmUp} to warm up, ${around.sessions} sessions; median (min-max); ${Math.round(around.seconds)} s`,
        ]
      : []),
    ...results.map((result) => `${result.group.title} [${result.group.id}]\n\n${figures(result)}`),
    ...(results.some((result) => ratios(result).length > 0)
      ? [`Ratios, paired by round (rates: more is better; CPU: less is better)\n\n${ratioTable(results)}`]
      : []),
    ...(micro.length > 0 ? [microTable(micro)] : []),
    ...warnings(results).map((warning) => `WARNING: ${warning}`),
  ]
  return parts.join('\n\n') + '\n'
}
