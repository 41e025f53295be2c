/**
 * Share of mail under each kind of protection. Each delivery to the outside is one of: `dane` (checked against TLSA
 * records), `mta-sts` (the domain's MTA-STS policy), `verified` (a certificate checked because a row or the default says
 * so), `tls` (encrypted, nobody checked to whom), `none`.
 */
import { column, type Question } from '../question'

const CLASSES = ['dane', 'mta-sts', 'verified', 'tls', 'none'] as const

const CLASS = `CASE WHEN NOT encrypted THEN 'none' WHEN policy_source = 'dane' OR (auth = 'dane' AND verified) THEN 'dane'
  WHEN policy_source = 'mta-sts' THEN 'mta-sts' WHEN verified THEN 'verified' ELSE 'tls' END`

/** Deliveries are many, and what they are told apart by is little: counted once, for every section. */
const PROTECTED = `CREATE TEMP TABLE protected AS
  SELECT day, protection, domain, tls_version, cipher, count(*) AS n FROM (
    SELECT time::DATE AS day, ${CLASS} AS protection, domain,
      CASE WHEN encrypted THEN coalesce(tls_version, 'unknown') ELSE 'none' END AS tls_version,
      coalesce(cipher, '') AS cipher
    FROM deliveries WHERE action = 'delivery-succeeded'
  ) GROUP BY ALL`

/** See the head of this file. */
export const coverage: Question = {
  name: 'coverage',
  title: 'Protection',
  answers: 'Which share of mail went under DANE, MTA-STS, a checked certificate, any TLS, or none.',
  prepare: () => [PROTECTED],
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
      from: `SELECT protection, sum(n) AS transmissions, sum(n) / sum(sum(n)) OVER () AS share,
          count(DISTINCT domain) AS domains
        FROM protected GROUP BY protection ORDER BY transmissions DESC, protection`,
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
      from: `SELECT tls_version, cipher, sum(n) AS transmissions, sum(n) / sum(sum(n)) OVER () AS share
        FROM protected GROUP BY 1, 2 ORDER BY transmissions DESC, 1, 2`,
    },
    {
      name: 'daily',
      title: 'By day',
      columns: [column('day', 'day'), ...CLASSES.map((name) => column(name, name, 'number'))],
      from: `SELECT strftime(day, '%Y-%m-%d') AS day, ${CLASSES.map(
        (name) => `coalesce(sum(n) FILTER (protection = '${name}'), 0) AS "${name}"`,
      ).join(', ')}
        FROM protected GROUP BY protected.day ORDER BY protected.day`,
      chart: { kind: 'days', along: 'day', series: CLASSES },
    },
  ],
}
