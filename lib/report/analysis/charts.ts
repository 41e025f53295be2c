/**
 * Pictures of a section's rows: inline SVG for the shapes, ordinary text for the words, so that words keep their size on a
 * narrow screen. Each series differs by more than its colour (order and name; lines by their dashes).
 */
import type { AnsweredSection } from './ask'
import { escapeHtml } from '../../notify/sanitize'
import type { Row } from './engine'
import { shown } from './format-values'
import type { Chart, Column } from './question'

/** Bars of a picture; the table has the rest. */
const MOST_BARS = 15
/** How many series have a colour of their own. */
export const SERIES = 6

/** @returns '' when there is nothing to draw */
export function chartHtml({ chart, columns, rows, title }: AnsweredSection): string {
  if (chart === null || rows.length === 0) return ''
  const series = chart.series.map((name) => columns.find((one) => one.name === name)).filter((one) => one !== undefined)
  switch (chart.kind) {
    case 'bars':
      return bars(chart, series, columns, rows, title)
    case 'days':
    case 'lines':
      return overTime(chart, series, rows, title)
  }
}

function numberAt(row: Row, name: string): number {
  const value = row[name]
  return typeof value === 'number' && value > 0 ? value : 0
}

function bars(
  chart: Chart,
  series: readonly Column[],
  columns: readonly Column[],
  rows: readonly Row[],
  title: string,
): string {
  const [one] = series
  if (one === undefined) return ''
  const label = columns.find(({ name }) => name === chart.along)
  const sums = new Map<string, number>()
  for (const row of rows) {
    const key = shown(row[chart.along] ?? null, label?.type ?? 'text') || '(none)'
    sums.set(key, (sums.get(key) ?? 0) + numberAt(row, one.name))
  }
  const drawn = [...sums]
    .filter(([, value]) => value > 0)
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST_BARS)
  const most = drawn[0]?.[1] ?? 0
  if (most === 0) return ''
  const lines = drawn.map(
    ([key, value]) =>
      `<li><span class="label">${escapeHtml(key)}</span>` +
      `<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">` +
      `<rect class="s1" width="${width(value, most)}" height="10"/></svg>` +
      `<span class="value">${escapeHtml(shown(value, one.type))}</span></li>`,
  )
  const more = sums.size > drawn.length ? `, the ${drawn.length} largest` : ''
  return `<figure><figcaption>${escapeHtml(`${title}: ${one.title}${more}`)}</figcaption><ul class="bars">${lines.join('')}</ul></figure>`
}

function width(value: number, most: number): string {
  return Math.max((value / most) * 100, 0.5).toFixed(2)
}

const HEIGHT = 100
const STEP = 10

function overTime(chart: Chart, series: readonly Column[], rows: readonly Row[], title: string): string {
  const totals = rows.map((row) =>
    chart.kind === 'days'
      ? series.reduce((sum, { name }) => sum + numberAt(row, name), 0)
      : Math.max(...series.map(({ name }) => numberAt(row, name))),
  )
  const most = Math.max(...totals)
  if (!(most > 0)) return ''
  const shapes = chart.kind === 'days' ? stacked(series, rows, most, chart.along) : lines(series, rows, most)
  const [first, last] = [rows[0], rows.at(-1)].map((row) => String(row?.[chart.along] ?? ''))
  const middle = String(rows[Math.floor((rows.length - 1) / 2)]?.[chart.along] ?? '')
  const days = rows.length > 2 ? [first, middle, last] : rows.length === 2 ? [first, last] : [first]
  const top = shown(most, series[0]?.type ?? 'number')
  const legend = series.map(
    ({ title: name }, index) =>
      `<li><svg class="key" viewBox="0 0 20 10" aria-hidden="true">${
        chart.kind === 'days'
          ? `<rect class="s${colour(index)}" width="20" height="10"/>`
          : `<line class="line l${colour(index)}" x1="0" y1="5" x2="20" y2="5"/>`
      }</svg>${escapeHtml(name)}</li>`,
  )
  const label = `${title}: ${series.map((one) => one.title).join(', ')}, from ${first ?? ''} to ${last ?? ''}; the table has the numbers`
  return (
    `<figure><figcaption>${escapeHtml(title)}</figcaption><ul class="legend">${legend.join('')}</ul>` +
    `<div class="plot"><span class="top">${escapeHtml(top)}</span>` +
    `<svg viewBox="0 0 ${rows.length * STEP} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(label)}">${shapes}</svg>` +
    `<div class="days">${days.map((day) => `<span>${escapeHtml(day ?? '')}</span>`).join('')}</div></div></figure>`
  )
}

function colour(index: number): number {
  return (index % SERIES) + 1
}

function stacked(series: readonly Column[], rows: readonly Row[], most: number, along: string): string {
  return rows
    .flatMap((row, day) => {
      let below = 0
      return series.map(({ name, title, type }, index) => {
        const value = numberAt(row, name)
        const height = (value / most) * HEIGHT
        below += height
        if (height === 0) return ''
        const what = `${String(row[along] ?? '')}: ${title} ${shown(value, type)}`
        return (
          `<rect class="s${colour(index)}" x="${day * STEP + 1}" y="${(HEIGHT - below).toFixed(2)}" width="${STEP - 2}" ` +
          `height="${height.toFixed(2)}"><title>${escapeHtml(what)}</title></rect>`
        )
      })
    })
    .join('')
}

function lines(series: readonly Column[], rows: readonly Row[], most: number): string {
  return series
    .map(({ name, title }, index) => {
      const points = rows.map((row, day) => {
        const y = HEIGHT - (numberAt(row, name) / most) * (HEIGHT - 4) - 2
        return `${day * STEP + STEP / 2},${y.toFixed(2)}`
      })
      // a single day is a dash
      const [only] = points
      const shape =
        points.length > 1 ? points.join(' ') : `0,${only?.split(',')[1] ?? 0} ${STEP},${only?.split(',')[1] ?? 0}`
      return `<polyline class="line l${colour(index)}" points="${shape}"><title>${escapeHtml(title)}</title></polyline>`
    })
    .join('')
}
