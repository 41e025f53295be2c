/** Stock Haraka as an outbound relay, and what the gateway's instance shares with it. */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { readRecords } from '../../lib/spool/record'
import { isJournalFile } from '../../lib/spool/run'
import { closeMeter } from '../cpu'
import { greets, start, stop, until, wallNow } from '../process'
import type { Relay, RelaySetup } from './relay'

const START_LIMIT = 30_000
/** Haraka waits up to 30 s for its connections before it ends. */
const PROFILE_GRACE = 40_000

/** Folder of the Haraka that this package is developed against. */
export function harakaRoot(): string {
  return path.dirname(require.resolve('haraka/package.json'))
}

/** Writes `lines` to a file of the instance's configuration. */
export function configure(dir: string, file: string, ...lines: readonly string[]): void {
  mkdirSync(path.join(dir, 'config'), { recursive: true })
  writeFileSync(path.join(dir, 'config', file), lines.map((line) => `${line}\n`).join(''))
}

/** Installs the plugin that holds mail back; its line must be added to `config/plugins`. */
export function installHold(dir: string): void {
  mkdirSync(path.join(dir, 'plugins'), { recursive: true })
  writeFileSync(
    path.join(dir, 'plugins', 'bench_hold.js'),
    `exports.hook_send_email = require(${JSON.stringify(path.join(__dirname, 'hold.js'))}).hook_send_email\n`,
  )
  configure(dir, 'bench_hold.timeout', '0')
}

/**
 * Messages in a Haraka queue folder: one file each (per destination domain); files being written begin with a dot or
 * `__tmp__`. What this gateway has accepted and not filed yet stands in its journals.
 */
export function queuedMessages(dir: string): number {
  const names = readdirSync(path.join(dir, 'queue'))
  const filed = names.filter((name) => /^\d/.test(name)).length
  return filed + journaled(names.filter(isJournalFile).map((name) => path.join(dir, 'queue', name)))
}

/** A segment in which nothing is left is removed at any moment. */
function contentOf(segment: string): Buffer {
  try {
    return readFileSync(segment)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

/** Mails in the segments of journals that are not done. Numbers are unique within one process. */
function journaled(segments: readonly string[]): number {
  const mails = new Set<string>()
  const done: string[] = []
  for (const file of segments) {
    const run = path.basename(file).replace(/\.[^.]*$/, '')
    for (const record of readRecords(contentOf(file)).records) {
      if (record.kind === 'mail') mails.add(`${run} ${record.number}`)
      else done.push(...record.numbers.map((number) => `${run} ${number}`))
    }
  }
  for (const mail of done) mails.delete(mail)
  return mails.size
}

/** Options of Node that leave the audit log out, in the one row that is measured so. */
function auditing({ id }: RelaySetup): string[] {
  return id === 'gateway-without-audit' ? ['--require', path.join(__dirname, 'without-audit.js')] : []
}

/** Options that make Node write a profile into a folder named for the instance. */
function profiling({ profileDir, dir }: RelaySetup): string[] {
  if (profileDir === undefined) return []
  return ['--cpu-prof', `--cpu-prof-dir=${path.join(profileDir, path.basename(dir))}`]
}

/** A relay that is Haraka: its first process is the one that was started. */
export interface HarakaRelay extends Relay {
  pid: number
}

/**
 * Runs Haraka on a finished instance folder.
 *
 * @param env added to the environment
 * @throws Error when it does not greet in time, with the end of its log
 */
export async function runHaraka(setup: RelaySetup, version: string, env: NodeJS.ProcessEnv): Promise<HarakaRelay> {
  const logFile = path.join(setup.dir, 'haraka.log')
  const bin = path.join(harakaRoot(), 'bin', 'haraka')
  const running = start(process.execPath, [...profiling(setup), ...auditing(setup), bin, '-c', setup.dir], {
    logFile,
    cwd: setup.dir,
    env: { NODE_EXTRA_CA_CERTS: setup.certificates.ca, ...env },
    cores: setup.cores,
    ...(setup.meter.procsFile !== undefined && { procsFile: setup.meter.procsFile }),
  })
  try {
    await until(`${setup.id} greeting`, START_LIMIT, 50, async () => {
      if (!running.alive()) throw new Error(`${setup.id} ended at start`)
      return await greets(setup.address, setup.port)
    })
  } catch (error) {
    await stop(running)
    throw new Error(
      `${String(error)}; last lines of its log:\n${readFileSync(logFile, 'utf8').trim().split('\n').slice(-8).join('\n')}`,
      { cause: error },
    )
  }
  return {
    setup,
    version,
    logFile,
    pid: running.pid,
    cpuMillis: () => setup.meter.millis(running.pid),
    queued: () => queuedMessages(setup.dir),
    release: () => {
      process.kill(running.pid, 'SIGUSR2')
      return Promise.resolve(wallNow())
    },
    stop: async () => {
      // Haraka ends in order on SIGINT only, and only then is a profile written.
      if (setup.profileDir === undefined) await stop(running)
      else await stop(running, PROFILE_GRACE, 'SIGINT')
      await closeMeter(setup.meter)
    },
  }
}

/** Version of the Haraka that is installed. */
export function harakaVersion(): string {
  const { version } = JSON.parse(readFileSync(path.join(harakaRoot(), 'package.json'), 'utf8')) as { version: string }
  return `Haraka ${version}`
}

/**
 * Haraka as shipped, relaying for loopback: `haraka-stock` is opportunistic (clear text where no STARTTLS is offered),
 * `haraka-force` names the domains with TLS in `force_tls_hosts`, which also makes it verify their certificates.
 */
export async function startHaraka(setup: RelaySetup): Promise<Relay> {
  const { dir } = setup
  mkdirSync(path.join(dir, 'queue'))
  chmodSync(path.join(dir, 'queue'), 0o700)
  configure(dir, 'me', 'relay.bench.test')
  configure(dir, 'host_list', 'relay.bench.test')
  for (const file of ['connection.ini', 'log.ini'])
    copyFileSync(path.join(harakaRoot(), 'config', file), path.join(dir, 'config', file))
  configure(dir, 'smtp.ini', `listen=${setup.address}:${setup.port}`, `nodes=${setup.nodes}`)
  configure(dir, 'relay_acl_allow', '127.0.0.0/8')
  // Without `local_mx_ok` stock Haraka skips every MX on loopback. 100 is what its outbound.ini says the default of
  // `concurrency_max` was; its code takes 10,000, and a queue of a thousand mails then never drains: most connections
  // and look-ups fail, and a mail that failed waits for 64 s.
  configure(dir, 'outbound.ini', 'local_mx_ok=true', 'concurrency_max=100')
  if (setup.id === 'haraka-force')
    configure(dir, 'tls.ini', '[outbound]', ...setup.tlsDomains.map((domain) => `force_tls_hosts[]=${domain}`))
  configure(dir, 'plugins', 'relay', ...(setup.hold ? ['bench_hold'] : []))
  if (setup.hold) installHold(dir)
  return await runHaraka(setup, harakaVersion(), {})
}
