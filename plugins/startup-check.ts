/**
 * What must be true of the Haraka found before one mail is taken: the tested version, the methods that are taken over
 * where they should be and still Haraka's own, no plugin beside us that queues outbound mail by itself, and no stock
 * setting that undermines the rest. Each finding is one line that says what to do.
 */
import path from 'node:path'
import { formatProblem, undermining } from '../lib/config'
import type { Mode } from '../lib/config/settings'
import { CODE, type HarakaModules } from './haraka'
import { TAKEN_METHODS } from './takeover'

/** Haraka versions this was tested with. */
const TESTED = { major: 3, minor: 3, patchFrom: 4 }

/** Plugins that may stand on `queue_outbound` beside us: they change or sign, but do not queue. */
export const QUEUE_OUTBOUND_ALLOWED: ReadonlySet<string> = new Set([
  'secure-mail',
  'dkim',
  'dkim_sign',
  'headers',
  'limit',
  'karma',
  'watch',
  'elasticsearch',
])

/** Before the take-over: is this the Haraka we know? @returns one line per problem */
export function checkHaraka(haraka: HarakaModules): string[] {
  const problems: string[] = []
  const [major, minor, patch] = haraka.version.split('.').map((part) => Number.parseInt(part, 10))
  if (major !== TESTED.major || minor !== TESTED.minor || (patch ?? 0) < TESTED.patchFrom) {
    problems.push(`Haraka ${haraka.version} is not supported: this release is tested with 3.3.4 and later 3.3 versions`)
  }
  const globals = globalThis as unknown as Record<string, unknown>
  for (const [name, value] of Object.entries({
    OK: CODE.ok,
    DENY: CODE.deny,
    DENYSOFT: CODE.denysoft,
    CONT: CODE.cont,
    DELAY: CODE.delay,
  })) {
    if (globals[name] !== undefined && globals[name] !== value)
      problems.push(`Haraka's constant ${name} is not ${value}`)
  }
  const { delivery_queue: due, temp_fail_queue: waiting, _add_file: take } = haraka.queue
  if (!Array.isArray(due.tasks) || typeof waiting.add !== 'function' || typeof take !== 'function') {
    problems.push('outbound/queue is not as in Haraka 3.3: which mails wait could not be seen')
  }
  const own = Object.getOwnPropertyNames(haraka.HMailItem.prototype)
  for (const name of TAKEN_METHODS) {
    if (!own.includes(name) || typeof haraka.HMailItem.prototype[name] !== 'function') {
      problems.push(`outbound/hmail has no method ${name}: this Haraka cannot be taken over`)
    } else if (Object.getOwnPropertyDescriptor(haraka.HMailItem.prototype, name)?.configurable === false) {
      problems.push(
        `outbound/hmail ${name} is already taken over by somebody else (is secure-mail listed twice in config/plugins?)`,
      )
    }
  }
  if (typeof haraka.outbound.process_delivery !== 'function') problems.push('outbound has no method process_delivery')
  if (typeof haraka.Connection.prototype.queue_outbound_respond !== 'function') {
    problems.push('connection has no method queue_outbound_respond')
  }
  return problems
}

/** Once all plugins are loaded: does anybody beside us stand where mail could leave? */
export function checkNeighbours(haraka: HarakaModules): string[] {
  return (haraka.plugins.registered_hooks.queue_outbound ?? [])
    .filter((hook) => !QUEUE_OUTBOUND_ALLOWED.has(path.basename(hook.plugin)))
    .map(
      (hook) =>
        `the plugin ${hook.plugin} is on queue_outbound and could deliver mail past TLS enforcement: remove it from config/plugins (allowed beside secure-mail: ${[...QUEUE_OUTBOUND_ALLOWED].filter((name) => name !== 'secure-mail').join(', ')})`,
    )
}

/** Stock settings of the instance that undermine us. @returns errors as lines, warnings apart */
export function checkInstance(instanceDir: string, mode: Mode): { errors: string[]; warnings: string[] } {
  const problems = undermining(instanceDir, mode)
  const lines = (severity: string) => problems.filter((problem) => problem.severity === severity).map(formatProblem)
  return { errors: lines('error'), warnings: lines('warning') }
}
