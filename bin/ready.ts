/** What every command about an instance needs before it begins: its directory, its settings, recipients in one form. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Clock } from '../lib/clock'
import { formatProblem, loadConfig } from '../lib/config'
import type { Settings } from '../lib/config/settings'
import { addressLiteral, normaliseName } from '../lib/dns'
import { findInstance } from './instance'
import type { CommonOptions, Io } from './io'

/** An instance whose configuration can be used, or why there is none. */
export type Ready = { ok: true; instance: string; settings: Settings } | { ok: false; problems: string[] }

/** Find the instance and read its configuration. */
export function readyInstance(options: CommonOptions, clock: Clock): Ready {
  const instance = findInstance(options)
  if (instance === undefined) {
    const cure = 'name one with --config DIR, or make one with: secure-mail init DIR'
    return { ok: false, problems: [`there is no instance here; ${cure}`] }
  }
  if (!existsSync(path.join(instance, 'config'))) {
    return { ok: false, problems: [`${instance} is no instance directory (it has no config/)`] }
  }
  const loaded = loadConfig(instance, clock)
  if (!loaded.ok) return { ok: false, problems: loaded.problems.map(formatProblem) }
  return { ok: true, instance, settings: loaded.settings }
}

/** A wrong call or configuration: one line each, exit code 2. */
export function fail(io: Io, problems: readonly string[]): void {
  for (const problem of problems) io.err(`secure-mail: ${problem}\n`)
  io.exitCode = 2
}

/**
 * @returns `local@domain`, or `@domain` for a domain, the domain in A-labels and lower case; null when it is neither
 */
export function readRecipient(text: string): string | null {
  const at = text.lastIndexOf('@')
  if (at === 0 || /[\s<>\p{Cc}]/u.test(text)) return null
  const given = text.slice(at + 1)
  const literal = addressLiteral(given)
  const domain = literal === undefined ? normaliseName(given) : literal === null ? null : given.toLowerCase()
  return domain === null || domain === '' ? null : `${at < 0 ? '' : text.slice(0, at)}@${domain}`
}
