/**
 * Real programs as child processes that never outlive the test run: each is its own process group, ended by number,
 * also when the run is cut short.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'

/** What `run` gives back: a program that ended. */
export interface Finished {
  /** Exit code; null when a signal or the time limit ended it. */
  code: number | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  cwd?: string
  /** Written to standard input, which is then closed. */
  input?: string | Buffer
  /** Added to this process' environment; `undefined` takes a name out. */
  env?: Readonly<Record<string, string | undefined>>
  /** Milliseconds; afterwards it is killed. Default 20,000. */
  limit?: number
}

export interface Running {
  readonly pid: number
  /** Standard output and error so far, in order of arrival. */
  output(): string
  /** Has it ended, and how? */
  ended(): { code: number | null; signal: NodeJS.Signals | null } | undefined
  /** Resolves when it has ended. */
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** A signal (default SIGTERM) to the process alone; SIGKILL to its whole group after `grace` ms (default 5,000). */
  stop(options?: { grace?: number; signal?: NodeJS.Signals }): Promise<void>
  /** SIGKILL to the whole group, now. */
  kill9(): Promise<void>
}

const groups = new Set<number>()
const directories = new Set<string>()

let armed = false

/** From the first process or directory on: whatever ends this process, none of them stays. */
function arm(): void {
  if (armed) return
  armed = true
  process.on('exit', () => {
    for (const pid of groups) killGroup(pid)
    for (const dir of directories) rmSync(dir, { recursive: true, force: true })
  })
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => process.exit(code))
  }
}

/** SIGKILL to a process group; one that is gone is fine. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: nobody left in the group
  }
}

/** Let `pid`'s group be killed when this process exits; for daemons that made a session of their own. */
export function watchGroup(pid: number): () => void {
  arm()
  groups.add(pid)
  return () => groups.delete(pid)
}

/** A directory under the system's temp folder, removed at the latest when this process exits. Mode 0755: daemons under other users must pass. */
export function temporaryDirectory(name: string): { path: string; remove(): void } {
  arm()
  const dir = mkdtempSync(path.join(os.tmpdir(), `secure-mail-${name}-`))
  chmodSync(dir, 0o755)
  directories.add(dir)
  return {
    path: dir,
    remove() {
      rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
      directories.delete(dir)
    },
  }
}

function environment(added: RunOptions['env']): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', ...added }
}

/**
 * Run a program to its end.
 *
 * @throws when it cannot be started
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(command, args, { cwd: options.cwd, env: environment(options.env), detached: true })
  const exit = started(child, command)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.stdin.on('error', () => undefined) // EPIPE: it ended without reading everything
  child.stdin.end(options.input ?? '')
  const timer = setTimeout(() => {
    if (child.pid !== undefined) killGroup(child.pid)
  }, options.limit ?? 20_000)
  try {
    const { code } = await exit
    return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Run a program that must succeed.
 *
 * @returns its standard output
 * @throws with what it said when the exit code is not 0
 */
export async function runOk(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code ?? 'by signal'}\n${stdout}${stderr}`)
  return stdout
}

/** Start a program that goes on running. */
export function start(command: string, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(command, args, { cwd: options.cwd, env: environment(options.env), detached: true })
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  let ended: { code: number | null; signal: NodeJS.Signals | null } | undefined
  const exit = started(child, command).then((how) => (ended = how))
  exit.catch(() => undefined) // told by whoever awaits it; nobody may do so
  const chunks: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => chunks.push(chunk))
  }
  const pid = child.pid ?? -1
  return {
    pid,
    output: () => chunks.join(''),
    ended: () => ended,
    exit,
    async stop({ grace = 5_000, signal = 'SIGTERM' } = {}) {
      if (!ended) child.kill(signal)
      const timer = setTimeout(() => {
        if (pid > 0) killGroup(pid)
      }, grace)
      await exit
      clearTimeout(timer)
      if (pid > 0) killGroup(pid)
    },
    async kill9() {
      if (pid > 0) killGroup(pid)
      await exit
    },
  }
}

async function started(
  child: ChildProcess,
  command: string,
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  if (child.pid !== undefined) watchGroup(child.pid)
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`${command}: ${error.message}`)))
    child.on('close', (code, signal) => {
      if (child.pid !== undefined) {
        killGroup(child.pid)
        groups.delete(child.pid)
      }
      resolve({ code, signal })
    })
  })
}

/**
 * Wait until `check` gives something true.
 *
 * @param what for the error, which carries `detail()` too
 * @param limit milliseconds
 * @returns what `check` gave
 * @throws when the time is up; whatever `check` throws ends the wait at once
 */
export async function until<T>(
  what: string,
  check: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  options: { limit?: number; every?: number; detail?: () => string } = {},
): Promise<T> {
  const end = Date.now() + (options.limit ?? 15_000)
  for (;;) {
    const value = await check()
    if (value !== undefined && value !== false && value !== null) return value
    if (Date.now() > end) throw new Error(`waited in vain: ${what}\n${options.detail?.() ?? ''}`)
    await new Promise((resolve) => setTimeout(resolve, options.every ?? 50))
  }
}

/** Does somebody accept TCP connections there? */
export async function accepts(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/**
 * A TCP port that is free on all the addresses given (and was a moment ago: whoever binds it should do so soon).
 *
 * @throws when none is found
 */
export async function freePort(addresses: readonly string[] = ['127.0.0.1']): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const held: net.Server[] = []
    try {
      let port = 0
      for (const address of addresses) {
        const server = net.createServer()
        held.push(server)
        port = await listening(server, address, port)
      }
      return port
    } catch {
      // somebody holds it on one of the addresses: another one
    } finally {
      for (const server of held) server.close()
    }
  }
  throw new Error(`no free port on ${addresses.join(', ')}`)
}

async function listening(server: net.Server, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      const bound = server.address()
      if (bound === null || typeof bound === 'string') reject(new Error('not a TCP address'))
      else resolve(bound.port)
    })
  })
}
