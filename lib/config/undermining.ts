/**
 * Stock settings of Haraka that would undermine this plugin, and stock settings that it replaces. Read from the
 * instance's files; used by the start-up check and by `check-config`.
 */
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseIni } from './ini'
import { errorAt, warningAt } from './problem'
import type { ConfigProblem, Mode } from './settings'
import { isStockTrue, readStockList, readStockSettings, readStockText, type StockSetting } from './stock'

/** Haraka's levels that put the content of mail into its log (logger.js: DATA 9, PROTOCOL 8), and their other names. */
const CONTENT_LEVELS = new Set(['data', 'protocol', 'logdata', 'logprotocol'])
const FIRST_CONTENT_LEVEL = 8

/**
 * Plugins of Haraka that take outbound mail away, with the file whose `enable_outbound` decides whether they do and
 * what holds when it is not set.
 */
const DELIVERING_PLUGINS: ReadonlyMap<string, { file: string; unset: boolean } | undefined> = new Map([
  ['queue/smtp_forward', { file: 'smtp_forward.ini', unset: false }],
  ['queue/smtp_proxy', { file: 'smtp_proxy.ini', unset: true }],
  ['queue/qmail-queue', { file: 'qmail-queue.ini', unset: true }],
  ['queue/deliver', undefined],
  ['queue/discard', undefined],
])

/** Settings of `outbound.ini` without effect beside us, and what takes their place. */
const REPLACED_OUTBOUND: ReadonlyMap<string, string> = new Map([
  ['temp_fail_intervals', 'retry of [delivery] and the deadlines of [ndr] in secure-mail.ini'],
  ['maxTempFailures', 'the deadlines of [ndr] in secure-mail.ini'],
  ['enable_tls', 'level in secure-mail.ini and the TLS policy map'],
  ['connect_timeout', 'timeout_* of [delivery] in secure-mail.ini'],
  ['local_mx_ok', 'local_mx_ok of [delivery] in secure-mail.ini'],
  ['inet_prefer', 'inet_prefer of [delivery] in secure-mail.ini'],
])

/**
 * What would undermine the plugin.
 *
 * @param mode log levels that show content are errors while enforcing, warnings while watching; absent = as the
 *   instance has it
 */
export function undermining(instanceDir: string, mode: Mode = modeOf(instanceDir)): ConfigProblem[] {
  return [
    ...checkPlugins(instanceDir),
    ...checkFiles(instanceDir),
    ...checkTls(instanceDir),
    ...checkLogLevel(instanceDir, mode),
    ...checkOutbound(instanceDir),
    ...checkSmtp(instanceDir),
    ...checkQueueDirectory(instanceDir),
  ]
}

/** Stock settings that have no effect any more, one warning each. */
export function replacedSettings(instanceDir: string): ConfigProblem[] {
  const notes: ConfigProblem[] = []
  const note = ({ file, section, key, line }: Omit<StockSetting, 'value'>, instead: string) => {
    const name = section === 'main' ? key : `[${section}] ${key}`
    notes.push(warningAt(`config/${file}`, line, `${name} has no effect: secure-mail uses ${instead}`))
  }
  for (const setting of readStockSettings(instanceDir, 'outbound.ini')) {
    const instead = setting.section === 'main' ? REPLACED_OUTBOUND.get(setting.key) : undefined
    if (instead !== undefined) note(setting, instead)
  }
  // the settings had files of their own once, and Haraka still reads them
  for (const [key, instead] of REPLACED_OUTBOUND) {
    const file = `outbound.${key}`
    if (readStockText(instanceDir, file) !== undefined) note({ file, section: 'main', key, line: 1 }, instead)
  }
  for (const setting of readStockSettings(instanceDir, 'tls.ini')) {
    // Haraka hands force_tls_hosts of [main] down to [outbound]
    const hosts = setting.key === 'force_tls_hosts' || setting.key === 'no_tls_hosts'
    if (setting.section !== 'outbound' && !(setting.section === 'main' && setting.key === 'force_tls_hosts')) continue
    if (hosts) note(setting, 'the TLS policy map (secure-mail init --import turns this into rows)')
    else note(setting, '[tls] of secure-mail.ini and the TLS policy map')
  }
  for (const file of ['outbound.bounce_message', 'outbound.bounce_message_html']) {
    if (readStockText(instanceDir, file) !== undefined) {
      note({ file, section: 'main', key: 'this text', line: 0 }, 'its own reports (config/secure-mail.ndr)')
    }
  }
  return notes
}

/** The mode that the instance sets; whatever is not clearly `monitor` enforces. */
function modeOf(instanceDir: string): Mode {
  const { entries } = parseIni(readStockText(instanceDir, 'secure-mail.ini') ?? '', 'secure-mail.ini')
  const monitor = entries.some(
    ({ section, key, value }) => section === 'main' && key === 'mode' && value.toLowerCase() === 'monitor',
  )
  return monitor ? 'monitor' : 'enforce'
}

function checkPlugins(instanceDir: string): ConfigProblem[] {
  const shown = 'config/plugins'
  const lines = readStockList(instanceDir, 'plugins')
  if (lines === undefined) return [errorAt(shown, 0, 'there is no such file: Haraka would load no plugin')]
  const ours = lines.filter(({ value }) => value.replace(/^haraka-plugin-/, '') === 'secure-mail')
  const problems: ConfigProblem[] = []
  if (ours.length === 0) {
    problems.push(errorAt(shown, 0, 'the line "secure-mail" is missing: nothing would be enforced'))
  }
  for (const { line } of ours.slice(1)) problems.push(errorAt(shown, line, 'the line "secure-mail" stands twice'))
  for (const { value, line } of lines) {
    if (!DELIVERING_PLUGINS.has(value)) continue
    const needs = DELIVERING_PLUGINS.get(value)
    if (needs !== undefined && !takesOutbound(instanceDir, needs)) continue
    problems.push(
      errorAt(shown, line, `${value} takes outbound mail past TLS enforcement: remove it, secure-mail delivers`),
    )
  }
  return problems
}

function takesOutbound(instanceDir: string, { file, unset }: { file: string; unset: boolean }): boolean {
  const setting = readStockSettings(instanceDir, file).findLast(
    ({ section, key }) => section === 'main' && key === 'enable_outbound',
  )
  return setting === undefined ? unset : isStockTrue(setting.value)
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
  return readStockSettings(instanceDir, 'tls.ini')
    .filter(
      ({ section, key, value }) => section === 'redis' && key === 'disable_for_failed_hosts' && isStockTrue(value),
    )
    .map(({ line }) =>
      errorAt(
        'config/tls.ini',
        line,
        '[redis] disable_for_failed_hosts marks a host as "without TLS" for a week after one failed handshake: remove it',
      ),
    )
}

function checkLogLevel(instanceDir: string, mode: Mode): ConfigProblem[] {
  const found = readStockSettings(instanceDir, 'log.ini')
    .filter(({ section, key }) => section === 'main' && key === 'level')
    .map(({ value, line }) => ({ file: 'config/log.ini', line, level: value }))
  for (const { value, line } of readStockList(instanceDir, 'loglevel')?.slice(0, 1) ?? []) {
    found.push({ file: 'config/loglevel', line, level: value })
  }
  const make = mode === 'enforce' ? errorAt : warningAt
  return found
    .filter(({ level }) => CONTENT_LEVELS.has(level.toLowerCase()) || Number.parseInt(level, 10) >= FIRST_CONTENT_LEVEL)
    .map(({ file, line, level }) =>
      make(file, line, `level=${level} writes the content of mail into the log: use info or notice`),
    )
}

function checkOutbound(instanceDir: string): ConfigProblem[] {
  const disabled = readStockSettings(instanceDir, 'outbound.ini').findLast(
    ({ section, key }) => section === 'main' && key === 'disabled',
  )
  if (disabled !== undefined && isStockTrue(disabled.value)) return []
  return [
    warningAt(
      'config/outbound.ini',
      disabled?.line ?? 0,
      'disabled=true is missing: should the line "secure-mail" ever be lost, stock Haraka would deliver in clear text (secure-mail switches delivery on by itself once it is in place)',
    ),
  ]
}

/** Haraka does not declare the key a boolean: every text but the empty one and 0 switches it on. */
function isOn(value: string): boolean {
  return value !== '' && value !== '0'
}

function checkSmtp(instanceDir: string): ConfigProblem[] {
  return readStockSettings(instanceDir, 'smtp.ini')
    .filter(({ section, key, value }) => section === 'main' && key === 'ignore_bad_plugins' && isOn(value))
    .map(({ line }) =>
      warningAt('config/smtp.ini', line, 'ignore_bad_plugins lets Haraka run on without a plugin that failed to load'),
    )
}

function checkQueueDirectory(instanceDir: string): ConfigProblem[] {
  const named = readStockList(instanceDir, 'queue_dir')?.[0]?.value
  const dir = path.resolve(instanceDir, named ?? 'queue')
  const stat = statSync(dir, { throwIfNoEntry: false })
  if (stat === undefined || (stat.mode & 0o077) === 0) return []
  const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
  return [
    warningAt(
      named ?? 'queue',
      0,
      `others may enter the queue directory, which holds mail (mode ${mode}): chmod 700 it`,
    ),
  ]
}
