/**
 * The metrics of this gateway. Every process counts for itself and answers on its control socket; every process listens
 * (a cluster shares the port), and whichever gets the scrape asks the others. The cluster master has no part in it: it
 * stays root, and a scrape that it could not answer would end it.
 */
import { ask, controlSockets, runDirectory } from '../lib/control'
import type { AuditEvent } from '../lib/audit/types'
import type { Settings } from '../lib/config/settings'
import { certificateBook } from '../lib/encrypt/certificates/book'
import { countExpiring } from '../lib/encrypt/certificates/expiry'
import { trustOf } from '../lib/encrypt/certificates/trust'
import type { Cache } from '../lib/metrics/definitions'
import { exposition, type MachineValue } from '../lib/metrics/exposition'
import { createMetrics } from '../lib/metrics/metrics'
import { serveMetrics, type MetricsServer } from '../lib/metrics/server'
import { countPolicies } from '../lib/policy/sts'
import { LEVELS } from '../lib/policy/types'
import { errorFiles } from '../lib/queue/directory'
import type { Store } from '../lib/store/types'
import type { HarakaModules } from './haraka'
import { workedOn } from './lifecycle'
import { dueMails, waitingMails } from './waiting-room'

/** How old the count of cached policies may be, in milliseconds: a large cache is not read for every scrape. */
const POLICIES_INTERVAL = 60_000
/** The same of certificates, which end by the day. */
const CERTIFICATES_INTERVAL = 15 * 60_000
/** How long another process may take to answer a scrape, in milliseconds. */
const PATIENCE = 3000

export interface GatewayMetrics {
  /** Count what an audit event says; does nothing where nobody listens. */
  told(event: AuditEvent): void
  auditFailed(): void
  /** Count a look-up in a cache; does nothing where nobody listens. */
  lookedUp(cache: Cache, hit: boolean): void
  /** Listen where the settings say; to be called again when they change. */
  follow(): void
  /** The figures of this process, as JSON. */
  own(): Promise<string>
  close(): Promise<void>
}

export interface MetricsOptions {
  haraka: HarakaModules
  settings: () => Settings
  instanceDir: string
  /** `main`, `w1` ... */
  label: string
  version: string
  /** For what a store knows; absent until it is open. */
  store: () => Store | undefined
  reportError: (what: string, error: unknown) => void
}

export function createGatewayMetrics(options: MetricsOptions): GatewayMetrics {
  const { haraka, settings, label } = options
  const metrics = createMetrics(label)
  metrics.set('securemail_build_info', 1, { version: options.version, node: process.version })
  metrics.set('securemail_process_start_time_seconds', Math.round(Date.now() / 1000))
  let open: { listen: string; server: MetricsServer } | undefined
  const wanted = () => settings().metrics.listen

  function gauges(): void {
    metrics.set('securemail_process_resident_bytes', process.memoryUsage.rss())
    metrics.set('securemail_enforcing', settings().main.mode === 'enforce' ? 1 : 0)
    for (const level of LEVELS) {
      const rows = settings().map.rows.filter((row) => row.level === level)
      metrics.set('securemail_policy_rows', rows.length, { level })
    }
    const held = {
      waiting: waitingMails().map(({ identity }) => identity),
      due: dueMails(haraka).map(({ identity }) => identity),
      delivering: [...workedOn().keys()],
    }
    let oldest = Infinity
    for (const [state, mails] of Object.entries(held)) {
      metrics.set('securemail_queue_mails', mails.length, { state })
      // an identity begins with the time of arrival
      for (const identity of mails) oldest = Math.min(oldest, Number.parseInt(identity, 10))
    }
    const age = Number.isFinite(oldest) ? Math.max(0, Date.now() - oldest) / 1000 : 0
    metrics.set('securemail_queue_oldest_seconds', age)
  }

  const policies = nowAndThen(POLICIES_INTERVAL, countPolicies)
  const trust = trustOf(settings)
  const expiring = nowAndThen(CERTIFICATES_INTERVAL, async (store) => {
    try {
      return await countExpiring(certificateBook(store), await trust(), Date.now())
    } catch (error) {
      // roots that cannot be read, say: the rest of the page is wanted all the more
      options.reportError('metrics', error)
      return undefined
    }
  })

  async function own(): Promise<unknown[]> {
    gauges()
    return await metrics.values()
  }

  async function page(): Promise<string> {
    const dir = runDirectory(options.instanceDir)
    const all: unknown[][] = [await own()]
    let silent = 0
    const others = controlSockets(dir).filter(({ pid }) => pid !== process.pid)
    await Promise.all(
      others.map(async (socket) => {
        try {
          await ask(
            dir,
            socket,
            { op: 'metrics' },
            (reply) => {
              if (reply.kind === 'metrics') all.push(JSON.parse(reply.json) as unknown[])
            },
            PATIENCE,
          )
        } catch (error) {
          // a socket without a process is what is left of one
          if (!(error instanceof Error && 'reason' in error && error.reason === 'gone')) silent += 1
        }
      }),
    )
    const machine: MachineValue[] = [
      { name: 'securemail_processes', labels: { state: 'answered' }, value: all.length },
      { name: 'securemail_processes', labels: { state: 'silent' }, value: silent },
      { name: 'securemail_queue_error_files', value: await errorFiles(haraka.queue.queue_dir) },
    ]
    const store = options.store()
    if (store !== undefined) {
      machine.push({ name: 'securemail_policy_cache_entries', value: await policies(store) })
      for (const [left, value] of Object.entries((await expiring(store)) ?? {})) {
        machine.push({ name: 'securemail_certificates_expiring', labels: { left }, value: Number(value) })
      }
    }
    return await exposition(all, machine)
  }

  return {
    told(event) {
      if (wanted() !== undefined) metrics.told(event)
    },
    auditFailed() {
      metrics.auditFailed()
    },
    lookedUp(cache, hit) {
      if (wanted() !== undefined) metrics.lookedUp(cache, hit)
    },
    follow() {
      const listen = wanted()
      if (open?.listen === listen) return
      void open?.server.close()
      open = undefined
      if (listen === undefined) return
      const onError = (error: Error) => {
        options.reportError('metrics', error)
      }
      open = { listen, server: serveMetrics({ listen, page, onError }) }
    },
    own: async () => JSON.stringify(await own()),
    async close() {
      await open?.server.close()
      open = undefined
    },
  }
}

/** @returns what `work` gives, asked again when that is older than `interval`, in milliseconds */
function nowAndThen<T>(interval: number, work: (store: Store) => Promise<T>): (store: Store) => Promise<T> {
  let last: { at: number; result: Promise<T> } | undefined
  return (store) => {
    const now = performance.now()
    if (last === undefined || now - last.at > interval) last = { at: now, result: work(store) }
    return last.result
  }
}
