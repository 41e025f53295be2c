/**
 * Files of text: what they are is told by the text itself. Every one is read as plain text; tables, JSON, XML and cards
 * are read by their structure besides.
 */
import { decodeCharset } from '../charset'
import { readTextLeaf, unixLines } from '../text-leaf'
import { readCsv } from './csv'
import { readJson } from './json'
import { readMarkup } from './structured-xml'
import { emptyReading, type FileReader, type FileReading, type OpenFile, type ReadBudget } from './types'
import { isCard, readCards } from './vcard'

/** Marks that say which Unicode a text is in. */
const MARKS: readonly (readonly [hex: string, charset: string])[] = [
  ['fffe0000', 'utf-32'],
  ['0000feff', 'utf-32'],
  ['fffe', 'utf-16'],
  ['feff', 'utf-16'],
]

/** Spreadsheets as text whose cells are typed: SYLK, and the Data Interchange Format. Programs open them by content. */
const OLD_SHEET = /^(?:ID;[^\n]{0,200}\n(?:[A-Z]{1,3};|[BCEFNPW]\b)|TABLE\n0,1\n)/

/** Reader of all texts; see {@link import('./types').FileReader}. Binary content is none of them. */
export const readStructured: FileReader = (file: OpenFile, budget: ReadBudget): FileReading | null => {
  const { bytes, where } = file
  if (bytes.length === 0) return emptyReading()
  const head = bytes.subarray(0, 4).toString('hex')
  const charset = MARKS.find(([mark]) => head.startsWith(mark))?.[1]
  const decoded = decodeCharset(bytes, charset)
  decoded.text = unixLines(decoded.text)
  const { text } = decoded
  if (decoded.problem !== undefined && !isWide(decoded.problem)) return null
  const reading = emptyReading()
  const problem = (reason: string) => reading.uninspected.push({ where, reason })
  if (!budget.bytes(bytes.length)) {
    problem('the content is too large')
    return reading
  }
  if (isCard(text)) {
    if (decoded.problem !== undefined) problem(decoded.problem)
    readCards(reading, budget, where, text)
    return reading
  }
  const parameters = new Map(charset === undefined ? [] : [['charset', charset]])
  const plain = readTextLeaf(bytes, 'text/plain', parameters, where, decoded)
  reading.texts.push(...plain.texts)
  for (const reason of plain.problems) problem(reason)
  if (OLD_SHEET.test(text)) problem('tables of this format are not read')
  // some programs look for it behind blanks, where its signature is none
  if (/^\s*\{\\rt/.test(text)) problem('the RTF does not begin with its signature')
  const first = /\S/.exec(text)?.[0] ?? ''
  // pages are read as HTML already, with their own rules
  if (first === '<' && !/^\s*<(?:!doctype html|html)\b/i.test(text)) readMarkup(reading, budget, where, text)
  else if (first === '{' || first === '[' || first === '"') readJson(reading, budget, where, text)
  if (first !== '<' && first !== '{') readCsv(reading, budget, where, text)
  if (budget.timeUp()) problem('the time for reading was up')
  return reading
}

/** Text all the same, only not as its first bytes said. */
function isWide(problem: string): boolean {
  return problem.startsWith('the text is utf-')
}
