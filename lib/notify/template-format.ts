/**
 * The format of `secure-mail.ndr/da.txt` and `en.txt`: sections of text with `{placeholders}`. This file knows which
 * sections and placeholders there are, and says with file and line what is wrong.
 */
import type { ConfigProblem } from '../config/settings'
import { REFUSAL_CODES } from '../gate/types'
import { nearest } from '../util/nearest'
import { REPORT_KINDS } from './kinds'

/** Text of one language: section name -> its lines (for `actions` sections: one line per action). */
export type LanguageTemplates = ReadonlyMap<string, readonly string[]>

/** Parts that every kind of report has a section for: `[<kind>.<part>]`. */
export const KIND_PARTS = ['title', 'subject', 'what', 'why', 'actions', 'next'] as const

const COMMON = [
  'from',
  'below',
  'one-other',
  'others',
  'label-subject',
  'label-sent',
  'label-ended',
  'label-retry-until',
  'label-case',
  'no-subject',
  'recipients-title',
  'column-recipient',
  'column-server',
  'column-attempts',
  'column-last',
  'why-title',
  'actions-title',
  'server-words',
  'optout-also-refused',
  'headers-only',
  'technical-title',
  'for-postmaster',
  'postmaster-null-sender',
  'postmaster-report-about-report',
  'postmaster-notify',
]

const NOTES = ['findings', 'map', 'not-tls']
const PLACES = ['subject', 'header', 'text', 'html', 'attachment']

/** Sections that must exist; `action.*` sections are free, but one that is named must exist. */
export const REQUIRED_SECTIONS: readonly string[] = [
  ...COMMON.map((name) => `common.${name}`),
  ...NOTES.map((name) => `note.${name}`),
  ...REFUSAL_CODES.map((name) => `refusal.${name}`),
  ...PLACES.map((name) => `where.${name}`),
  ...REPORT_KINDS.flatMap((kind) => KIND_PARTS.map((part) => `${kind}.${part}`)),
]

const REQUIRED = new Set(REQUIRED_SECTIONS)

/** Placeholders of every section that tells of a mail. */
export const GENERAL_PLACEHOLDERS = [
  'recipients',
  'sender',
  'domain',
  'mx',
  'subject',
  'sent',
  'ended',
  'retry-until',
  'case',
  'support',
  'support-name',
  'support-address',
  'support-phone',
  'tag',
  'public-tag',
  'secure-tag',
  'cert-expiry',
  'cert-names',
  'cert-issuer',
  'tls-version',
  'server-words',
  'ended-reason',
] as const

/** Which placeholders a section may use. */
export function placeholdersOf(section: string): readonly string[] {
  if (section === 'common.one-other' || section === 'common.others') return ['first', 'count']
  if (section === 'common.for-postmaster') return [...GENERAL_PLACEHOLDERS, 'postmaster-why']
  if (section.startsWith('where.')) return ['name']
  if (section.startsWith('refusal.')) return [...GENERAL_PLACEHOLDERS, 'where']
  if (section.startsWith('common.label-') || section.startsWith('common.column-') || section === 'common.from')
    return []
  return GENERAL_PLACEHOLDERS
}

/** Sections that a postmaster may leave empty, because a report is whole without them. */
function mayBeEmpty(section: string): boolean {
  return (
    section.startsWith('note.') ||
    section.endsWith('.actions') ||
    section === 'common.headers-only' ||
    section === 'common.server-words' ||
    section === 'common.below'
  )
}

/** Which sections a kind of text file has, and what may stand in them. */
export interface TextFormat {
  /** Folder of its files, below the package's and the instance's `config/`. */
  folder: string
  /** Sections that must exist. */
  required: readonly string[]
  /** Is it one of those, or one that may exist? */
  isSection(name: string): boolean
  placeholdersOf(section: string): readonly string[]
  mayBeEmpty(section: string): boolean
}

/** The texts of reports. */
export const REPORT_TEXTS: TextFormat = {
  folder: 'secure-mail.ndr',
  required: REQUIRED_SECTIONS,
  isSection: (name) => REQUIRED.has(name) || /^action\.[a-z0-9-]+$/.test(name),
  placeholdersOf,
  mayBeEmpty,
}

/** One `{placeholder}` or `{{`. */
export const PLACEHOLDER = /\{\{|\{([^{}]*)\}/g

/**
 * Read one file.
 *
 * @param file name for problems
 * @param known action sections that exist elsewhere (the package's own), for `- @name`
 * @param format what may stand in it
 * @returns the sections of this file, and everything wrong with it
 */
export function parseTemplates(
  text: string,
  file: string,
  known: ReadonlySet<string> = new Set(),
  format: TextFormat = REPORT_TEXTS,
): { sections: Map<string, string[]>; problems: ConfigProblem[] } {
  const sections = new Map<string, string[]>()
  const problems: ConfigProblem[] = []
  const named: { name: string; line: number }[] = []
  const startedAt = new Map<string, number>()
  const problem = (line: number, message: string) => problems.push({ file, line, severity: 'error', message })
  let current: { name: string; lines: string[] } | undefined

  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  lines.forEach((raw, index) => {
    const line = index + 1
    if (raw.startsWith('#')) return
    const header = /^\[([^\]]*)\]\s*$/.exec(raw)
    if (header !== null) {
      const name = (header[1] ?? '').trim()
      if (!format.isSection(name)) problem(line, `unknown section [${name}]${hint(name, format.required, '[', ']')}`)
      else if (startedAt.has(name))
        problem(line, `section [${name}] is there twice, first in line ${startedAt.get(name) ?? 0}`)
      startedAt.set(name, line)
      current = { name, lines: [] }
      sections.set(name, current.lines)
      return
    }
    if (current === undefined) {
      if (raw.trim() !== '') problem(line, 'text before the first [section]')
      return
    }
    for (const message of placeholderProblems(current.name, raw, format)) problem(line, message)
    const reference = /^-\s+@(\S+)\s*$/.exec(raw)
    if (current.name.endsWith('.actions') && reference !== null) named.push({ name: reference[1] ?? '', line })
    addLine(current, raw)
  })

  for (const [name, body] of sections) {
    trimBlankEnds(body)
    if (body.length === 0 && !format.mayBeEmpty(name)) problem(startedAt.get(name) ?? 0, `section [${name}] is empty`)
  }
  const actions = new Set([...known, ...[...sections.keys()].filter((name) => name.startsWith('action.'))])
  for (const { name, line } of named) {
    if (actions.has(`action.${name}`)) continue
    const names = [...actions].map((section) => section.slice('action.'.length))
    problem(line, `there is no section [action.${name}]${hint(name, names, '@', '')}`)
  }
  return { sections, problems }
}

/** In `actions` sections a line that does not begin with `- ` continues the action before it. */
function addLine(section: { name: string; lines: string[] }, raw: string): void {
  const text = raw.trimEnd()
  if (!section.name.endsWith('.actions')) {
    section.lines.push(text)
    return
  }
  if (text.trim() === '') return
  const last = section.lines.length - 1
  if (text.startsWith('- ')) section.lines.push(text.slice(2).trim())
  else if (last < 0) section.lines.push(text.trim())
  else section.lines[last] = `${section.lines[last] ?? ''}\n${text.trim()}`
}

function placeholderProblems(section: string, text: string, format: TextFormat): string[] {
  const allowed = format.placeholdersOf(section)
  const problems: string[] = []
  for (const match of text.matchAll(PLACEHOLDER)) {
    const name = match[1]
    if (name === undefined || allowed.includes(name)) continue
    const where = allowed.length === 0 ? ` (section [${section}] has none)` : hint(name, allowed, '{', '}')
    problems.push(`unknown placeholder {${name}}${where}`)
  }
  const rest = text.replace(PLACEHOLDER, '')
  if (rest.includes('{')) problems.push('a { that is not closed; write {{ for a single {')
  return problems
}

function hint(name: string, names: readonly string[], open: string, close: string): string {
  const best = nearest(name, names)
  return best === undefined ? '' : `; did you mean ${open}${best}${close}?`
}

function trimBlankEnds(lines: string[]): void {
  while (lines.length > 0 && lines[0]?.trim() === '') lines.shift()
  while (lines.length > 0 && lines.at(-1)?.trim() === '') lines.pop()
}
