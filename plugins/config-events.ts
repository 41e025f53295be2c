/**
 * What the audit log says about the configuration: each load, and what it changed, row by row, once for all processes;
 * and rows whose last day has passed. What was seen last is in the store, so that a change made while the gateway was
 * stopped is told as well.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Audit, AuditEvent } from '../lib/audit/types'
import type { Clock } from '../lib/clock'
import { INI_FILE } from '../lib/config/load'
import { hasExpired } from '../lib/config/policy-map-lookup'
import type { Settings } from '../lib/config/settings'
import { changesBetween, snapshotOf, type Change, type SeenRow, type Snapshot } from '../lib/config/snapshot'
import type { MapRow } from '../lib/policy/types'
import type { Store } from '../lib/store/types'
import { turnOf } from '../lib/store/turns'

/** Changes of one load that are told one by one; more are only counted. */
const MOST_CHANGES = 500
/** How long it is remembered that the end of a row was told, in milliseconds. */
const REMEMBERED = 400 * 24 * 3_600_000

export interface ConfigEvents {
  instanceDir: string
  /** Gateways that share a store have a configuration each. */
  hostname: string
  store: Store
  audit: Audit
  clock: Clock
}

/**
 * Compare with what was seen last, and tell what is different.
 *
 * @throws Error (rejects) of the store
 */
export async function tellChanges(context: ConfigEvents, settings: Settings): Promise<void> {
  const now = snapshotOf(settings)
  let before: Snapshot | undefined
  await context.store.update<Snapshot>(['config-seen', context.hostname], (old) => {
    before = old
    return now
  })
  const changes = changesBetween(before, now)
  for (const change of changes.slice(0, MOST_CHANGES)) context.audit.tell(changeEvent(context, change))
  if (changes.length > MOST_CHANGES) {
    const more = changes.length - MOST_CHANGES
    context.audit.tell({ action: 'config-loaded', message: `${more} more changes`, extra: { more_changes: more } })
  }
}

/**
 * Tell of each row that is past its last day, once.
 *
 * @throws Error (rejects) of the store
 */
export async function tellExpired(context: ConfigEvents, settings: Settings): Promise<void> {
  for (const row of settings.map.rows) {
    if (!hasExpired(row, context.clock.now())) continue
    const which = `expired ${context.hostname} ${row.pattern} ${row.level} ${row.expires ?? ''}`
    if (await turnOf(context.store, which, REMEMBERED)) context.audit.tell(expiredEvent(row))
  }
}

function expiredEvent(row: MapRow): AuditEvent {
  const { pattern, level, expires = '', note, file, line } = row
  return {
    action: 'override-expired',
    message: `the row ${pattern} ${level} held until ${expires} and is not used any more`,
    policy: {
      source: 'map',
      level,
      rule: `${file}:${line} ${pattern}`,
      ...(note === undefined ? {} : { reason: note }),
    },
    extra: { row: pattern, expires },
  }
}

function changeEvent({ instanceDir }: ConfigEvents, change: Change): AuditEvent {
  if (change.what === 'setting') {
    const { name, before, now } = change
    return {
      action: 'config-loaded',
      message: `${name} is ${now === '' ? 'empty' : now}, and was ${before === '' ? 'empty' : before}`,
      extra: {
        change: 'changed',
        setting: name,
        value: now,
        value_before: before,
        ...ownerOf(path.join(instanceDir, 'config', INI_FILE)),
      },
    }
  }
  const { how, pattern, before, now } = change
  const row = now ?? before
  return {
    action: 'config-loaded',
    message: `policy row ${how}: ${pattern} ${row?.text ?? ''}`,
    ...(row === undefined ? {} : { policy: policyOf(pattern, row) }),
    extra: {
      change: how,
      row: pattern,
      ...(now === undefined ? {} : { value: now.text }),
      ...(before === undefined ? {} : { value_before: before.text }),
      ...(now?.expires === undefined ? {} : { expires: now.expires }),
      ...(before?.expires === undefined ? {} : { expires_before: before.expires }),
      ...(row === undefined ? {} : ownerOf(path.resolve(instanceDir, row.file))),
    },
  }
}

function policyOf(pattern: string, row: SeenRow): NonNullable<AuditEvent['policy']> {
  return { source: 'map', level: row.level, reason: row.text, rule: `${row.file}:${row.line} ${pattern}` }
}

/** Who owns the file now, and when it was written: the nearest to "who changed it" that a file system knows. */
function ownerOf(file: string): Record<string, string | number> {
  const stats = fs.statSync(file, { throwIfNoEntry: false })
  if (stats === undefined) return {}
  return { file_owner: nameOf(stats.uid), file_owner_uid: stats.uid, file_changed: stats.mtime.toISOString() }
}

function nameOf(uid: number): string {
  try {
    const line = fs
      .readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.split(':')[2] === String(uid))
    return line?.split(':')[0] ?? ''
  } catch {
    // no such file on this system
    return ''
  }
}
