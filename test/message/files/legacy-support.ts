/** Readers called directly, and mails with one attached file. */
import assert from 'node:assert/strict'
import type { FileReader, FileReading, OpenFile, ReadBudget } from '../../../lib/message/files/types'
import { base64, look, mail, multipart } from '../../gate/support'

/** A budget that counts what is spent and ends where it is told to. */
export function budgetOf(
  limits: { parts?: number; bytes?: number; asks?: number } = {},
): ReadBudget & { spent: number } {
  let parts = 0
  let asked = 0
  const budget = {
    spent: 0,
    part: () => ++parts <= (limits.parts ?? 10_000),
    bytes(count: number) {
      budget.spent += count
      return budget.spent <= (limits.bytes ?? 1e9)
    },
    timeUp: () => ++asked > (limits.asks ?? Number.POSITIVE_INFINITY),
  }
  return budget
}

export function fileOf(bytes: Buffer): OpenFile {
  return { bytes, name: '', where: 'file', type: '' }
}

/** A reading; the reader has to know the format. */
export async function readingOf(reader: FileReader, bytes: Buffer, budget = budgetOf()): Promise<FileReading> {
  const reading = await reader(fileOf(bytes), budget)
  assert.ok(reading !== null, 'the reader does not know the format')
  return reading
}

export function reasonsOf(reading: FileReading): string[] {
  return reading.uninspected.map(({ reason }) => reason)
}

/** Texts that were read by structure, one under the other. */
export function textOf(reading: FileReading): string {
  return reading.texts
    .filter(({ role }) => role !== 'raw')
    .map(({ text }) => text)
    .join('\n')
}

/** `A1=text` of every cell; numbers that are shown otherwise than stored with both. */
export function cellsOf(reading: FileReading): string[] {
  return reading.tables.flatMap((table) =>
    table.cells.map(
      (cell) =>
        `${table.cellName(cell.row, cell.column)}=${cell.text}${cell.raw === undefined ? '' : ` (${cell.raw})`}`,
    ),
  )
}

/** A public mail with one file, whatever it is. */
export function mailWith(bytes: Buffer, name = 'file.bin', type = 'application/octet-stream'): Buffer {
  const [contentType, body] = multipart('mixed', [
    'Content-Type: text/plain\n\nNothing here.',
    `Content-Type: ${type}; name="${name}"\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n${base64(bytes)}`,
  ])
  return mail({ 'Content-Type': contentType }, body)
}

/** Codes of the refusals that a mail with this file gets, each once. */
export async function refusalsOf(bytes: Buffer, name?: string, type?: string): Promise<string[]> {
  const { verdict } = await look(mailWith(bytes, name, type))
  return [...new Set(verdict.refusals.map(({ code }) => code))].sort()
}
