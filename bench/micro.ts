/** Short measurements of pure functions, in a process of their own on the relay's core. */
import path from 'node:path'
import { run } from './process'
import { relayCore } from './isolate'
import type { Summary } from './stats'

export type MicroResult =
  | { ok: true; name: string; unit: string; summary: Summary; remark: string }
  | { ok: false; name: string; unit: string; reason: string }

/** What `--only` is matched with. */
export const MICRO_TITLE = 'micro'

const LIMIT = 60_000

/**
 * Runs all micro benchmarks.
 *
 * @param progress told what is being done
 * @throws Error when they do not end in time or break
 */
export async function runMicro(progress: (text: string) => void): Promise<MicroResult[]> {
  progress('micro benchmarks')
  const core = relayCore()
  const command = [process.execPath, path.join(__dirname, 'micro-main.js')]
  const [program, ...args] = core === undefined ? command : ['taskset', '-c', String(core), ...command]
  const { code, stdout, stderr } = await run(program!, args, LIMIT)
  if (code !== 0) throw new Error(`micro benchmarks: exit code ${code}: ${stderr}`)
  return JSON.parse(stdout) as MicroResult[]
}
