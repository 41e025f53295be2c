/** Plain text and tables in the formats of old Office, of mail programs, and of text itself. */
import iconv from 'iconv-lite'
import { docFile } from './doc-writer'
import { msgFile, tnefFile } from './mapi-writer'
import { xlsFile } from './xls-writer'

/** Rows of a table, the first one its heading. Numbers are stored as numbers where the format has them. */
export type Rows = readonly (readonly (string | number)[])[]

/** RTF as Word writes it: bytes of Windows-1252 escaped, the rest as Unicode. */
export function rtf(text: string, rows: Rows = []): Buffer {
  const table = rows.map(
    (row) => `\\trowd ${row.map((cell) => `\\intbl ${rtfText(String(cell))}\\cell`).join(' ')}\\row`,
  )
  const head = '{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\fswiss\\fcharset0 Arial;}}\\f0\\fs20 '
  return Buffer.from(`${head}${rtfText(text)}\\par\n${table.join('\n')}\\pard}`, 'latin1')
}

/** Text with everything escaped that RTF takes for something else. */
export function rtfText(text: string): string {
  return text.replace(/[\\{}]|\n|\t|[^\0-\x7f]/g, (character) => {
    if (character === '\n') return '\\par\n'
    if (character === '\t') return '\\tab '
    if (/[\\{}]/.test(character)) return `\\${character}`
    const byte = iconv.encode(character, 'windows-1252')
    if (byte.length === 1 && byte[0] !== 0x3f) return `\\'${byte.toString('hex')}`
    const code = character.charCodeAt(0)
    return `\\u${code > 0x7fff ? code - 0x10000 : code}?`
  })
}

/** Word 97-2003. */
export function doc(text: string, rows: Rows = []): Buffer {
  const table = rows.map((row) => `${row.map((cell) => `${cell}\x07`).join('')}\x07`).join('')
  return docFile({ runs: [{ text: `${text.replace(/\n/g, '\r')}\r${table}\r` }] })
}

/** Excel 97-2003; a text becomes a sheet of its own with a line in each row. */
export function xls(text: string, rows: Rows = [], format?: string): Buffer {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' && format !== undefined ? { number: cell, format } : cell)),
  )
  const lines = text.split('\n').map((line) => [line])
  return xlsFile({
    sheets: [...(rows.length === 0 ? [] : [{ name: 'Ark1', rows: cells }]), { name: 'Tekst', rows: lines }],
  })
}

/** An Outlook message; `form` says which of its bodies holds the text. */
export function msg(text: string, form: 'text' | 'html' | 'rtf' = 'text', rows: Rows = []): Buffer {
  return msgFile(bodies(text, form, rows))
}

/** winmail.dat. */
export function tnef(text: string, form: 'text' | 'html' | 'rtf' = 'text', rows: Rows = []): Buffer {
  return tnefFile(bodies(text, form, rows))
}

function bodies(text: string, form: 'text' | 'html' | 'rtf', rows: Rows) {
  const subject = 'Note'
  switch (form) {
    case 'text':
      return { subject, text: [text, ...rows.map((row) => row.join('\t'))].join('\r\n') }
    case 'html':
      return { subject, html: html(text, rows).toString('utf8') }
    case 'rtf':
      return { subject, rtf: rtf(text, rows) }
  }
}

/** Comma-separated values or their kin; cells that hold the delimiter, quotes or line ends are quoted. */
export function csv(rows: Rows, delimiter = ';'): Buffer {
  const cell = (value: string | number) => {
    const text = String(value)
    return text.includes(delimiter) || /["\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text
  }
  return Buffer.from(rows.map((row) => `${row.map(cell).join(delimiter)}\r\n`).join(''), 'utf8')
}

/** A list of objects, or the lines of a text. */
export function json(text: string, rows: Rows = []): Buffer {
  const [heading = [], ...rest] = rows
  const records = rest.map((row) => Object.fromEntries(row.map((cell, n) => [String(heading[n] ?? n), cell])))
  return Buffer.from(JSON.stringify({ lines: text.split('\n'), records }, null, 2), 'utf8')
}

/** XML with an element for each line and each cell. */
export function xml(text: string, rows: Rows = []): Buffer {
  const lines = text.split('\n').map((line) => `<line>${escaped(line)}</line>`)
  const records = rows.map((row) => `<row>${row.map((cell) => `<cell>${escaped(String(cell))}</cell>`).join('')}</row>`)
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<doc>\n${[...lines, ...records].join('\n')}\n</doc>\n`,
    'utf8',
  )
}

/** A card with the text as its note. */
export function vcf(text: string): Buffer {
  return folded([
    'BEGIN:VCARD',
    'VERSION:3.0',
    'FN:Anna Hansen',
    'N:Hansen;Anna;;;',
    `NOTE:${listed(text)}`,
    'END:VCARD',
  ])
}

/** A meeting with the text as its description. */
export function ics(text: string): Buffer {
  return folded([
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//uni.example//EN',
    'BEGIN:VEVENT',
    'UID:1@uni.example',
    'DTSTAMP:20261123T120000Z',
    'DTSTART:20261124T080000Z',
    'SUMMARY:Meeting',
    `DESCRIPTION:${listed(text)}`,
    'END:VEVENT',
    'END:VCALENDAR',
  ])
}

function listed(text: string): string {
  return text.replace(/[\\;,]/g, '\\$&').replace(/\n/g, '\\n')
}

/** Lines of at most 75 bytes (RFC 5545 section 3.1). */
function folded(lines: readonly string[]): Buffer {
  const out: string[] = []
  for (const line of lines) {
    let current = ''
    for (const character of line) {
      if (Buffer.byteLength(current + character) > 75) {
        out.push(current)
        current = ' '
      }
      current += character
    }
    out.push(current)
  }
  return Buffer.from(`${out.join('\r\n')}\r\n`, 'utf8')
}

/** A page with a paragraph for each line and a table. */
export function html(text: string, rows: Rows = []): Buffer {
  const lines = text.split('\n').map((line) => `<p>${escaped(line)}</p>`)
  const records = rows.map((row) => `<tr>${row.map((cell) => `<td>${escaped(String(cell))}</td>`).join('')}</tr>`)
  const table = rows.length === 0 ? '' : `<table>${records.join('\n')}</table>`
  return Buffer.from(
    `<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head><body>${lines.join('\n')}${table}</body></html>\n`,
  )
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** Transfer encodings of RFC 2045. */
export const TRANSFER_ENCODINGS = ['7bit', '8bit', 'binary', 'quoted-printable', 'base64'] as const
export type TransferEncodingName = (typeof TRANSFER_ENCODINGS)[number]
/** Charsets that a mail may be written in. */
export const CHARSETS = ['utf-8', 'iso-8859-1', 'windows-1252', 'utf-16', 'utf-7'] as const

export interface EmlContent {
  text: string
  encoding?: TransferEncodingName
  charset?: string
  subject?: string
  type?: 'plain' | 'html'
  /** A table; only in HTML. */
  rows?: Rows
}

/** A message with one body. Characters that 7bit or the charset has no place for become question marks. */
export function eml({
  text,
  encoding = '8bit',
  charset = 'utf-8',
  subject = 'Note',
  type = 'plain',
  rows = [],
}: EmlContent): Buffer {
  const content = type === 'html' ? html(text, rows).toString('utf8') : text
  const bytes = iconv.encode(content.replace(/\r?\n/g, '\r\n'), charset, { addBOM: charset === 'utf-16' })
  const header = [
    'From: Anna <anna@uni.example>',
    'To: bo@partner.example',
    `Subject: ${subject}`,
    'Date: Mon, 23 Nov 2026 12:00:00 +0100',
    'Message-ID: <eml@uni.example>',
    'MIME-Version: 1.0',
    `Content-Type: text/${type}; charset=${charset}`,
    `Content-Transfer-Encoding: ${encoding}`,
  ]
  return Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), transferEncoded(bytes, encoding)])
}

/** Bytes as they travel. */
export function transferEncoded(bytes: Buffer, encoding: TransferEncodingName): Buffer {
  switch (encoding) {
    case '7bit':
      return Buffer.from(bytes.map((byte) => (byte < 0x80 ? byte : 0x3f)))
    case '8bit':
    case 'binary':
      return bytes
    case 'quoted-printable':
      return Buffer.from(quotedPrintable(bytes), 'latin1')
    case 'base64':
      return Buffer.from(bytes.toString('base64').replace(/.{76}/g, '$&\r\n'), 'latin1')
  }
}

function quotedPrintable(bytes: Buffer): string {
  const lines = bytes.toString('latin1').split('\r\n')
  return lines
    .map((line) => {
      const encoded = line
        .replace(
          /[^\t\x20-\x3c\x3e-\x7e]/g,
          (one) => `=${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
        )
        .replace(/[ \t]$/, (blank) => (blank === ' ' ? '=20' : '=09'))
      // soft breaks, never inside an escape (RFC 2045 section 6.7 (5))
      return encoded.replace(/(?:=[0-9A-F]{2}|[^=]){1,72}(?=.)/g, '$&=\r\n')
    })
    .join('\r\n')
}
