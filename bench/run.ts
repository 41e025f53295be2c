/** `npm run bench`: the relay comparison in one run. Progress on standard error, the result on standard output. */
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { selectGroups, type Group } from './cases'
import { REPORT_TITLE, reportTable, runReport } from './audit-log/measure'
import { compare, emptyResults, SESSIONS, type Comparison } from './compare'
import { CONTENT_TITLE, contentTable, runContent } from './content'
import { sweepMeters } from './cpu'
import { DETECTION_TITLE, FORMATS_TITLE, runDetection, runFormats } from './detection'
import { encryptTable, ENCRYPT_TITLE, runEncrypt } from './encrypt/run'
import { insideWorkDir, loadCore, relayCore, runInside } from './isolate'
import { MICRO_TITLE, runMicro, type MicroResult } from './micro'
import { parseOptions, USAGE, type Options } from './options'
import { QUEUE_TITLE, runQueue } from './queue/run'
import { ratios, renderReport, type Surroundings } from './report'
import { runScan, SCAN_TITLE, scanTable } from './scan'

/** Seconds after which no new round is begun; start-up and micro benchmarks come on top. */
const ROUND_SECONDS = { full: 320, quick: 70 }

const progress = (text: string) => process.stderr.write(`${text}\n`)

/** Every row with one reason: this machine cannot run the comparison at all. */
function impossible(groups: readonly Group[], reason: string): Comparison {
  const results = emptyResults(groups)
  for (const { rows } of results) for (const row of rows) row.rounds.push({ ok: false, reason, failed: false })
  return { results, versions: [], meter: 'nothing', rounds: 0 }
}

/** Prints everything and says how it went: 1 when a relay that could run lost, doubled or exposed mail, or broke. */
function finish(options: Options, comparison: Comparison, micro: readonly MicroResult[], began: number): number {
  const { results } = comparison
  const around: Surroundings = {
    cpu: `${os.cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${os.cpus().length} cores`,
    node: process.versions.node,
    openssl: process.versions.openssl,
    versions: comparison.versions,
    relayCore: relayCore(),
    loadCore: loadCore(),
    meter: comparison.meter,
    rounds: comparison.rounds,
    messages: options.messages,
    warmUp: options.warmUp,
    sessions: SESSIONS,
    seconds: (performance.now() - began) / 1000,
  }
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ around, results, ratios: results.flatMap(ratios), micro }, null, 1)}\n`
      : renderReport(around, results, micro),
  )
  const failed = results.some(({ rows }) => rows.some((row) => row.rounds.some((round) => !round.ok && round.failed)))
  return failed ? 1 : 0
}

/** Which groups, and whether micro benchmarks, an `--only` asks for. */
function selection(options: Options): { groups: Group[]; micro: boolean } {
  const groups = selectGroups(options.quick, options.only)
  const micro = options.only === undefined || MICRO_TITLE.includes(options.only.toLowerCase())
  if (groups.length === 0 && !micro) throw new Error(`--only ${String(options.only)}: nothing is called that`)
  return { groups, micro }
}

/** Programs without which no relay can be measured, and where Debian has them. */
const NEEDED = {
  'smtp-source': 'postfix',
  openssl: 'openssl',
  ...(relayCore() !== undefined && { taskset: 'util-linux' }),
}

function missingPrograms(): string[] {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter)
  return Object.entries(NEEDED)
    .filter(([name]) => !folders.some((folder) => existsSync(path.join(folder, name))))
    .map(([name, debian]) => `${name} (Debian: ${debian})`)
}

const EXTRAS: readonly string[] = [
  SCAN_TITLE,
  DETECTION_TITLE,
  FORMATS_TITLE,
  CONTENT_TITLE,
  ENCRYPT_TITLE,
  QUEUE_TITLE,
  REPORT_TITLE,
]

/** Parts without any relay, which run only when they are asked for by their whole name. */
async function extraPart(options: Options): Promise<string | null> {
  switch (options.only) {
    case SCAN_TITLE: {
      const rows = runScan(options, progress)
      return options.json ? `${JSON.stringify(rows, null, 1)}\n` : scanTable(rows)
    }
    case DETECTION_TITLE:
      return runDetection(options.quick)
    case FORMATS_TITLE:
      return await runFormats(options.quick)
    case CONTENT_TITLE: {
      const rows = await runContent(options, progress)
      return options.json ? `${JSON.stringify(rows, null, 1)}\n` : contentTable(rows)
    }
    case ENCRYPT_TITLE: {
      const rows = await runEncrypt(options, progress)
      return options.json ? `${JSON.stringify(rows, null, 1)}\n` : encryptTable(rows)
    }
    case REPORT_TITLE: {
      const measured = await runReport(options.quick, progress)
      return options.json ? `${JSON.stringify(measured, null, 1)}\n` : reportTable(measured)
    }
    default:
      return null
  }
}

async function insideQueue(options: Options, workDir: string): Promise<number> {
  const { text, code } = await runQueue(options, { ...roomOf(options, workDir), progress })
  process.stdout.write(text)
  return code
}

/** What everything that starts relays is told of the room. */
function roomOf({ profile }: Options, workDir: string) {
  return {
    workDir,
    meterPrefix: path.basename(workDir),
    relayCores: [relayCore(), loadCore()].filter((core) => core !== undefined),
    profileDir: profile === undefined ? undefined : path.resolve(profile),
  }
}

async function inside(options: Options, workDir: string): Promise<number> {
  if (options.only === QUEUE_TITLE) return await insideQueue(options, workDir)
  const began = performance.now()
  const { groups, micro } = selection(options)
  const missing = missingPrograms()
  if (missing.length > 0) {
    progress(`NO RELAY COMPARISON: not installed: ${missing.join(', ')}`)
    const nothing = impossible(groups, `not installed: ${missing.join(', ')}`)
    return finish(options, nothing, micro ? await runMicro(progress) : [], began)
  }
  const comparison = await compare({
    ...roomOf(options, workDir),
    groups,
    rounds: options.rounds,
    messages: options.messages,
    warmUp: options.warmUp,
    seconds: options.quick ? ROUND_SECONDS.quick : ROUND_SECONDS.full,
    progress,
  })
  return finish(options, comparison, micro ? await runMicro(progress) : [], began)
}

/** @returns undefined when no private room can be made on this machine */
async function inRoom(args: readonly string[]): Promise<number | undefined> {
  const workDir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-bench-'))
  try {
    // Postfix drops privileges and must still reach its folders.
    chmodSync(workDir, 0o755)
    return await runInside(args, workDir)
  } finally {
    rmSync(workDir, { recursive: true, force: true, maxRetries: 5 })
    await sweepMeters(path.basename(workDir))
  }
}

const NO_ROOM = 'it needs network namespaces (Linux, unshare(1), root or unprivileged user namespaces)'

async function outside(options: Options, args: readonly string[]): Promise<number> {
  const began = performance.now()
  if (options.only === QUEUE_TITLE) {
    const code = await inRoom(args)
    if (code === undefined) progress(`NOT MEASURED: ${NO_ROOM}`)
    return code ?? 0
  }
  const { groups, micro } = selection(options)
  if (groups.length > 0) {
    const code = await inRoom(args)
    if (code !== undefined) return code
    progress(`NO RELAY COMPARISON: ${NO_ROOM}`)
  }
  const reason = 'no network namespaces on this machine'
  return finish(options, impossible(groups, reason), micro ? await runMicro(progress) : [], began)
}

async function main(): Promise<number> {
  // Where Debian keeps mail programs; not on an ordinary user's path.
  process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
  const args = process.argv.slice(2)
  let options: Options
  try {
    options = parseOptions(args)
    if (!EXTRAS.includes(options.only ?? '')) selection(options)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    return 2
  }
  if (options.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const extra = await extraPart(options)
  if (extra !== null) {
    process.stdout.write(extra)
    return 0
  }
  const workDir = insideWorkDir()
  return workDir === undefined ? await outside(options, args) : await inside(options, workDir)
}

// The first process of a process namespace gets no signal that it does not handle.
if (insideWorkDir() !== undefined)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exit(1)
  },
)
