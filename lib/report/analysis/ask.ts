/** One question asked of the log, from files to an answer. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Settings } from '../../config/settings'
import { utcDay } from '../../audit/retention'
import { maskCpr } from '../../classify/cpr'
import type { Level } from '../../policy/types'
import { logFiles, type LogFile } from '../log-files'
import type { MailId } from '../timeline'
import { cacheFolder, copyFiles, dropOrphans, type Copy } from './copies'
import { openEngine, text, type Engine, type Row } from './engine'
import type { Period } from './period'
import type { Asked, Column, Chart, Question, Verdict } from './question'
import { makeViews, type Filters } from './views'

export interface AskOptions {
  /** null = the analyst's own `sql`. */
  question: Question | null
  sql?: string
  /** Folders of the log. */
  dirs: readonly string[]
  period: Period
  filters: Filters
  /** Mail that `proof` is about. */
  mail: MailId | null
  level: Level
  settings: Settings | null
  /** Keep copies of days that are over, and use those that were kept. */
  keep: boolean
  /** Most rows of a section. */
  limit: number
  now: number
  /** Told how far it has come; '' = nothing to tell any more. */
  progress(text: string): void
}

export interface AnsweredSection {
  name: string
  title: string
  note: string | null
  columns: readonly Column[]
  rows: readonly Row[]
  /** true: there are more rows. */
  truncated: boolean
  chart: Chart | null
  cards: readonly string[] | null
}

export interface Answer {
  question: string
  title: string
  answers: string
  /** ISO 8601, UTC; `until` is the first moment that does not belong to it. */
  period: { since: string; until: string }
  filters: { domain: string | null; sender: string | null; mail: string | null; level: string | null }
  log: {
    files: number
    lines: number
    damagedLines: number
    /** Files whose copy was there before. */
    keptCopies: number
  }
  verdict: Verdict | null
  sections: AnsweredSection[]
}

const DAY = 86_400_000

/**
 * @throws EngineMissing, QueryRefused (the analyst's SQL), Error of the file system or of the engine (rejects)
 */
export async function ask(options: AskOptions): Promise<Answer> {
  const temporary = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-report-'))
  const remove = (): void => rmSync(temporary, { recursive: true, force: true })
  process.once('exit', remove)
  const engine = await openEngine(temporary).catch((error: unknown) => {
    remove()
    throw error
  })
  try {
    const copies = await readLog(engine, temporary, options)
    await makeViews(engine, copies, options.period, options.filters)
    return await answerOf(engine, copies, options)
  } finally {
    options.progress('')
    engine.close()
    remove()
    process.off('exit', remove)
  }
}

/** Files of the days that are needed; a day's file holds that day's events. */
function neededFiles(dir: string, { question, period }: AskOptions): LogFile[] {
  const first = utcDay(period.since - (question?.lookBack ?? 0) * DAY)
  const last = utcDay(period.until - 1)
  return logFiles(dir).filter(({ day }) => day >= first && day <= last)
}

async function readLog(engine: Engine, temporary: string, options: AskOptions): Promise<Copy[]> {
  const copies: Copy[] = []
  for (const [index, dir] of options.dirs.entries()) {
    const cache = options.keep ? cacheFolder(dir) : null
    if (cache !== null) dropOrphans(cache, logFiles(dir), options.now)
    const read = await copyFiles(engine, neededFiles(dir, options), {
      cache,
      temporary: mkdtempSync(path.join(temporary, `${index}-`)),
      scan: options.question?.scans === true,
      now: options.now,
      progress: (done, all) => options.progress(`reading the audit log: ${done} of ${all} files`),
    })
    copies.push(...read)
  }
  return copies
}

async function answerOf(engine: Engine, copies: readonly Copy[], options: AskOptions): Promise<Answer> {
  const { question, period, filters } = options
  options.progress('asking')
  const mailIds = options.mail === null ? null : await mailIdsOf(engine, options.mail)
  const asked: Asked = {
    period,
    now: options.now,
    mailIds,
    level: options.level,
    settings: options.settings,
    copies,
  }
  for (const statement of question?.prepare?.(asked) ?? []) await engine.run(statement)
  const judged = new Map<string, readonly Row[]>()
  const sections =
    question === null
      ? [await ownSection(engine, options)]
      : await answeredSections(engine, question.sections(asked), options.limit, judged)
  return {
    question: question?.name ?? 'sql',
    title: question?.title ?? 'Own query',
    answers: question?.answers ?? (options.sql ?? '').trim(),
    period: { since: new Date(period.since).toISOString(), until: new Date(period.until).toISOString() },
    filters: {
      domain: filters.domain ?? null,
      sender: filters.sender ?? null,
      mail: options.mail?.id ?? null,
      level: question?.name === 'what-if' ? options.level : null,
    },
    log: {
      files: copies.length,
      lines: copies.reduce((sum, { lines }) => sum + lines, 0),
      damagedLines: copies.reduce((sum, { damaged }) => sum + damaged, 0),
      keptCopies: copies.filter(({ kept }) => kept).length,
    },
    verdict: question?.verdict?.(judged, asked) ?? null,
    sections,
  }
}

/** @param judged gets the rows of the sections that the verdict is made of, all of them */
async function answeredSections(
  engine: Engine,
  sections: ReturnType<Question['sections']>,
  limit: number,
  judged: Map<string, readonly Row[]>,
): Promise<AnsweredSection[]> {
  const answered: AnsweredSection[] = []
  for (const { name, title, note, columns, from, chart, cards, judged: whole } of sections) {
    const shown = whole === true ? Infinity : limit
    const { rows, truncated } =
      typeof from === 'string' ? await engine.query(limited(from, shown), shown) : { rows: from, truncated: false }
    if (whole === true) judged.set(name, rows)
    answered.push({
      name,
      title,
      note: note ?? null,
      columns,
      rows: rows
        .slice(0, limit)
        .map((row) => Object.fromEntries(columns.map((one) => [one.name, row[one.name] ?? null]))),
      truncated: truncated || rows.length > limit,
      chart: chart ?? null,
      cards: cards ?? null,
    })
  }
  return answered
}

/** The engine is told how many rows are wanted, so that it does not sort what nobody will see. */
function limited(sql: string, rows: number): string {
  return Number.isFinite(rows) ? `${sql} LIMIT ${rows + 1}` : sql
}

async function ownSection(engine: Engine, { sql, limit }: AskOptions): Promise<AnsweredSection> {
  const { columns, rows, truncated } = await engine.foreign(sql ?? '', limit)
  return {
    name: 'rows',
    title: 'Rows',
    note: null,
    columns: columns.map((name) => ({ name, title: name, type: typeOf(rows.map((row) => row[name] ?? null)) })),
    rows,
    truncated,
    chart: null,
    cards: null,
  }
}

function typeOf(values: readonly Row[string][]): Column['type'] {
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return 'text'
  if (known.every((value) => typeof value === 'number')) return 'number'
  if (known.every((value) => typeof value === 'boolean')) return 'yes-no'
  return known.every(Array.isArray) ? 'list' : 'text'
}

/** As `why` finds them: a bare UUID is a connection with all of its mails. */
async function mailIdsOf(engine: Engine, { kind, id }: MailId): Promise<string[]> {
  const { rows } = await engine.query(`SELECT DISTINCT mail_id FROM log WHERE mail_id IS NOT NULL AND ${conditionOf()}`)
  return rows.map((row) => String(row['mail_id'])).sort()

  function conditionOf(): string {
    switch (kind) {
      case 'case-id':
        return `case_id = ${text(id)}`
      case 'message-id':
        // its digits may have been masked in the log
        return `lower(trim(message_id)) IN (${text(id.toLowerCase())}, ${text(maskCpr(id).toLowerCase())})`
      case 'queue-id':
        return `(upper(mail_id) = ${text(id)}${id.includes('.') ? '' : ` OR starts_with(upper(mail_id), ${text(`${id}.`)})`})`
    }
  }
}
