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

const HEAD = ['#', 'Mail', 'From and to', 'Asked for', 'What happened', 'Protection', 'Why']
/** Shares of the width; the borders and blanks take the rest. */
const SHARES = [0, 0.16, 0.19, 0.14, 0.17, 0.1, 0.24]

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
  const usable = Math.max(78, Math.min(width, 150)) - (HEAD.length + 1) - 4
  const grid = new Table({
    head: HEAD.map((title) => colors.bold(title)),
    colWidths: SHARES.map((share) => (share === 0 ? 4 : Math.floor(share * usable))),
    wordWrap: true,
    wrapOnWordBoundary: true,
    style: { head: [], border: [] },
  })
  for (const row of rows)
    grid.push([
      String(row.mail),
      row.subject,
      `${row.from} → ${row.to}`,
      row.asked,
      painted(row, colors),
      protection(row),
      row.ok ? row.why : colors.red(`NOT AS EXPECTED: ${row.problem ?? ''}`),
    ])
  return grid.toString()
}

function painted(row: DemoRow, colors: ReturnType<typeof pc.createColors>): string {
  switch (row.happened) {
    case 'encrypted':
      return colors.green('delivered, encrypted')
    case 'clear':
      return colors.yellow('delivered in clear text, as asked')
    case 'reported':
      return `not sent; the sender was told: ${row.report ?? '?'}`
    case 'contradictory':
      return colors.red('several things at once')
    case 'nothing':
      return colors.red('nothing within the time')
  }
}

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
