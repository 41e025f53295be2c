/** How well detectors do on the corpus, class by class. */
import { findCpr, type CprHit } from '../../lib/classify/cpr'
import { CORPUS_NOW, textCorpus, type CorpusItem } from './text'
import { DETECTORS, type Found } from './text-detectors'

export const COLUMNS = ['ours LOW', 'ours MED', 'ours HIGH', ...DETECTORS.map(({ name }) => name)] as const

export interface ClassScore {
  name: string
  kind: CorpusItem['kind']
  items: number
  /**
   * Per column: of the planted numbers those found, or, in a negative class, of the items those with any finding. 0 to 1.
   */
  rates: readonly number[]
  /** Of the lists, those whose persons were counted exactly. 0 to 1. */
  exact: number
  /** Findings of ours at HIGH, and how many of them are no planted number. */
  high: number
  wrongHigh: number
}

export interface Totals {
  /** Mean over the positive classes, per column. */
  recall: readonly number[]
  /** Mean over the negative classes, per column. */
  falsePositives: readonly number[]
  highPrecision: number
  exactLists: number
}

const RANK = { low: 0, medium: 1, high: 2 } as const

/** All of the findings of all columns for one item. */
function findAll(text: string): { hits: CprHit[]; columns: Found[][] } {
  const hits = findCpr(text, CORPUS_NOW)
  const ours = [0, 1, 2].map((least) => hits.filter(({ confidence }) => RANK[confidence] >= least))
  return { hits, columns: [...ours, ...DETECTORS.map(({ find }) => find(text))] }
}

const overlaps = (a: Found, b: Found) => a.start < b.end && b.start < a.end

/** @param perClass items of each class */
export function scoreCorpus(seed: number, perClass: number): ClassScore[] {
  const scores = new Map<string, ClassScore & { sums: number[]; planted: number }>()
  for (const item of textCorpus(seed, perClass)) {
    const known = scores.get(item.class) ?? {
      name: item.class,
      kind: item.kind,
      items: 0,
      rates: [],
      exact: 0,
      high: 0,
      wrongHigh: 0,
      sums: COLUMNS.map(() => 0),
      planted: 0,
    }
    scores.set(item.class, known)
    const { hits, columns } = findAll(item.text)
    known.items++
    known.planted += item.planted.length
    for (const [n, found] of columns.entries()) {
      const right = item.planted.filter((planted) => found.some((one) => overlaps(one, planted))).length
      known.sums[n] = (known.sums[n] ?? 0) + (item.kind === 'negative' ? Math.min(1, found.length) : right)
    }
    const high = hits.filter(({ confidence }) => confidence === 'high')
    known.high += high.length
    known.wrongHigh += high.filter((hit) => !item.planted.some((planted) => overlaps(hit, planted))).length
    const persons = new Set(hits.filter(({ counts }) => counts).map(({ digest }) => digest)).size
    if (persons === item.persons) known.exact++
  }
  return [...scores.values()].map(({ sums, planted, ...score }) => ({
    ...score,
    rates: sums.map((sum) => sum / (score.kind === 'negative' ? score.items : planted)),
    exact: score.exact / score.items,
  }))
}

export function totalsOf(scores: readonly ClassScore[]): Totals {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const column = (kind: CorpusItem['kind'], n: number) =>
    mean(scores.filter((score) => score.kind === kind).map(({ rates }) => rates[n] ?? 0))
  const sum = (of: (score: ClassScore) => number) => scores.reduce((total, score) => total + of(score), 0)
  return {
    recall: COLUMNS.map((_, n) => column('positive', n)),
    falsePositives: COLUMNS.map((_, n) => column('negative', n)),
    highPrecision: 1 - sum(({ wrongHigh }) => wrongHigh) / sum(({ high }) => high),
    exactLists: mean(scores.filter(({ kind }) => kind === 'list').map(({ exact }) => exact)),
  }
}

const percent = (rate: number) => (100 * rate).toFixed(1).padStart(5)

/** As a table of text, rates in per cent. */
export function scoreTable(scores: readonly ClassScore[]): string {
  const totals = totalsOf(scores)
  const row = (name: string, rates: readonly number[], more = '') =>
    `| ${name.padEnd(34)} | ${rates.map((rate, n) => percent(rate).padStart(COLUMNS[n]?.length ?? 0)).join(' | ')} |${more}`
  const section = (kind: CorpusItem['kind']) =>
    scores
      .filter((score) => score.kind === kind)
      .map(({ name, rates, exact }) => row(name, rates, kind === 'list' ? ` counted exactly: ${percent(exact)}` : ''))
  return [
    `| ${'class'.padEnd(34)} | ${COLUMNS.join(' | ')} |`,
    `|${'-'.repeat(36)}|${COLUMNS.map((name) => '-'.repeat(name.length + 2)).join('|')}|`,
    'planted numbers found, per cent',
    ...section('positive'),
    ...section('list'),
    row('mean of the positive classes', totals.recall),
    'items with any finding, per cent',
    ...section('negative'),
    row('mean of the negative classes', totals.falsePositives),
    `precision at HIGH ${(100 * totals.highPrecision).toFixed(3)} %, lists counted exactly ${(100 * totals.exactLists).toFixed(1)} %`,
  ].join('\n')
}
