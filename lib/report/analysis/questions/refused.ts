/** Opt-outs that were refused, why, and who tries again and again: `optout-refused` by sender. */
import { column, type Question } from '../question'

/** From so many refused mails on a sender is called a repeat offender. */
const REPEAT = 3

const BY_SENDER = `
  SELECT sender, count(DISTINCT mail_id) FILTER (action = 'optout-refused') AS refused,
    count(DISTINCT mail_id) FILTER (action = 'optout-granted') AS granted,
    count(DISTINCT time::DATE) FILTER (action = 'optout-refused') AS days,
    min(time) FILTER (action = 'optout-refused') AS first_at, max(time) FILTER (action = 'optout-refused') AS last_at
  FROM events WHERE action IN ('optout-refused', 'optout-granted') GROUP BY sender`

/** See the head of this file. */
export const refused: Question = {
  name: 'refused',
  title: 'Opt-outs refused',
  answers: 'Which opt-outs were refused and why, and which senders try again and again.',
  sections: () => [
    {
      name: 'senders',
      title: 'By sender',
      note: `repeat: ${REPEAT} mails or more were refused`,
      columns: [
        column('sender', 'sender'),
        column('refused', 'refused (mails)', 'number'),
        column('granted', 'granted (mails)', 'number'),
        column('repeat', 'repeat', 'yes-no'),
        column('codes', 'reasons', 'list'),
        column('days', 'days', 'number'),
        column('first_at', 'first', 'time'),
        column('last_at', 'last', 'time'),
      ],
      from: `SELECT sender, refused, granted, refused >= ${REPEAT} AS repeat, codes, days, first_at, last_at
        FROM (${BY_SENDER}) JOIN (
          SELECT sender, list_sort(list_distinct(flatten(list(refusals)))) AS codes
          FROM events WHERE action = 'optout-refused' GROUP BY sender
        ) USING (sender) ORDER BY refused DESC, sender`,
      chart: { kind: 'bars', along: 'sender', series: ['refused'] },
    },
    {
      name: 'reasons',
      title: 'By reason',
      note: 'a mail can be refused for several',
      columns: [column('code', 'reason'), column('mails', 'mails', 'number'), column('senders', 'senders', 'number')],
      from: `SELECT code, count(DISTINCT mail_id) AS mails, count(DISTINCT sender) AS senders FROM (
          SELECT unnest(refusals) AS code, mail_id, sender FROM events WHERE action = 'optout-refused'
        ) GROUP BY code ORDER BY mails DESC, code`,
      chart: { kind: 'bars', along: 'code', series: ['mails'] },
    },
    {
      name: 'refusals',
      title: 'Every refusal',
      columns: [
        column('time', 'when', 'time'),
        column('sender', 'sender'),
        column('domains', 'recipient domains', 'list'),
        column('refusals', 'reasons', 'list'),
        column('source_ip', 'from'),
        column('case_id', 'case'),
        column('mail_id', 'mail'),
      ],
      from: `SELECT time, sender, domains, refusals, source_ip, case_id, mail_id FROM events
        WHERE action = 'optout-refused' ORDER BY time DESC, mail_id`,
    },
  ],
}
