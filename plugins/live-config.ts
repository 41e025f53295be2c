/** The configuration in force, and what is made anew when it changes: report texts and the resolver. */
import type { AuditEvent } from '../lib/audit/types'
import type { Clock } from '../lib/clock'
import { formatProblem, watchConfig } from '../lib/config'
import type { Settings } from '../lib/config/settings'
import { createResolver } from '../lib/dns'
import type { Resolver } from '../lib/dns/types'
import { loadTemplates, type Templates } from '../lib/notify/templates'
import type { HarakaPlugin } from './haraka'

export interface LiveConfig {
  /** The last good settings; a bad reload never changes them. */
  settings: () => Settings
  templates: () => Templates
  resolver: () => Resolver
  close(): Promise<void>
}

export interface LiveConfigOptions {
  instanceDir: string
  clock: Clock
  /** Told of every load and rejection after the first load. */
  tell: (event: AuditEvent) => void
  /** Called after each successful reload. */
  onReload: (settings: Settings) => void
  /** Told of each question to DNS; must not throw. */
  onDnsLookUp: (hit: boolean) => void
}

/** How long a resolver that was replaced may still answer what it was asked, in milliseconds. */
const RESOLVER_GRACE = 60_000

/**
 * @throws Error with every problem when the configuration is bad
 */
export function followConfig(plugin: HarakaPlugin, options: LiveConfigOptions): LiveConfig {
  const { instanceDir, tell } = options
  let templates = readTemplates(instanceDir)
  const watch = watchConfig(instanceDir, {
    onLoad(settings, warnings) {
      for (const warning of warnings) plugin.logwarn(`secure-mail: ${formatProblem(warning)}`)
      // the texts were read once already, to judge the configuration; should they be gone again, the old ones stay
      const texts = loadTemplates(instanceDir)
      if (texts.ok) templates = texts.templates
      resolver = renewResolver(resolver, settings.dns, options)
      const summary = summaryOf(settings)
      plugin.lognotice(`secure-mail: configuration loaded: ${summary}`)
      tell({ action: 'config-loaded', message: `configuration loaded: ${summary}`, outcome: 'success' })
      options.onReload(settings)
    },
    onReject(problems) {
      for (const problem of problems) plugin.logerror(`secure-mail: ${formatProblem(problem)}`)
      plugin.logerror('secure-mail: the new configuration has errors; the last good one stays in force')
      tell({
        action: 'config-rejected',
        message: `configuration rejected, the last good one stays: ${problems.map(formatProblem).join('; ')}`,
        outcome: 'failure',
      })
    },
  })
  for (const warning of watch.warnings()) plugin.logwarn(`secure-mail: ${formatProblem(warning)}`)
  let resolver: OwnResolver = renewResolver(undefined, watch.current().dns, options)
  return {
    settings: () => watch.current(),
    templates: () => templates,
    resolver: () => resolver.resolver,
    async close() {
      watch.close()
      await resolver.resolver.close()
    },
  }
}

/** One line for log and event. */
export function summaryOf(settings: Settings): string {
  return `mode=${settings.main.mode}, level=${settings.main.level}, ${settings.map.rows.length} policy rows`
}

interface OwnResolver {
  resolver: Resolver
  /** The settings it was made from. */
  made: string
}

/** A new resolver where its settings changed; the old one answers what is under way, then is closed. */
function renewResolver(
  old: OwnResolver | undefined,
  dns: Settings['dns'],
  { clock, onDnsLookUp: onLookUp }: Pick<LiveConfigOptions, 'clock' | 'onDnsLookUp'>,
): OwnResolver {
  const made = JSON.stringify(dns)
  if (old?.made === made) return old
  if (old !== undefined) setTimeout(() => void old.resolver.close(), RESOLVER_GRACE).unref()
  return { resolver: createResolver({ ...dns, clock, onLookUp }), made }
}

function readTemplates(instanceDir: string): Templates {
  const loaded = loadTemplates(instanceDir)
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('; '))
  return loaded.templates
}
