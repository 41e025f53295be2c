/**
 * What another level would have cost: each delivery of the period is held against it, from what the log has of it. A
 * delivery that went would have failed by the result type that is named, or nobody can tell (`not known`: the fact is not in
 * the log); one that failed by TLS may fail under the other level as well. Other MX hosts of a domain are not guessed at.
 */
import { column, type Asked, type Question } from '../question'
import { deliveredVerdict, JUDGED, undeliveredVerdict, type JudgedLevel } from '../what-if-rules'

function judgedLevel({ level }: Asked): JudgedLevel {
  return JUDGED.find((judged) => judged === level) ?? 'encrypt'
}

function judged(asked: Asked): string {
  const level = judgedLevel(asked)
  const rules = {
    minVersion: (asked.settings?.tls.minVersion ?? 'TLSv1.2').replace('TLSv1', '1').replace(/^1$/, '1.0'),
    dane: asked.settings?.tls.dane ?? true,
  }
  return `CREATE TEMP TABLE judged AS
    SELECT domain, sender, went, verdict, count(*) AS n, max(time) AS last_at FROM (
      SELECT domain, sender, time, true AS went, ${deliveredVerdict(level, rules)} AS verdict
      FROM deliveries WHERE action = 'delivery-succeeded'
      UNION ALL
      SELECT domain, sender, last_at, false, ${undeliveredVerdict(level)} FROM undelivered WHERE for_tls
    ) GROUP BY ALL`
}

const FAILS = "verdict IS NOT NULL AND verdict <> 'unknown'"

/** See the head of this file. */
export const whatIf: Question = {
  name: 'what-if',
  title: 'What if the level were another',
  answers: 'Which partners and how many mails would have failed under another level.',
  prepare: (asked) => [judged(asked)],
  sections: (asked) => [
    {
      name: 'summary',
      title: `Under level ${judgedLevel(asked)}`,
      columns: [
        column('what', 'transmissions'),
        column('transmissions', 'number', 'number'),
        column('of_all', 'of all', 'share'),
        column('domains', 'domains', 'number'),
        column('senders', 'senders', 'number'),
      ],
      from: `WITH j AS (SELECT *, CASE WHEN verdict IS NULL THEN 'would go' WHEN verdict = 'unknown' THEN 'not known'
            WHEN went THEN 'WOULD FAIL, went' ELSE 'would fail, failed anyway' END AS what FROM judged)
        SELECT what, sum(n) AS transmissions, sum(n) / sum(sum(n)) OVER () AS of_all, count(DISTINCT domain) AS domains,
          count(DISTINCT sender) AS senders
        FROM j GROUP BY what ORDER BY what = 'WOULD FAIL, went' DESC, transmissions DESC, what`,
    },
    {
      name: 'partners',
      title: 'Partners that would have failed, or of which it is not known',
      columns: [
        column('domain', 'domain'),
        column('would_fail', 'would fail', 'number'),
        column('failed_anyway', 'failed anyway', 'number'),
        column('not_known', 'not known', 'number'),
        column('would_go', 'would go', 'number'),
        column('reasons', 'why', 'list'),
        column('senders', 'senders hit', 'number'),
        column('last_at', 'last', 'time'),
      ],
      from: `SELECT domain, coalesce(sum(n) FILTER (went AND ${FAILS}), 0) AS would_fail, coalesce(sum(n) FILTER (NOT went AND ${FAILS}), 0) AS failed_anyway,
          coalesce(sum(n) FILTER (verdict = 'unknown'), 0) AS not_known, coalesce(sum(n) FILTER (verdict IS NULL), 0) AS would_go,
          list(DISTINCT verdict ORDER BY verdict) FILTER (${FAILS}) AS reasons,
          count(DISTINCT sender) FILTER (${FAILS}) AS senders, max(last_at) FILTER (verdict IS NOT NULL) AS last_at
        FROM judged GROUP BY domain HAVING count(verdict) > 0
        ORDER BY would_fail DESC, failed_anyway DESC, not_known DESC, domain`,
      chart: { kind: 'bars', along: 'domain', series: ['would_fail'] },
    },
    {
      name: 'reasons',
      title: 'By reason',
      columns: [
        column('reason', 'reason'),
        column('transmissions', 'transmissions', 'number'),
        column('domains', 'domains', 'number'),
      ],
      from: `SELECT verdict AS reason, sum(n) AS transmissions, count(DISTINCT domain) AS domains FROM judged
        WHERE ${FAILS} GROUP BY verdict ORDER BY transmissions DESC, verdict`,
      chart: { kind: 'bars', along: 'reason', series: ['transmissions'] },
    },
  ],
}
