/**
 * Weak cryptography among what was delivered encrypted, and its trend. A delivery can be weak in several ways:
 * `old-version` (below TLS 1.2), `no-forward-secrecy` (TLS 1.2 or below without ephemeral keys), `weak-cipher` (RC4, DES,
 * 3DES, export, MD5), `self-signed` (the certificate is its own issuer), `expired` (at the time of delivery),
 * `unverifiable` (a check against the trusted roots and the server's name fails, and none was required).
 */
import { column, type Question } from '../question'

/** Over a row of `sessions`; NULL = a fact that is not known is no weakness. */
const WEAK: Readonly<Record<string, string>> = {
  'old-version': "tls_version < '1.2'",
  'no-forward-secrecy': "tls_version < '1.3' AND NOT regexp_matches(cipher, '^(ECDHE|DHE)-')",
  'weak-cipher': "regexp_matches(cipher, 'RC4|DES|EXP|NULL|MD5')",
  'self-signed': 'self_signed',
  expired: 'expired',
  unverifiable: 'unverifiable',
}

/** Deliveries are many, and what they can be told apart by is little: counted once, for every section. */
const SESSIONS = `CREATE TEMP TABLE sessions AS
  SELECT day, domain, tls_version, cipher, self_signed, expired, unverifiable, count(*) AS n, max(time) AS last_at FROM (
    SELECT time, time::DATE AS day, domain, tls_version, cipher, cert_subject = cert_issuer AS self_signed,
      cert_not_after < time AS expired, pkix <> 'ok' AS unverifiable
    FROM deliveries WHERE action = 'delivery-succeeded' AND encrypted
  ) GROUP BY ALL`

/** Each weak session once per kind. */
const KINDS = `
  SELECT domain, tls_version, cipher, n, last_at, unnest(list_filter([
    ${Object.entries(WEAK)
      .map(([kind, condition]) => `CASE WHEN ${condition} THEN '${kind}' END`)
      .join(', ')}
  ], lambda kind: kind IS NOT NULL)) AS kind
  FROM sessions`

/** See the head of this file. */
export const weakCrypto: Question = {
  name: 'weak-crypto',
  title: 'Weak cryptography',
  answers: 'How much went with weak TLS, to whom, and whether it becomes less.',
  prepare: () => [SESSIONS],
  sections: () => [
    {
      name: 'kinds',
      title: 'By kind',
      note: 'shares of all encrypted deliveries to the outside',
      columns: [
        column('kind', 'kind'),
        column('deliveries', 'deliveries', 'number'),
        column('share', 'share', 'share'),
        column('domains', 'domains', 'number'),
        column('last_at', 'last', 'time'),
      ],
      from: `SELECT kind, sum(n) AS deliveries, sum(n) / (SELECT sum(n) FROM sessions) AS share, count(DISTINCT domain) AS domains,
          max(last_at) AS last_at
        FROM (${KINDS}) GROUP BY kind ORDER BY deliveries DESC, kind`,
      chart: { kind: 'bars', along: 'kind', series: ['deliveries'] },
    },
    {
      name: 'domains',
      title: 'By domain',
      columns: [
        column('domain', 'domain'),
        column('kinds', 'kinds', 'list'),
        column('versions', 'TLS', 'list'),
        column('ciphers', 'ciphers', 'list'),
        column('deliveries', 'deliveries', 'number'),
        column('last_at', 'last', 'time'),
      ],
      from: `SELECT domain, list(DISTINCT kind ORDER BY kind) AS kinds, list(DISTINCT tls_version ORDER BY tls_version) AS versions,
          list(DISTINCT cipher ORDER BY cipher) AS ciphers, max(of_kind) AS deliveries, max(last_at) AS last_at
        FROM (
          SELECT domain, kind, tls_version, cipher, sum(sum(n)) OVER (PARTITION BY domain, kind) AS of_kind, max(last_at) AS last_at
          FROM (${KINDS}) GROUP BY domain, kind, tls_version, cipher
        ) GROUP BY domain ORDER BY deliveries DESC, domain`,
    },
    {
      name: 'daily',
      title: 'Share by day',
      columns: [
        column('day', 'day'),
        column('deliveries', 'encrypted deliveries', 'number'),
        ...Object.keys(WEAK).map((kind) => column(kind, kind, 'share')),
      ],
      from: `SELECT strftime(day, '%Y-%m-%d') AS day, sum(n) AS deliveries, ${Object.entries(WEAK)
        .map(([kind, condition]) => `coalesce(sum(n) FILTER (${condition}), 0) / sum(n) AS "${kind}"`)
        .join(', ')}
        FROM sessions GROUP BY sessions.day ORDER BY sessions.day`,
      chart: { kind: 'lines', along: 'day', series: Object.keys(WEAK) },
    },
  ],
}
