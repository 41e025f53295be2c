/**
 * CPU time of a relay: all its processes and threads, those that have ended included. A control group counts exactly
 * that, in nanoseconds, whoever forks what; where none can be made (not root, read-only /sys) the process tree in
 * /proc is summed up instead, where a process counts for its parent once the parent has waited for it.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface CpuMeter {
  kind: 'cgroup v2' | 'cgroup v1' | '/proc'
  /** File that a process writes its own id into to be counted with all its children; absent for `/proc`. */
  procsFile?: string
  /**
   * Milliseconds of CPU used so far by everything counted.
   *
   * @param pid root of the process tree; only `/proc` needs it
   */
  millis(pid: number): number
  /** Takes the control group away; every process in it must have ended. */
  close(): void
}

/** Clock ticks of /proc/PID/stat per second: fixed at 100 in the kernel's user interface (USER_HZ) on every platform of Node. */
const TICKS_PER_SECOND = 100

/** The fields of /proc/PID/stat that matter here, times in clock ticks (proc(5)). */
export interface ProcStat {
  pid: number
  ppid: number
  /** Own time, user and system. */
  own: number
  /** Time of children that have ended and were waited for. */
  waited: number
}

/**
 * @param line content of /proc/PID/stat; the command name in brackets may hold spaces and brackets itself
 * @returns undefined when it does not look like that
 */
export function parseProcStat(line: string): ProcStat | undefined {
  const close = line.lastIndexOf(')')
  const pid = Number.parseInt(line, 10)
  // proc(5) numbers fields from 1; the first one after the name is field 3.
  const fields = line.slice(close + 2).split(' ')
  const field = (n: number) => Number(fields[n - 3])
  const stat = { pid, ppid: field(4), own: field(14) + field(15), waited: field(16) + field(17) }
  return close > 0 && Object.values(stat).every(Number.isFinite) ? stat : undefined
}

/**
 * Ticks used by a process, its living descendants, and all that any of them has waited for.
 *
 * @param stats all processes there are
 * @param root id of the topmost process
 */
export function treeTicks(stats: readonly ProcStat[], root: number): number {
  const members = new Set([root])
  // Parents may come after their children in the list, so look until nobody is added.
  for (let before = 0; before !== members.size;) {
    before = members.size
    for (const { pid, ppid } of stats) if (members.has(ppid)) members.add(pid)
  }
  return stats.filter(({ pid }) => members.has(pid)).reduce((sum, { own, waited }) => sum + own + waited, 0)
}

/**
 * @param text content of a version 2 `cpu.stat`
 * @returns milliseconds
 * @throws Error when it has no usage line
 */
export function parseCpuStat(text: string): number {
  const usage = /^usage_usec (\d+)$/m.exec(text)
  if (!usage) throw new Error('cpu.stat without usage_usec')
  return Number(usage[1]) / 1000
}

/** Where a control group hierarchy with CPU accounting is mounted, and where this process stands in it. */
export interface CgroupPlace {
  version: 1 | 2
  dir: string
}

/**
 * Candidates for a control group of our own, best first.
 *
 * @param mountinfo content of /proc/self/mountinfo
 * @param membership content of /proc/self/cgroup
 */
export function cgroupPlaces(mountinfo: string, membership: string): CgroupPlace[] {
  const own = new Map(
    membership
      .split('\n')
      .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
      .flatMap((match) => (match ? [[match[1]!, match[2]!] as const] : [])),
  )
  return mountinfo
    .split('\n')
    .flatMap((line): CgroupPlace[] => {
      const [before, after] = line.split(' - ')
      const mountPoint = before?.split(' ')[4]
      const [type, , options] = after?.split(' ') ?? []
      if (!mountPoint) return []
      if (type === 'cgroup2') return [{ version: 2, dir: path.join(mountPoint, own.get('') ?? '/') }]
      const controllers = [...own.keys()].find((names) => names.split(',').includes('cpuacct'))
      if (type === 'cgroup' && options?.split(',').includes('cpuacct'))
        return [{ version: 1, dir: path.join(mountPoint, own.get(controllers ?? '') ?? '/') }]
      return []
    })
    .sort((a, b) => b.version - a.version)
}

/** All of /proc as it is now; processes that end meanwhile are left out. */
export function readAllStats(): ProcStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
      } catch {
        return []
      }
    })
}

/**
 * A meter for one relay, with a control group of its own where one can be made.
 *
 * @param name of the control group; unique on this machine
 */
export function createMeter(name: string): CpuMeter {
  for (const { version, dir } of cgroupPlaces(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    readFileSync('/proc/self/cgroup', 'utf8'),
  )) {
    const group = path.join(dir, name)
    try {
      mkdirSync(group)
    } catch {
      continue // not ours to write to: the next hierarchy, or /proc
    }
    try {
      const read =
        version === 2
          ? () => parseCpuStat(readFileSync(path.join(group, 'cpu.stat'), 'utf8'))
          : () => Number(readFileSync(path.join(group, 'cpuacct.usage'), 'utf8')) / 1e6
      read()
      return {
        kind: version === 2 ? 'cgroup v2' : 'cgroup v1',
        procsFile: path.join(group, 'cgroup.procs'),
        millis: read,
        close: () => rmdirSync(group),
      }
    } catch {
      rmdirSync(group) // no CPU accounting here
    }
  }
  return {
    kind: '/proc',
    millis: (pid) => (treeTicks(readAllStats(), pid) * 1000) / TICKS_PER_SECOND,
    close: () => undefined,
  }
}

/**
 * Closes a meter as soon as the last process has left it; gives up quietly after five seconds, because
 * {@link sweepMeters} comes later.
 */
export async function closeMeter(meter: CpuMeter): Promise<void> {
  for (let tries = 0; tries < 100; tries++)
    try {
      meter.close()
      return
    } catch {
      await sleep(50)
    }
}

/**
 * Busy milliseconds of the whole machine since it started, over all cores.
 *
 * @param text content of /proc/stat
 * @throws Error when it has no cpu line
 */
export function parseBusyMillis(text: string): number {
  // proc(5): user nice system idle iowait irq softirq steal; waiting is not work, stolen time belongs to others.
  const match = /^cpu +(\d+) (\d+) (\d+) \d+ \d+ (\d+) (\d+)/m.exec(text)
  if (!match) throw new Error('/proc/stat without a cpu line')
  return (match.slice(1).reduce((sum, ticks) => sum + Number(ticks), 0) * 1000) / TICKS_PER_SECOND
}

/**
 * Takes away control groups that a run left behind because it was killed. Its last processes may still be ending, so
 * this tries for two seconds; a group that is in use even then stays.
 *
 * @param prefix that the names of this run's groups begin with
 */
export async function sweepMeters(prefix: string): Promise<void> {
  const places = readable(() =>
    cgroupPlaces(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8')),
  )
  for (let tries = 0; tries < 40; tries++) {
    const left = places.flatMap(({ dir }) =>
      readable(() => readdirSync(dir))
        .filter((name) => name.startsWith(prefix))
        .map((name) => path.join(dir, name)),
    )
    if (left.length === 0) return
    for (const group of left)
      try {
        rmdirSync(group)
      } catch {
        // still in use
      }
    await sleep(50)
  }
}

/** What `read` gives; nothing where it cannot be read, because nothing of ours can be there then. */
function readable<T>(read: () => T[]): T[] {
  try {
    return read()
  } catch {
    return []
  }
}
