/**
 * A large log from a small one: every line of the base stands several times in each process' file, with ids of its own. The
 * lines are the gateway's own in form; numbers, ids and the chain are made anew.
 */
import { hash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { CHAIN_START } from '../../lib/audit/chain'
import { auditFileName } from '../../lib/audit/retention'
import { caseId } from '../../lib/notify/case-id'

/** The chain's end by label, from one day to the next. */
export type Ends = Map<string, string>

const HEX8 = 8
const BUFFER = 4 * 1024 * 1024

/** Parts of a line between which something is put in. */
type Part = string | { kind: 'mail' | 'case' | 'short' | 'event' | 'sequence' | 'previous'; was: string }

const TOKENS =
  /("local_id":")([0-9A-F]{8})|("case_id":")(SM-[0-9A-Z-]{9})|("message_id":"<)([0-9a-f]{8})|("id":")([0-9a-f]{8})(?=-[0-9a-f]{4}-)|("sequence":)(\d+)|("prev_hash":")([0-9a-f]{64})/g

const KINDS = ['mail', 'case', 'short', 'event', 'sequence', 'previous'] as const

function partsOf(line: string): Part[] {
  const parts: Part[] = []
  let from = 0
  for (const match of line.matchAll(TOKENS)) {
    const group = KINDS.findIndex((_, index) => match[index * 2 + 1] !== undefined)
    const kind = KINDS[group]
    const before = match[group * 2 + 1] ?? ''
    if (kind === undefined) continue
    parts.push(line.slice(from, match.index) + before, { kind, was: match[group * 2 + 2] ?? '' })
    from = match.index + match[0].length
  }
  parts.push(line.slice(from))
  return parts
}

export interface Multiplied {
  /** File of the base. */
  from: string
  /** `YYYY-MM-DD` */
  day: string
  /** Folder of the new file. */
  to: string
  /** Process of the new file. */
  label: string
  /** Of each line. */
  copies: number
  /** Different for every process. */
  salt: number
  ends: Ends
}

/** Write one file of the large log. */
export function multiplyFile({ from, day, to, label, copies, salt, ends }: Multiplied): void {
  const lines = readFileSync(from, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  const out = openSync(path.join(to, auditFileName(day, label)), 'w', 0o600)
  let previous = ends.get(label) ?? CHAIN_START
  let sequence = 0
  let waiting: string[] = []
  let size = 0
  const flush = (): void => {
    writeSync(out, waiting.join(''))
    waiting = []
    size = 0
  }
  for (const line of lines) {
    const parts = partsOf(line)
    const mail = parts.find((part) => typeof part !== 'string' && part.kind === 'mail')
    const id = mail === undefined ? undefined : (/"local_id":"([^"]+)"/.exec(line)?.[1] ?? '')
    for (let copy = 0; copy < copies; copy++) {
      const text = remade(parts, salt * 64 + copy, id, ++sequence, previous)
      previous = hash('sha256', text, 'hex')
      waiting.push(text, '\n')
      size += text.length
    }
    if (size > BUFFER) flush()
  }
  flush()
  closeSync(out)
  ends.set(label, previous)
}

const cases = new Map<string, string>()

function remade(
  parts: readonly Part[],
  salt: number,
  mailId: string | undefined,
  sequence: number,
  previous: string,
): string {
  let text = ''
  for (const part of parts) {
    if (typeof part === 'string') text += part
    else {
      switch (part.kind) {
        case 'sequence':
          text += String(sequence)
          break
        case 'previous':
          text += previous
          break
        case 'mail':
          text += salted(part.was, salt).toUpperCase()
          break
        case 'case':
          text +=
            mailId === undefined
              ? part.was
              : caseOf(`${salted(mailId.slice(0, HEX8), salt).toUpperCase()}${mailId.slice(HEX8)}`)
          break
        case 'short':
        case 'event':
          text += salted(part.was, salt)
      }
    }
  }
  return text
}

function salted(hex: string, salt: number): string {
  return ((Number.parseInt(hex, 16) ^ Math.imul(salt + 1, 0x9e3779b1)) >>> 0).toString(16).padStart(HEX8, '0')
}

/** The events of a mail are near each other. */
function caseOf(mailId: string): string {
  let found = cases.get(mailId)
  if (found === undefined) {
    found = caseId(mailId)
    if (cases.size > 100_000) cases.clear()
    cases.set(mailId, found)
  }
  return found
}
