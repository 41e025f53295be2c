/** The demo's result for people: a table, the reports, and one sentence in the end. */
import Table from 'cli-table3'
import pc from 'picocolors'
import type { DemoRow } from './observe'
import type { DemoResult } from './run'

export interface ShowOptions {
  color: boolean
  /** Columns of the terminal. */
  width: number
}

const MOST_COLUMNS = 150
/** Below this there is no room for seven columns of whole words. */
const ROOMY = 110

type Colors = ReturnType<typeof pc.createColors>

interface Layout {
  head: readonly string[]
  /** With the blanks beside the text, without the borders. */
  widths: readonly number[]
  cells(row: DemoRow, colors: Colors): string[]
}

const people = (row: DemoRow): string => `${row.from}\n→ ${row.to}`

function wide(width: number): Layout {
  const head = ['#', 'Mail', 'From and to', 'Asked for', 'What happened', 'Protection', 'Why']
  const rest = Math.min(width, MOST_COLUMNS) - (head.length + 1) - 4 - 25 - 12
  const share = (part: number) => Math.floor(rest * part)
  return {
    head,
    widths: [4, share(0.21), 25, share(0.22), share(0.24), 12, share(0.33)],
    cells: (row, colors) => [
      String(row.mail),
      row.subject,
      people(row),
      row.asked,
      outcome(row, colors),
      protection(row),
      reason(row, colors),
    ],
  }
}

function narrow(width: number): Layout {
  const head = ['#', 'Mail', 'What happened, and why']
  return {
    head,
    widths: [4, 28, Math.max(30, width - (head.length + 1) - 4 - 28)],
    cells: (row, colors) => [
      String(row.mail),
      `${row.subject}\n${people(row)}\nasked for: ${row.asked}`,
      `${outcome(row, colors)}${row.tls === null ? '' : ` (${row.tls})`}\n${reason(row, colors)}`,
    ],
  }
}

/** All that the demo shows in the end. */
export function showResult(result: DemoResult, options: ShowOptions): string {
  return [
    table(result.rows, options),
    summary(result, options),
    reports(result, options),
    verdict(result, options),
  ].join('\n')
}

function table(rows: readonly DemoRow[], { color, width }: ShowOptions): string {
  const colors = pc.createColors(color)
  const layout = width < ROOMY ? narrow(width) : wide(width)
  const grid = new Table({
    head: layout.head.map((title) => colors.bold(title)),
    colWidths: [...layout.widths],
    wordWrap: true,
    style: { head: [], border: [] },
  })
  for (const row of rows) grid.push(layout.cells(row, colors))
  return grid.toString()
}

function outcome(row: DemoRow, colors: Colors): string {
  switch (row.happened) {
    case 'encrypted':
      return colors.green('delivered, encrypted')
    case 'clear':
      return colors.yellow('delivered in clear text, as asked')
    case 'reported':
      return `not sent; the sender was told why: ${(row.report ?? '?').replaceAll('-', ' ')}`
    case 'contradictory':
      return colors.red('several things at once')
    case 'nothing':
      return colors.red('nothing within the time')
  }
}

const reason = (row: DemoRow, colors: Colors): string =>
  row.ok ? row.why : colors.red(`NOT AS EXPECTED: ${row.problem ?? ''}`)

function protection(row: DemoRow): string {
  if (row.happened === 'clear') return 'none'
  return row.tls ?? '-'
}

function summary({ clearText }: DemoResult, { color }: ShowOptions): string {
  const colors = pc.createColors(color)
  const text = `In clear text on the wire: ${clearText.envelopes} envelope(s); allowed: ${clearText.expected}.`
  return `\n${clearText.envelopes === clearText.expected ? text : colors.red(text)}\n`
}

function reports({ reports: all }: DemoResult, { color }: ShowOptions): string {
  const colors = pc.createColors(color)
  const shown = all.map(({ mail, to, kind, subject, text }) => {
    const title = `Report to ${to} about mail ${mail ?? '?'} (${kind}): ${subject}`
    const body = text
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`.trimEnd())
    return [colors.bold(title), '', ...body, ''].join('\n')
  })
  return [colors.bold(`The ${all.length} reports that senders got:`), '', ...shown].join('\n')
}

function verdict({ ok, seconds, problems, rows }: DemoResult, { color }: ShowOptions): string {
  const colors = pc.createColors(color)
  if (ok) return colors.green(`All ${rows.length} outcomes are as they should be (${seconds} s).\n`)
  return colors.red(
    [`NOT as it should be (${seconds} s):`, ...problems.map((problem) => `- ${problem}`), ''].join('\n'),
  )
}
