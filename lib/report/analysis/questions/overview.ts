/**
 * What the gateway did, in one page.
 *
 * A *transmission* is one mail to one recipient outside: a pair of mail id and recipient in `deliveries`; the gateway's
 * own reports are none. It is *at risk* when TLS could not be had for it: it was given up or waits, and its last attempt
 * failed by a TLS result type; or it went out in clear text where TLS was tried and clear text permitted (level `may`:
 * monitor mode, a row, or an opt-out); or monitor mode recorded that enforcing would have failed by a TLS result type.
 * Clear text under `none` is not at risk: nobody tried. The headline is at risk per mille of all transmissions.
 */
import { column, TLS_TYPES, type Question } from '../question'

const AT_RISK_DELIVERY = `(encrypted = false AND policy_level = 'may') OR coalesce(would_result_type IN ${TLS_TYPES}, false)`

const FIGURES = `
  WITH put_off AS (
    SELECT DISTINCT mail_id, recipient FROM deliveries
    WHERE action = 'delivery-deferred' AND result_type IN ${TLS_TYPES}
  ), d AS (
    SELECT count(*) AS delivered,
      count(*) FILTER (encrypted) AS encrypted,
      count(*) FILTER (NOT encrypted) AS clear,
      count(*) FILTER (encrypted = false AND policy_level = 'may') AS risk_clear,
      count(*) FILTER (encrypted IS DISTINCT FROM false AND would_result_type IN ${TLS_TYPES}) AS risk_monitor,
      count(*) FILTER (policy_source = 'override') AS opted_out,
      count(*) FILTER (policy_source = 'override' AND encrypted) AS opted_out_encrypted
    FROM deliveries WHERE action = 'delivery-succeeded'
  ), u AS (
    SELECT count(*) AS undelivered,
      count(*) FILTER (waiting) AS waiting,
      count(*) FILTER (for_tls AND NOT waiting) AS risk_failed,
      count(*) FILTER (for_tls AND waiting) AS risk_waiting
    FROM lost
  ), late AS (
    SELECT count(*) AS late FROM (
      SELECT mail_id, recipient FROM deliveries
      WHERE action = 'delivery-succeeded' AND encrypted AND mail_id IN (SELECT mail_id FROM put_off)
      GROUP BY mail_id, recipient
    ) SEMI JOIN put_off USING (mail_id, recipient)
  ), e AS (
    SELECT count(*) FILTER (action = 'message-accepted' AND category IS NOT NULL) AS accepted,
      count(*) FILTER (action = 'message-accepted' AND category = 3) AS category3,
      count(DISTINCT mail_id) FILTER (action = 'optout-requested') AS requested,
      count(DISTINCT mail_id) FILTER (action = 'optout-granted') AS granted,
      count(DISTINCT mail_id) FILTER (action = 'optout-refused') AS refused,
      count(*) FILTER (action = 'category3-detected') AS detected,
      count(*) FILTER (action = 'category3-encrypted') AS category3_encrypted,
      count(*) FILTER (action = 'report-sent') AS reports,
      count(*) FILTER (action = 'report-undeliverable') AS unreportable,
      count(*) FILTER (action = 'delay-notice-sent') AS delays,
      quantile_disc(queue_age_s, 0.5) FILTER (action = 'report-sent') AS p50,
      quantile_disc(queue_age_s, 0.95) FILTER (action = 'report-sent') AS p95,
      max(queue_age_s) FILTER (action = 'report-sent') AS slowest,
      count(*) FILTER (action = 'report-sent' AND queue_age_s > 86400) AS too_late
    FROM events
    WHERE action IN ('message-accepted', 'optout-requested', 'optout-granted', 'optout-refused', 'category3-detected',
      'category3-encrypted', 'report-sent', 'report-undeliverable', 'delay-notice-sent')
  ), f AS (
    SELECT *, delivered + undelivered AS transmissions, risk_failed + risk_waiting + risk_clear + risk_monitor AS at_risk
    FROM d, u, late, e
  )
  SELECT figure, value, of_all FROM (
    SELECT unnest([
      {'figure': 'mails accepted to the outside', 'value': accepted::DOUBLE, 'of_all': NULL::DOUBLE},
      {'figure': 'transmissions (mail and recipient outside)', 'value': transmissions, 'of_all': NULL},
      {'figure': 'delivered encrypted', 'value': encrypted, 'of_all': encrypted / nullif(transmissions, 0)},
      {'figure': 'delivered in clear text', 'value': clear, 'of_all': clear / nullif(transmissions, 0)},
      {'figure': 'not delivered: given up', 'value': undelivered - waiting, 'of_all': (undelivered - waiting) / nullif(transmissions, 0)},
      {'figure': 'not delivered yet: waiting', 'value': waiting, 'of_all': waiting / nullif(transmissions, 0)},
      {'figure': 'AT RISK: TLS could not be had', 'value': at_risk, 'of_all': at_risk / nullif(transmissions, 0)},
      {'figure': 'at risk: given up', 'value': risk_failed, 'of_all': risk_failed / nullif(transmissions, 0)},
      {'figure': 'at risk: waiting', 'value': risk_waiting, 'of_all': risk_waiting / nullif(transmissions, 0)},
      {'figure': 'at risk: went in clear text, as permitted', 'value': risk_clear, 'of_all': risk_clear / nullif(transmissions, 0)},
      {'figure': 'at risk: would have failed (monitor mode)', 'value': risk_monitor, 'of_all': risk_monitor / nullif(transmissions, 0)},
      {'figure': 'late by TLS, then delivered encrypted', 'value': late, 'of_all': late / nullif(transmissions, 0)},
      {'figure': 'opt-outs asked for (mails)', 'value': requested, 'of_all': NULL},
      {'figure': 'opt-outs granted (mails)', 'value': granted, 'of_all': NULL},
      {'figure': 'opt-outs refused (mails)', 'value': refused, 'of_all': NULL},
      {'figure': 'transmissions under an opt-out', 'value': opted_out, 'of_all': opted_out / nullif(transmissions, 0)},
      {'figure': 'of these encrypted all the same', 'value': opted_out_encrypted, 'of_all': NULL},
      {'figure': 'mails of category 3 (encrypted content)', 'value': category3, 'of_all': NULL},
      {'figure': 'mails that should have been category 3', 'value': detected, 'of_all': NULL},
      {'figure': 'mails encrypted with S/MIME by the gateway', 'value': category3_encrypted, 'of_all': NULL},
      {'figure': 'reports to senders', 'value': reports, 'of_all': NULL},
      {'figure': 'delay notices', 'value': delays, 'of_all': NULL},
      {'figure': 'reports that did not reach a sender', 'value': unreportable, 'of_all': NULL},
      {'figure': 'mail to report, median (hours)', 'value': p50 / 3600, 'of_all': NULL},
      {'figure': 'mail to report, 95 of 100 within (hours)', 'value': p95 / 3600, 'of_all': NULL},
      {'figure': 'mail to report, slowest (hours)', 'value': slowest / 3600, 'of_all': NULL},
      {'figure': 'reports later than 24 hours', 'value': too_late, 'of_all': NULL}
    ], recursive := true) FROM f)`

/** See the head of this file. */
export const overview: Question = {
  name: 'overview',
  title: 'Overview',
  answers: 'How much mail left, how it was protected, what was at risk, who opted out, and how soon senders were told.',
  prepare: () => ['CREATE TEMP TABLE lost AS SELECT * FROM undelivered'],
  sections: () => [
    {
      name: 'figures',
      title: 'Figures',
      columns: [
        column('figure', 'figure'),
        column('value', 'value', 'number'),
        column('of_all', 'of all transmissions', 'share'),
      ],
      from: FIGURES,
      cards: [
        'AT RISK: TLS could not be had',
        'delivered encrypted',
        'delivered in clear text',
        'opt-outs refused (mails)',
        'reports to senders',
        'reports later than 24 hours',
      ],
    },
    {
      name: 'daily',
      title: 'Transmissions by day',
      note: 'delivered on that day; at risk: delivered in clear text although TLS was tried, or against what enforcing asks for',
      columns: [
        column('day', 'day'),
        column('encrypted', 'encrypted', 'number'),
        column('clear', 'clear text', 'number'),
        column('at_risk', 'at risk', 'number'),
        column('failed_attempts', 'attempts failed by TLS', 'number'),
      ],
      from: `SELECT strftime(time, '%Y-%m-%d') AS day,
          count(*) FILTER (action = 'delivery-succeeded' AND encrypted) AS encrypted,
          count(*) FILTER (action = 'delivery-succeeded' AND NOT encrypted) AS clear,
          count(*) FILTER (action = 'delivery-succeeded' AND (${AT_RISK_DELIVERY})) AS at_risk,
          count(*) FILTER (action <> 'delivery-succeeded' AND result_type IN ${TLS_TYPES}) AS failed_attempts
        FROM deliveries GROUP BY day ORDER BY day`,
      chart: { kind: 'days', along: 'day', series: ['encrypted', 'clear'] },
    },
    {
      name: 'protection',
      title: 'Delivered, by where the requirement came from, and TLS version',
      columns: [
        column('policy_source', 'requirement from'),
        column('policy_level', 'level'),
        column('tls_version', 'TLS'),
        column('transmissions', 'transmissions', 'number'),
        column('verified', 'certificate checked', 'number'),
        column('share', 'share', 'share'),
      ],
      from: `SELECT coalesce(policy_source, 'unknown') AS policy_source, coalesce(policy_level, 'unknown') AS policy_level,
          CASE WHEN encrypted THEN coalesce(tls_version, 'unknown') ELSE 'none' END AS tls_version,
          count(*) AS transmissions, count(*) FILTER (verified) AS verified,
          count(*) / sum(count(*)) OVER () AS share
        FROM deliveries WHERE action = 'delivery-succeeded' GROUP BY ALL ORDER BY transmissions DESC, policy_source, policy_level, tls_version`,
      chart: { kind: 'bars', along: 'policy_source', series: ['transmissions'] },
    },
    {
      name: 'at-risk',
      title: 'At risk, by reason',
      columns: [
        column('result_type', 'reason'),
        column('transmissions', 'transmissions', 'number'),
        column('domains', 'domains', 'number'),
        column('senders', 'senders', 'number'),
      ],
      from: `WITH risk AS (
          SELECT result_type, domain, sender FROM lost WHERE for_tls
          UNION ALL
          SELECT coalesce(would_result_type, 'clear text permitted'), domain, sender FROM deliveries
          WHERE action = 'delivery-succeeded' AND (${AT_RISK_DELIVERY})
        )
        SELECT result_type, count(*) AS transmissions, count(DISTINCT domain) AS domains, count(DISTINCT sender) AS senders
        FROM risk GROUP BY result_type ORDER BY transmissions DESC, result_type`,
      chart: { kind: 'bars', along: 'result_type', series: ['transmissions'] },
    },
    {
      name: 'refusals',
      title: 'Opt-outs refused, by reason',
      columns: [column('code', 'reason'), column('mails', 'mails', 'number'), column('senders', 'senders', 'number')],
      from: `SELECT code, count(DISTINCT mail_id) AS mails, count(DISTINCT sender) AS senders FROM (
          SELECT unnest(refusals) AS code, mail_id, sender FROM events WHERE action = 'optout-refused'
        ) GROUP BY code ORDER BY mails DESC, code`,
    },
    {
      name: 'reports',
      title: 'Reports to senders, by kind',
      columns: [
        column('kind', 'kind'),
        column('reports', 'reports', 'number'),
        column('p50', 'median', 'seconds'),
        column('p95', '95 of 100 within', 'seconds'),
        column('slowest', 'slowest', 'seconds'),
      ],
      from: `SELECT report_kind AS kind, count(*) AS reports, quantile_disc(queue_age_s, 0.5) AS p50,
          quantile_disc(queue_age_s, 0.95) AS p95, max(queue_age_s) AS slowest
        FROM events WHERE action = 'report-sent' GROUP BY kind ORDER BY reports DESC, kind`,
    },
  ],
}
