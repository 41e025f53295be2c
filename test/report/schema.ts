/** The schema of `secure-mail report --json`, made from the questions themselves; docs/schema holds what it makes. */
import type { Settings } from '../../lib/config/settings'
import { QUESTIONS } from '../../lib/report/analysis'
import type { Asked, ColumnType } from '../../lib/report/analysis/question'

const VALUES: Readonly<Record<ColumnType, object>> = {
  text: { type: ['string', 'null'] },
  number: { type: ['number', 'null'] },
  time: { $ref: '#/$defs/time' },
  share: { description: 'A share of 1.', type: ['number', 'null'] },
  'yes-no': { type: ['boolean', 'null'] },
  seconds: { description: 'Seconds.', type: ['number', 'null'] },
  list: { type: ['array', 'null'], items: { anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'null' }] } },
}

/** Every section that a question can have. */
const EVERYTHING: Asked = {
  period: { since: 0, until: 1 },
  now: 1,
  mailIds: [],
  level: 'encrypt',
  settings: { map: { rows: [] }, tls: { minVersion: 'TLSv1.2', dane: true } } as unknown as Settings,
  copies: [],
}

const TEXT_OR_NULL = { type: ['string', 'null'] }

export function reportSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: '`secure-mail report --json`',
    description:
      'An answer: sections, each a table with its columns. With --sql the question is `sql`, and its one section has the columns of the query.',
    type: 'object',
    additionalProperties: false,
    required: ['question', 'title', 'answers', 'period', 'filters', 'log', 'verdict', 'sections'],
    properties: {
      question: { enum: [...QUESTIONS.map(({ name }) => name), 'sql'] },
      title: { type: 'string' },
      answers: { description: 'What it answers, one sentence; with --sql the query.', type: 'string' },
      period: {
        description: 'UTC; `until` is the first moment that does not belong to it.',
        type: 'object',
        additionalProperties: false,
        required: ['since', 'until'],
        properties: { since: { type: 'string' }, until: { type: 'string' } },
      },
      filters: {
        type: 'object',
        additionalProperties: false,
        required: ['domain', 'sender', 'mail', 'level'],
        properties: { domain: TEXT_OR_NULL, sender: TEXT_OR_NULL, mail: TEXT_OR_NULL, level: TEXT_OR_NULL },
      },
      log: {
        description: 'What was read: files, lines in them, lines that are no events, files whose copy was kept.',
        type: 'object',
        additionalProperties: false,
        required: ['files', 'lines', 'damagedLines', 'keptCopies'],
        properties: Object.fromEntries(
          ['files', 'lines', 'damagedLines', 'keptCopies'].map((name) => [name, { type: 'integer', minimum: 0 }]),
        ),
      },
      verdict: {
        description: 'null: there is no good or bad in it. Not good = exit code 1.',
        type: ['object', 'null'],
        additionalProperties: false,
        required: ['good', 'text'],
        properties: { good: { type: 'boolean' }, text: { type: 'string' } },
      },
      sections: { type: 'array', items: { $ref: '#/$defs/section' } },
    },
    allOf: QUESTIONS.map(({ name }) => ({
      if: { properties: { question: { const: name } } },
      then: { properties: { sections: { type: 'array', items: { $ref: `#/$defs/${name}` } } } },
    })),
    $defs: {
      time: {
        description: 'ISO 8601, UTC.',
        type: ['string', 'null'],
        pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$',
      },
      section: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'title', 'note', 'columns', 'rows', 'truncated', 'chart', 'cards'],
        properties: {
          name: { type: 'string' },
          title: { type: 'string' },
          note: TEXT_OR_NULL,
          columns: {
            type: 'array',
            items: {
              type: 'object',
              additionalProperties: false,
              required: ['name', 'title', 'type'],
              properties: {
                name: { type: 'string' },
                title: { type: 'string' },
                type: { enum: Object.keys(VALUES) },
              },
            },
          },
          rows: { type: 'array', items: { type: 'object' } },
          truncated: { description: 'true: there are more rows; --limit gives more.', type: 'boolean' },
          chart: { description: 'How the page draws it.', type: ['object', 'null'] },
          cards: { description: 'Rows that the page shows large.', type: ['array', 'null'], items: { type: 'string' } },
        },
      },
      ...Object.fromEntries(
        QUESTIONS.map((question) => [
          question.name,
          {
            oneOf: question.sections(EVERYTHING).map(({ name, title, columns }) => ({
              title,
              type: 'object',
              required: ['name', 'rows'],
              properties: {
                name: { const: name },
                rows: {
                  type: 'array',
                  items: {
                    type: 'object',
                    additionalProperties: false,
                    required: columns.map((one) => one.name),
                    properties: Object.fromEntries(columns.map((one) => [one.name, VALUES[one.type]])),
                  },
                },
              },
            })),
          },
        ]),
      ),
    },
  }
}
