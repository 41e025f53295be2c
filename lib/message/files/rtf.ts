/** RTF: all that is shown, hidden, deleted, noted, named or embedded, in one pass; and the HTML that Outlook wraps in it. */
import { readTextLeaf } from '../text-leaf'
import { rawText } from './ole-raw'
import { addEmbedded, addProblem, addText, attempt, type LegacyContext } from './ole-context'
import { readOleObject } from './ole-native'
import { addPicture } from './ole-pictures'
import { RtfReader } from './rtf-reader'
import { readTokens } from './rtf-tokens'
import { emptyReading, type FileReader, type FileReading, type OpenFile, type ReadBudget } from './types'

/** Largest text that is read; its tokens take a multiple of its size. Data of pictures counts, and those are refused. */
const SIZE_LIMIT = 16 * 1024 * 1024

/** Reader of RTF; see {@link import('./types').FileReader}. */
export const readRtf: FileReader = (file: OpenFile, budget: ReadBudget): FileReading | null => {
  // Word itself takes anything that begins so
  if (file.bytes.toString('latin1', 0, 4) !== '{\\rt') return null
  const context: LegacyContext = { reading: emptyReading(), budget }
  readRtfText(context, file.where, file.bytes)
  return context.reading
}

/**
 * Read a text in RTF, a file or the body of a message.
 *
 * @returns content ids that the HTML inside shows
 */
export function readRtfText(context: LegacyContext, where: string, bytes: Buffer): readonly string[] {
  if (bytes.length > SIZE_LIMIT || !context.budget.bytes(bytes.length)) {
    addProblem(context, where, 'the content is too large')
    return []
  }
  const reader = new RtfReader(context.budget)
  const { at, problems } = readTokens(bytes, reader)
  const result = reader.result()
  for (const problem of [...problems, ...result.problems]) addProblem(context, where, problem)
  for (const { name, shown, reduced } of result.texts) {
    const place = name === '' ? where : `${where} > ${name}`
    addText(context, place, 'text', shown)
    if (reduced !== shown) addText(context, place, 'text', reduced)
  }
  addText(context, where, 'hidden', result.hidden.join('\n'))
  for (const { key, value } of result.properties) {
    context.reading.properties.push({ where: `${where} > properties`, key, value })
    addText(context, `${where} > properties`, 'hidden', `${key}: ${value}`)
  }
  for (const { kind, data } of result.data) readData(context, where, kind, data)
  // the source as it stands: other readers may know fewer words, or more
  addText(context, where, 'raw', bytes.toString('latin1'))
  const rest = bytes.subarray(at)
  if (rest.some((byte) => byte !== 0 && byte !== 0x0a && byte !== 0x0d && byte !== 0x20 && byte !== 0x1a)) {
    addProblem(context, where, 'something follows the end of the text')
    addText(context, where, 'raw', rawText(rest))
  }
  return result.html === null ? [] : readInnerHtml(context, where, result.html)
}

function readInnerHtml(context: LegacyContext, where: string, html: string): readonly string[] {
  const reading = readTextLeaf(Buffer.from(html, 'utf8'), 'text/html', new Map([['charset', 'utf-8']]), where)
  context.reading.texts.push(...reading.texts)
  for (const problem of reading.problems) addProblem(context, where, problem)
  return reading.cids
}

function readData(context: LegacyContext, where: string, kind: string, data: Buffer): void {
  if (data.length === 0) return
  switch (kind) {
    case 'pict': {
      addPicture(context, `${where} > picture`, data)
      return
    }
    case 'objdata':
    case 'datastore':
      if (!context.budget.bytes(data.length)) {
        addProblem(context, where, 'the content is too large')
        return
      }
      {
        attempt(context, where, 'an embedded object', () => readOleObject(context, where, data))
        return
      }
    case 'colorschememapping': {
      addText(context, where, 'hidden', data.toString('utf8'))
      return
    }
    default: {
      // the theme is a package of its own
      addEmbedded(context, { bytes: data, name: '', where: `${where} > ${kind}`, type: '' })
      return
    }
  }
}
