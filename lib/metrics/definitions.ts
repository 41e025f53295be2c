/**
 * Every metric there is, in one table: docs/metrics.md explains each, the dashboard and the alert rules use them, and a
 * test holds the four together. No label is a domain, an address or anything else that others choose.
 */

export interface Definition {
  type: 'counter' | 'gauge' | 'histogram'
  /** One sentence. */
  help: string
  labels: readonly string[]
  /** Upper bounds of a histogram, in its unit. */
  buckets?: readonly number[]
}

const counter = (help: string, ...labels: string[]): Definition => ({ type: 'counter', help, labels })
const gauge = (help: string, ...labels: string[]): Definition => ({ type: 'gauge', help, labels })

const HOUR = 3600

/** Counted by each process of the gateway; every series has a label `process` besides these. */
export const OF_PROCESSES = {
  securemail_build_info: gauge('Always 1; what runs.', 'version', 'node'),
  securemail_process_start_time_seconds: gauge('When the process was ready, seconds since 1970.'),
  securemail_process_resident_bytes: gauge('Memory of the process.'),
  securemail_enforcing: gauge('1 = mode=enforce, 0 = mode=monitor.'),
  securemail_messages_total: counter('Mails accepted, by category (none: not to the outside).', 'category'),
  securemail_sessions_total: counter(
    'TLS sessions by result (success, or an RFC 8460 result type) and source of the policy.',
    'result_type',
    'policy',
  ),
  securemail_deliveries_total: counter(
    'Recipients by outcome of an attempt, TLS version (none: clear text) and source of the policy.',
    'outcome',
    'tls_version',
    'policy_source',
  ),
  securemail_plaintext_total: counter('Recipients whose mail went out in clear text, by what allowed it.', 'reason'),
  securemail_plaintext_permitted_total: counter('Permits for clear text on the disk, by what gave them.', 'reason'),
  securemail_optout_total: counter('Opt-outs: requested, granted, refused.', 'result'),
  securemail_optout_refusals_total: counter('Reasons of refused opt-outs; one mail may have several.', 'code'),
  securemail_category3_total: counter(
    'Mails that needed more than encryption in transport, by what was done.',
    'action',
  ),
  securemail_reports_total: counter('Reports by kind: sent, or undeliverable.', 'kind', 'status'),
  securemail_report_age_seconds: {
    type: 'histogram',
    help: 'Age of a mail when its report that it was not delivered was queued.',
    labels: [],
    buckets: [60, 300, 900, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 20 * HOUR, 23 * HOUR, 24 * HOUR],
  },
  securemail_cache_lookups_total: counter(
    'Look-ups in caches (dns, mta-sts, tls-session): hit, or miss.',
    'cache',
    'result',
  ),
  securemail_mta_sts_lookups_total: counter('Deliveries by what was known of an MTA-STS policy.', 'state'),
  securemail_mta_sts_events_total: counter('What happened to MTA-STS policies.', 'event'),
  securemail_config_loads_total: counter('Configurations loaded and rejected.', 'result'),
  securemail_config_rejected: gauge('1 = the configuration on disk has errors, an older one is in force.'),
  securemail_policy_rows: gauge('Rows of the policy map in force, by level.', 'level'),
  securemail_policy_rows_expired_total: counter('Rows that passed their last day.'),
  securemail_hook_errors_total: counter('Failures of our own, by where.', 'what'),
  securemail_audit_events_total: counter('Audit events by action.', 'action'),
  securemail_audit_write_errors_total: counter('Audit events that could not be written or synced.'),
  securemail_queue_mails: gauge('Mails in the queue, by what they wait for.', 'state'),
  securemail_queue_oldest_seconds: gauge('Age of the oldest mail in the queue; 0 = it is empty.'),
} as const satisfies Record<string, Definition>

/** Of the machine: found out by the process that answers. */
export const OF_MACHINE = {
  securemail_processes: gauge('Processes of the gateway: answered, or silent (their figures are missing).', 'state'),
  securemail_queue_error_files: gauge('Files set aside as error.* in the queue directory.'),
  securemail_policy_cache_entries: gauge('MTA-STS policies in the store.'),
  securemail_certificates_expiring: gauge(
    'Correspondents whose last certificate that mail is encrypted to ends soon, by what is left of it.',
    'left',
  ),
} as const satisfies Record<string, Definition>

export type ProcessMetric = keyof typeof OF_PROCESSES
export type MachineMetric = keyof typeof OF_MACHINE

/** Caches whose hits and misses are counted. */
export const CACHES = ['dns', 'mta-sts', 'tls-session'] as const

export type Cache = (typeof CACHES)[number]

/** Series that are there from the start with 0, so that a first event is an increase and not a new series. */
export const FROM_THE_START: Readonly<Partial<Record<ProcessMetric, readonly Record<string, string>[]>>> = {
  securemail_optout_total: ['requested', 'granted', 'refused'].map((result) => ({ result })),
  securemail_config_loads_total: ['loaded', 'rejected'].map((result) => ({ result })),
  securemail_plaintext_total: ['override', 'map', 'default', 'internal'].map((reason) => ({ reason })),
  securemail_plaintext_permitted_total: ['override', 'map', 'default', 'internal'].map((reason) => ({ reason })),
  securemail_optout_refusals_total: [{ code: 'cpr' }],
  securemail_hook_errors_total: [{ what: 'other' }],
  securemail_cache_lookups_total: CACHES.flatMap((cache) => ['hit', 'miss'].map((result) => ({ cache, result }))),
}
