/** JSON (RFC 8259), one value or one a line: strings with their escapes decoded, and lists of objects as tables. */
import { encodedBlock } from '../text-leaf'
import type { FileReading, ReadBudget, TableCell } from './types'

const UNESCAPED = /[^"\\]*/y
const BARE = /[^\s,:[\]{}"]+/y
const BLANK = /\s*/y
/** Keys that get a column of their own in the table. */
const MAX_COLUMNS = 1000
const MAX_CELLS = 500_000
const CHECK_EVERY = 4096
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

interface Level {
  kind: 'object' | 'array'
  /** The last key, here or around. */
  key: string
  /** Row of the table: of the object that this is or stands in; of a list in a list. */
  row: number
  /** Stands in no object. */
  bare: boolean
  /** Values so far. */
  count: number
}

/**
 * Read as much as is JSON. Nesting is kept on a stack of our own: no depth is too deep.
 *
 * @param text line ends are LF
 */
export function readJson(reading: FileReading, budget: ReadBudget, where: string, text: string): void {
  const lines: string[] = []
  const cells: TableCell[] = []
  /** Values of lists that stand in no object. */
  const matrix: TableCell[] = []
  const columns = new Map<string, number>()
  const levels: Level[] = []
  let rows = 0
  let tokens = 0
  let at = 0
  let problem: string | null = null
  let awaitsKey = false
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match !== null) at += match[0].length
    return match
  }
  const value = (shown: string, isNumber: boolean) => {
    const level = levels.at(-1)
    const key = level?.key ?? ''
    const plain = isNumber ? whole(shown) : shown
    lines.push(key === '' ? plain : `${key}: ${plain}`)
    if (level === undefined || cells.length + matrix.length >= MAX_CELLS) return
    const column = level.bare ? level.count++ : (columns.get(key) ?? columns.size)
    if (column >= MAX_COLUMNS) return
    if (!level.bare) columns.set(key, column)
    const cell = { row: level.row, column, text: shown, numeric: isNumber, ...(plain === shown ? {} : { raw: plain }) }
    if (level.bare) matrix.push(cell)
    else cells.push(cell)
  }
  const open = (kind: Level['kind']) => {
    const around = levels.at(-1)
    const bare = kind === 'array' && around?.bare !== false
    const row = kind === 'object' || bare ? ++rows : (around?.row ?? 0)
    levels.push({ kind, key: kind === 'object' ? '' : (around?.key ?? ''), row, bare, count: 0 })
  }
  for (;;) {
    take(BLANK)
    if (at >= text.length) break
    if (++tokens % CHECK_EVERY === 0 && budget.timeUp()) break
    const character = text.charAt(at)
    const level = levels.at(-1)
    if (character === '{' || character === '[') {
      at++
      open(character === '{' ? 'object' : 'array')
      awaitsKey = character === '{'
    } else if (character === '}' || character === ']') {
      at++
      if (levels.pop() === undefined) problem = 'an end too many'
      awaitsKey = false
    } else if (character === ',') {
      at++
      awaitsKey = level?.kind === 'object'
    } else if (character === ':') at++
    else if (character === '"') {
      const from = ++at
      take(UNESCAPED)
      while (text.charAt(at) === '\\') {
        at += 2
        take(UNESCAPED)
      }
      if (at >= text.length) {
        problem = 'a string without its end'
        break
      }
      const decoded = decodeEscapes(text.slice(from, at++))
      if (awaitsKey && level !== undefined) {
        level.key = decoded
        awaitsKey = false
        if (/\p{Nd}/u.test(decoded)) lines.push(decoded)
      } else value(decoded, false)
    } else {
      const word = take(BARE)?.[0] ?? ''
      if (!/^-?\d[\d.eE+-]*$/.test(word) && !['true', 'false', 'null'].includes(word)) {
        problem = 'a word that is no value'
        break
      }
      if (/\d/.test(word)) value(word, true)
    }
  }
  if (levels.length > 0) problem ??= 'no end'
  // what is no JSON is plain text, but for escapes that some program may still decode
  if (problem !== null && /\\u00[23]|\\x[23]/i.test(text)) {
    reading.uninspected.push({ where, reason: 'the JSON in the file is broken' })
  }
  if (cells.length + matrix.length >= MAX_CELLS) reading.uninspected.push({ where, reason: 'the table is too large' })
  const joined = lines.join('\n')
  if (joined !== '') reading.texts.push({ where, role: 'text', text: joined })
  const block = encodedBlock(joined)
  if (block !== null) reading.uninspected.push({ where, reason: block })
  addTable(reading, where, columns, cells)
  if (matrix.length > 0)
    reading.tables.push({ where, cellName: (row, column) => `list ${row} value ${column + 1}`, cells: matrix })
}

/** The keys head the columns. */
function addTable(
  reading: FileReading,
  where: string,
  columns: ReadonlyMap<string, number>,
  cells: readonly TableCell[],
): void {
  if (cells.length === 0) return
  const names = [...columns.keys()]
  const heading = names.map((text, column) => ({ row: 0, column, text, numeric: false }))
  reading.tables.push({
    where,
    cellName: (row, column) => (row === 0 ? 'keys' : `object ${row} ${names[column] ?? ''}`),
    cells: [...heading, ...[...cells].sort((a, b) => a.row - b.row || a.column - b.column)],
  })
}

/** `7.07614285e8` as a whole number. */
function whole(number: string): string {
  const value = Number(number)
  return /^-?\d+$/.test(number) || !Number.isSafeInteger(value) ? number : String(value)
}

function decodeEscapes(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gsu, (_, hex: string | undefined, one: string | undefined) =>
    hex !== undefined ? String.fromCharCode(Number.parseInt(hex, 16)) : (ESCAPES[one ?? ''] ?? one ?? ''),
  )
}
