/** What the readers of legacy formats share: the reading they fill, the budget, and how a failure is told. */
import type { EmbeddedFile, FileReading, ReadBudget } from './types'
import type { TextPiece } from '../message'
import { rawText } from './ole-raw'

export interface LegacyContext {
  reading: FileReading
  budget: ReadBudget
}

/** Add a text unless it is blank; its line ends become LF. */
export function addText(context: LegacyContext, where: string, role: TextPiece['role'], text: string): void {
  if (text.trim() !== '') context.reading.texts.push({ where, role, text: text.replace(/\r\n?/g, '\n') })
}

/** Add what looks like text in bytes that were not read by their structure, or are doubted. */
export function addRaw(context: LegacyContext, where: string, bytes: Buffer): void {
  addText(context, where, 'raw', rawText(bytes))
}

/** Each place and reason once. */
export function addProblem(context: LegacyContext, where: string, reason: string): void {
  const { uninspected } = context.reading
  if (!uninspected.some((one) => one.where === where && one.reason === reason)) uninspected.push({ where, reason })
}

/** Hand a file on to be opened by its own content; beyond the budget it is uninspected. */
export function addEmbedded(context: LegacyContext, file: Omit<EmbeddedFile, 'archive'>): void {
  if (!context.budget.part() || !context.budget.bytes(file.bytes.length)) {
    addProblem(context, file.where, 'there are too many parts, or they are too large')
    return
  }
  context.reading.embedded.push({ ...file, archive: false })
}

/** Run a reader of one structure; whatever it throws on hostile bytes means that the structure was not read. */
export function attempt(context: LegacyContext, where: string, what: string, read: () => void): void {
  try {
    read()
  } catch {
    addProblem(context, where, `${what} cannot be read`)
  }
}
