/** The audit log of this process, and what is done for it now and then: its key, old files, what the configuration says. */
import { compressOldFiles } from '../lib/audit/compress'
import { currentKey, rotateKey } from '../lib/audit/keys'
import { openAudit } from '../lib/audit/open'
import type { Audit, AuditEvent } from '../lib/audit/types'
import { maskCpr } from '../lib/classify/cpr'
import type { Clock } from '../lib/clock'
import type { Settings } from '../lib/config/settings'
import type { Store } from '../lib/store/types'
import { tellChanges, tellExpired, type ConfigEvents } from './config-events'
import { background } from './guard'

/** How often it is looked for rows that have expired, files to compress and a key that is due, in milliseconds. */
const LOOK = 600_000
const DAY = 24 * 3_600_000

export interface AuditLog {
  audit: Audit
  /** Tell what a configuration that has just been loaded changes. */
  configLoaded: () => void
  close(): Promise<void>
}

export interface AuditLogOptions {
  instanceDir: string
  settings: () => Settings
  store: Store
  hostname: string
  version: string
  /** Label of this process in file names. */
  label: string
  clock: Clock
  /** Told of every event that could not be written. */
  onError: (error: Error) => void
  /** Told of every event, before it is written; of one that has to be on the disk, afterwards. */
  onEvent: (event: AuditEvent) => void
  reportError: (what: string, error: unknown) => void
}

/**
 * @throws Error (rejects) when today's file cannot be opened, or the store has no key
 */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const { settings, store, clock, hostname, reportError } = options
  let key = await currentKey(store, clock)
  const { dir, recipients, keepDays } = settings().audit
  const file = openAudit({
    dir,
    recipients,
    keepDays,
    digestKey: () => key,
    hostname,
    version: options.version,
    processLabel: options.label,
    clock,
    mask: maskCpr,
    onError: options.onError,
  })
  const audit: Audit = {
    tell(event) {
      options.onEvent(event)
      file.tell(event)
    },
    async tellDurably(event) {
      await file.tellDurably(event)
      options.onEvent(event)
    },
    written: () => file.written(),
    close: () => file.close(),
  }
  let closed = false
  /** What a shutdown cuts short is done after the next start. */
  const unlessClosed: AuditLogOptions['reportError'] = (what, error) => {
    if (!closed) reportError(what, error)
  }
  const events: ConfigEvents = { instanceDir: options.instanceDir, hostname, store, audit, clock }

  async function renewKey(): Promise<void> {
    const { keyDays } = settings().audit
    if (keyDays > 0) await rotateKey(store, clock, keyDays * DAY)
    key = await currentKey(store, clock)
  }
  const look = setInterval(() => {
    background('audit-key', unlessClosed, renewKey)
    background('override-expired', unlessClosed, () => tellExpired(events, settings()))
    background('audit-compress', unlessClosed, async () => {
      await compressOldFiles(dir, settings().audit.compressDays, clock.now())
    })
  }, LOOK).unref()

  return {
    audit,
    configLoaded() {
      background('config-events', unlessClosed, async () => {
        await tellChanges(events, settings())
        await tellExpired(events, settings())
      })
    },
    async close() {
      closed = true
      clearInterval(look)
      await audit.close()
    },
  }
}
