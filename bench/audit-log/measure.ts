/**
 * `npm run bench -- --only report`: `secure-mail report` over ten million events of thirty days and three processes, a third
 * of the days each in zstd, gzip and plain. Each call is a process of its own; memory is the largest that it ever had.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { namedFiles } from '../../lib/audit/retention'
import { QUESTIONS } from '../../lib/report/analysis'
import { compress } from './compress'
import { multiplyFile, type Ends } from './multiply'
import { writeLog } from './write'

export const REPORT_TITLE = 'report'

/** Folder in which the log is made, or found from an earlier run; absent = a temporary one, removed afterwards. */
const KEPT = process.env['SECURE_MAIL_BENCH_LOG']

const START = Date.UTC(2026, 9, 31)
const DAYS = 30
const LABELS = ['w1', 'w2', 'w3']
const EVENTS = { full: 10_000_000, quick: 300_000 }
/** Copies of each line in each process' file. */
const COPIES = { full: 25, quick: 5 }

export interface ReportRow {
  question: string
  state: 'cold' | 'warm'
  seconds: number
  /** Peak resident memory, bytes. */
  memory: number
}

export interface ReportMeasured {
  events: number
  files: number
  /** Bytes of the log as it is stored, and of its kept copies. */
  stored: number
  copies: number
  rows: ReportRow[]
}

export async function runReport(quick: boolean, progress: (text: string) => void): Promise<ReportMeasured> {
  const folder = KEPT ?? mkdtempSync(path.join(os.tmpdir(), 'secure-mail-bench-report-'))
  const log = path.join(folder, 'log')
  try {
    if (!existsSync(path.join(folder, 'made'))) await make(folder, log, quick, progress)
    return measure(log, progress)
  } finally {
    if (KEPT === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** Goes on where an earlier run in the same folder was ended. */
async function make(folder: string, log: string, quick: boolean, progress: (text: string) => void): Promise<void> {
  const size = quick ? 'quick' : 'full'
  const base = path.join(folder, 'base')
  const stateFile = path.join(folder, 'state.json')
  if (!existsSync(stateFile)) {
    for (const dir of [base, log]) {
      rmSync(dir, { recursive: true, force: true })
      mkdirSync(dir, { recursive: true, mode: 0o700 })
    }
    progress('writing the base of the log')
    const events = Math.round(EVENTS[size] / LABELS.length / COPIES[size])
    const plan = { dir: base, seed: 3, start: START, days: DAYS, events, label: 'base' }
    await writeLog({ ...plan, incidents: true, compress: false })
    writeFileSync(stateFile, JSON.stringify({ days: 0, ends: [] }))
  }
  const state = JSON.parse(readFileSync(stateFile, 'utf8')) as { days: number; ends: [string, string][] }
  const ends: Ends = new Map(state.ends)
  for (const [day, file] of namedFiles(base).entries()) {
    if (day < state.days) continue
    progress(`day ${day + 1} of ${DAYS}`)
    for (const [index, label] of LABELS.entries()) {
      multiplyFile({
        from: path.join(base, file.name),
        day: file.day,
        to: log,
        label,
        copies: COPIES[size],
        salt: index,
        ends,
      })
      compress(log, file.day, label, day / DAYS)
    }
    writeFileSync(stateFile, JSON.stringify({ days: day + 1, ends: [...ends] }))
  }
  rmSync(base, { recursive: true })
  writeFileSync(path.join(folder, 'made'), '')
}

function measure(log: string, progress: (text: string) => void): ReportMeasured {
  rmSync(path.join(log, 'report-cache'), { recursive: true, force: true })
  const rows: ReportRow[] = []
  const asked = (question: string, state: ReportRow['state']): Asked => {
    progress(`${question}, ${state}`)
    const answer = askOnce(question, log)
    rows.push({ question, state, seconds: answer.seconds, memory: answer.memory })
    return answer
  }
  const first = asked('overview', 'cold')
  for (const { name } of QUESTIONS) asked(name, 'warm')
  return {
    events: first.lines,
    files: first.files,
    stored: sizeOf(log),
    copies: sizeOf(path.join(log, 'report-cache')),
    rows,
  }
}

interface Asked {
  seconds: number
  memory: number
  lines: number
  files: number
}

function askOnce(question: string, log: string): Asked {
  const { stdout, stderr, status } = spawnSync(process.execPath, [path.join(__dirname, 'one-call.js'), question, log], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`${question}: ${stderr}`)
  return JSON.parse(stdout) as Asked
}

function sizeOf(dir: string): number {
  return readdirSync(dir).reduce((sum, name) => {
    const { size } = statSync(path.join(dir, name))
    return statSync(path.join(dir, name)).isFile() ? sum + size : sum
  }, 0)
}

export function reportTable({ events, files, stored, copies, rows }: ReportMeasured): string {
  const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
  return [
    `${events} events in ${files} files, ${mb(stored)} as stored, kept copies ${mb(copies)}`,
    '',
    '| question | state | seconds | peak memory |',
    '|---|---|---|---|',
    ...rows.map(
      ({ question, state, seconds, memory }) => `| ${question} | ${state} | ${seconds.toFixed(1)} | ${mb(memory)} |`,
    ),
    '',
  ].join('\n')
}
