/** Reading audit files back: all files of a folder, line by line, in memory that does not grow with them. */
import { isDamage, openLog, type LogFile } from './log-files'

/** One audit event as it stands in the file; nothing about its fields is taken for granted. */
export type AuditLine = Readonly<Record<string, unknown>>

/** A line longer than this is none of ours. */
const MAX_LINE = 1024 * 1024

/** Counts what could not be read, by the way. */
export interface Unreadable {
  lines: number
}

/**
 * The events of one file that may be wanted. A torn line, be it the last one of a file that is being written, is
 * counted and passed over.
 *
 * @param wanted cheap look at the text of a line, before it is parsed
 * @throws Error of the file system (rejects)
 */
export async function* eventsOf(
  file: LogFile,
  wanted: (text: string) => boolean,
  unreadable: Unreadable,
): AsyncGenerator<AuditLine, void, undefined> {
  for await (const text of linesOf(file)) {
    if (text === null) {
      unreadable.lines += 1
      continue
    }
    if (!wanted(text)) continue
    const event = parse(text)
    if (event === undefined) unreadable.lines += 1
    else yield event
  }
}

/** Lines without their ends; null for one that is too long, and for what is lost behind the damage in a compressed file. */
async function* linesOf(file: LogFile): AsyncGenerator<string | null, void, undefined> {
  let rest = ''
  let tooLong = false
  try {
    for await (const chunk of openLog(file).setEncoding('utf8')) {
      const pieces = (rest + String(chunk)).split('\n')
      rest = pieces.pop() ?? ''
      for (const piece of pieces) {
        yield tooLong ? null : piece
        tooLong = false
      }
      if (rest.length > MAX_LINE) {
        rest = ''
        tooLong = true
      }
    }
  } catch (error) {
    if (!isDamage(error)) throw error
    rest = ''
    tooLong = true
  }
  if (tooLong) yield null
  else if (rest !== '') yield rest
}

function parse(text: string): AuditLine | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as AuditLine) : undefined
  } catch {
    return undefined
  }
}

/** The value at a dotted path; undefined when there is none. */
export function valueAt(event: AuditLine, dotted: string): unknown {
  let value: unknown = event
  for (const name of dotted.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/** The same as a text; '' when there is none. */
export function textAt(event: AuditLine, dotted: string): string {
  const value = valueAt(event, dotted)
  return typeof value === 'string'
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : ''
}

/** The same as a list of texts. */
export function textsAt(event: AuditLine, dotted: string): string[] {
  const value = valueAt(event, dotted)
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
}
