/**
 * Opt-outs that were not needed: transmissions under an opt-out that went encrypted all the same, or to a domain that
 * took other mail encrypted in the same period (whoever sent it).
 */
import { column, NOT_OUTSIDE, type Question } from '../question'
import { time } from '../engine'

/** See the head of this file. */
export const needless: Question = {
  name: 'needless',
  title: 'Needless opt-outs',
  answers: 'Which opt-outs were asked for although the recipient domain has TLS.',
  sections: ({ period }) => [
    {
      name: 'senders',
      title: 'By sender and domain',
      note: 'TLS elsewhere: other transmissions to the domain that went encrypted, by anybody',
      columns: [
        column('sender', 'sender'),
        column('domain', 'recipient domain'),
        column('opted_out', 'transmissions opted out', 'number'),
        column('encrypted_anyway', 'encrypted all the same', 'number'),
        column('in_clear', 'in clear text', 'number'),
        column('tls_elsewhere', 'TLS elsewhere', 'number'),
        column('last_tls', 'last with TLS', 'time'),
        column('last_at', 'last opt-out', 'time'),
      ],
      from: `WITH opted AS (
          SELECT sender, domain, count(*) AS opted_out, count(*) FILTER (encrypted) AS encrypted_anyway,
            count(*) FILTER (NOT encrypted) AS in_clear, max(time) AS last_at,
            max(time) FILTER (encrypted) AS last_encrypted
          FROM deliveries WHERE action = 'delivery-succeeded' AND policy_source = 'override' GROUP BY sender, domain
        ), tls AS (
          SELECT domains[1] AS domain, count(*) AS tls_elsewhere, max(time) AS last_tls FROM log
          WHERE action = 'delivery-succeeded' AND encrypted AND policy_source <> 'override'
            AND policy_source NOT IN ${NOT_OUTSIDE} AND time >= ${time(period.since)} AND time < ${time(period.until)}
            AND domains[1] IN (SELECT domain FROM opted)
          GROUP BY 1
        )
        SELECT sender, domain, opted_out, encrypted_anyway, in_clear, coalesce(tls_elsewhere, 0) AS tls_elsewhere,
          greatest(last_tls, last_encrypted) AS last_tls, last_at
        FROM opted LEFT JOIN tls USING (domain)
        WHERE encrypted_anyway > 0 OR tls_elsewhere > 0 ORDER BY opted_out DESC, sender, domain`,
      chart: { kind: 'bars', along: 'domain', series: ['opted_out'] },
    },
  ],
}
