/** Structured values with parameters: Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2231). */
import { decodeCharset } from './charset'

export interface StructuredValue {
  /** `text/plain`, `attachment`; lower case. */
  value: string
  /** Parameters as written, continuations joined, charset decoded; names in lower case. */
  parameters: ReadonlyMap<string, string>
  /** Why readers may differ about it; empty = sound. */
  problems: readonly string[]
}

interface Section {
  index: number
  extended: boolean
  text: string
}

const TOKEN = /[^\s()<>@,;:\\"/[\]?=\0-\x1f]+/y
/** RFC 2231 section 3: `name`, `name*`, `name*0`, `name*0*`. */
const ATTRIBUTE = /^([^*]+)(?:\*(\d{1,3}))?(\*)?$/

/**
 * @param value unfolded field value
 */
export function parseStructured(value: string): StructuredValue {
  const text = withoutComments(value)
  const semicolon = text.indexOf(';')
  const head = (semicolon === -1 ? text : text.slice(0, semicolon))
    .trim()
    .toLowerCase()
    .replace(/\s*\/\s*/, '/')
  const problems: string[] = []
  if (!/^[!#-'*+.0-9^-~-]+(?:\/[!#-'*+.0-9^-~-]+)?$/.test(head)) problems.push('the value does not parse')
  const sections = new Map<string, Section[]>()
  let at = semicolon === -1 ? text.length : semicolon
  while (at < text.length) {
    const parameter = readParameter(text, at, problems)
    at = parameter.next
    if (parameter.name === '') continue
    const match = ATTRIBUTE.exec(parameter.name)
    if (match === null) {
      problems.push('a parameter name does not parse')
      continue
    }
    const [, base = '', index, star] = match
    const list = sections.get(base) ?? []
    list.push({ index: index === undefined ? -1 : Number(index), extended: star !== undefined, text: parameter.text })
    sections.set(base, list)
  }
  const parameters = new Map<string, string>()
  for (const [name, list] of sections) parameters.set(name, joinSections(name, list, problems))
  return { value: head, parameters, problems }
}

function readParameter(text: string, from: number, problems: string[]): { name: string; text: string; next: number } {
  let at = from
  while (at < text.length && /[;\s]/.test(text.charAt(at))) at++
  if (at >= text.length) return { name: '', text: '', next: at }
  const skip = () => {
    problems.push('a parameter does not parse')
    const next = text.indexOf(';', at)
    return { name: '', text: '', next: next === -1 ? text.length : next }
  }
  TOKEN.lastIndex = at
  const name = TOKEN.exec(text)?.[0]
  if (name === undefined) return skip()
  at += name.length
  while (/\s/.test(text.charAt(at))) at++
  if (text.charAt(at) !== '=') return skip()
  at++
  while (/\s/.test(text.charAt(at))) at++
  if (text.charAt(at) === '"') {
    const quoted = readQuoted(text, at)
    if (!quoted.closed) problems.push('a quoted string is not closed')
    const rest = /[^;]*/y
    rest.lastIndex = quoted.next
    const tail = rest.exec(text)?.[0] ?? ''
    if (tail.trim() !== '') problems.push('text follows a quoted string')
    return { name: name.toLowerCase(), text: quoted.text, next: quoted.next + tail.length }
  }
  // unquoted values with blanks or specials are common in file names: taken up to the next semicolon
  const end = text.indexOf(';', at)
  const next = end === -1 ? text.length : end
  return { name: name.toLowerCase(), text: text.slice(at, next).trim(), next }
}

function readQuoted(text: string, from: number): { text: string; next: number; closed: boolean } {
  const out: string[] = []
  for (let at = from + 1; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === '"') return { text: out.join(''), next: at + 1, closed: true }
    // RFC 5322 section 3.2.1; a backslash before anything but a quote or backslash is a path separator of old clients
    if (character === '\\' && /["\\]/.test(text.charAt(at + 1))) at++
    out.push(text.charAt(at))
  }
  return { text: out.join(''), next: text.length, closed: false }
}

/** Comments (RFC 5322 section 3.2.2) count as a blank; those in quoted strings are none. */
function withoutComments(value: string): string {
  if (!value.includes('(')) return value
  const out: string[] = []
  let depth = 0
  let quoted = false
  for (let at = 0; at < value.length; at++) {
    const character = value.charAt(at)
    if (character === '\\' && (quoted || depth > 0)) {
      if (depth === 0) out.push(character, value.charAt(at + 1))
      at++
    } else if (character === '"' && depth === 0) {
      quoted = !quoted
      out.push(character)
    } else if (character === '(' && !quoted) depth++
    else if (character === ')' && !quoted && depth > 0) {
      depth--
      out.push(' ')
    } else if (depth === 0) out.push(character)
  }
  return out.join('')
}

function joinSections(name: string, list: readonly Section[], problems: string[]): string {
  const plain = list.filter((section) => section.index === -1 && !section.extended)
  const single = list.filter((section) => section.index === -1 && section.extended)
  const numbered = list.filter((section) => section.index >= 0).sort((a, b) => a.index - b.index)
  const forms = [plain, single, numbered].filter((form) => form.length > 0)
  if (plain.length > 1 || single.length > 1 || numbered.some((section, n) => section.index !== n)) {
    problems.push(`the parameter ${name} is there more than once or in wrong order`)
  }
  // file names are often given in an old and a new form (RFC 6266 appendix D); all are read, the new form first
  const texts = forms.map((form) => (form === plain ? form.map(({ text }) => text).join(' ') : extendedText(form)))
  if (forms.length > 1 && !['filename', 'name'].includes(name)) {
    problems.push(`the parameter ${name} is there in two forms`)
  }
  return texts.reverse().join(' ')
}

/** RFC 2231 section 4: `charset'language'percent-encoded` in the first section, later ones without charset. */
function extendedText(form: readonly Section[]): string {
  let charset: string | undefined
  const bytes = form.map((section, n) => {
    if (!section.extended) return Buffer.from(section.text, /[^\0-\xff]/.test(section.text) ? 'utf8' : 'latin1')
    let text = section.text
    const match = n === 0 ? /^([^']*)'[^']*'(.*)$/s.exec(text) : null
    if (match !== null) {
      charset = match[1]
      text = match[2] ?? ''
    }
    const decoded = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    return Buffer.from(decoded, /[^\0-\xff]/.test(decoded) ? 'utf8' : 'latin1')
  })
  return decodeCharset(Buffer.concat(bytes), charset === '' ? undefined : charset).text
}
