/** Reading audit files back: all files of a folder, line by line, in memory that does not grow with them. */
import { createReadStream } from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { namedFiles } from '../audit/retention'

/** One audit event as it stands in the file; nothing about its fields is taken for granted. */
export type AuditLine = Readonly<Record<string, unknown>>

/** A line longer than this is none of ours. */
const MAX_LINE = 1024 * 1024

/**
 * The audit files of a folder, plain and compressed, oldest day first.
 *
 * @returns none when there is no such folder
 * @throws Error of the file system for any other reason
 */
export function auditFiles(dir: string): string[] {
  try {
    return namedFiles(dir).map(({ name }) => path.join(dir, name))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

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
  file: string,
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

/** @throws Error of the file system, or when a compressed file is damaged (the stream's error) */
function textOf(file: string): Readable {
  const bytes = createReadStream(file, { highWaterMark: 256 * 1024 })
  if (!file.endsWith('.gz')) return bytes.setEncoding('utf8')
  // an error of either is an error of what is read
  return pipeline(bytes, createGunzip({ chunkSize: 256 * 1024 }), () => undefined).setEncoding('utf8')
}

/** Lines without their ends; null for one that is too long. */
async function* linesOf(file: string): AsyncGenerator<string | null, void, undefined> {
  let rest = ''
  let tooLong = false
  for await (const chunk of textOf(file)) {
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
