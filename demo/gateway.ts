/**
 * The gateway as a process of its own: an instance directory made by `secure-mail init`, stock Haraka run on it, and
 * what can be seen of it from outside: its log, its audit events, its queue.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { packageRoot } from '../lib/package-root'
import { freePort, runOk, start, temporaryDirectory, until, type Running } from './processes'

/** The folder that the compiler wrote to: `plugins/`, `lib/`, `bin/` and this file's folder are in it. */
const BUILT = path.dirname(__dirname)

export interface GatewayOptions {
  /** Text of `secure-mail.ini`, in the place of the one that `init` writes. */
  settings: string
  /** Text of `secure-mail.tls_policy`. */
  tlsPolicy?: string
  /** More files below `config/`: name and text. */
  files?: Readonly<Record<string, string>>
  /** Haraka's worker processes; 0 (default) = one process does it all. */
  nodes?: number
  /** Added to the environment of Haraka; `undefined` takes a name out. */
  env?: Readonly<Record<string, string | undefined>>
  /** Makes a ready instance in that (empty) directory; default: `secure-mail init`. */
  init?: (dir: string) => Promise<void> | void
}

/** One line of the audit log. */
export type AuditLine = Readonly<Record<string, unknown>> & { event?: Readonly<Record<string, unknown>> }

export interface Gateway {
  /** The instance directory. */
  readonly dir: string
  readonly address: string
  readonly port: number
  /** `address:port` for clients. */
  readonly server: string
  /** Process id of Haraka (the master, with `nodes`). */
  pid(): number
  /** What Haraka has printed, over all starts. */
  log(): string
  /** Audit events so far, in order of time. */
  events(action?: string): AuditLine[]
  /** Names of the files in the queue, subfolders included. */
  queue(): string[]
  /** Write a file below `config/`; Haraka and the plugin reload it live. */
  write(name: string, text: string): void
  start(): Promise<void>
  /** Graceful end (SIGINT, as Haraka has it). */
  halt(): Promise<void>
  /** SIGKILL to all its processes at once. */
  kill9(): Promise<void>
  restart(): Promise<void>
  /** Start, expecting that it refuses. @returns exit code and what it printed */
  startExpectingRefusal(limit?: number): Promise<{ code: number | null; output: string }>
  /** End it and remove the instance. */
  stop(): Promise<void>
}

/** Make an instance; `start()` runs it. */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const temporary = temporaryDirectory('instance')
  const dir = path.join(temporary.path, 'instance')
  const address = '127.0.0.1'
  try {
    mkdirSync(dir)
    await (options.init ?? initByCommand)(dir)
    const port = await freePort([address])
    const write = (name: string, text: string) => {
      const file = path.join(dir, 'config', name)
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, text)
    }
    write('smtp.ini', `listen=${address}:${port}\nnodes=${options.nodes ?? 0}\n`)
    write('secure-mail.ini', options.settings)
    if (options.tlsPolicy !== undefined) write('secure-mail.tls_policy', options.tlsPolicy)
    for (const [name, text] of Object.entries(options.files ?? {})) write(name, text)
    const { env = {}, nodes = 0 } = options
    return running({ dir, address, port, nodes, env, write, remove: () => temporary.remove() })
  } catch (error) {
    temporary.remove()
    throw error
  }
}

async function initByCommand(dir: string): Promise<void> {
  await runOk(process.execPath, [path.join(BUILT, 'bin', 'secure-mail.js'), 'init', dir], { env: QUIET })
  linkPlugin(dir)
}

/** Let Haraka find the plugin as this very build; `init` links the package, whose build may be another one. */
function linkPlugin(dir: string): void {
  const link = path.join(dir, 'node_modules', 'haraka-plugin-secure-mail')
  if (existsSync(link) && BUILT === path.join(packageRoot(), 'dist')) return
  rmSync(link, { recursive: true, force: true })
  mkdirSync(link, { recursive: true })
  const manifest = { name: 'haraka-plugin-secure-mail', main: path.join(BUILT, 'plugins', 'index.js') }
  writeFileSync(path.join(link, 'package.json'), JSON.stringify(manifest))
}

/** What of the caller's environment must not reach the gateway: it would change whom it trusts and where it listens. */
const QUIET: Readonly<Record<string, undefined>> = {
  NODE_EXTRA_CA_CERTS: undefined,
  NODE_OPTIONS: undefined,
  SSL_CERT_FILE: undefined,
  SSL_CERT_DIR: undefined,
  HARAKA: undefined,
  SECURE_MAIL_LISTEN: undefined,
}

interface Place {
  dir: string
  address: string
  port: number
  nodes: number
  env: NonNullable<GatewayOptions['env']>
  write: (name: string, text: string) => void
  remove: () => void
}

function running(place: Place): Gateway {
  const { dir, address, port, write } = place
  let haraka: Running | undefined
  let earlier = ''
  const log = () => earlier + (haraka?.output() ?? '')
  const spawn = () => {
    if (haraka && !haraka.ended()) throw new Error('the gateway is running already')
    earlier = log()
    const binary = require.resolve('haraka/bin/haraka', { paths: [packageRoot()] })
    haraka = start(process.execPath, [binary, '-c', dir], { cwd: dir, env: { ...QUIET, ...place.env } })
    return haraka
  }
  const begin = async () => {
    const started = startsRecorded(dir)
    const process = spawn()
    await until(
      'the gateway greets',
      async () => {
        if (process.ended()) throw new Error(`the gateway ended:\n${process.output().slice(-4_000)}`)
        return greets(address, port)
      },
      { limit: 30_000, every: 100, detail: () => log().slice(-4_000) },
    )
    // The greeting comes before the store is open; until then mail is answered with 451. Each delivering process
    // records when it is ready; a log kept elsewhere is not waited for any longer than this.
    if (!hasPlugin(dir)) return
    const awaited = started + Math.max(1, place.nodes)
    await until('all processes are ready', () => startsRecorded(dir) >= awaited || process.ended(), {
      limit: 5_000,
    }).catch(() => undefined)
  }
  const halt = async () => {
    await haraka?.stop({ signal: 'SIGINT', grace: 20_000 })
  }
  return {
    dir,
    address,
    port,
    server: `${address}:${port}`,
    pid: () => haraka?.pid ?? -1,
    log,
    events: (action) => readEvents(path.join(dir, 'audit'), action),
    queue: () => listFiles(path.join(dir, 'queue')),
    write,
    start: begin,
    halt,
    async kill9() {
      await haraka?.kill9()
    },
    async restart() {
      await halt()
      await begin()
    },
    async startExpectingRefusal(limit = 20_000) {
      const process = spawn()
      const timer = setTimeout(() => void process.kill9(), limit)
      const { code } = await process.exit
      clearTimeout(timer)
      return { code, output: process.output() }
    },
    async stop() {
      // What is still queued has nowhere to go when a test or demo is over: no need to wait for it.
      await haraka?.stop({ signal: 'SIGINT', grace: 2_000 })
      place.remove()
    },
  }
}

/** Does an SMTP server say 220 there? */
async function greets(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port })
    const answer = (yes: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(yes)
    }
    const timer = setTimeout(() => answer(false), 2_000)
    socket.once('data', (chunk: Buffer) => answer(chunk.toString().startsWith('220')))
    socket.once('error', () => answer(false))
    socket.once('close', () => answer(false))
  })
}

const hasPlugin = (dir: string): boolean =>
  /^secure-mail$/m.test(readFileSync(path.join(dir, 'config', 'plugins'), 'utf8'))

/** How many times a delivering process has recorded that it is ready. */
const startsRecorded = (dir: string): number =>
  readEvents(path.join(dir, 'audit'), 'config-loaded').filter(({ message }) => String(message).startsWith('started'))
    .length

function readEvents(dir: string, action: string | undefined): AuditLine[] {
  const lines = listFiles(dir)
    .filter((name) => name.endsWith('.ndjson'))
    // The last line may still be on its way: only what ends with a line end is a line.
    .flatMap((name) => readFileSync(path.join(dir, name), 'utf8').split('\n').slice(0, -1))
    .map((line) => JSON.parse(line) as AuditLine)
  const time = (line: AuditLine) => Date.parse(String(line['@timestamp']))
  const sequence = (line: AuditLine) => Number(line.event?.sequence ?? 0)
  return lines
    .filter((line) => action === undefined || line.event?.action === action)
    .sort((a, b) => time(a) - time(b) || sequence(a) - sequence(b))
}

function listFiles(dir: string): string[] {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)))
    .sort()
}
