/**
 * Signs of a downgrade or of somebody in between, by server: what was seen for the first time in the period although the
 * log before it (30 days) shows something better.
 *
 * - `tls-lost`: no TLS (none offered, or clear text where it was tried), after a delivery with TLS to the same domain;
 * - `issuer-changed`: a certificate of an issuer that this server never showed before, after one of another;
 * - `version-lowered`: a TLS version below everything that this server spoke before;
 * - `certificate-worse`: a check of the certificate fails (or would fail), after one that did not;
 * - `injection`: data before the handshake (RFC 3207 section 6), always a sign.
 *
 * None is a proof: partners change their servers. Each has a time, a server and an address to ask about.
 */
import { time } from '../engine'
import { column, NOT_OUTSIDE, type Question } from '../question'

const HANDSHAKES = `
  SELECT time, domains[1] AS domain, mx_host, mx_ip, encrypted, tls_version, cert_issuer, cert_subject,
    coalesce(pkix, CASE WHEN verified THEN 'ok' END) AS pkix, result_type
  FROM log WHERE action IN ('tls-negotiated', 'tls-failed') AND coalesce(policy_source, '') NOT IN ${NOT_OUTSIDE}`

/** First and last time of every value that a column had at a server; a value is new when another was there before. */
function newValues(sign: string, value: string, isNew: string): string {
  return `SELECT '${sign}' AS sign, any_value(domain) AS domain, mx_host, any_value(mx_ip) AS mx_ip, min(time) AS time,
      max(time) AS last_at, count(*) AS times, ${value} AS after
    FROM h WHERE mx_host IS NOT NULL AND ${isNew} GROUP BY mx_host, ${value}`
}

/** See the head of this file. */
export const downgradeSigns: Question = {
  name: 'downgrade-signs',
  title: 'Signs of downgrade or interception',
  answers: 'Which servers had TLS, or a better certificate or version, before and now have not.',
  lookBack: 30,
  sections: ({ period }) => [
    {
      name: 'signs',
      title: 'Signs',
      note: 'first seen in the period; compared with the 30 days before it as well',
      columns: [
        column('time', 'first seen', 'time'),
        column('sign', 'sign'),
        column('domain', 'domain'),
        column('mx_host', 'server'),
        column('mx_ip', 'address'),
        column('before', 'before'),
        column('after', 'now'),
        column('times', 'times', 'number'),
        column('last_at', 'last seen', 'time'),
      ],
      from: `WITH h AS (${HANDSHAKES}), issuers AS (${newValues('issuer-changed', 'cert_issuer', 'cert_issuer IS NOT NULL')}
        ), issuer_changed AS (
          SELECT n.*, (SELECT arg_max(o.after, o.time) FROM issuers AS o WHERE o.mx_host = n.mx_host AND o.time < n.time) AS before
          FROM issuers AS n
        ), versions AS (${newValues('version-lowered', 'tls_version', 'encrypted AND tls_version IS NOT NULL')}
        ), version_lowered AS (
          SELECT n.*, (SELECT min(o.after) FROM versions AS o WHERE o.mx_host = n.mx_host AND o.time < n.time) AS before
          FROM versions AS n
        ), checks AS (
          SELECT mx_host, min(time) AS first_ok FROM h WHERE pkix = 'ok' GROUP BY mx_host
        ), certificate_worse AS (
          SELECT 'certificate-worse' AS sign, any_value(domain) AS domain, h.mx_host, any_value(mx_ip) AS mx_ip, min(time) AS time,
            max(time) AS last_at, count(*) AS times, pkix AS after, 'ok' AS before
          FROM h JOIN checks ON h.mx_host = checks.mx_host
          WHERE pkix <> 'ok' AND time > first_ok GROUP BY h.mx_host, pkix
        ), with_tls AS (
          SELECT domain, min(time) AS first_tls FROM h WHERE encrypted GROUP BY domain
        ), clear AS (
          SELECT time, domain, mx_host, mx_ip FROM h WHERE result_type = 'starttls-not-supported'
          UNION ALL
          SELECT time, domains[1], mx_host, mx_ip FROM log
          WHERE action = 'plaintext-delivered' AND policy_level = 'may' AND coalesce(policy_source, '') NOT IN ${NOT_OUTSIDE}
        ), tls_lost AS (
          SELECT 'tls-lost' AS sign, clear.domain, mx_host, any_value(mx_ip) AS mx_ip, min(time) AS time, max(time) AS last_at,
            count(*) AS times, 'no TLS' AS after, 'TLS' AS before
          FROM clear JOIN with_tls ON clear.domain = with_tls.domain WHERE time > first_tls GROUP BY clear.domain, mx_host
        ), injection AS (
          SELECT 'injection' AS sign, any_value(domain) AS domain, mx_host, any_value(mx_ip) AS mx_ip, min(time) AS time,
            max(time) AS last_at, count(*) AS times, 'data before the handshake' AS after, '' AS before
          FROM h WHERE result_type = 'starttls-injection' GROUP BY mx_host
        ), signs AS (
          SELECT * FROM tls_lost
          UNION ALL BY NAME SELECT * FROM issuer_changed WHERE before IS NOT NULL
          UNION ALL BY NAME SELECT * FROM version_lowered WHERE after < before
          UNION ALL BY NAME SELECT * FROM certificate_worse
          UNION ALL BY NAME SELECT * FROM injection
        ), asked AS (SELECT DISTINCT unnest(domains) AS domain FROM events)
        SELECT time, sign, domain, mx_host, mx_ip, before, after, times, last_at
        FROM signs SEMI JOIN asked USING (domain)
        WHERE time >= ${time(period.since)} AND time < ${time(period.until)} ORDER BY time DESC, sign, domain, mx_host`,
    },
  ],
}
