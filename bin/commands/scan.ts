/** `secure-mail scan`: what the gate would say about a mail in a file, and why. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { createColors } from 'picocolors'
import { systemClock, type Clock } from '../../lib/clock'
import { formatProblem, loadConfig } from '../../lib/config'
import type { Settings } from '../../lib/config/settings'
import { createReaderPool, inspect, type ReaderPool } from '../../lib/gate'
import { domainListed, domainOf, mailboxes, normalAddress } from '../../lib/gate/addresses'
import type { Verdict } from '../../lib/gate/types'
import { fieldsNamed, parseHeader } from '../../lib/message/header'
import { findInstance } from '../instance'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { asMessage } from '../scan-input'

interface ScanOptions extends CommonOptions {
  from?: string
  to?: string
}

/** One line of `scan --json`; `docs/schema/scan.schema.json`. */
export interface ScanReport {
  file: string
  category: Verdict['category']
  override: Pick<Verdict, 'requested' | 'by' | 'granted' | 'refusals' | 'contentForbids'>
  persons: number
  nameRows: number
  findings: Verdict['findings']
  markers: Verdict['markers']
  protection: Verdict['protection']
  uninspected: Verdict['uninspected']
}

/** Adds `scan`. */
export const registerScan: RegisterCommand = scanWith(systemClock)

/** @param clock nobody is born later */
export function scanWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    program
      .command('scan')
      .description("the gate's verdict on mails and loose files, with the place of everything that was found")
      .argument(
        '<file...>',
        'mails (RFC 5322, .msg) and loose files (PDF, Office, archives ...); - is a mail on standard input',
      )
      .option('--from <address>', 'envelope sender; without it the From of the message, taken as internal')
      .option('--to <address>', 'envelope recipient; without it an external one')
      .option('--json', 'print one line of JSON per file')
      .addHelpText(
        'after',
        '\nNothing is sent, and no number that was found is shown.' +
          '\nExit code: 0 ok, 1 an opt-out is refused or full encryption is needed, 2 wrong call or configuration.',
      )
      .action(async (files: string[], _options: unknown, command: Command) => {
        await scan(files, command.optsWithGlobals<ScanOptions>(), io, clock)
      })
  }
}

async function scan(files: readonly string[], options: ScanOptions, io: Io, clock: Clock): Promise<void> {
  const wrong = [options.from, options.to].find((address) => address !== undefined && normalAddress(address) === null)
  if (wrong !== undefined) {
    fail(io, `${JSON.stringify(wrong)} is no mail address`)
    return
  }
  const loaded = loadConfig(findInstance(options), clock)
  if (!loaded.ok) {
    for (const problem of loaded.problems) fail(io, formatProblem(problem))
    return
  }
  const readers = createReaderPool({ workers: () => loaded.settings.content.workers })
  try {
    await scanAll(files, { options, settings: loaded.settings, clock, readers }, io)
  } finally {
    io.progress?.('')
    await readers.close()
  }
}

interface Scanning {
  options: ScanOptions
  settings: Settings
  clock: Clock
  readers: ReaderPool
}

/** Files that are read at the same time; told in the order in which they were given. */
const AT_ONCE = 4
/** From so many files on it is worth saying how far it has come. */
const MANY = 10

async function scanAll(files: readonly string[], scanning: Scanning, io: Io): Promise<void> {
  const under: Promise<Scanned>[] = []
  let next = 0
  for (const [n, name] of files.entries()) {
    while (next < files.length && next < n + AT_ONCE) under.push(scanOne(files[next++] ?? '', scanning, io))
    if (files.length >= MANY) io.progress?.(`${n + 1} of ${files.length}  ${path.basename(name)}`)
    const scanned = await under.shift()
    if (files.length >= MANY) io.progress?.('')
    if (scanned === undefined || typeof scanned === 'string') {
      fail(io, scanned ?? `${name} was not read`)
      continue
    }
    const { report, badNews } = scanned
    if (badNews && io.exitCode === 0) io.exitCode = 1
    const { settings, options } = scanning
    io.out(options.json === true ? `${JSON.stringify(report)}\n` : `${forPeople(report, settings, io.color)}\n`)
  }
}

/** @returns the bytes, or one line that says why there are none */
async function readBytes(file: string, io: Io): Promise<Buffer | string> {
  try {
    return file === '-' ? await io.stdin() : await readFile(file)
  } catch (error) {
    return `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`
  }
}

/** A report, or one line that says why there is none. */
type Scanned = { report: ScanReport; badNews: boolean } | string

async function scanOne(file: string, { options, settings, clock, readers }: Scanning, io: Io): Promise<Scanned> {
  const bytes = await readBytes(file, io)
  if (typeof bytes === 'string') return bytes
  const raw = asMessage(file, bytes)
  const { mailFrom, internalDomains } = sideOf(raw, options, settings)
  const submission = { authenticated: true, aclListed: false, mailFrom }
  const own = { ...settings, main: { ...settings.main, internalDomains } }
  const { verdict, category3 } = await inspect(raw, submission, own, clock, readers.read)
  const external = options.to === undefined || !domainListed(domainOf(options.to), settings.main.internalDomains)
  const { category, requested, by, granted, refusals, contentForbids, ...found } = verdict
  return {
    report: { file, category, override: { requested, by, granted, refusals, contentForbids }, ...found },
    badNews: (requested && !granted) || (external && category3.outcome !== 'none'),
  }
}

/** Without `--from` the message is taken as one of our own: its From is the envelope sender, and internal. */
function sideOf(
  raw: Buffer,
  options: ScanOptions,
  settings: Settings,
): { mailFrom: string; internalDomains: readonly string[] } {
  const { internalDomains } = settings.main
  if (options.from !== undefined) return { mailFrom: normalAddress(options.from) ?? '', internalDomains }
  const from = fieldsNamed(parseHeader(raw), 'from')[0]
  const mailFrom = (from === undefined ? null : mailboxes(from.value))?.[0]
  if (mailFrom === undefined) return { mailFrom: '', internalDomains }
  return { mailFrom, internalDomains: [...internalDomains, domainOf(mailFrom)] }
}

function fail(io: Io, problem: string): void {
  io.err(`secure-mail: ${problem}\n`)
  io.exitCode = 2
}

const CATEGORIES: Readonly<Record<Verdict['category'], string>> = {
  1: '1 (may travel unencrypted)',
  2: '2 (encrypted during transport)',
  3: '3 (encrypted content)',
}

function forPeople(report: ScanReport, settings: Settings, color: boolean): string {
  const paint = createColors(color)
  const { override } = report
  const optOut = !override.requested
    ? 'not asked for'
    : override.granted
      ? paint.yellow(`granted (${override.by ?? ''})`)
      : paint.red(`refused (${override.by ?? ''})`)
  const limit = settings.category3.persons
  const persons = report.persons > limit ? paint.red(`${report.persons} (more than ${limit})`) : String(report.persons)
  return [
    paint.bold(report.file),
    ...block('category', [CATEGORIES[report.category]]),
    ...block('opt-out', [
      optOut,
      ...override.refusals.map(({ code, where, detail }) => `${code}: ${where}: ${detail}`),
    ]),
    ...block('persons', [persons]),
    ...block('named', report.nameRows === 0 ? [] : [`${report.nameRows} rows name a person without a number`]),
    ...block(
      'CPR',
      report.findings.map(
        ({ masked, confidence, where, evidence }) => `${masked} ${confidence}: ${where} (${evidence.join(', ')})`,
      ),
    ),
    ...block(
      'markers',
      report.markers.map((marker) => `${marker.class}: ${marker.where ?? marker.source}: ${marker.value}`),
    ),
    ...block(
      'encrypted',
      report.protection.map(({ kind, where }) => `${kind}: ${where}`),
    ),
    ...block(
      'not read',
      report.uninspected.map(({ where, reason }) => `${where}: ${reason}`),
    ),
    '',
  ].join('\n')
}

function block(title: string, lines: readonly string[]): string[] {
  return lines.map((line, n) => `  ${(n === 0 ? title : '').padEnd(10)}  ${line}`)
}
