/** Does a process still run? What is left of one that ended, until its parent asks for it (a zombie), does not. */
import { readFileSync } from 'node:fs'

/**
 * When a process was started, in clock ticks since boot: with the boot id and its number it is that process and no
 * later one. Field 22 of /proc/PID/stat (proc(5)); the command name before it may hold anything, so fields count from
 * its last bracket.
 *
 * @returns null when it does not run, or where there is no /proc
 */
export function startTicks(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? null : (fields[18] ?? null)
  } catch {
    return null
  }
}

/** @returns false only when it certainly does not */
export function isRunning(pid: number): boolean {
  if (startTicks(process.pid) !== null) return startTicks(pid) !== null
  // no /proc: a signal that is none tells
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
