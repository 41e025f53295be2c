/** How soon senders were told: from a mail being queued to its report being queued (`queue_age_s` of `report-sent`). */
import { column, type Question } from '../question'

/** Nobody may be told later: seconds. */
const DEADLINE = 86_400

/** See the head of this file. */
export const latency: Question = {
  name: 'latency',
  title: 'How soon senders were told',
  answers: 'How long it took from a mail to its report, and whether any took longer than 24 hours.',
  sections: () => [
    {
      name: 'kinds',
      title: 'By kind of report',
      judged: true,
      columns: [
        column('kind', 'kind'),
        column('reports', 'reports', 'number'),
        column('p50', 'median', 'seconds'),
        column('p95', '95 of 100 within', 'seconds'),
        column('slowest', 'slowest', 'seconds'),
        column('too_late', 'over 24 hours', 'number'),
      ],
      from: `SELECT CASE WHEN grouping(report_kind) = 1 THEN 'all' ELSE report_kind END AS kind, count(*) AS reports,
          quantile_disc(queue_age_s, 0.5) AS p50, quantile_disc(queue_age_s, 0.95) AS p95, max(queue_age_s) AS slowest,
          count(*) FILTER (queue_age_s > ${DEADLINE}) AS too_late
        FROM events WHERE action = 'report-sent' GROUP BY ROLLUP (report_kind) ORDER BY grouping(report_kind) DESC, reports DESC, kind`,
    },
    {
      name: 'late',
      title: 'Later than 24 hours',
      columns: [
        column('time', 'when', 'time'),
        column('sender', 'sender'),
        column('kind', 'kind'),
        column('age', 'age', 'seconds'),
        column('case_id', 'case'),
        column('mail_id', 'mail'),
      ],
      from: `SELECT time, sender, report_kind AS kind, queue_age_s AS age, case_id, mail_id FROM events
        WHERE action = 'report-sent' AND queue_age_s > ${DEADLINE} ORDER BY age DESC, mail_id`,
    },
    {
      name: 'daily',
      title: 'By day (hours)',
      columns: [
        column('day', 'day'),
        column('reports', 'reports', 'number'),
        column('median', 'median', 'number'),
        column('p95', '95 of 100 within', 'number'),
        column('slowest', 'slowest', 'number'),
      ],
      from: `SELECT strftime(time, '%Y-%m-%d') AS day, count(*) AS reports,
          quantile_disc(queue_age_s, 0.5) / 3600 AS median,
          quantile_disc(queue_age_s, 0.95) / 3600 AS p95, max(queue_age_s) / 3600 AS slowest
        FROM events WHERE action = 'report-sent' GROUP BY day ORDER BY day`,
      chart: { kind: 'lines', along: 'day', series: ['median', 'p95', 'slowest'] },
    },
  ],
  verdict(rows) {
    const late = Number(rows.get('kinds')?.find((row) => row['kind'] === 'all')?.['too_late'] ?? 0)
    return late === 0
      ? { good: true, text: 'no sender was told later than 24 hours' }
      : { good: false, text: `${late} reports came later than 24 hours` }
  },
}
