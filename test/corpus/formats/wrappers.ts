/** Every format that an item of the text corpus can travel in, as a whole mail. */
import iconv from 'iconv-lite'
import type { CorpusItem } from '../text'
import {
  CHARSETS,
  csv,
  doc,
  eml,
  html,
  ics,
  json,
  msg,
  rtf,
  tnef,
  transferEncoded,
  vcf,
  xls,
  type Rows,
} from './legacy'
import { docx, escapeXml, ods, odt, pptx, tarGz, xlsx, zip, type OfficeContent } from './office'
import { pdf } from './pdf'
import { pptFile } from './ppt-writer'

/** An item as a document: what stands before its table, the table when it has one, and what stands behind. */
export interface Shape {
  text: string
  /** Heading first; empty = all of it is text. */
  rows: Rows
}

export interface Wrapper {
  name: string
  /** @returns a whole mail, or null where the format cannot hold the item's characters or shape */
  wrap: (item: CorpusItem) => Buffer | null
}

const DELIMITERS: Readonly<Record<string, string>> = {
  'list: CSV': ';',
  'list: tabs': '\t',
  'list: pipes': ' | ',
  'CSV column': ';',
  'tab column': '\t',
  'leading zero lost': ';',
  'column of 20 rows': ';',
  'table of amounts': ';',
}

/** Its table as cells, for the classes that are tables. */
export function shapeOf(item: CorpusItem): Shape {
  const delimiter = DELIMITERS[item.class]
  if (delimiter === undefined) return { text: item.text, rows: [] }
  const lines = item.text.split('\n')
  return {
    text: lines.filter((line) => !line.includes(delimiter)).join('\n'),
    rows: lines.filter((line) => line.includes(delimiter)).map((line) => line.split(delimiter)),
  }
}

/** Cells of digits as the numbers that a spreadsheet makes of them. */
function typed(rows: Rows): Rows {
  return rows.map((row) => row.map((cell) => (/^\d{1,10}$/.test(String(cell)) ? Number(cell) : cell)))
}

const BOUNDARY = '=_formats'

/** A mail with one file. */
export function withFile(name: string, type: string, bytes: Buffer): Buffer {
  const head = [
    'From: Anna <anna@uni.example>',
    'To: bo@partner.example',
    'Subject: Note',
    'Date: Mon, 23 Nov 2026 12:00:00 +0100',
    'Message-ID: <file@uni.example>',
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${BOUNDARY}"`,
    '',
    `--${BOUNDARY}`,
    'Content-Type: text/plain',
    '',
    'Hej Bo',
    `--${BOUNDARY}`,
    `Content-Type: ${type}; name="${name}"`,
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment; filename="${name}"`,
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([Buffer.from(head), transferEncoded(bytes, 'base64'), Buffer.from(`\r\n--${BOUNDARY}--\r\n`)])
}

/** A mail that forwards one as it is. */
export function forwarded(inner: Buffer): Buffer {
  const boundary = `${BOUNDARY}-around-${inner.length}`
  const head = [
    'From: Anna <anna@uni.example>',
    'To: bo@partner.example',
    'Subject: Fwd: Note',
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: message/rfc822',
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([Buffer.from(head), inner, Buffer.from(`\r\n--${boundary}--\r\n`)])
}

const OCTETS = 'application/octet-stream'

type Make = (shape: Shape) => Buffer

const office =
  (write: (content: OfficeContent) => Buffer): Make =>
  ({ text, rows }) =>
    write({ text, ...(rows.length > 0 && { tables: [rows] }) })

const numbers =
  (write: (content: OfficeContent) => Buffer): Make =>
  ({ text, rows }) =>
    write({ text, tables: [typed(rows)] })

/** The CPR number as people format it: a number that is shown with its dash. */
const formatted: Make = ({ text, rows }) =>
  xlsx({
    text,
    tables: [
      typed(rows).map((row) =>
        row.map((cell) => (typeof cell === 'number' && cell >= 1e8 ? { value: cell, format: '000000-0000' } : cell)),
      ),
    ],
  })

/** As a word processor prints it: a tab is room, and characters beyond Latin-1 have their place in Windows-1252. */
const printed = (text: string) => pdf(iconv.encode(text.replace(/\t/g, '    '), 'windows-1252').toString('latin1'))

/** An element for each line and each record; what a cell is, its name says. */
const named: Make = ({ text, rows: [heading = [], ...records] }) => {
  const names = heading.map((name) => String(name).replace(/ /g, '_'))
  const elements = records.map((row) =>
    row.map((cell, n) => `<${names[n] ?? 'x'}>${escapeXml(String(cell))}</${names[n] ?? 'x'}>`).join('\n'),
  )
  const lines = text.split('\n').map((line) => `<line>${escapeXml(line)}</line>`)
  const body = [...lines, ...elements.map((element) => `<record>\n${element}\n</record>`)].join('\n')
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<export>\n${body}\n</export>\n`)
}

const joined = ({ text, rows }: Shape) => [text, ...rows.map((row) => row.join('\t'))].join('\n')

/** Formats of files: name, name of the file, and who writes it. */
const FILES: readonly (readonly [name: string, file: string, make: Make])[] = [
  ['docx', 'note.docx', office(docx)],
  ['xlsx', 'note.xlsx', office(xlsx)],
  ['pptx', 'note.pptx', office(pptx)],
  ['odt', 'note.odt', office(odt)],
  ['ods', 'note.ods', office(ods)],
  ['rtf', 'note.rtf', ({ text, rows }) => rtf(text, rows)],
  ['doc', 'note.doc', ({ text, rows }) => doc(text, rows)],
  ['xls', 'note.xls', ({ text, rows }) => xls(text, rows)],
  ['ppt', 'note.ppt', (shape) => pptFile({ slides: [joined(shape).replace(/\n/g, '\r')] })],
  ['msg', 'note.msg', ({ text, rows }) => msg(text, 'text', rows)],
  ['msg, HTML', 'note.msg', ({ text, rows }) => msg(text, 'html', rows)],
  ['msg, RTF', 'note.msg', ({ text, rows }) => msg(text, 'rtf', rows)],
  ['tnef', 'winmail.dat', ({ text, rows }) => tnef(text, 'text', rows)],
  ['tnef, HTML', 'winmail.dat', ({ text, rows }) => tnef(text, 'html', rows)],
  ['tnef, RTF', 'winmail.dat', ({ text, rows }) => tnef(text, 'rtf', rows)],
  ['csv', 'note.csv', ({ text, rows }) => csv([...text.split('\n').map((line) => [line]), ...rows])],
  ['json', 'note.json', ({ text, rows }) => json(text, rows)],
  ['xml', 'note.xml', named],
  ['html', 'note.html', ({ text, rows }) => html(text, rows)],
  ['vcf', 'note.vcf', (shape) => vcf(joined(shape))],
  ['ics', 'note.ics', (shape) => ics(joined(shape))],
  ['txt', 'note.txt', (shape) => Buffer.from(joined(shape))],
  ['zip of docx', 'note.zip', (shape) => zip([{ name: 'note.docx', bytes: office(docx)(shape) }])],
  [
    'zip in zip',
    'note.zip',
    (shape) => zip([{ name: 'a.zip', bytes: zip([{ name: 'a.txt', bytes: Buffer.from(joined(shape)) }]) }]),
  ],
  [
    'tar.gz of csv and txt',
    'note.tar.gz',
    ({ text, rows }) =>
      tarGz([
        { name: 'a.txt', bytes: Buffer.from(text) },
        { name: 'a.csv', bytes: csv(rows) },
      ]),
  ],
  ['eml file', 'note.eml', (shape) => eml({ text: joined(shape), encoding: 'base64' })],
]

/** Formats in which cells of digits are numbers; only for items that are tables. */
const TYPED: readonly (readonly [name: string, file: string, make: Make])[] = [
  ['xlsx, numbers', 'note.xlsx', numbers(xlsx)],
  ['xlsx, numbers with a format', 'note.xlsx', formatted],
  ['ods, numbers', 'note.ods', numbers(ods)],
  ['xls, numbers', 'note.xls', ({ text, rows }) => xls(text, typed(rows))],
  ['xls, numbers with a format', 'note.xls', ({ text, rows }) => xls(text, typed(rows), '0000000000')],
  ['json, numbers', 'note.json', ({ text, rows }) => json(text, typed(rows))],
]

const holds = (text: string, charset: string) => iconv.decode(iconv.encode(text, charset), charset) === text

const MAILS: readonly Wrapper[] = [
  ...(['8bit', 'binary', 'quoted-printable', 'base64'] as const).map((encoding) => ({
    name: `eml, ${encoding}`,
    wrap: ({ text }: CorpusItem) => eml({ text, encoding }),
  })),
  { name: 'eml, 7bit', wrap: ({ text }) => (/^[\0-\x7f]*$/.test(text) ? eml({ text, encoding: '7bit' }) : null) },
  ...CHARSETS.map((charset) => ({
    name: `eml, ${charset}`,
    wrap: ({ text }: CorpusItem) => (holds(text, charset) ? eml({ text, encoding: 'base64', charset }) : null),
  })),
  { name: 'eml, HTML', wrap: (item) => eml({ ...shapeOf(item), type: 'html', encoding: 'quoted-printable' }) },
  { name: 'eml, forwarded', wrap: ({ text }) => forwarded(eml({ text, encoding: 'quoted-printable' })) },
  { name: 'eml, forwarded twice', wrap: ({ text }) => forwarded(forwarded(eml({ text, encoding: '8bit' }))) },
]

/** All of them. */
export const WRAPPERS: readonly Wrapper[] = [
  ...MAILS,
  ...FILES.map(([name, file, make]) => ({
    name,
    wrap: (item: CorpusItem) => withFile(file, OCTETS, make(shapeOf(item))),
  })),
  ...TYPED.map(([name, file, make]) => ({
    name,
    wrap(item: CorpusItem) {
      const shape = shapeOf(item)
      return shape.rows.length === 0 ? null : withFile(file, OCTETS, make(shape))
    },
  })),
  {
    name: 'pdf',
    wrap: (item) => (holds(item.text, 'windows-1252') ? withFile('note.pdf', OCTETS, printed(item.text)) : null),
  },
]
