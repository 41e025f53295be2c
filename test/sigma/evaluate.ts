/** As much of Sigma as our rules use: field conditions with modifiers, and, or, not; and correlations over a list. */

export interface Detection {
  condition: string
  [search: string]: string | Readonly<Record<string, unknown>>
}

export interface Rule {
  title: string
  id: string
  name?: string
  level: string
  fields?: string[]
  detection?: Detection
  correlation?: {
    type: 'event_count' | 'value_count' | 'temporal_ordered'
    rules: string[]
    'group-by': string[]
    timespan: string
    condition?: { gte: number; field?: string }
  }
}

export type Line = Readonly<Record<string, unknown>>

export function valueAt(line: Line, field: string): unknown {
  return field
    .split('.')
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined,
      line,
    )
}

/** Does one line meet the rule's condition? */
export function matches(detection: Detection, line: Line): boolean {
  const words = detection.condition.split(' ')
  return words
    .join(' ')
    .split(' or ')
    .some((all) =>
      all.split(' and ').every((term) => {
        const name = term.replace(/^not /, '')
        const search = detection[name]
        if (typeof search !== 'object') throw new Error(`no search ${name}`)
        const found = Object.entries(search).every(([field, wanted]) => fieldMatches(line, field, wanted))
        return term.startsWith('not ') ? !found : found
      }),
    )
}

function fieldMatches(line: Line, key: string, wanted: unknown): boolean {
  const [field = '', modifier = ''] = key.split('|')
  const found = valueAt(line, field)
  const values = Array.isArray(found) ? found : [found]
  const choices = Array.isArray(wanted) ? wanted : [wanted]
  return choices.some((choice) => {
    switch (modifier) {
      case 'exists':
        return (found !== undefined) === choice
      case 'gte':
        return values.some((value) => typeof value === 'number' && value >= Number(choice))
      case 'startswith':
        return values.some((value) => typeof value === 'string' && value.startsWith(String(choice)))
      case '':
        // Sigma compares texts without regard to case
        return values.some((value) => String(value).toLowerCase() === String(choice).toLowerCase())
      default:
        throw new Error(`unknown modifier ${modifier}`)
    }
  })
}

const UNIT = { h: 3_600_000, d: 86_400_000 } as const

/** Does a correlation fire on these lines, in the order of their time? */
export function correlates(rule: Rule, base: ReadonlyMap<string, Rule>, lines: readonly Line[]): boolean {
  const { correlation } = rule
  if (correlation === undefined) throw new Error(`${rule.title} correlates nothing`)
  const span = Number.parseInt(correlation.timespan, 10) * UNIT[correlation.timespan.slice(-1) as keyof typeof UNIT]
  const hits = lines.flatMap((line) =>
    correlation.rules
      .filter((name) => matches(base.get(name)!.detection!, line))
      .map((name) => ({
        name,
        line,
        at: Date.parse(String(line['@timestamp'])),
        group: correlation['group-by'].map((field) => String(valueAt(line, field))).join('\0'),
      })),
  )
  return hits.some((last) => {
    const window = hits.filter(({ group, at }) => group === last.group && at <= last.at && at > last.at - span)
    const { gte = 0, field } = correlation.condition ?? {}
    switch (correlation.type) {
      case 'event_count':
        return window.length >= gte
      case 'value_count':
        return new Set(window.map(({ line }) => valueAt(line, field ?? ''))).size >= gte
      case 'temporal_ordered': {
        let next = 0
        for (const { name } of window) if (name === correlation.rules[next]) next += 1
        return next === correlation.rules.length
      }
    }
  })
}
