/**
 * Changes of the configuration and of policy rows, as the log has them, and the rows in force now with their last day and
 * how much went by each in the period (only where the log is that of an instance).
 */
import { utcDay } from '../../../audit/retention'
import { text } from '../engine'
import { column, type Asked, type Question, type Section } from '../question'

const EVENTS = [
  'config-loaded',
  'config-rejected',
  'override-expired',
  'queue-retried',
  'queue-bounced',
  'certificate-harvested',
  'certificate-changed',
]

function rows({ settings, now }: Asked): Section[] {
  if (settings === null) return []
  const values = settings.map.rows.map((row) => {
    const rule = `${row.file}:${row.line} ${row.pattern}`
    const days = row.expires === undefined ? 'NULL' : String(daysLeft(row.expires, now))
    const cells = [row.pattern, row.level, row.override, row.expires ?? '', row.note ?? '', rule].map(text)
    return `(${[...cells, days].join(', ')})`
  })
  return [
    {
      name: 'rows',
      title: 'Policy rows in force now',
      note: 'days left: negative = it has expired and is not used any more; empty = it has no last day',
      columns: [
        column('pattern', 'row'),
        column('level', 'level'),
        column('override', 'opt-out'),
        column('expires', 'last day'),
        column('days_left', 'days left', 'number'),
        column('note', 'note'),
        column('rule', 'where'),
        column('deliveries', 'deliveries by it', 'number'),
        column('last_used', 'last used', 'time'),
      ],
      from:
        values.length === 0
          ? []
          : `SELECT pattern, r.level, override, expires, days_left, note, rule, coalesce(deliveries, 0) AS deliveries, last_used
            FROM (VALUES ${values.join(', ')}) AS r(pattern, level, override, expires, note, rule, days_left)
            LEFT JOIN (
              SELECT rule_id, count(*) AS deliveries, max(time) AS last_used FROM events
              WHERE action = 'delivery-succeeded' GROUP BY rule_id
            ) AS used ON used.rule_id = rule
            ORDER BY days_left NULLS LAST, pattern`,
    },
  ]
}

function daysLeft(expires: string, now: number): number {
  return Math.round((Date.parse(expires) - Date.parse(utcDay(now))) / 86_400_000)
}

/** See the head of this file. */
export const changes: Question = {
  name: 'changes',
  title: 'Changes',
  answers: 'What changed in configuration and policy rows, and which rows expire when.',
  unfiltered: true,
  sections: (asked) => [
    {
      name: 'events',
      title: 'Changes, newest first',
      columns: [
        column('time', 'when', 'time'),
        column('gateway', 'gateway'),
        column('action', 'what'),
        column('message', 'in words'),
        column('operator', 'who'),
        column('expires', 'last day'),
      ],
      note: 'who: the operator of an order, else the owner of the file that was changed',
      from: `SELECT time, gateway, action, message, coalesce(operator, file_owner, '') AS operator,
          coalesce(expires, '') AS expires FROM events
        WHERE action IN (${EVENTS.map(text).join(', ')}) ORDER BY time DESC, gateway, message`,
    },
    ...rows(asked),
  ],
}
