/**
 * Share of mail under each kind of protection. Each delivery to the outside is one of: `dane` (checked against TLSA
 * records), `mta-sts` (the domain's MTA-STS policy), `verified` (a certificate checked because a row or the default says
 * so), `tls` (encrypted, nobody checked to whom), `none`.
 */
import { column, type Question } from '../question'

const CLASSES = ['dane', 'mta-sts', 'verified', 'tls', 'none'] as const

const CLASS = `CASE WHEN NOT encrypted THEN 'none' WHEN policy_source = 'dane' OR (auth = 'dane' AND verified) THEN 'dane'
  WHEN policy_source = 'mta-sts' THEN 'mta-sts' WHEN verified THEN 'verified' ELSE 'tls' END`

/** See the head of this file. */
export const coverage: Question = {
  name: 'coverage',
  title: 'Protection',
  answers: 'Which share of mail went under DANE, MTA-STS, a checked certificate, any TLS, or none.',
  sections: () => [
    {
      name: 'classes',
      title: 'By protection',
      columns: [
        column('protection', 'protection'),
        column('transmissions', 'transmissions', 'number'),
        column('share', 'share', 'share'),
        column('domains', 'domains', 'number'),
      ],
      from: `SELECT ${CLASS} AS protection, count(*) AS transmissions, count(*) / sum(count(*)) OVER () AS share,
          count(DISTINCT domain) AS domains
        FROM deliveries WHERE action = 'delivery-succeeded' GROUP BY protection ORDER BY transmissions DESC, protection`,
      chart: { kind: 'bars', along: 'protection', series: ['transmissions'] },
    },
    {
      name: 'versions',
      title: 'By TLS version and cipher',
      columns: [
        column('tls_version', 'TLS'),
        column('cipher', 'cipher'),
        column('transmissions', 'transmissions', 'number'),
        column('share', 'share', 'share'),
      ],
      from: `SELECT CASE WHEN encrypted THEN coalesce(tls_version, 'unknown') ELSE 'none' END AS tls_version,
          coalesce(cipher, '') AS cipher, count(*) AS transmissions, count(*) / sum(count(*)) OVER () AS share
        FROM deliveries WHERE action = 'delivery-succeeded' GROUP BY 1, 2 ORDER BY transmissions DESC, 1, 2`,
    },
    {
      name: 'daily',
      title: 'By day',
      columns: [column('day', 'day'), ...CLASSES.map((name) => column(name, name, 'number'))],
      from: `SELECT strftime(time, '%Y-%m-%d') AS day, ${CLASSES.map(
        (name) => `count(*) FILTER (protection = '${name}') AS "${name}"`,
      ).join(', ')}
        FROM (SELECT time, ${CLASS} AS protection FROM deliveries WHERE action = 'delivery-succeeded')
        GROUP BY day ORDER BY day`,
      chart: { kind: 'days', along: 'day', series: CLASSES },
    },
  ],
}
