/** The views that questions, and analysts with --sql, are asked over. docs/report.md describes them. */
import type { Copy } from './copies'
import { COLUMNS } from './columns'
import { text, time, type Engine } from './engine'
import type { Period } from './period'
import { NOT_OUTSIDE, TLS_TYPES } from './question'

export interface Filters {
  /** A-labels, lower case; with a leading dot = all below it. */
  domain?: string
  /** Lower case; `@domain` = everybody there. */
  sender?: string
}

/**
 * Make the views, and close everything else off.
 *
 * @throws Error of the engine (rejects)
 */
export async function makeViews(
  engine: Engine,
  copies: readonly Copy[],
  period: Period,
  filters: Filters,
): Promise<void> {
  const files = copies.map(({ parquet }) => parquet)
  const log =
    files.length === 0
      ? `SELECT ${COLUMNS.map(({ name, type }) => `NULL::${type} AS "${name}"`).join(', ')} WHERE false`
      : `SELECT * FROM read_parquet([${files.map(text).join(', ')}]) WHERE action IS NOT NULL`
  await engine.run(`CREATE VIEW log AS ${log}`)
  await engine.run(`CREATE VIEW events AS SELECT * FROM log WHERE ${conditions(period, filters).join(' AND ')}`)
  await engine.run(DELIVERIES)
  await engine.run(UNDELIVERED)
  await engine.seal(files)
}

function conditions(period: Period, { domain, sender }: Filters): string[] {
  return [
    `time >= ${time(period.since)}`,
    `time < ${time(period.until)}`,
    ...(domain === undefined ? [] : [domainCondition(domain)]),
    ...(sender === undefined
      ? []
      : [sender.startsWith('@') ? `ends_with(lower(sender), ${text(sender)})` : `lower(sender) = ${text(sender)}`]),
  ]
}

function domainCondition(domain: string): string {
  if (!domain.startsWith('.')) return `list_contains(domains, ${text(domain)})`
  return `len(list_filter(domains, lambda one: ends_with(one, ${text(domain)}))) > 0`
}

/** One row per delivery attempt of one recipient outside of the organisation. */
const DELIVERIES = `CREATE VIEW deliveries AS
  SELECT time, action, mail_id, case_id, sender, domains[1] AS domain,
    coalesce(hmacs[1], lower(addresses[1]), '@' || domains[1]) AS recipient,
    mx_host, mx_ip, encrypted, tls_version, cipher, verified, auth, pkix, cert_subject, cert_issuer, cert_not_after,
    cert_sha256, cert_names, tls_token, rule_id, rule_reason, policy_source, policy_level, policy_would_have,
    would_level, would_result_type, result_type, failure_mx, attempt, queue_age_s, message
  FROM events
  WHERE action IN ('delivery-succeeded', 'delivery-deferred', 'delivery-failed')
    AND coalesce(policy_source, '') NOT IN ${NOT_OUTSIDE}`

/**
 * One row per recipient outside that no attempt in the period reached: `waiting`, or given up. A deadline that passes has
 * no attempt of its own, so a report to the sender counts as well.
 */
const UNDELIVERED = `CREATE VIEW undelivered AS
  WITH tried AS (
    SELECT mail_id, recipient, any_value(domain) AS domain, any_value(sender) AS sender, any_value(case_id) AS case_id,
      min(time) AS first_at, max(time) AS last_at, count(*) AS attempts, arg_max(result_type, time) AS result_type,
      arg_max(policy_source, time) AS policy_source, arg_max(policy_level, time) AS policy_level,
      arg_max(tls_version, time) AS tls_version, arg_max(pkix, time) AS pkix,
      bool_or(action = 'delivery-failed') AS failed
    FROM deliveries WHERE action <> 'delivery-succeeded' GROUP BY mail_id, recipient
  ), reached AS (
    -- few mails are tried twice: the many others need not be compared
    SELECT mail_id, recipient FROM deliveries
    WHERE action = 'delivery-succeeded' AND mail_id IN (SELECT mail_id FROM tried)
  ), told AS (
    SELECT DISTINCT mail_id, unnest(coalesce(hmacs, list_transform(addresses, lambda one: lower(one)))) AS recipient
    FROM events
    WHERE action IN ('report-sent', 'report-undeliverable') AND report_kind NOT IN ('delayed', 'category3-advice')
  )
  SELECT tried.*, tried.result_type IN ${TLS_TYPES} AS for_tls,
    NOT (tried.failed OR told.mail_id IS NOT NULL) AS waiting
  FROM tried ANTI JOIN reached ON tried.mail_id = reached.mail_id AND tried.recipient = reached.recipient
    LEFT JOIN told ON tried.mail_id = told.mail_id AND tried.recipient = told.recipient`
