/** Python's `email` as the independent judge of our reports; a machine without python3 fails loudly. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { packageRoot } from '../../lib/package-root'

export interface JudgedPart {
  type: string
  charset: string | null
  encoding: string
  defects: string[]
  parts: JudgedPart[]
  text: string | null
  /** Of message/delivery-status: one list of fields per block. */
  blocks: [string, string][][] | null
}

export interface Judged extends JudgedPart {
  headers: [string, string][]
  headerDefects: string[]
  reportType: string | null
  returned?: [string, string][]
  returnedBody?: string
}

/** Have messages parsed, all in one process. */
export function judge(messages: readonly Buffer[]): Judged[] {
  const script = path.join(packageRoot(), 'test', 'notify', 'judge.py')
  const result = spawnSync('python3', [script], {
    input: JSON.stringify(messages.map((message) => message.toString('base64'))),
    maxBuffer: 256 * 1024 * 1024,
    timeout: 60_000,
  })
  if (result.error !== undefined)
    throw new Error(`python3, the judge of reports, cannot be run: ${result.error.message}`)
  if (result.status !== 0) throw new Error(`the judge failed: ${result.stderr.toString()}`)
  return JSON.parse(result.stdout.toString()) as Judged[]
}

/** One message. */
export function judgeOne(message: Buffer): Judged {
  return judge([message])[0]!
}

/** Every part, the whole first. */
export function allParts(part: JudgedPart): JudgedPart[] {
  return [part, ...part.parts.flatMap(allParts)]
}

/** All values of a header field. */
export function valuesOf(fields: readonly [string, string][], name: string): string[] {
  return fields.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}
