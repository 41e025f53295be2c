/** The words of the reports: the package's own, with what an instance puts in their place. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { ConfigProblem, Language } from '../config/settings'
import { errorAt } from '../config/problem'
import { packageRoot } from '../package-root'
import { parseTemplates, PLACEHOLDER, REPORT_TEXTS, type LanguageTemplates, type TextFormat } from './template-format'

/** Texts of every language. */
export type Templates = Readonly<Record<Language, LanguageTemplates>>

/** Languages that there are files for. */
export const LANGUAGES: readonly Language[] = ['da', 'en']

/**
 * Read the package's texts and, over them, section by section, those of an instance (`DIR/config/secure-mail.ndr/`).
 * A file that an instance does not have changes nothing; a file that has a fault is not used in part.
 *
 * @param instanceDir folder that holds `config/`; undefined = the package's texts alone
 * @param format which texts: those of reports, or others of the same form
 */
export function loadTemplates(
  instanceDir: string | undefined,
  format: TextFormat = REPORT_TEXTS,
): { ok: true; templates: Templates } | { ok: false; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  const load = (language: Language): LanguageTemplates => {
    const name = `${format.folder}/${language}.txt`
    const own = path.join(packageRoot(), 'config', name)
    const sections =
      readSections(own, `defaults/${name}`, new Set(), format, problems, 'required') ?? new Map<string, string[]>()
    for (const section of format.required) {
      if (!sections.has(section)) problems.push(errorAt(`defaults/${name}`, 0, `section [${section}] is missing`))
    }
    if (instanceDir === undefined) return sections
    const theirs = path.join(instanceDir, 'config', name)
    const changed = readSections(theirs, `config/${name}`, new Set(sections.keys()), format, problems, 'optional')
    return new Map([...sections, ...(changed ?? [])])
  }
  const templates = { da: load('da'), en: load('en') }
  return problems.length === 0 ? { ok: true, templates } : { ok: false, problems }
}

/** @param shown the file's name in problems */
function readSections(
  file: string,
  shown: string,
  known: ReadonlySet<string>,
  format: TextFormat,
  problems: ConfigProblem[],
  need: 'required' | 'optional',
): Map<string, string[]> | undefined {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (need === 'optional' && code === 'ENOENT') return undefined
    const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : `cannot be read: ${String(cause)}`
    problems.push(errorAt(shown, 0, why))
    return undefined
  }
  const parsed = parseTemplates(text, shown, known, format)
  problems.push(...parsed.problems)
  return parsed.sections
}

/** What a placeholder stands for; '' or undefined = it has no value in this report. */
export type Values = Readonly<Record<string, string | undefined>>

/**
 * The lines of a section with their placeholders filled in. A line with a placeholder that has no value is left out.
 *
 * @throws Error when the section does not exist, which `loadTemplates` has ruled out for every required section
 */
export function fillSection(templates: LanguageTemplates, section: string, values: Values): string[] {
  const lines = templates.get(section)
  if (lines === undefined) throw new Error(`secure-mail: no report text [${section}]`)
  return lines.flatMap((line) => fillLine(line, values))
}

/** A section as one line. */
export function fillText(templates: LanguageTemplates, section: string, values: Values): string {
  return fillSection(templates, section, values)
    .filter((line) => line.trim() !== '')
    .join(' ')
}

/** A section as paragraphs: empty lines part them, other line breaks do not count. */
export function fillParagraphs(templates: LanguageTemplates, section: string, values: Values): string[] {
  return fillSection(templates, section, values)
    .join('\n')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.split('\n').join(' ').trim())
    .filter((paragraph) => paragraph !== '')
}

/**
 * The numbered actions of a kind. `@name` stands for [action.name]; an action of which no line is left vanishes.
 *
 * @param without names of shared actions that must not be suggested here
 */
export function fillActions(
  templates: LanguageTemplates,
  section: string,
  values: Values,
  without: ReadonlySet<string>,
): string[] {
  return (templates.get(section) ?? []).flatMap((line) => {
    const shared = /^@(\S+)$/.exec(line)?.[1]
    if (shared !== undefined && without.has(shared)) return []
    const text =
      shared === undefined
        ? line
            .split('\n')
            .flatMap((part) => fillLine(part, values))
            .join(' ')
        : fillText(templates, `action.${shared}`, values)
    return text.trim() === '' ? [] : [text]
  })
}

function fillLine(line: string, values: Values): string[] {
  const names = [...line.matchAll(PLACEHOLDER)].flatMap((match) => match[1] ?? [])
  if (names.some((name) => (values[name] ?? '') === '')) return []
  return [line.replace(PLACEHOLDER, (_, name: string | undefined) => (name === undefined ? '{' : (values[name] ?? '')))]
}
