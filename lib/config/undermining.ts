/**
 * Stock settings of Haraka that would undermine this plugin, and stock settings that it replaces. Read with a reader of
 * our own, from the instance's files; used by the start-up check and by `check-config`.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseIni } from './ini'
import { errorAt, warningAt } from './problem'
import type { ConfigProblem, Mode } from './settings'

/** A stock setting, as it stands in an instance. */
interface StockSetting {
  file: string
  section: string
  key: string
  value: string
  line: number
}

/** Log levels that put the content of mail into Haraka's log. */
const CONTENT_LEVELS = ['data', 'protocol']

/**
 * @param mode errors about log levels are only warnings while watching
 */
export function undermining(instanceDir: string, mode: Mode = 'enforce'): ConfigProblem[] {
  return [
    ...checkPlugins(instanceDir),
    ...checkFiles(instanceDir),
    ...checkTls(instanceDir),
    ...checkLogLevel(instanceDir, mode),
    ...checkOutbound(instanceDir),
    ...checkQueueDirectory(instanceDir),
  ]
}

/** Stock settings that have no effect any more, one sentence each. */
export function replacedSettings(instanceDir: string): ConfigProblem[] {
  const outbound = stock(instanceDir, 'outbound.ini').filter(({ key }) =>
    [
      'temp_fail_intervals',
      'maxTempFailures',
      'enable_tls',
      'connect_timeout',
      'local_mx_ok',
      'inet_prefer',
      'always_split',
    ].includes(key),
  )
  const tls = stock(instanceDir, 'tls.ini').filter(({ section }) => section === 'outbound')
  const instead: Record<string, string> = {
    temp_fail_intervals: 'retry and the deadlines of [ndr] in secure-mail.ini',
    maxTempFailures: 'the deadlines of [ndr] in secure-mail.ini',
    enable_tls: 'level in secure-mail.ini and the TLS policy map',
    connect_timeout: 'timeout_* of [delivery] in secure-mail.ini',
    local_mx_ok: 'local_mx_ok of [delivery] in secure-mail.ini',
    inet_prefer: 'inet_prefer of [delivery] in secure-mail.ini',
    always_split: 'nothing: outcomes are kept per recipient',
  }
  return [...outbound, ...tls].map(({ file, section, key, line }) =>
    warningAt(
      `config/${file}`,
      line,
      `${section === 'main' ? '' : `[${section}] `}${key} has no effect: secure-mail uses ${instead[key] ?? 'the TLS policy map (secure-mail init --import turns this into rows)'}`,
    ),
  )
}

function checkPlugins(instanceDir: string): ConfigProblem[] {
  const shown = 'config/plugins'
  const text = read(instanceDir, 'plugins')
  if (text === undefined) return [errorAt(shown, 0, 'there is no such file: Haraka would load no plugin')]
  const lines = text.split(/\r?\n/).map((line) => line.trim().replace(/^haraka-plugin-/, ''))
  const count = lines.filter((line) => line === 'secure-mail').length
  if (count === 0) return [errorAt(shown, 0, 'the line "secure-mail" is missing: nothing would be enforced')]
  if (count > 1) return [errorAt(shown, lines.lastIndexOf('secure-mail') + 1, 'the line "secure-mail" stands twice')]
  return []
}

function checkFiles(instanceDir: string): ConfigProblem[] {
  if (existsSync(path.join(instanceDir, 'config', 'connection.ini'))) return []
  return [
    errorAt(
      'config/connection.ini',
      0,
      'there is no such file: Haraka 3.3 crashes on the first connection without it (secure-mail init writes one)',
    ),
  ]
}

function checkTls(instanceDir: string): ConfigProblem[] {
  return stock(instanceDir, 'tls.ini')
    .filter(({ section, key, value }) => section === 'redis' && key === 'disable_for_failed_hosts' && isTrue(value))
    .map(({ line }) =>
      errorAt(
        'config/tls.ini',
        line,
        '[redis] disable_for_failed_hosts=true marks a host as "without TLS" for a week after one failed handshake: remove it',
      ),
    )
}

function checkLogLevel(instanceDir: string, mode: Mode): ConfigProblem[] {
  const found: { file: string; line: number; level: string }[] = stock(instanceDir, 'log.ini')
    .filter(({ key }) => key === 'level')
    .map(({ value, line }) => ({ file: 'config/log.ini', line, level: value.toLowerCase() }))
  const loglevel = read(instanceDir, 'loglevel')?.trim().toLowerCase()
  if (loglevel !== undefined) found.push({ file: 'config/loglevel', line: 1, level: loglevel })
  const make = mode === 'enforce' ? errorAt : warningAt
  return found
    .filter(({ level }) => CONTENT_LEVELS.includes(level.replace(/^log/, '')))
    .map(({ file, line, level }) =>
      make(file, line, `level=${level} writes the content of mail into the log: use info or notice`),
    )
}

function checkOutbound(instanceDir: string): ConfigProblem[] {
  const disabled = stock(instanceDir, 'outbound.ini').find(
    ({ section, key }) => section === 'main' && key === 'disabled',
  )
  if (disabled !== undefined && isTrue(disabled.value)) return []
  return [
    warningAt(
      'config/outbound.ini',
      disabled?.line ?? 0,
      'disabled=true is missing: should the line "secure-mail" ever be lost, stock Haraka would deliver in clear text (secure-mail switches delivery on by itself once it is in place)',
    ),
  ]
}

function checkQueueDirectory(instanceDir: string): ConfigProblem[] {
  const named = read(instanceDir, 'queue_dir')?.trim()
  const dir = path.resolve(instanceDir, named === undefined || named === '' ? 'queue' : named)
  try {
    const { mode } = statSync(dir)
    if ((mode & 0o077) === 0) return []
    return [
      warningAt('queue', 0, `others may enter the queue directory (mode ${(mode & 0o777).toString(8)}): chmod 700 it`),
    ]
  } catch {
    return []
  }
}

function isTrue(value: string): boolean {
  return /^(true|yes|on|1|enabled)$/i.test(value)
}

/** Settings of a stock file; what stands before the first section is in `main`, as Haraka reads it. */
function stock(instanceDir: string, file: string): StockSetting[] {
  const text = read(instanceDir, file)
  if (text === undefined) return []
  // the heading takes the place of a line break, so that line numbers stay
  return parseIni(`[main]\n${text}`, file).entries.map(({ section, key, value, line }) => ({
    file,
    section,
    key,
    value,
    line: line - 1,
  }))
}

function read(instanceDir: string, file: string): string | undefined {
  try {
    return readFileSync(path.join(instanceDir, 'config', file), 'utf8')
  } catch {
    return undefined
  }
}
