/** What the gate finds of the text corpus when each item travels in a format: the readers' test. */
import { inspect } from '../../lib/gate'
import type { Inspection } from '../../lib/gate/types'
import type { Clock } from '../../lib/clock'
import type { Settings } from '../../lib/config/settings'
import { eml } from './formats/legacy'
import { shapeOf, WRAPPERS } from './formats/wrappers'
import { CORPUS_NOW, textCorpus, type CorpusItem } from './text'

export interface FormatScore {
  name: string
  /** Items that the format can hold. */
  items: number
  planted: number
  found: number
  /** Harmless items, those with any finding, and those with any though there is none in the bare text. */
  harmless: number
  alarmed: number
  alarmedMore: number
  /** Lists whose persons were to be counted, and counted exactly; tables among them. */
  lists: number
  exact: number
  tables: number
  exactTables: number
  /** Items of which the gate could not read everything. */
  unread: number
  /** Class and text of what went wrong, for whoever looks into it. */
  missed: string[]
}

const clock: Clock = { now: () => CORPUS_NOW }

/** As a finding shows it. */
const masked = (number: string) => `${number.slice(0, 6)}-****`

async function look(raw: Buffer, settings: Settings): Promise<Inspection['verdict']> {
  const submission = { authenticated: true, aclListed: false, mailFrom: 'anna@uni.example' }
  return (await inspect(raw, submission, settings, clock)).verdict
}

interface Bare {
  item: CorpusItem
  findings: number
}

/**
 * @param perClass items of each class of the text corpus
 * @returns format by format
 */
export async function scoreFormats(settings: Settings, seed: number, perClass: number): Promise<FormatScore[]> {
  const items: Bare[] = []
  for (const item of textCorpus(seed, perClass)) {
    const bare = await look(eml({ text: item.text }), settings)
    items.push({ item, findings: bare.findings.length })
  }
  const scores: FormatScore[] = []
  for (const { name, wrap } of WRAPPERS) {
    const score: FormatScore = {
      name,
      items: 0,
      planted: 0,
      found: 0,
      harmless: 0,
      alarmed: 0,
      alarmedMore: 0,
      lists: 0,
      exact: 0,
      tables: 0,
      exactTables: 0,
      unread: 0,
      missed: [],
    }
    for (const bare of items) {
      const raw = wrap(bare.item)
      if (raw !== null) note(score, bare, await look(raw, settings))
    }
    scores.push(score)
  }
  return scores
}

function note(score: FormatScore, { item, findings: bare }: Bare, verdict: Inspection['verdict']): void {
  const { findings, persons, uninspected } = verdict
  score.items++
  if (uninspected.length > 0) {
    score.unread++
    score.missed.push(`unread ${item.class}: ${JSON.stringify(uninspected)}`)
  }
  const shown = new Set(findings.map((finding) => finding.masked))
  score.planted += item.planted.length
  for (const { number, start, end } of item.planted) {
    if (shown.has(masked(number))) score.found++
    else
      score.missed.push(`missed ${item.class}: ${JSON.stringify(item.text.slice(Math.max(0, start - 30), end + 10))}`)
  }
  if (item.kind === 'negative') {
    score.harmless++
    if (findings.length > 0) score.alarmed++
    if (findings.length > 0 && bare === 0) {
      score.alarmedMore++
      score.missed.push(
        `alarmed ${item.class}: ${findings.map(({ masked, evidence, where }) => `${masked} ${where} ${evidence.join()}`).join('; ')}`,
      )
    }
  }
  if (item.kind === 'list') {
    const right = persons === item.persons ? 1 : 0
    score.lists++
    score.exact += right
    if (shapeOf(item).rows.length > 0) {
      score.tables++
      score.exactTables += right
    }
    if (right === 0) score.missed.push(`counted ${item.class}: ${persons} for ${item.persons}`)
  }
}

/** Sums over formats, as rates from 0 to 1. */
export interface FormatTotals {
  recall: number
  /** Harmless items with a finding, mean over the formats. */
  alarmed: number
  /** Those among them that have none as bare text. */
  alarmedMore: number
  exact: number
  exactTables: number
}

export function totalsOfFormats(scores: readonly FormatScore[]): FormatTotals {
  const sum = (of: (score: FormatScore) => number) => scores.reduce((total, score) => total + of(score), 0)
  return {
    recall: sum(({ found }) => found) / sum(({ planted }) => planted),
    alarmed: sum(({ alarmed }) => alarmed) / sum(({ harmless }) => harmless),
    alarmedMore: sum(({ alarmedMore }) => alarmedMore) / sum(({ harmless }) => harmless),
    exact: sum(({ exact }) => exact) / sum(({ lists }) => lists),
    exactTables: sum(({ exactTables }) => exactTables) / sum(({ tables }) => tables),
  }
}

/** As a table of text, rates in per cent. */
export function formatTable(scores: readonly FormatScore[]): string {
  const percent = (part: number, whole: number) => (whole === 0 ? '-' : ((100 * part) / whole).toFixed(1)).padStart(7)
  const totals = totalsOfFormats(scores)
  return [
    '| format                      | items | planted | found % | harmless with a finding % | lists exact % |',
    '|-----------------------------|-------|---------|---------|---------------------------|---------------|',
    ...scores.map(
      (score) =>
        `| ${score.name.padEnd(27)} | ${String(score.items).padStart(5)} | ${String(score.planted).padStart(7)} | ${percent(score.found, score.planted)} | ${percent(score.alarmed, score.harmless).padStart(25)} | ${percent(score.exact, score.lists).padStart(13)} |`,
    ),
    `found of all ${percent(totals.recall, 1).trim()} %, harmless items with a finding ${percent(totals.alarmed, 1).trim()} %, lists counted exactly ${percent(totals.exact, 1).trim()} %, tables among them ${percent(totals.exactTables, 1).trim()} %`,
  ].join('\n')
}
