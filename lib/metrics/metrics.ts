/** The figures of one process: counted from the audit events, which are all told in one place. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { AuditEvent } from '../audit/types'
import { FROM_THE_START, OF_PROCESSES, type Cache, type Definition, type ProcessMetric } from './definitions'

export type Labels = Readonly<Record<string, string>>

export interface Metrics {
  /** Count what an audit event says. */
  told(event: AuditEvent): void
  /** An audit event could not be written or synced. */
  auditFailed(): void
  /** Something was looked for in a cache. */
  lookedUp(cache: Cache, hit: boolean): void
  set(name: ProcessMetric, value: number, labels?: Labels): void
  /** Forget the series of a gauge whose labels may be gone. */
  clear(name: ProcessMetric): void
  /** As prom-client gives them: what `exposition` merges. */
  values(): Promise<unknown[]>
}

type Instrument = Counter | Gauge | Histogram

/** @param label of the process: `main`, `w1` ... */
export function createMetrics(label: string): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ process: label })
  const instruments = new Map<string, Instrument>()
  for (const [name, definition] of Object.entries(OF_PROCESSES)) {
    instruments.set(name, instrument(name, definition, registry))
  }
  const count = (name: ProcessMetric, labels: Labels = {}, by = 1) => {
    const counter = instruments.get(name)
    if (counter instanceof Counter) counter.inc(labels, by)
  }
  const set: Metrics['set'] = (name, value, labels = {}) => {
    const gauge = instruments.get(name)
    if (gauge instanceof Gauge) gauge.set(labels, value)
  }
  const observe = (name: ProcessMetric, value: number) => {
    const histogram = instruments.get(name)
    if (histogram instanceof Histogram) histogram.observe(value)
  }
  for (const [name, series] of Object.entries(FROM_THE_START)) {
    for (const labels of series) count(name as ProcessMetric, labels, 0)
  }
  return {
    told(event) {
      countEvent(event, count, set, observe)
    },
    auditFailed() {
      count('securemail_audit_write_errors_total')
    },
    lookedUp(cache, hit) {
      count('securemail_cache_lookups_total', lookUp(cache, hit))
    },
    set,
    clear(name) {
      instruments.get(name)?.reset()
    },
    values: () => registry.getMetricsAsJSON(),
  }
}

function instrument(name: string, { type, help, labels, buckets }: Definition, registry: Registry): Instrument {
  const common = { name, help, labelNames: [...labels], registers: [registry] }
  switch (type) {
    case 'counter':
      return new Counter(common)
    case 'gauge':
      return new Gauge(common)
    case 'histogram':
      return new Histogram({ ...common, buckets: [...(buckets ?? [])] })
  }
}

type Count = (name: ProcessMetric, labels?: Labels, by?: number) => void

/** A label that comes from a text of an event: only words of a program, never what somebody outside wrote. */
function word(value: unknown): string {
  return typeof value === 'string' && /^[a-z][a-z0-9-]{0,40}$/.test(value) ? value : 'other'
}

function countEvent(
  event: AuditEvent,
  count: Count,
  set: Metrics['set'],
  observe: (name: ProcessMetric, value: number) => void,
): void {
  const { action, extra = {} } = event
  const source = event.policy?.source ?? 'none'
  count('securemail_audit_events_total', { action })
  switch (action) {
    case 'message-accepted':
      count('securemail_messages_total', { category: categoryOf(extra.category) })
      return
    case 'optout-requested':
      count('securemail_optout_total', { result: 'requested' })
      return
    case 'optout-granted':
      count('securemail_optout_total', { result: 'granted' })
      return
    case 'optout-refused':
      count('securemail_optout_total', { result: 'refused' })
      for (const code of event.optOut?.refusals ?? []) count('securemail_optout_refusals_total', { code })
      return
    case 'policy-resolved':
      if (extra.sts_state !== undefined) count('securemail_mta_sts_lookups_total', { state: word(extra.sts_state) })
      if (extra.sts_event !== undefined) count('securemail_mta_sts_events_total', { event: word(extra.sts_event) })
      return
    case 'tls-negotiated':
      count('securemail_sessions_total', { result_type: 'success', policy: source })
      count('securemail_cache_lookups_total', lookUp('tls-session', event.tls?.resumed === true))
      return
    case 'tls-failed':
      count('securemail_sessions_total', { result_type: event.failure?.resultType ?? 'other', policy: source })
      return
    case 'delivery-succeeded':
    case 'delivery-deferred':
    case 'delivery-failed':
      count('securemail_deliveries_total', {
        outcome: OUTCOME[action],
        tls_version: versionOf(event.tls),
        policy_source: source,
      })
      return
    case 'plaintext-permitted':
      count('securemail_plaintext_permitted_total', { reason: source })
      return
    case 'plaintext-delivered':
      count('securemail_plaintext_total', { reason: source })
      return
    case 'category3-detected':
      count('securemail_category3_total', { action: word(extra.category3_action) })
      return
    case 'category3-encrypted':
      count('securemail_category3_total', { action: 'encrypted' })
      return
    case 'report-sent':
    case 'delay-notice-sent':
      count('securemail_reports_total', { kind: word(event.report?.kind), status: 'sent' })
      if (saysNotDelivered(event)) observe('securemail_report_age_seconds', (event.queueAge ?? 0) / 1000)
      return
    case 'report-undeliverable':
      count('securemail_reports_total', { kind: word(event.report?.kind), status: 'undeliverable' })
      return
    case 'override-expired':
      count('securemail_policy_rows_expired_total')
      return
    case 'config-loaded':
      // what a load changed is told besides
      if (extra.change !== undefined || extra.more_changes !== undefined) return
      count('securemail_config_loads_total', { result: 'loaded' })
      set('securemail_config_rejected', 0)
      return
    case 'config-rejected':
      count('securemail_config_loads_total', { result: 'rejected' })
      set('securemail_config_rejected', 1)
      return
    case 'plugin-error':
      count('securemail_hook_errors_total', { what: word(extra.what) })
      return
    case 'certificate-harvested':
    case 'certificate-changed':
    case 'probe-run':
    case 'tlsrpt-sent':
    case 'queue-retried':
    case 'queue-bounced':
    case 'support-digest-sent':
      // in securemail_audit_events_total
      return
  }
}

const OUTCOME = {
  'delivery-succeeded': 'delivered',
  'delivery-deferred': 'deferred',
  'delivery-failed': 'failed',
} as const

function lookUp(cache: Cache, hit: boolean): Labels {
  return { cache, result: hit ? 'hit' : 'miss' }
}

function categoryOf(category: unknown): string {
  return typeof category === 'number' && [1, 2, 3].includes(category) ? String(category) : 'none'
}

function versionOf(tls: AuditEvent['tls']): string {
  if (tls === undefined || tls === null) return 'none'
  return /^TLSv1(\.[0-3])?$/.test(tls.version) ? tls.version : 'other'
}

/** Advice about a mail that is on its way is no report of a failure. */
function saysNotDelivered({ action, report }: AuditEvent): boolean {
  return action === 'report-sent' && report?.kind !== 'category3-advice'
}
