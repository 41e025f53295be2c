/**
 * Senders that behave in a way a person rarely does; an account in other hands may.
 *
 * - `optout-burst`: 5 opt-outs or more asked for within one clock hour;
 * - `many-mails`: 100 mails or more within one clock hour, and at least 10 times the sender's usual (median) active hour;
 * - `new-domains`: on one day 20 domains or more that the sender had not written to before (in the log since 30 days before
 *   the period), and at least 5 times the sender's usual (median) day of new ones.
 */
import { time } from '../engine'
import { column, type Question } from '../question'

/** See the head of this file. */
export const oddSenders: Question = {
  name: 'odd-senders',
  title: 'Odd senders',
  answers: 'Which senders behave unlike themselves: bursts of opt-outs, of mail, of new recipient domains.',
  lookBack: 30,
  sections: ({ period }) => [
    {
      name: 'senders',
      title: 'Signs',
      note: 'one row per sender and sign: the worst hour or day of the period',
      columns: [
        column('sender', 'sender'),
        column('sign', 'sign'),
        column('time', 'hour or day', 'time'),
        column('value', 'how many', 'number'),
        column('usual', 'usual', 'number'),
        column('sources', 'from', 'list'),
      ],
      from: `WITH bursts AS (
          SELECT sender, 'optout-burst' AS sign, arg_max(hour, (n, -epoch(hour))) AS time, max(n) AS value, median(n) AS usual
          FROM (
            SELECT sender, date_trunc('hour', time) AS hour, count(DISTINCT mail_id) AS n FROM events
            WHERE action = 'optout-requested' GROUP BY ALL
          ) GROUP BY sender HAVING max(n) >= 5
        ), volume AS (
          SELECT sender, 'many-mails' AS sign, arg_max(hour, (n, -epoch(hour))) AS time, max(n) AS value, median(n) AS usual
          FROM (
            SELECT sender, date_trunc('hour', time) AS hour, count(*) AS n FROM events
            WHERE action = 'message-accepted' GROUP BY ALL
          ) GROUP BY sender HAVING max(n) >= 100 AND max(n) >= 10 * median(n)
        ), first_seen AS (
          SELECT sender, domain, min(time) AS first_at FROM (
            SELECT sender, unnest(domains) AS domain, time FROM log
            WHERE action = 'message-accepted' AND category IS NOT NULL AND time < ${time(period.until)}
          ) GROUP BY ALL
        ), fresh AS (
          SELECT sender, 'new-domains' AS sign, arg_max(day, (n, -epoch(day))) AS time, max(n) AS value, median(n) AS usual
          FROM (
            SELECT sender, date_trunc('day', first_at) AS day, count(*) AS n FROM first_seen
            WHERE first_at >= ${time(period.since)} GROUP BY ALL
          ) GROUP BY sender HAVING max(n) >= 20 AND max(n) >= 5 * median(n)
        ), signs AS (
          SELECT * FROM bursts UNION ALL BY NAME SELECT * FROM volume UNION ALL BY NAME SELECT * FROM fresh
        ), sources AS (
          SELECT sender, list(DISTINCT source_ip ORDER BY source_ip)[:5] AS sources FROM events
          WHERE action = 'message-accepted' AND sender IN (SELECT sender FROM signs) GROUP BY sender
        )
        SELECT sender, sign, time::TIMESTAMP AS time, value, usual, sources FROM signs JOIN sources USING (sender)
        ORDER BY sign, value DESC, sender`,
      chart: { kind: 'bars', along: 'sender', series: ['value'] },
    },
  ],
}
