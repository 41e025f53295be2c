/** An answer as a page that stands alone: no script, nothing loaded from anywhere, a table beside each picture. */
import type { Answer, AnsweredSection } from './ask'
import { chartHtml } from './charts'
import { escapeHtml } from '../../notify/sanitize'
import type { Row } from './engine'
import { shown } from './format-values'
import { STYLE } from './page-style'
import type { Column, ColumnType } from './question'

/** @param made when, milliseconds */
export function htmlPage(answer: Answer, made: number): string {
  const title = `${answer.title} · secure-mail`
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escapeHtml(answer.title)}</h1>
<p>${escapeHtml(answer.answers)}</p>
<p class="muted">${escapeHtml(about(answer, made))}</p>
${verdictHtml(answer)}
</header>
<main>
${answer.sections.map(sectionHtml).join('\n')}
</main>
</body>
</html>
`
}

function about({ period, filters, log }: Answer, made: number): string {
  const from = minute(period.since)
  const to = minute(period.until)
  const only = [
    ...(filters.domain === null ? [] : [`recipients at ${filters.domain}`]),
    ...(filters.sender === null ? [] : [`sender ${filters.sender}`]),
    ...(filters.mail === null ? [] : [`mail ${filters.mail}`]),
    ...(filters.level === null ? [] : [`level ${filters.level}`]),
  ]
  const damaged =
    log.damagedLines === 0 ? '' : `, of which ${shown(log.damagedLines, 'number')} damaged and passed over`
  return [
    `${from} to ${to}, all times UTC`,
    ...(only.length === 0 ? [] : [only.join(', ')]),
    `${shown(log.files, 'number')} files with ${shown(log.lines, 'number')} lines${damaged}`,
    `made ${minute(new Date(made).toISOString())}`,
  ].join(' · ')
}

function minute(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ')
}

function verdictHtml({ verdict }: Answer): string {
  if (verdict === null) return ''
  return `<p class="verdict ${verdict.good ? 'good' : 'bad'}">${escapeHtml(`${verdict.good ? 'OK' : 'Attention'}: ${verdict.text}`)}</p>`
}

function sectionHtml(section: AnsweredSection, index: number): string {
  const id = `section-${index + 1}`
  const note = section.note === null ? '' : `<p class="note">${escapeHtml(section.note)}</p>`
  const more = section.truncated
    ? `<p class="note">The first ${shown(section.rows.length, 'number')} rows; --limit gives more, --format csv all that is asked for.</p>`
    : ''
  return `<section aria-labelledby="${id}"><h2 id="${id}">${escapeHtml(section.title)}</h2>${note}
${cardsHtml(section)}${chartHtml(section)}
${tableHtml(section, id)}${more}</section>`
}

/** The rows that matter most, large. */
function cardsHtml({ cards, rows, columns }: AnsweredSection): string {
  if (cards === null || rows.length === 0) return ''
  const [label, value, ofAll] = columns
  if (label === undefined || value === undefined) return ''
  const items = cards.flatMap((name) => {
    const row = rows.find((one) => one[label.name] === name)
    if (row === undefined) return []
    const share = ofAll === undefined ? null : (row[ofAll.name] ?? null)
    const main = share === null ? shown(row[value.name] ?? null, value.type) : shown(share, 'share')
    const small = share === null ? name : `${name} (${shown(row[value.name] ?? null, value.type)})`
    return [`<li><b>${escapeHtml(main || '–')}</b><span>${escapeHtml(small)}</span></li>`]
  })
  return `<ul class="cards">${items.join('')}</ul>`
}

function tableHtml({ columns, rows }: AnsweredSection, labelledBy: string): string {
  if (rows.length === 0) return '<p class="note">Nothing.</p>'
  const head = columns.map(({ title, type }) => `<th scope="col" class="${classOf(type)}">${escapeHtml(title)}</th>`)
  // a table that is wider than the screen is scrolled, with the keyboard too
  return `<div class="scroll" tabindex="0" role="region" aria-labelledby="${labelledBy}"><table><thead><tr>${head.join('')}</tr></thead><tbody>
${rows.map((row) => rowHtml(columns, row)).join('\n')}
</tbody></table></div>`
}

function rowHtml(columns: readonly Column[], row: Row): string {
  const cells = columns.map(
    ({ name, type }) => `<td class="${classOf(type)}">${escapeHtml(shown(row[name] ?? null, type))}</td>`,
  )
  return `<tr>${cells.join('')}</tr>`
}

function classOf(type: ColumnType): string {
  switch (type) {
    case 'number':
    case 'share':
    case 'seconds':
      return 'number'
    case 'time':
      return 'time'
    case 'list':
      return 'list'
    case 'text':
    case 'yes-no':
      return 'text'
  }
}
