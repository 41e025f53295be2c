/** Cards and calendars (RFC 6350, vCard 2.1 and 3.0, RFC 5545): lines unfolded, values decoded, files in them opened. */
import { decodeCharset } from '../charset'
import { linesOf } from '../lines'
import { encodedBlock, readTextLeaf } from '../text-leaf'
import { decodeTransfer } from '../transfer'
import type { FileReading, ReadBudget } from './types'

/** Lines that are kept one by one. */
const JOINED = 1000

interface ContentLine {
  /** Name with its parameters, as written. */
  head: string
  parameters: ReadonlyMap<string, string>
  value: string
}

/** @param text line ends are LF */
export function isCard(text: string): boolean {
  return /^\s*BEGIN[ \t]*:[ \t]*(?:VCARD|VCALENDAR)[ \t]*$/im.test(
    text.slice(0, 2000).trimStart().split('\n', 1)[0] ?? '',
  )
}

/** @param text line ends are LF */
export function readCards(reading: FileReading, budget: ReadBudget, where: string, text: string): void {
  const shown = lineCollector(budget)
  const problem = (reason: string) => {
    if (!reading.uninspected.some((one) => one.reason === reason)) reading.uninspected.push({ where, reason })
  }
  for (const line of unfold(text)) {
    if (budget.timeUp()) {
      problem('the time for reading was up')
      return
    }
    if (!shown.hasRoom()) {
      problem('the content is too large')
      return
    }
    const parsed = parseLine(line)
    if (parsed === null) {
      shown.push(line)
      continue
    }
    const { head, parameters, value } = parsed
    const encoding = (parameters.get('encoding') ?? '').toLowerCase()
    const dataUrl = /^data:([^,;]*)[^,]*;base64,(.*)$/is.exec(value)
    if (encoding === 'b' || encoding === 'base64' || dataUrl !== null) {
      shown.push(head)
      const { bytes, junk } = decodeTransfer(Buffer.from(dataUrl?.[2] ?? value, 'latin1'), 'base64')
      if (junk) problem('a value is no base64')
      if (!budget.part() || !budget.bytes(bytes.length)) {
        problem('there are too many parts, or they are too large')
        return
      }
      const type = dataUrl?.[1] ?? parameters.get('fmttype') ?? ''
      const name = parameters.get('filename') ?? parameters.get('x-filename') ?? ''
      const place = `${where} > ${head.split(/[;:]/, 1)[0] ?? ''}`
      reading.embedded.push({ bytes, name, where: place, type: type.toLowerCase(), archive: false })
      continue
    }
    let decoded = value
    if (encoding === 'quoted-printable' || encoding === 'q') {
      const { bytes } = decodeTransfer(
        Buffer.from(value, /[^\0-\xff]/.test(value) ? 'utf8' : 'latin1'),
        'quoted-printable',
      )
      const result = decodeCharset(bytes, parameters.get('charset'))
      if (result.problem !== undefined) problem(result.problem)
      decoded = result.text
    } else if (encoding !== '' && encoding !== '8bit' && encoding !== '7bit') problem('an encoding is not known')
    const plain = unescape(decoded)
    shown.push(`${head}:${plain}`)
    // Outlook shows X-ALT-DESC;FMTTYPE=text/html in the place of the description
    if (plain.includes('<')) readHtmlValue(reading, `${where} > ${head.split(/[;:]/, 1)[0] ?? ''}`, plain)
  }
  const all = shown.text()
  reading.texts.push({ where, role: 'text', text: all })
  const block = encodedBlock(all)
  if (block !== null) problem(block)
}

function readHtmlValue(reading: FileReading, where: string, value: string): void {
  const { texts, problems } = readTextLeaf(Buffer.from(value), 'text/html', new Map([['charset', 'utf-8']]), where)
  for (const one of texts) reading.texts.push(one)
  for (const reason of problems) reading.uninspected.push({ where, reason })
}

/**
 * Folded lines go on behind a blank (RFC 6350 section 3.2); in vCard 2.1 a quoted-printable value goes on behind `=`,
 * and base64 up to an empty line.
 */
function* unfold(text: string): Generator<string> {
  let current: string[] | null = null
  let isQuoted = false
  let isBase64 = false
  for (const line of linesOf(text)) {
    if (current !== null && isQuoted && (current.at(-1) ?? '').endsWith('=')) current.push('\n', line)
    else if (current !== null && /^[ \t]/.test(line)) current.push(line.slice(1))
    else if (current !== null && isBase64 && /^[A-Za-z0-9+/]+={0,2}$/.test(line)) current.push(line)
    else {
      if (current !== null) yield current.join('')
      current = [line]
      const head = line.slice(0, Math.max(0, line.indexOf(':')))
      isQuoted = /quoted-printable/i.test(head)
      isBase64 = /;(?:encoding=)?(?:b|base64)(?:;|$)/i.test(head)
    }
  }
  if (current !== null) yield current.join('')
}

/** Lines of text that are joined as they come: millions of strings would be more than a worker has. */
function lineCollector(budget: ReadBudget) {
  const joined: string[] = []
  let lines: string[] = []
  let room = true
  const join = () => {
    if (lines.length === 0) return
    const text = lines.join('\n')
    lines = []
    room &&= budget.bytes(text.length)
    joined.push(text)
  }
  return {
    push(line: string) {
      lines.push(line)
      if (lines.length >= JOINED) join()
    },
    hasRoom: () => room,
    text() {
      join()
      return joined.join('\n')
    },
  }
}

/** `group.NAME;PARAM="a:b":value`; parameters without a name are the short forms of vCard 2.1. */
function parseLine(line: string): ContentLine | null {
  const match = /^([A-Za-z0-9.\-_/ ]+)((?:;(?:"[^"]*"|[^":;])*)*):/.exec(line)
  if (match === null) return null
  const parameters = new Map<string, string>()
  for (const parameter of (match[2] ?? '').match(/(?:"[^"]*"|[^";])+/g) ?? []) {
    const equals = parameter.indexOf('=')
    const name = equals === -1 ? '' : parameter.slice(0, equals).trim().toLowerCase()
    const value = parameter
      .slice(equals + 1)
      .replace(/"/g, '')
      .trim()
    if (name !== '') parameters.set(name, value)
    else if (/^(?:quoted-printable|base64|b)$/i.test(value)) parameters.set('encoding', value)
  }
  return { head: line.slice(0, match[0].length - 1), parameters, value: line.slice(match[0].length) }
}

/** RFC 6350 section 3.4. */
function unescape(value: string): string {
  return value.replace(/\\([nN,;\\:])/g, (_, one: string) => (one.toLowerCase() === 'n' ? '\n' : one))
}
