import { readFileSync } from 'node:fs'
import path from 'node:path'
import { systemClock, type Clock } from '../clock'
import { loadTemplates } from '../notify/templates'
import { packageRoot } from '../package-root'
import { buildSettings } from './build'
import { checkValues } from './checks'
import { parseIni, type Ini } from './ini'
import { parsePolicyMap } from './policy-map'
import { emptyMap } from './policy-map-lookup'
import { errorAt, warningAt } from './problem'
import { readValues } from './read'
import type { ConfigProblem, Settings } from './settings'

/** Files below `config/` that are ours. */
export const INI_FILE = 'secure-mail.ini'
export const MAP_FILE = 'secure-mail.tls_policy'

/** How problems name the instance's settings. */
const INSTANCE_INI = `config/${INI_FILE}`

export type LoadedConfig =
  | { ok: true; settings: Settings; /** Warnings only. */ problems: ConfigProblem[] }
  | { ok: false; problems: ConfigProblem[] }

/**
 * Read the configuration of an instance: the package's defaults, over them the instance's `config/secure-mail.ini`, the
 * policy map, and whether the report texts can be used. Never throws.
 *
 * @param instanceDir folder that holds `config/`; undefined = the package's defaults alone
 */
export function loadConfig(instanceDir: string | undefined, clock: Clock = systemClock): LoadedConfig {
  const problems: ConfigProblem[] = []
  const defaults = readIni(path.join(packageRoot(), 'config', INI_FILE), `defaults/${INI_FILE}`, problems, undefined)
  if (defaults === undefined) return { ok: false, problems }
  const base = instanceDir ?? packageRoot()
  const instance =
    instanceDir === undefined
      ? undefined
      : readIni(path.join(instanceDir, 'config', INI_FILE), INSTANCE_INI, problems, 'the defaults are used')
  const read = readValues(defaults, instance)
  problems.push(...read.problems)
  const resolve = (file: string) => path.resolve(base, file)
  const map = instanceDir === undefined ? emptyMap : readMap(instanceDir, resolve, clock.now(), problems)
  const templates = loadTemplates(instanceDir)
  if (!templates.ok) problems.push(...templates.problems)
  // single values that are wrong are told first; looking at several together needs all of them
  if (read.problems.length > 0) return { ok: false, problems }
  problems.push(...checkValues(read.values, read.places, INSTANCE_INI, resolve))
  if (problems.some((problem) => problem.severity === 'error')) return { ok: false, problems }
  return { ok: true, settings: buildSettings(read.values, map, base), problems }
}

function readIni(file: string, shown: string, problems: ConfigProblem[], without: string | undefined): Ini | undefined {
  const text = readText(file, shown, problems, without)
  return text === undefined ? undefined : parseIni(text, shown)
}

function readMap(instanceDir: string, resolve: (file: string) => string, now: number, problems: ConfigProblem[]) {
  const shown = `config/${MAP_FILE}`
  const text = readText(path.join(instanceDir, shown), shown, problems, 'there are no policy rows')
  if (text === undefined) return emptyMap
  const parsed = parsePolicyMap(text, shown, resolve, now)
  problems.push(...parsed.problems)
  return parsed.map
}

/**
 * Read UTF-8. A file that is there and cannot be read is an error, never "no file".
 *
 * @param without what holds when there is no such file; undefined = there must be one
 */
function readText(
  file: string,
  shown: string,
  problems: ConfigProblem[],
  without: string | undefined,
): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (code === 'ENOENT' && without !== undefined) {
      problems.push(warningAt(shown, 0, `there is no such file: ${without}`))
      return undefined
    }
    problems.push(errorAt(shown, 0, code.startsWith('ERR_ENCODING') ? 'is not UTF-8' : `cannot be read (${code})`))
    return undefined
  }
}
