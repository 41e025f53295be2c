/**
 * Partner domains that fail TLS: why, since when, and who is hit. Failures are `tls-failed` (a server) and deliveries that
 * were put off or given up by a TLS result type (a recipient). `since` is the first failure after the last delivery with
 * TLS that lies before the last failure: the beginning of what is going on now.
 */
import { column, NOT_OUTSIDE, TLS_TYPES, type Question } from '../question'

const FAILURES = `
  SELECT time, domains[1] AS domain, mx_host, result_type, message FROM events
  WHERE action = 'tls-failed' AND result_type IN ${TLS_TYPES} AND coalesce(policy_source, '') NOT IN ${NOT_OUTSIDE}`

const HIT = `
  SELECT time, domain, sender, mail_id, recipient FROM deliveries
  WHERE action <> 'delivery-succeeded' AND result_type IN ${TLS_TYPES}`

/** See the head of this file. */
export const partners: Question = {
  name: 'partners',
  title: 'Partners that fail TLS',
  answers: 'Which partner domains fail TLS: why, since when, and who is hit.',
  sections: () => [
    {
      name: 'domains',
      title: 'By domain',
      note: 'failing: no delivery with TLS since the last failure',
      columns: [
        column('domain', 'domain'),
        column('state', 'state'),
        column('result_types', 'why', 'list'),
        column('since', 'since', 'time'),
        column('last_failure', 'last failure', 'time'),
        column('last_tls', 'last delivery with TLS', 'time'),
        column('failures', 'failures', 'number'),
        column('hosts', 'servers', 'list'),
        column('mails', 'mails hit', 'number'),
        column('recipients', 'transmissions hit', 'number'),
        column('senders', 'senders hit', 'number'),
        column('message', 'last said'),
      ],
      from: `WITH f AS (${FAILURES}), h AS (
          SELECT domain, count(DISTINCT mail_id) AS mails, count(DISTINCT (mail_id, recipient)) AS recipients,
            count(DISTINCT sender) AS senders FROM (${HIT}) GROUP BY domain
        ), ends AS (SELECT domain, max(time) AS last_failure FROM f GROUP BY domain
        ), good AS (
          SELECT domain, max(time) AS last_tls, max(time) FILTER (time < last_failure) AS tls_before
          FROM deliveries JOIN ends USING (domain) WHERE action = 'delivery-succeeded' AND encrypted GROUP BY domain
        ), g AS (
          SELECT f.domain, list(DISTINCT result_type ORDER BY result_type) AS result_types,
            min(time) FILTER (tls_before IS NULL OR time > tls_before) AS since, max(time) AS last_failure,
            any_value(last_tls) AS last_tls, count(*) AS failures, list(DISTINCT mx_host ORDER BY mx_host) AS hosts,
            arg_max(message, time) AS message
          FROM f LEFT JOIN good ON f.domain = good.domain GROUP BY f.domain
        )
        SELECT g.domain, CASE WHEN last_tls > last_failure THEN 'recovered' ELSE 'failing' END AS state, result_types,
          since, last_failure, last_tls, failures, hosts, coalesce(mails, 0) AS mails,
          coalesce(recipients, 0) AS recipients, coalesce(senders, 0) AS senders, message
        FROM g LEFT JOIN h USING (domain) ORDER BY state, recipients DESC, failures DESC, domain`,
      chart: { kind: 'bars', along: 'domain', series: ['recipients'] },
    },
    {
      name: 'senders',
      title: 'Who is hit',
      columns: [
        column('domain', 'domain'),
        column('sender', 'sender'),
        column('mails', 'mails', 'number'),
        column('recipients', 'transmissions', 'number'),
        column('last_at', 'last', 'time'),
      ],
      from: `SELECT domain, sender, count(DISTINCT mail_id) AS mails, count(DISTINCT (mail_id, recipient)) AS recipients,
          max(time) AS last_at
        FROM (${HIT}) GROUP BY domain, sender ORDER BY recipients DESC, domain, sender`,
    },
    {
      name: 'daily',
      title: 'Failures by day',
      columns: [column('day', 'day'), column('failures', 'failures', 'number'), column('domains', 'domains', 'number')],
      from: `SELECT strftime(time, '%Y-%m-%d') AS day, count(*) AS failures, count(DISTINCT domain) AS domains
        FROM (${FAILURES}) GROUP BY day ORDER BY day`,
      chart: { kind: 'days', along: 'day', series: ['failures'] },
    },
  ],
}
