/**
 * Who sent in clear text, to whom, and why it was allowed: every `plaintext-delivered`, and whether a
 * `plaintext-permitted` of the same mail for the same server stands before it, which is what the gateway promises.
 */
import { column, NOT_OUTSIDE, type Question } from '../question'

/** Permissions are looked for in the whole log that was read: one may be of the minute before the period. */
const CLEAR = `CREATE TEMP TABLE clear AS
  SELECT c.time, c.sender, c.domains[1] AS domain, c.mx_host, c.mx_ip, coalesce(c.policy_source, 'unknown') AS policy_source,
    coalesce(c.policy_level, 'unknown') AS policy_level, coalesce(c.rule_id, '') AS rule_id, c.rule_reason,
    coalesce(c.optout_by, '') AS optout_by, c.mail_id, c.case_id,
    EXISTS (
      FROM log AS p WHERE p.action = 'plaintext-permitted' AND p.mail_id = c.mail_id AND p.mx_host = c.mx_host AND p.time <= c.time
    ) AS permitted
  FROM events AS c WHERE c.action = 'plaintext-delivered'`

/** See the head of this file. */
export const clearText: Question = {
  name: 'clear-text',
  title: 'Mail in clear text',
  answers: 'Who sent in clear text, to whom, and which rule or opt-out allowed it.',
  prepare: () => [CLEAR],
  sections: () => [
    {
      name: 'deliveries',
      title: 'Every delivery to the outside in clear text',
      columns: [
        column('time', 'when', 'time'),
        column('sender', 'sender'),
        column('domain', 'recipient domain'),
        column('mx_host', 'server'),
        column('policy_source', 'allowed by'),
        column('rule_reason', 'why'),
        column('optout_by', 'opt-out'),
        column('permitted', 'permission recorded', 'yes-no'),
        column('case_id', 'case'),
        column('mail_id', 'mail'),
      ],
      from: `SELECT * FROM clear WHERE policy_source NOT IN ${NOT_OUTSIDE} ORDER BY time DESC, mail_id`,
    },
    {
      name: 'reasons',
      title: 'By reason',
      note: 'all clear text, also inside the organisation',
      judged: true,
      columns: [
        column('policy_source', 'allowed by'),
        column('rule_id', 'rule'),
        column('policy_level', 'level'),
        column('optout_by', 'opt-out'),
        column('deliveries', 'deliveries', 'number'),
        column('senders', 'senders', 'number'),
        column('domains', 'domains', 'number'),
        column('unpermitted', 'without permission', 'number'),
        column('first_at', 'first', 'time'),
        column('last_at', 'last', 'time'),
      ],
      from: `SELECT policy_source, rule_id, policy_level, optout_by, count(*) AS deliveries,
          count(DISTINCT sender) AS senders, count(DISTINCT domain) AS domains,
          count(*) FILTER (NOT permitted) AS unpermitted, min(time) AS first_at, max(time) AS last_at
        FROM clear GROUP BY policy_source, rule_id, policy_level, optout_by ORDER BY deliveries DESC, policy_source, rule_id, policy_level, optout_by`,
      chart: { kind: 'bars', along: 'policy_source', series: ['deliveries'] },
    },
    {
      name: 'senders',
      title: 'By sender and domain, to the outside',
      columns: [
        column('sender', 'sender'),
        column('domain', 'recipient domain'),
        column('deliveries', 'deliveries', 'number'),
        column('opted_out', 'by opt-out', 'number'),
        column('first_at', 'first', 'time'),
        column('last_at', 'last', 'time'),
      ],
      from: `SELECT sender, domain, count(*) AS deliveries, count(*) FILTER (optout_by <> '') AS opted_out,
          min(time) AS first_at, max(time) AS last_at
        FROM clear WHERE policy_source NOT IN ${NOT_OUTSIDE}
        GROUP BY sender, domain ORDER BY deliveries DESC, sender, domain`,
    },
  ],
  verdict(rows) {
    const missing = (rows.get('reasons') ?? []).reduce((sum, row) => sum + Number(row['unpermitted']), 0)
    return missing === 0
      ? { good: true, text: 'each clear text delivery has its permission on record' }
      : {
          good: false,
          text: `${missing} clear text deliveries have no permission on record: look at them as an incident`,
        }
  },
}
