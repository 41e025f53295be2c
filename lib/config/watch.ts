/**
 * Live reload. The folder is watched, because editors replace files instead of writing them, and looked at every few
 * seconds as well, because a watch can be lost (network file systems, too many watches, a folder that was moved).
 */
import { readdirSync, statSync, watch, type FSWatcher, type Stats } from 'node:fs'
import path from 'node:path'
import { systemClock, type Clock } from '../clock'
import { INI_FILE, loadConfig, MAP_FILE } from './load'
import { errorAt, formatProblem } from './problem'
import type { ConfigProblem, Settings } from './settings'

export interface ConfigWatch {
  /** The last good settings. */
  current(): Settings
  /** What was warned about when they were loaded. */
  warnings(): readonly ConfigProblem[]
  close(): void
}

export interface WatchHandlers {
  /** New settings are in force; `warnings` come with them. Not called for the first load. */
  onLoad(settings: Settings, warnings: ConfigProblem[]): void
  /** Files changed and are wrong; the last good settings stay. Told once per change. */
  onReject(problems: ConfigProblem[]): void
  clock?: Clock
  /** Quiet time after the last change before files are read, in milliseconds; default 200. */
  settle?: number
  /** How often files are looked at without being told, in milliseconds; default 3000. */
  look?: number
}

/**
 * Load now, and again whenever `config/secure-mail*` or a certificate file named in it changes.
 *
 * @throws Error with every problem when the first load fails
 */
export function watchConfig(instanceDir: string, handlers: WatchHandlers): ConfigWatch {
  const clock = handlers.clock ?? systemClock
  const first = loadConfig(instanceDir, clock)
  if (!first.ok) throw new Error(first.problems.map(formatProblem).join('; '))
  let good = { settings: first.settings, warnings: first.problems, files: filesOf(instanceDir, first.settings) }
  let seen = fingerprint(good.files)
  let timer: NodeJS.Timeout | undefined

  /** What the good settings were made of, and what the folder holds by now. */
  const state = () => fingerprint([...good.files, ...filesOf(instanceDir, good.settings)])
  const reload = () => {
    timer = undefined
    const now = state()
    if (now === seen) return
    seen = now
    const gone = lost(instanceDir, good.files)
    const loaded = gone.length > 0 ? { ok: false as const, problems: gone } : loadConfig(instanceDir, clock)
    if (!loaded.ok) {
      handlers.onReject(loaded.problems)
      return
    }
    good = { settings: loaded.settings, warnings: loaded.problems, files: filesOf(instanceDir, loaded.settings) }
    seen = state()
    handlers.onLoad(loaded.settings, loaded.problems)
  }
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(reload, handlers.settle ?? 200)
    timer.unref()
  }
  const poll = setInterval(() => {
    if (timer === undefined && state() !== seen) soon()
  }, handlers.look ?? 3000)
  poll.unref()
  const watcher = openWatch(path.join(instanceDir, 'config'), soon)
  return {
    current: () => good.settings,
    warnings: () => good.warnings,
    close() {
      clearTimeout(timer)
      clearInterval(poll)
      watcher?.close()
    },
  }
}

function openWatch(folder: string, changed: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, changed)
    // looking goes on without it
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}

/**
 * A file that held settings and is gone or empty: somebody is in the middle of replacing it, the disk is full, or the
 * folder was unmounted. The defaults may be weaker than what it said, so they are not taken in its place.
 */
function lost(instanceDir: string, files: readonly string[]): ConfigProblem[] {
  return [INI_FILE, MAP_FILE].flatMap((name) => {
    const file = path.join(instanceDir, 'config', name)
    if (!files.includes(file)) return []
    const size = look(file)?.size
    if (size !== undefined && size > 0) return []
    const what = size === undefined ? 'is gone' : 'is empty'
    return [
      errorAt(
        `config/${name}`,
        0,
        `the file ${what}: what it said stays in force until it is back (or until a restart)`,
      ),
    ]
  })
}

/** Our files in the instance that hold something, and the certificate files that the settings name. */
function filesOf(instanceDir: string, settings: Settings): string[] {
  const folder = path.join(instanceDir, 'config')
  const texts = path.join(folder, 'secure-mail.ndr')
  const own = [
    ...names(folder)
      .filter((name) => name.startsWith('secure-mail'))
      .map((name) => path.join(folder, name)),
    ...names(texts).map((name) => path.join(texts, name)),
  ]
  const certificates = [settings.tls.caFile, ...settings.map.rows.map((row) => row.ca)]
  return [...own.filter(holdsText), ...certificates.filter((file) => file !== undefined)]
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** What may not be looked at counts as not there. */
function look(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

function holdsText(file: string): boolean {
  const stat = look(file)
  return stat !== undefined && stat.isFile() && stat.size > 0
}

/** What tells one state of files from another. */
function fingerprint(files: readonly string[]): string {
  return [...new Set(files)]
    .sort()
    .map((file) => {
      const stat = look(file)
      return stat === undefined ? `${file} -` : `${file} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`
    })
    .join('\n')
}
