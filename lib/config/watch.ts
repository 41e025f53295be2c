/**
 * Live reload. The folder is watched, because editors replace files instead of writing them, and looked at every few
 * seconds as well, because a watch can be lost (network file systems, too many watches).
 */
import { readdirSync, statSync, watch, type FSWatcher } from 'node:fs'
import path from 'node:path'
import { systemClock, type Clock } from '../clock'
import { formatProblem } from './problem'
import { loadConfig } from './load'
import type { ConfigProblem, Settings } from './settings'

export interface ConfigWatch {
  /** The last good settings. */
  current(): Settings
  close(): void
}

export interface WatchHandlers {
  /** New settings are in force; `warnings` come with them. Not called for the first load. */
  onLoad(settings: Settings, warnings: ConfigProblem[]): void
  /** Files changed and are wrong; the last good settings stay. */
  onReject(problems: ConfigProblem[]): void
  clock?: Clock
}

/** Quiet time after the last change before files are read, in milliseconds. */
const SETTLE = 200
/** How often files are looked at without being told, in milliseconds. */
const LOOK = 3_000

/**
 * Load now and again whenever `config/secure-mail*` changes.
 *
 * @throws Error with every problem when the first load fails
 */
export function watchConfig(instanceDir: string, handlers: WatchHandlers): ConfigWatch {
  const clock = handlers.clock ?? systemClock
  const first = loadConfig(instanceDir, clock)
  if (!first.ok) throw new Error(first.problems.map(formatProblem).join('; '))
  let settings = first.settings
  let seen = fingerprint(instanceDir)
  let timer: NodeJS.Timeout | undefined

  const reload = () => {
    timer = undefined
    const now = fingerprint(instanceDir)
    if (now === seen) return
    seen = now
    const loaded = loadConfig(instanceDir, clock)
    if (!loaded.ok) {
      handlers.onReject(loaded.problems)
      return
    }
    settings = loaded.settings
    handlers.onLoad(settings, loaded.problems)
  }
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(reload, SETTLE)
    timer.unref()
  }
  const poll = setInterval(() => {
    if (timer === undefined && fingerprint(instanceDir) !== seen) soon()
  }, LOOK)
  poll.unref()
  const watcher = openWatch(path.join(instanceDir, 'config'), soon)
  return {
    current: () => settings,
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
    // polling goes on without it
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}

/** Names, sizes and times of our files: what tells one state of the folder from another. */
function fingerprint(instanceDir: string): string {
  const folder = path.join(instanceDir, 'config')
  const look = (dir: string): string[] => {
    try {
      return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
        const file = path.join(dir, entry.name)
        if (entry.isDirectory()) return entry.name === 'secure-mail.ndr' ? look(file) : []
        if (dir === folder && !entry.name.startsWith('secure-mail')) return []
        const { size, mtimeMs, ino } = statSync(file)
        return [`${file} ${size} ${mtimeMs} ${ino}`]
      })
    } catch {
      return [`${dir} unreadable`]
    }
  }
  return look(folder).sort().join('\n')
}
