/** Starting, waiting for and ending the programs of a benchmark; everything has a time limit. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A program that runs until it is stopped. */
export interface Running {
  pid: number
  /** Resolves when it has ended, with what it said of itself. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  alive(): boolean
  child: ChildProcess
}

export interface StartOptions {
  /** Cores to be pinned to; empty = wherever the benchmark itself may run. */
  cores: readonly number[]
  /** Control group file to enter before the program starts. */
  procsFile?: string
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Where standard output and error go. */
  logFile: string
}

/**
 * Starts a long-running program, pinned and in its control group from its first instruction on.
 *
 * @throws Error when it cannot be started at all
 */
export function start(command: string, args: readonly string[], options: StartOptions): Running {
  const pinned =
    options.cores.length === 0 ? [command, ...args] : ['taskset', '-c', options.cores.join(','), command, ...args]
  const enter = options.procsFile ? ['sh', '-c', 'echo $$ > "$0" && exec "$@"', options.procsFile] : []
  const [program, ...rest] = [...enter, ...pinned]
  const log = openSync(options.logFile, 'a')
  const spawnOptions: SpawnOptions = { stdio: ['ignore', log, log], env: { ...process.env, ...options.env } }
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd
  const child = spawn(program!, rest, spawnOptions)
  closeSync(log)
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: -1, signal: null }))
  })
  if (child.pid === undefined) throw new Error(`cannot start ${command}`)
  return {
    pid: child.pid,
    ended,
    alive: () => child.exitCode === null && child.signalCode === null,
    child,
  }
}

/**
 * Ends a program that we started: SIGTERM or another signal, and SIGKILL when it has not ended in time.
 *
 * @param grace milliseconds to wait before SIGKILL
 */
export async function stop(running: Running, grace = 5000, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (!running.alive()) return
  running.child.kill(signal)
  const timer = setTimeout(() => running.child.kill('SIGKILL'), grace)
  await running.ended
  clearTimeout(timer)
}

/** What a program that came to its end left behind. */
export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/**
 * Runs a program to its end.
 *
 * @param limit milliseconds after which it is killed and the promise rejected
 * @throws Error when it could not be started or did not end in time
 */
export async function run(
  command: string,
  args: readonly string[],
  limit: number,
  env: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  return await new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    let stdout = ''
    let stderr = ''
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${command} did not end within ${limit / 1000} s`))
    }, limit)
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr })
    })
  })
}

/**
 * As {@link run}, for set-up steps that must succeed.
 *
 * @returns standard output
 * @throws Error with what it said on standard error
 */
export async function must(command: string, args: readonly string[], limit = 30_000): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, limit)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}: ${(stderr || stdout).trim()}`)
  return stdout
}

/**
 * Asks until the answer is yes.
 *
 * @param what for the message of the error
 * @param limit milliseconds
 * @param every milliseconds between questions
 * @throws Error when the limit is reached
 */
export async function until(
  what: string,
  limit: number,
  every: number,
  question: () => boolean | Promise<boolean>,
): Promise<void> {
  for (const end = performance.now() + limit; !(await question());) {
    if (performance.now() > end) throw new Error(`${what}: not within ${limit / 1000} s`)
    await sleep(every)
  }
}

/** Milliseconds since 1970 with fractions; comparable between processes of one machine. */
export function wallNow(): number {
  return performance.timeOrigin + performance.now()
}

/** Does an SMTP server greet there with 220? Never throws; gives up after a second. */
export async function greets(address: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = net.connect({ host: address, port })
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1000, () => done(false))
    socket.once('error', () => done(false))
    socket.once('close', () => done(false))
    socket.once('data', (data) => done(data.toString('latin1').startsWith('220')))
  })
}
