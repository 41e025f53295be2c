/** An answer for a terminal. */
import Table from 'cli-table3'
import { createColors } from 'picocolors'
import { shown, type Answer, type AnsweredSection } from '../lib/report/analysis'

/** Widest cell; the whole text is in CSV and JSON. */
const WIDEST = 60

export function answerTable(answer: Answer, color: boolean): string {
  const paint = createColors(color)
  const { period, log, verdict, filters } = answer
  const only = [filters.domain, filters.sender, filters.mail, filters.level].filter((one) => one !== null)
  const lines = [
    paint.bold(answer.title),
    `${period.since.slice(0, 16)}Z to ${period.until.slice(0, 16)}Z (UTC)${only.length === 0 ? '' : `, ${only.join(', ')}`}; ` +
      `${shown(log.files, 'number')} files, ${shown(log.lines, 'number')} lines` +
      (log.damagedLines === 0
        ? ''
        : paint.yellow(
            `, ${shown(log.damagedLines, 'number')} damaged line${log.damagedLines === 1 ? '' : 's'} passed over`,
          )),
    ...(verdict === null ? [] : [verdict.good ? paint.green(verdict.text) : paint.red(verdict.text)]),
    ...answer.sections.flatMap((section) => ['', paint.bold(section.title), ...sectionLines(section, color)]),
  ]
  return `${lines.join('\n')}\n`
}

function sectionLines({ note, columns, rows, truncated }: AnsweredSection, color: boolean): string[] {
  if (rows.length === 0) return ['nothing']
  const table = new Table({
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ type }) =>
      type === 'number' || type === 'share' || type === 'seconds' ? 'right' : 'left',
    ),
    style: { head: color ? ['bold'] : [], border: color ? ['gray'] : [], compact: true },
  })
  for (const row of rows) table.push(columns.map(({ name, type }) => cut(shown(row[name] ?? null, type))))
  return [
    ...(note === null ? [] : [note]),
    table.toString(),
    ...(truncated ? [`the first ${rows.length} rows; --limit gives more`] : []),
  ]
}

function cut(text: string): string {
  const plain = text.replace(/\p{Cc}+/gu, ' ').replaceAll('\u202f', ' ')
  return plain.length > WIDEST ? `${plain.slice(0, WIDEST - 1)}…` : plain
}
