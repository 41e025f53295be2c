/** What the Sigma specification 2.1 says of the form of rules and correlations; no field but those that it names. */

const level = { enum: ['informational', 'low', 'medium', 'high', 'critical'] }
const status = { enum: ['stable', 'test', 'experimental', 'deprecated', 'unsupported'] }
const texts = { type: 'array', uniqueItems: true, minItems: 1, items: { type: 'string', minLength: 2 } }
const uuid = { type: 'string', pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' }
const common = {
  title: { type: 'string', minLength: 5, maxLength: 256 },
  id: uuid,
  name: { type: 'string', pattern: '^[a-z0-9_]{1,256}$' },
  status,
  description: { type: 'string', maxLength: 65_535 },
  references: texts,
  date: { type: 'string', pattern: '^\\d{4}-(0[1-9]|1[012])-(0[1-9]|[12]\\d|3[01])$' },
  falsepositives: texts,
  level,
  tags: { type: 'array', uniqueItems: true, items: { type: 'string', pattern: '^[a-z0-9_-]+\\.[a-z0-9._-]+$' } },
}

export const RULE = {
  type: 'object',
  required: ['title', 'id', 'status', 'description', 'date', 'logsource', 'detection', 'falsepositives', 'level'],
  additionalProperties: false,
  properties: {
    ...common,
    fields: texts,
    logsource: {
      type: 'object',
      required: ['product', 'service'],
      additionalProperties: false,
      properties: { product: { const: 'haraka' }, service: { const: 'securemail' } },
    },
    detection: {
      type: 'object',
      required: ['condition'],
      minProperties: 2,
      properties: { condition: { type: 'string' } },
      additionalProperties: { type: 'object', minProperties: 1 },
    },
  },
}

export const CORRELATION = {
  type: 'object',
  required: ['title', 'id', 'status', 'description', 'date', 'correlation', 'level'],
  additionalProperties: false,
  properties: {
    ...common,
    correlation: {
      type: 'object',
      required: ['type', 'rules', 'group-by', 'timespan'],
      additionalProperties: false,
      properties: {
        type: { enum: ['event_count', 'value_count', 'temporal', 'temporal_ordered'] },
        rules: texts,
        'group-by': texts,
        timespan: { type: 'string', pattern: '^[1-9]\\d*[smhdwMqy]$', maxLength: 10 },
        condition: {
          type: 'object',
          minProperties: 1,
          additionalProperties: false,
          properties: { gte: { type: 'integer' }, field: { type: 'string' } },
        },
      },
      if: { required: ['type'], properties: { type: { enum: ['event_count', 'value_count'] } } },
      then: { required: ['condition'] },
    },
  },
}
