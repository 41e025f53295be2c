/** `secure-mail ndr`: what senders are told, looked at before it happens. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { formatProblem, loadConfig } from '../../lib/config'
import type { Language } from '../../lib/config/settings'
import { composeReport, reportText } from '../../lib/notify/compose'
import { REPORT_KINDS } from '../../lib/notify/kinds'
import { sampleReport, type SampleSettings } from '../../lib/notify/sample'
import { fillText, LANGUAGES, loadTemplates, type Templates } from '../../lib/notify/templates'
import type { ReportKind } from '../../lib/notify/types'
import { nearest } from '../../lib/util/nearest'
import type { CommonOptions, Io, RegisterCommand } from '../io'

const FORMATS = ['text', 'html', 'eml'] as const
type Format = (typeof FORMATS)[number]

interface PreviewOptions extends CommonOptions {
  list?: boolean
  lang?: string
  format?: string
}

/** A support desk for where nobody configured one: the sample shall show what is possible. */
const SAMPLE_SUPPORT = { name: 'IT-support', address: 'it-support@uni.example', phone: '99 40 20 20' }

/** Adds `ndr preview`. */
export const registerNdr: RegisterCommand = (program, io) => {
  const ndr = program.command('ndr').description('the reports that senders get')
  ndr
    .command('preview')
    .description('show a report with sample data and your own texts and settings')
    .argument('[kind]', 'kind of report; --list names them')
    .option('--list', 'list the kinds of report')
    .option('--lang <language>', 'one language only: da or en (default: as configured)')
    .option('--format <format>', 'text, html or eml', 'text')
    .option('--config <dir>', 'instance directory (holds config/)')
    .option('--json', 'print JSON')
    .action(async (kind: string | undefined, _options: unknown, command: Command) => {
      await preview(kind, command.optsWithGlobals<PreviewOptions>(), io)
    })
}

async function preview(kind: string | undefined, options: PreviewOptions, io: Io): Promise<void> {
  const usage = usageProblem(kind, options)
  if (usage !== undefined) {
    fail(io, [usage])
    return
  }
  const loaded = load(options)
  if (!loaded.ok) {
    fail(io, loaded.problems)
    return
  }
  if (options.list === true) list(loaded.templates, options, io)
  else await show(kind as ReportKind, loaded, options, io)
}

/** What is wrong with the arguments, in one sentence. */
function usageProblem(kind: string | undefined, options: PreviewOptions): string | undefined {
  if (options.lang !== undefined && !isOneOf(LANGUAGES, options.lang)) {
    return `--lang is one of ${LANGUAGES.join(', ')}, not ${JSON.stringify(options.lang)}`
  }
  if (options.format !== undefined && !isOneOf(FORMATS, options.format)) {
    return `--format is one of ${FORMATS.join(', ')}, not ${JSON.stringify(options.format)}`
  }
  if (options.list === true) return undefined
  if (kind === undefined) return 'which kind of report? `secure-mail ndr preview --list` names them'
  if (isOneOf(REPORT_KINDS, kind)) return undefined
  const meant = nearest(kind, REPORT_KINDS)
  return `there is no kind of report ${JSON.stringify(kind)}${meant === undefined ? '' : `; did you mean ${meant}?`} (--list names them all)`
}

type Loaded = { ok: true; settings: SampleSettings; templates: Templates } | { ok: false; problems: readonly string[] }

function load(options: CommonOptions): Loaded {
  const instance = instanceOf(options)
  if (instance !== undefined && !existsSync(path.join(instance, 'config'))) {
    return { ok: false, problems: [`${instance} is no instance: it has no config folder`] }
  }
  const templates = loadTemplates(instance)
  if (!templates.ok) return { ok: false, problems: templates.problems.map(formatProblem) }
  const config = loadConfig(instance)
  if (!config.ok) return { ok: false, problems: config.problems.map(formatProblem) }
  const { settings } = config
  return {
    ok: true,
    settings: instance === undefined ? { ...settings, support: { ...settings.support, ...SAMPLE_SUPPORT } } : settings,
    templates: templates.templates,
  }
}

/** The instance that was named, or that Haraka was told, or that we stand in; else none. */
function instanceOf(options: CommonOptions): string | undefined {
  const named = options.config ?? process.env.HARAKA
  if (named !== undefined && named !== '') return path.resolve(named)
  return existsSync(path.join('config', 'secure-mail.ini')) && existsSync(path.join('config', 'plugins'))
    ? process.cwd()
    : undefined
}

function list(templates: Templates, options: PreviewOptions, io: Io): void {
  const kinds = REPORT_KINDS.map((kind) => ({
    kind,
    title: { da: fillText(templates.da, `${kind}.title`, {}), en: fillText(templates.en, `${kind}.title`, {}) },
  }))
  if (options.json === true) {
    io.out(`${JSON.stringify(kinds, null, 2)}\n`)
    return
  }
  const language = languageOf(options) ?? 'en'
  const width = Math.max(...REPORT_KINDS.map((kind) => kind.length))
  io.out(kinds.map(({ kind, title }) => `${kind.padEnd(width)}  ${title[language]}\n`).join(''))
}

async function show(
  kind: ReportKind,
  { settings, templates }: Extract<Loaded, { ok: true }>,
  options: PreviewOptions,
  io: Io,
): Promise<void> {
  const language = languageOf(options)
  const input = sampleReport(kind, settings, language === undefined ? undefined : [language])
  const { subject, text, html } = reportText(input, { templates })
  const { message } = await composeReport(input, { templates })
  if (options.json === true) {
    const eml = message.toString('utf8')
    io.out(`${JSON.stringify({ kind, languages: input.languages, subject, text, html, eml }, null, 2)}\n`)
    return
  }
  switch (options.format as Format) {
    case 'html':
      io.out(html)
      return
    case 'eml':
      io.out(message.toString('utf8'))
      return
    default:
      io.out(`Subject: ${subject}\n\n${text.replaceAll('\r\n', '\n')}`)
  }
}

function languageOf(options: PreviewOptions): Language | undefined {
  return LANGUAGES.find((language) => language === options.lang)
}

function isOneOf<T extends string>(values: readonly T[], value: string): value is T {
  return values.some((one) => one === value)
}

function fail(io: Io, problems: readonly string[]): void {
  for (const problem of problems) io.err(`${problem}\n`)
  io.exitCode = 2
}
