/** The human part as text and as HTML. Both say the same; neither loads anything from anywhere. */
import type { HumanPart } from './human'
import { escapeHtml } from './sanitize'

/** Columns of the text form. */
const WIDTH = 76

/** What both renderings are made from. */
export interface ReportDocument {
  parts: readonly HumanPart[]
  /** One line per further language, saying in that language that its text is below. */
  below: readonly string[]
  technical: { title: string; lines: readonly string[] }
  /** Made into links where they occur. */
  support: { address: string; phone: string }
}

/** Plain text with CRLF line ends. */
export function renderText(document: ReportDocument): string {
  const blocks: string[] = []
  if (document.below.length > 0) blocks.push(document.below.map((line) => `(${line})`).join('\n'))
  document.parts.forEach((part, index) => {
    if (index > 0) blocks.push(rule(LANGUAGE_NAMES[part.language]))
    blocks.push(...partText(part))
  })
  blocks.push(rule(document.technical.title), document.technical.lines.join('\n'))
  return `${blocks.join('\n\n')}\n`.replaceAll('\n', '\r\n')
}

const LANGUAGE_NAMES = { da: 'Dansk', en: 'English' } as const

function rule(title: string): string {
  return `---- ${title} `.padEnd(WIDTH, '-')
}

function partText(part: HumanPart): string[] {
  const width = Math.max(...part.facts.map((fact) => fact.label.length)) + 2
  return [
    ...(part.preface === '' ? [] : [wrap(part.preface)]),
    wrap(part.what),
    part.facts.map((fact) => wrap(fact.value, `${fact.label}:`.padEnd(width))).join('\n'),
    ...(part.table === undefined ? [] : [tableText(part.table)]),
    [part.why.title, ...part.why.paragraphs.map((text) => wrap(text, '  '))].join('\n'),
    ...(part.refusals === undefined
      ? []
      : [
          [
            ...(part.refusals.intro === '' ? [] : [wrap(part.refusals.intro, '  ')]),
            ...part.refusals.items.map((item) => wrap(item, '  - ')),
          ].join('\n'),
        ]),
    ...(part.actions.items.length === 0
      ? []
      : [[part.actions.title, ...part.actions.items.map((item, i) => wrap(item, `  ${i + 1}. `))].join('\n')]),
    ...part.notes.map((note) => wrap(note)),
    ...part.next.map((text) => wrap(text)),
  ]
}

function tableText(table: NonNullable<HumanPart['table']>): string {
  const rows = [table.columns, ...table.rows]
  const widths = table.columns.map((_, i) => Math.max(...rows.map((cells) => (cells[i] ?? '').length)))
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd()
  return [`${table.title}:`, ...rows.map(line)].join('\n')
}

/** Break at blanks to WIDTH columns; `first` leads the first line, its width in blanks the others. */
function wrap(text: string, first = ''): string {
  const indent = ' '.repeat(first.length)
  const lines: string[] = []
  let line = first
  let empty = true
  for (const word of text.split(/ +/)) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = indent
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line].join('\n')
}

const STYLE = {
  body: 'font-family:Arial,Helvetica,sans-serif;font-size:15px;line-height:1.45;color:#1a1a1a;background:#fff;max-width:46em',
  what: 'font-size:18px;font-weight:bold;margin:0 0 12px',
  cell: 'border:1px solid #bbb;padding:4px 8px;text-align:left;vertical-align:top',
  technical: 'font-family:Consolas,Menlo,monospace;font-size:12px;background:#f3f3f3;padding:10px;white-space:pre-wrap',
} as const

/** A whole HTML document (well-formed as XML too), CRLF line ends. */
export function renderHtml(document: ReportDocument): string {
  const language = document.parts[0]?.language ?? 'da'
  const link = linker(document.support)
  const body = [
    ...document.below.map((line) => `<p><i>${escapeHtml(line)}</i></p>`),
    ...document.parts.map((part, i) => `${i > 0 ? '<hr />\n' : ''}${partHtml(part, link)}`),
    '<hr />',
    `<p><b>${escapeHtml(document.technical.title)}</b></p>`,
    `<pre style="${STYLE.technical}">${document.technical.lines.map(escapeHtml).join('\n')}</pre>`,
  ]
  return [
    '<!DOCTYPE html>',
    `<html lang="${language}">`,
    `<head><meta charset="utf-8" /><title>${escapeHtml(document.parts[0]?.what ?? '')}</title></head>`,
    `<body style="${STYLE.body}">`,
    ...body,
    '</body>',
    '</html>',
    '',
  ]
    .join('\n')
    .replaceAll('\n', '\r\n')
}

function partHtml(part: HumanPart, link: (text: string) => string): string {
  const paragraph = (text: string) => `<p>${link(text)}</p>`
  const list = (tag: 'ol' | 'ul', items: readonly string[]) =>
    [`<${tag}>`, ...items.map((item) => `<li>${link(item)}</li>`), `</${tag}>`].join('\n')
  return [
    `<div lang="${part.language}">`,
    ...(part.preface === '' ? [] : [paragraph(part.preface)]),
    `<p style="${STYLE.what}">${escapeHtml(part.what)}</p>`,
    `<p>${part.facts.map((fact) => `<b>${escapeHtml(fact.label)}:</b> ${escapeHtml(fact.value)}`).join('<br />\n')}</p>`,
    ...(part.table === undefined ? [] : [tableHtml(part.table)]),
    `<p><b>${escapeHtml(part.why.title)}</b></p>`,
    ...part.why.paragraphs.map(paragraph),
    ...(part.refusals === undefined
      ? []
      : [...(part.refusals.intro === '' ? [] : [paragraph(part.refusals.intro)]), list('ul', part.refusals.items)]),
    ...(part.actions.items.length === 0
      ? []
      : [`<p><b>${escapeHtml(part.actions.title)}</b></p>`, list('ol', part.actions.items)]),
    ...part.notes.map(paragraph),
    ...part.next.map(paragraph),
    '</div>',
  ].join('\n')
}

function tableHtml(table: NonNullable<HumanPart['table']>): string {
  const cells = (tag: 'th' | 'td', row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag} style="${STYLE.cell}">${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
  return [
    `<p><b>${escapeHtml(table.title)}</b></p>`,
    '<table style="border-collapse:collapse">',
    cells('th', table.columns),
    ...table.rows.map((row) => cells('td', row)),
    '</table>',
  ].join('\n')
}

/** Escapes a text, and makes the support desk's address and telephone number in it links: the only ones there are. */
function linker(support: ReportDocument['support']): (text: string) => string {
  const links: { text: string; href: string }[] = []
  if (/^[^\s@<>"'&]+@[^\s@<>"'&]+$/.test(support.address)) {
    links.push({ text: support.address, href: `mailto:${encodeURI(support.address)}` })
  }
  const number = support.phone.replace(/[^\d+]/g, '')
  if (/^\+?\d{3,15}$/.test(number)) links.push({ text: support.phone, href: `tel:${number}` })
  return (text) => {
    let html = escapeHtml(text)
    for (const link of links) {
      const shown = escapeHtml(link.text)
      html = html.split(shown).join(`<a href="${link.href}">${shown}</a>`)
    }
    return html
  }
}
