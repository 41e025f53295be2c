/**
 * The private room in which relays are measured: a network namespace with nothing but loopback (so port 25 is free,
 * nothing can leave the machine, and several relays can listen side by side), a mount namespace with its own
 * /etc/resolv.conf, and a process namespace, so that whatever happens nothing is left running. Made with unshare(1),
 * as root or through an unprivileged user namespace.
 */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { run } from './process'

/** Address of the benchmark's DNS server, inside. */
export const DNS_ADDRESS = '127.0.0.53'

const INSIDE = 'SECURE_MAIL_BENCH_INSIDE'
const CORES = 'SECURE_MAIL_BENCH_CORES'

/** Working folder handed to the inner process; undefined outside. */
export function insideWorkDir(): string | undefined {
  return process.env[INSIDE]
}

const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/** Options for unshare that work here: as root, else as an unprivileged user; undefined when neither does. */
async function workingOptions(): Promise<{ options: string[]; userNamespace: boolean } | undefined> {
  for (const userNamespace of process.getuid?.() === 0 ? [false] : [true]) {
    const options = [...(userNamespace ? ['--map-root-user'] : []), ...NAMESPACES]
    try {
      const { code } = await run('unshare', [...options, '--', 'sh', '-c', 'ip link set lo up'], 10_000)
      if (code === 0) return { options, userNamespace }
    } catch {
      // unshare(1) is not there
    }
  }
  return undefined
}

/**
 * Cores that this process may use, lowest first.
 *
 * @param status content of /proc/self/status
 */
export function allowedCores(status: string): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '0'
  return list.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number)
    return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i)
  })
}

/** Cores that the benchmark was given: inside it runs on one of them, and has been told the others. */
function givenCores(): number[] {
  const told = process.env[CORES]
  try {
    return told !== undefined ? told.split(',').map(Number) : allowedCores(readFileSync('/proc/self/status', 'utf8'))
  } catch {
    return [] // not Linux
  }
}

/** Core for the relay alone; undefined with fewer than two cores, where nothing is pinned. */
export function relayCore(): number | undefined {
  const [first, second] = givenCores()
  return second === undefined ? undefined : first
}

/** Core for load, sink, DNS and this program; undefined with fewer than two cores. */
export function loadCore(): number | undefined {
  return givenCores()[1]
}

/**
 * Runs this program again, inside, on the core that belongs to load and sink.
 *
 * @param args of the command line, handed on
 * @param workDir existing folder for everything that is written
 * @returns its exit code, or undefined when no such room can be made on this machine
 */
export async function runInside(args: readonly string[], workDir: string): Promise<number | undefined> {
  const found = await workingOptions()
  if (!found) return undefined
  const resolvConf = path.join(workDir, 'resolv.conf')
  writeFileSync(resolvConf, `nameserver ${DNS_ADDRESS}\noptions timeout:2 attempts:2\n`)
  const script = 'ip link set lo up && mount --bind "$0" /etc/resolv.conf && exec "$@"'
  const core = loadCore()
  const pin = core === undefined ? [] : ['taskset', '-c', String(core)]
  const child = spawn(
    'unshare',
    [
      ...found.options,
      '--',
      'sh',
      '-c',
      script,
      resolvConf,
      ...pin,
      process.execPath,
      ...process.execArgv,
      process.argv[1]!,
      ...args,
    ],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        [INSIDE]: workDir,
        [CORES]: givenCores().join(','),
        ...(found.userNamespace && { SECURE_MAIL_BENCH_USERNS: '1' }),
      },
    },
  )
  // unshare(1) does not hand signals on, but when it ends, the kernel ends everything inside (--kill-child).
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGKILL'))
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
