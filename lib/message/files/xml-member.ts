/** One XML file of a document: read by whichever reader knows its root, its texts added to the reading. */
import { encodedBlock, SMALL_IMAGE } from '../text-leaf'
import { addEmbedded, addProblem, addRaw, addText, type LegacyContext } from './ole-context'
import type { Story } from './ooxml-story'
import type { TextPiece } from '../message'
import type { XmlName } from './xml-names'
import { readXml, type XmlHandler } from './xml-tokens'

/** Broken XML is searched as raw text so far. */
const RAW_SEARCH = 4 * 1024 * 1024

/** An element that holds a file instead of a text. */
const ENCODED_VALUE = /^[\w.-]{1,60}: [A-Za-z0-9+/]{200,}={0,2}$/m

/** Do the bytes begin like XML, after a byte order mark and blanks? */
export function looksLikeXml(bytes: Buffer): boolean {
  const head = bytes.toString('latin1', 0, 200).replace(/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, '')
  return /^[\s\0]*<\0?[?!A-Za-z_]/.test(head)
}

/**
 * @param pick reader for the root; null = leave the file to somebody else
 * @param story that the reader writes to
 * @param role of its text
 * @returns the root when nobody took the file, else null
 */
export function readXmlMember(
  context: LegacyContext,
  where: string,
  bytes: Buffer,
  pick: (root: XmlName<string>) => XmlHandler<string> | null,
  story: Story,
  role: (root: XmlName<string>) => TextPiece['role'],
): XmlName<string> | null {
  const asides: string[] = []
  let lineRole: TextPiece['role'] = 'text'
  const outcome = readXml(
    bytes,
    {
      pick(root) {
        const handler = pick(root)
        if (handler !== null && root.space === 'svg' && bytes.length > SMALL_IMAGE) {
          addProblem(context, where, 'the image is larger than 64 KiB')
        }
        if (handler !== null) lineRole = role(root)
        return handler
      },
      aside: (text) => {
        if (!/^xml\s/.test(text)) asides.push(text)
      },
      unbalanced: where.toLowerCase().endsWith('.vml'),
    },
    context.budget,
  )
  if (outcome.other !== undefined) return outcome.other
  if (outcome.problem !== undefined) {
    addProblem(context, where, outcome.problem)
    addRaw(context, where, bytes.subarray(0, RAW_SEARCH))
  }
  const { lines, views } = story.flow.texts()
  addText(context, where, lineRole, lines)
  addText(context, where, lineRole, views)
  addText(context, `${where} (comment)`, 'hidden', asides.join('\n'))
  addText(context, `${where} (attribute)`, 'hidden', story.attributes.text())
  const block = encodedBlock(lines)
  if (block !== null) addProblem(context, where, block)
  else if (ENCODED_VALUE.test(lines)) addProblem(context, where, 'an encoded block stands in the text')
  for (const file of story.attributes.files) addEncodedFile(context, where, file)
  return null
}

function addEncodedFile(context: LegacyContext, where: string, base64: string): void {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64.replace(/\s/g, ''))
    addProblem(context, where, 'a file in an attribute is broken')
  else addEmbedded(context, { bytes, name: '', where: `${where} > drawing`, type: '' })
}
