/** XML that is no office document, and SVG: texts with their elements as lines, the same without any break, attributes. */
import { decodeEntities } from '../entities'
import { readTag } from '../html-tag'
import { SMALL_IMAGE } from '../text-leaf'
import type { FileReading, ReadBudget } from './types'

const CHECK_EVERY = 4096
/** Spreadsheets in one XML file (Excel 2003, Gnumeric): numbers in their cells may have lost a zero. */
const OLD_SHEET = /urn:schemas-microsoft-com:office:spreadsheet|www\.gnumeric\.org\/v\d/
const HEAD = 4096
/** Elements of SVG that draw: a picture, which may show a text that nobody has read. */
const DRAWS = /^(?:path|polygon|polyline|line|rect|circle|ellipse|glyph|use)$/

/**
 * One pass; a construct without its end takes the rest of the text.
 *
 * @param text line ends are LF
 */
export function readMarkup(reading: FileReading, budget: ReadBudget, where: string, text: string): void {
  const apart: string[] = []
  const joined: string[] = []
  const aside: string[] = []
  const add = (piece: string) => {
    apart.push(piece)
    joined.push(piece)
  }
  let at = 0
  let tags = 0
  let elements = 0
  let isPicture = false
  let draws = false
  while (at < text.length) {
    if (++tags % CHECK_EVERY === 0 && budget.timeUp()) return
    const open = text.indexOf('<', at)
    const end = open === -1 ? text.length : open
    if (end > at) add(decodeEntities(text.slice(at, end)))
    if (open === -1) break
    const upTo = (mark: string, from: number): number => {
      const close = text.indexOf(mark, from)
      return close === -1 ? text.length : close
    }
    if (text.startsWith('<![CDATA[', open)) {
      const close = upTo(']]>', open)
      add(text.slice(open + 9, close))
      at = close + 3
    } else if (text.startsWith('<!--', open)) {
      const close = upTo('-->', open + 4)
      aside.push(text.slice(open + 4, close))
      at = close + 3
    } else if (text.startsWith('<?', open) || text.startsWith('<!', open)) {
      const close = upTo('>', open)
      aside.push(text.slice(open + 2, close))
      // an entity may stand for anything, and its declaration ends later than its first `>`
      if (/^<!doctype[^>]{0,1000}\[|^<!entity/i.test(text.slice(open, open + 1100)))
        reading.uninspected.push({ where, reason: 'the XML declares entities' })
      at = close + 1
    } else {
      const isEnd = text.charAt(open + 1) === '/'
      const tag = readTag(text, open + (isEnd ? 2 : 1))
      apart.push('\n')
      if (elements === 0) isPicture = tag.name === 'svg'
      if (isPicture && elements === 0 && text.length > SMALL_IMAGE)
        reading.uninspected.push({ where, reason: 'the image is larger than 64 KiB' })
      draws ||= isPicture && DRAWS.test(tag.name)
      for (const { name, value } of tag.attributes) {
        if (value === '') continue
        aside.push(`${name}=${decodeEntities(value)}`)
        if (/\bdata:[^,]*;base64,/i.test(value))
          reading.uninspected.push({ where, reason: 'data is embedded in a URL' })
      }
      elements++
      at = Math.max(tag.end, open + 1)
    }
  }
  if (draws) reading.uninspected.push({ where, reason: 'the image is attached' })
  if (OLD_SHEET.test(text.slice(0, HEAD)))
    reading.uninspected.push({ where, reason: 'tables of this format are not read' })
  reading.texts.push({ where, role: 'text', text: apart.join('') })
  reading.texts.push({ where, role: 'hidden', text: joined.join('') })
  if (aside.length > 0) reading.texts.push({ where, role: 'hidden', text: aside.join('\n') })
}
