/** What a configuration says, kept so that the next one can be compared with it: who changed which row, and until when. */
import type { MapRow } from '../policy/types'
import type { Settings } from './settings'

/** One row of the policy map as it was seen. */
export interface SeenRow {
  file: string
  line: number
  /** Level and attributes, as a row writes them. */
  text: string
  level: MapRow['level']
  expires?: string
}

export interface Snapshot {
  /** By pattern. */
  rows: Record<string, SeenRow>
  /** By name, `main.mode`; values as text. */
  settings: Record<string, string>
}

export type Change =
  | { what: 'row'; how: 'added' | 'removed' | 'changed'; pattern: string; before?: SeenRow; now?: SeenRow }
  | { what: 'setting'; how: 'changed'; name: string; before: string; now: string }

/** Names that hold a password: that it changed is said, not to what. */
const SECRET: ReadonlySet<string> = new Set(['store.redisUrl'])

/** Pure. */
export function snapshotOf(settings: Settings): Snapshot {
  const { map, ...sections } = settings
  const rows = map.rows.map((row): [string, SeenRow] => [
    row.pattern,
    {
      file: row.file,
      line: row.line,
      text: rowText(row),
      level: row.level,
      ...(row.expires === undefined ? {} : { expires: row.expires }),
    },
  ])
  return { rows: Object.fromEntries(rows), settings: Object.fromEntries(flat(sections, '')) }
}

/**
 * What is different. A row that only moved to another line has not changed. Pure.
 *
 * @param before undefined = nothing was ever seen: every row is new, and settings have nothing to be compared with
 */
export function changesBetween(before: Snapshot | undefined, now: Snapshot): Change[] {
  const was = before?.rows ?? {}
  const rows = [...new Set([...Object.keys(was), ...Object.keys(now.rows)])].flatMap((pattern): Change[] => {
    const old = Object.hasOwn(was, pattern) ? was[pattern] : undefined
    const row = Object.hasOwn(now.rows, pattern) ? now.rows[pattern] : undefined
    if (old?.text === row?.text) return []
    return [
      {
        what: 'row',
        how: old === undefined ? 'added' : row === undefined ? 'removed' : 'changed',
        pattern,
        ...(old === undefined ? {} : { before: old }),
        ...(row === undefined ? {} : { now: row }),
      },
    ]
  })
  if (before === undefined) return rows
  const names = [...new Set([...Object.keys(before.settings), ...Object.keys(now.settings)])]
  const settings = names.flatMap((name): Change[] => {
    const old = before.settings[name] ?? ''
    const value = now.settings[name] ?? ''
    if (old === value) return []
    const told = (text: string) => (SECRET.has(name) && text !== '' ? '(secret)' : text)
    return [{ what: 'setting', how: 'changed', name, before: told(old), now: told(value) }]
  })
  return [...rows, ...settings]
}

/** Level and attributes in the order in which the map's own page names them. */
function rowText(row: MapRow): string {
  const words = [
    row.level,
    ...(row.match.length === 0 ? [] : [`match=${row.match.join(',')}`]),
    ...(row.minVersion === undefined ? [] : [`protocols=>=${row.minVersion}`]),
    `override=${row.override}`,
    ...(row.servername === undefined ? [] : [`servername=${row.servername}`]),
    ...(row.ca === undefined ? [] : [`ca=${row.ca}`]),
    ...(row.overridePublished ? ['override-published=yes'] : []),
    ...(row.expires === undefined ? [] : [`expires=${row.expires}`]),
    ...(row.note === undefined ? [] : [`note="${row.note}"`]),
  ]
  return words.join(' ')
}

function flat(value: unknown, name: string): [string, string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [[name, typeof value === 'string' ? value : JSON.stringify(value)]]
  }
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, name === '' ? key : `${name}.${key}`))
}
