/**
 * `secure-mail.tls_policy`: the TLS policy map, which reads like Postfix's `smtp_tls_policy_maps`.
 *
 * One row per line, `pattern level key=value ...`. As in Postfix, a line that begins with white space continues the row
 * above it, and `#` begins a comment; values with blanks are "quoted".
 */
import type { MapRow, PolicyMap } from '../policy/types'
import { compile, hasExpired, indexKey } from './policy-map-lookup'
import { parseRow } from './policy-map-row'
import { splitWords } from './policy-map-words'
import { errorAt, warningAt } from './problem'
import type { ConfigProblem } from './settings'

export { compile, emptyMap, hasExpired } from './policy-map-lookup'

/** One row's words and where they begin. */
interface LogicalLine {
  text: string
  /** 1-based. */
  line: number
}

/**
 * Parse a map file. Never throws: a row with a fault is a problem with its line, and is not in the map.
 *
 * @param source the file's text
 * @param file how problems and rows name the file
 * @param resolve makes the path of `ca=` absolute
 * @param now milliseconds; rows that have expired and rows for everybody are warned about
 */
export function parsePolicyMap(
  source: string,
  file: string,
  resolve: (path: string) => string,
  now: number,
): { map: PolicyMap; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  const rows = new Map<string, MapRow>()
  for (const { text, line } of logicalLines(source)) {
    const words = splitWords(text)
    if (!words.ok) {
      problems.push(errorAt(file, line, words.why))
      continue
    }
    if (words.value.length === 0) continue
    const parsed = parseRow(words.value, resolve)
    if (!parsed.ok) {
      problems.push(errorAt(file, line, parsed.why))
      continue
    }
    const row: MapRow = { ...parsed.value, file, line }
    const other = rows.get(indexKey(row))
    if (other === undefined) {
      rows.set(indexKey(row), row)
      problems.push(...warnings(row, now))
    } else {
      problems.push(
        errorAt(file, line, `the pattern ${row.pattern} stands twice: there is a row for it in line ${other.line}`),
      )
    }
  }
  return { map: compile([...rows.values()]), problems }
}

/** Joins continued lines; comment lines and empty ones between them do not end a row, as in Postfix. */
function logicalLines(source: string): LogicalLine[] {
  const lines: LogicalLine[] = []
  source
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .forEach((text, index) => {
      if (/^\s*(?:#|$)/.test(text)) return
      const above = lines.at(-1)
      if (/^\s/.test(text) && above !== undefined) above.text += ` ${text.trim()}`
      else lines.push({ text: text.trim(), line: index + 1 })
    })
  return lines
}

function warnings(row: MapRow, now: number): ConfigProblem[] {
  if (hasExpired(row, now)) {
    const day = row.expires ?? ''
    return [warningAt(row.file, row.line, `the row ${row.pattern} expired after ${day} and is passed over`)]
  }
  if (row.kind === 'any' && (row.level === 'none' || row.level === 'may')) {
    const message = `* ${row.level} lets mail to everybody without a row of its own go out in clear text`
    return [warningAt(row.file, row.line, message)]
  }
  return []
}
