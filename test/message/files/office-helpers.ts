/** What the tests of office documents and archives share: reading a file with all that is in it, and looking into it. */
import assert from 'node:assert/strict'
import { findCpr, findCprInTable } from '../../../lib/classify'
import { createBudget } from '../../../lib/message/files/budget'
import { openLeaves } from '../../../lib/message/files/open'
import { readMessage } from '../../../lib/message/read'
import type { Message } from '../../../lib/message'
import type { FileReader, FileReading, OpenFile, ReadBudget } from '../../../lib/message/files/types'

/** All numbers in the tests are published examples. */
export const CPR = '211062-5629'
export const OTHER = '070761-4285'
export const NOW = Date.UTC(2026, 10, 23)
export const clock = { now: () => NOW }
export const LIMITS = { maxParts: 500, maxDepth: 20, maxBytes: 200e6, maxMillis: 10_000 }

export type Everything = Pick<Message, 'texts' | 'tables' | 'properties' | 'protection' | 'uninspected'>

export function fileOf(bytes: Buffer, name = 'file'): OpenFile {
  return { bytes, name, where: 'file', type: '' }
}

/** Open a file and everything in it, as the gate does. */
export async function openAll(bytes: Buffer): Promise<Everything> {
  const budget = createBudget(LIMITS, clock)
  const message = readMessage(Buffer.from('Subject: x\r\n\r\n'), LIMITS, clock, { budget, where: '', depth: 0 })
  const unopened = [{ part: message.root, file: fileOf(bytes), sound: true }]
  return openLeaves({ ...message, texts: [], unopened }, budget, clock)
}

/** A budget that counts what is asked of it. */
export function countingBudget(limits: { parts?: number; bytes?: number; times?: number } = {}) {
  const spent = { parts: 0, bytes: 0, times: 0 }
  const budget: ReadBudget = {
    part: () => ++spent.parts <= (limits.parts ?? Number.POSITIVE_INFINITY),
    bytes(count) {
      spent.bytes += count
      return spent.bytes <= (limits.bytes ?? Number.POSITIVE_INFINITY)
    },
    timeUp: () => ++spent.times > (limits.times ?? Number.POSITIVE_INFINITY),
  }
  return { budget, spent }
}

/** Run one reader on a file of its format. */
export async function readWith(reader: FileReader, bytes: Buffer, name = 'file'): Promise<FileReading> {
  const reading = await reader(fileOf(bytes, name), countingBudget().budget)
  assert.ok(reading !== null, 'the reader does not know the file')
  return reading
}

/** What makes the same number the same number within this process. */
export function digestOf(number: string): string {
  const [hit] = findCpr(`CPR ${number}`, NOW)
  assert.ok(hit !== undefined, `${number} is no number`)
  return hit.digest
}

/** Places where a number was found, in texts and in tables. */
export function placesOf(found: Pick<Everything, 'texts' | 'tables'>, number = CPR): string[] {
  const digest = digestOf(number)
  const inTexts = found.texts.flatMap(({ where, text }) =>
    findCpr(text, NOW)
      .filter((hit) => hit.digest === digest)
      .map(() => where),
  )
  const inTables = found.tables.flatMap((table) =>
    findCprInTable(table, NOW)
      .filter((hit) => hit.digest === digest)
      .map((hit) => hit.where),
  )
  return [...inTexts, ...inTables]
}

/** Any number at all, at LOW or above. */
export function anyNumber(found: Pick<Everything, 'texts' | 'tables'>): boolean {
  return (
    found.texts.some(({ text }) => findCpr(text, NOW).length > 0) ||
    found.tables.some((table) => findCprInTable(table, NOW).length > 0)
  )
}

export type Outcome = 'found' | 'refused' | 'protected' | 'clean'

/** @param number that is hidden in the file */
export function outcomeOf(found: Everything, number = CPR): Outcome {
  if (placesOf(found, number).length > 0) return 'found'
  if (found.uninspected.length > 0) return 'refused'
  return found.protection.length > 0 ? 'protected' : 'clean'
}

/** Reasons without their places. */
export function reasonsOf(found: Pick<Everything, 'uninspected'>): string[] {
  return [...new Set(found.uninspected.map(({ reason }) => reason))]
}
