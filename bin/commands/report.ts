/** `secure-mail report`: the analyst's questions, answered from the audit log. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { systemClock, type Clock } from '../../lib/clock'
import type { Settings } from '../../lib/config/settings'
import { normaliseName } from '../../lib/dns'
import { readMailId } from '../../lib/report'
import {
  ask,
  csv,
  EngineMissing,
  htmlPage,
  JUDGED,
  QUESTIONS,
  QueryRefused,
  readPeriod,
  type Answer,
  type Question,
} from '../../lib/report/analysis'
import { nearest } from '../../lib/util/nearest'
import { answerTable } from '../answer-table'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { fail, readyInstance } from '../ready'

interface ReportOptions extends CommonOptions {
  since?: string
  until?: string
  domain?: string
  sender?: string
  mail?: string
  level?: string
  format?: Format
  section?: string
  sql?: string
  logs?: string[]
  limit?: number
  cache: boolean
}

const FORMATS = ['table', 'csv', 'json', 'html'] as const
type Format = (typeof FORMATS)[number]

/** Rows of a section when nothing is asked for: what a person reads, what a page bears, what a program takes. */
const USUAL_ROWS: Readonly<Record<Format, number>> = { table: 40, html: 200, csv: 100_000, json: 10_000 }

/** Adds `report`. */
export const registerReport: RegisterCommand = reportWith(systemClock)

/** @param clock says what now is */
export function reportWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    program
      .command('report')
      .description('questions to the audit log: what went how, what was at risk, who opted out, is the log whole')
      .argument('[name]', `one of: ${QUESTIONS.map(({ name }) => name).join(', ')}`, QUESTIONS[0]?.name)
      .option('--since <when>', 'duration before now, day, or time (UTC)', '30d')
      .option('--until <when>', 'the same; a day is meant with all of it (default: now)')
      .option('--domain <domain>', 'only mail to this recipient domain; .example.org = all below it')
      .option('--sender <address>', 'only mail of this sender; @example.org = everybody there')
      .option('--mail <id>', 'proof: queue id, Message-ID or case number')
      .addOption(new Option('--level <level>', 'what-if: the level that is asked about').choices(JUDGED))
      .addOption(new Option('--format <format>', 'how the answer is written (default: table)').choices(FORMATS))
      .option('--section <name>', 'csv: which section (default: the first)')
      .option('--sql <query>', 'a query of your own over the views log, events, deliveries, undelivered')
      .option('--logs <dir...>', 'folders with audit files, instead of those of the instance')
      .option('--limit <rows>', 'most rows of a section', readLimit)
      .option('--no-cache', 'neither use nor keep copies of days that are over')
      .option('--json', 'the same as --format json')
      .addHelpText('after', help())
      .action(async (name: string, _options: unknown, command: Command) => {
        const options = command.optsWithGlobals<ReportOptions>()
        const call = readCall(name, options, clock)
        if ('problems' in call) fail(io, call.problems)
        else await answer(call, options, io, clock)
      })
  }
}

function readLimit(text: string): number {
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new InvalidArgumentError('a number of rows, 1 or more')
  return Number(text)
}

function help(): string {
  const names = QUESTIONS.map(({ name, answers }) => `  ${name.padEnd(16)}${answers}`).join('\n')
  return `
Questions:
${names}

All times are UTC. Needs DuckDB (npm install @duckdb/node-api), which the mail server never loads. Days that are over are
copied into a form that is quick to ask (report-cache in the folder of the log).
Exit code: 0 answered, 1 the answer is bad news (log-health: not whole; latency: over 24 hours; clear-text: without a
permission on record; proof: not encrypted, not delivered or not found), 2 wrong call, no DuckDB, or unreadable log.`
}

type Call = Omit<Parameters<typeof ask>[0], 'progress' | 'limit' | 'now'>

function readCall(name: string, options: ReportOptions, clock: Clock): Call | { problems: string[] } {
  const question = QUESTIONS.find((one) => one.name === name)
  if (question === undefined) {
    const names = QUESTIONS.map((one) => one.name)
    const near = nearest(name, names)
    return {
      problems: [
        `there is no question ${JSON.stringify(name)}; ${near === undefined ? `ask one of ${names.join(', ')}` : `did you mean ${near}?`}`,
      ],
    }
  }
  const problems = [...unfit(question, options)]
  const period = readPeriod(options.since, options.until, clock.now())
  if (typeof period === 'string') problems.push(period)
  const domain = options.domain === undefined ? undefined : readDomain(options.domain)
  if (domain === null) problems.push(`--domain: ${JSON.stringify(options.domain)} is no domain`)
  const mail = options.mail === undefined ? null : readMailId(options.mail)
  if (options.mail !== undefined && mail === null) {
    problems.push(`--mail: ${JSON.stringify(options.mail)} is no queue id, Message-ID or case id (SM-XXXX-XXXX)`)
  }
  const where = readWhere(options, clock)
  if ('problems' in where) problems.push(...where.problems)
  if (problems.length > 0 || typeof period === 'string' || 'problems' in where) return { problems }
  return {
    question: options.sql === undefined ? question : null,
    ...(options.sql === undefined ? {} : { sql: options.sql }),
    ...where,
    period,
    filters: {
      ...(domain === undefined || domain === null ? {} : { domain }),
      ...(options.sender === undefined ? {} : { sender: options.sender.trim().toLowerCase() }),
    },
    mail,
    level: JUDGED.find((level) => level === options.level) ?? usualLevel(where.settings),
    keep: options.cache,
  }
}

/** What the answer would not depend on is a mistake of whoever asks. */
function* unfit(
  question: Question,
  { domain, sender, mail, level, sql, section, format, json }: ReportOptions,
): Generator<string> {
  const { name } = question
  if (sql !== undefined && name !== QUESTIONS[0]?.name) yield `--sql is a question of its own: leave out ${name}`
  if (question.unfiltered === true && domain !== undefined)
    yield `${name} is not about single mails: --domain changes nothing there`
  if (question.unfiltered === true && sender !== undefined)
    yield `${name} is not about single mails: --sender changes nothing there`
  if (mail !== undefined && name !== 'proof') yield '--mail belongs to the question proof'
  if (level !== undefined && name !== 'what-if') yield '--level belongs to the question what-if'
  if (section !== undefined && (format !== 'csv' || json === true)) yield '--section belongs to --format csv'
  if (json === true && format !== undefined && format !== 'json')
    yield `--json and --format ${format} do not go together`
}

/** The next stricter level than the one in force, which is what one asks about. */
function usualLevel(settings: Settings | null): (typeof JUDGED)[number] {
  if (settings?.main.mode === 'monitor') return JUDGED.find((level) => level === settings.main.level) ?? 'encrypt'
  return settings === null || settings.main.level === 'may' ? 'encrypt' : 'verify'
}

/** @returns null when it is none */
function readDomain(text: string): string | null {
  const below = text.startsWith('.')
  const name = normaliseName(below ? text.slice(1) : text.replace(/^@/, ''))
  return name === null || name === '' ? null : below ? `.${name}` : name
}

function readWhere(
  options: ReportOptions,
  clock: Clock,
): { dirs: string[]; settings: Settings | null } | { problems: string[] } {
  if (options.logs !== undefined) {
    const dirs = options.logs.map((dir) => path.resolve(dir))
    const missing = dirs.filter((dir) => !existsSync(dir))
    return missing.length === 0
      ? { dirs, settings: null }
      : { problems: missing.map((dir) => `there is no folder ${dir}`) }
  }
  const ready = readyInstance(options, clock)
  return ready.ok ? { dirs: [ready.settings.audit.dir], settings: ready.settings } : { problems: ready.problems }
}

async function answer(call: Call, options: ReportOptions, io: Io, clock: Clock): Promise<void> {
  const format: Format = options.json === true ? 'json' : (options.format ?? 'table')
  try {
    const found = await ask({
      ...call,
      limit: options.limit ?? USUAL_ROWS[format],
      now: clock.now(),
      progress: (text) => io.progress?.(text),
    })
    write(found, format, options.section, io, clock)
  } catch (error) {
    io.progress?.('')
    if (error instanceof EngineMissing) fail(io, [error.message])
    else if (error instanceof QueryRefused) fail(io, [`--sql: ${error.message}`])
    else fail(io, [`the audit log cannot be asked: ${error instanceof Error ? error.message : String(error)}`])
  }
}

function write(found: Answer, format: Format, sectionName: string | undefined, io: Io, clock: Clock): void {
  const section = found.sections.find(({ name }) => name === sectionName) ?? found.sections[0]
  if (sectionName !== undefined && section?.name !== sectionName) {
    fail(io, [`--section: ${found.question} has ${found.sections.map(({ name }) => name).join(', ')}`])
    return
  }
  if (found.verdict?.good === false) io.exitCode = 1
  switch (format) {
    case 'json':
      io.out(`${JSON.stringify(found)}\n`)
      return
    case 'html':
      io.out(htmlPage(found, clock.now()))
      return
    case 'csv':
      if (section !== undefined)
        io.out(
          csv(
            section.columns.map(({ name }) => name),
            section.rows,
          ),
        )
      if (section?.truncated === true)
        io.err(`secure-mail: there are more than ${section.rows.length} rows; --limit gives more\n`)
      return
    case 'table':
      io.out(answerTable(found, io.color))
  }
}
