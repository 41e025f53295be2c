/** Mailboxes as files (RFC 4155): messages one after the other, each behind a line that begins with `From `. */
import { memberPlace } from './zip-places'
import { emptyReading, type FileReader, type FileReading, type OpenFile, type ReadBudget } from './types'

/** The line before a message: an address, and a date that ends in a year and perhaps a time zone. */
const SEPARATOR = /^From [^\r\n]{1,320}\d{4}(?: [-+A-Z0-9]{1,6})?[ \t]*\r?\n/
/** Where the next one may begin; `>From ` is text of a message. */
const NEXT = Buffer.from('\nFrom ')
/** Of a separator, more than it has. */
const WINDOW = 400

/** Reader of mailboxes; see {@link import('./types').FileReader}. Each message is handed on to be opened as one. */
export const readMbox: FileReader = (file: OpenFile, budget: ReadBudget): FileReading | null => {
  const { bytes, where } = file
  let separator = separatorAt(bytes, 0)
  if (separator === null) return null
  const reading = emptyReading()
  let from = 0
  for (let n = 1; separator !== null; n++) {
    reading.texts.push({ where, role: 'header', text: separator })
    const content = from + separator.length
    const end = nextSeparator(bytes, content)
    const message = bytes.subarray(content, end ?? bytes.length)
    if (budget.timeUp() || !budget.part() || !budget.bytes(message.length)) {
      reading.uninspected.push({ where, reason: 'there are too many messages, or they are too large' })
      return reading
    }
    reading.embedded.push({
      bytes: message,
      name: '',
      where: memberPlace(where, `message ${n}`),
      type: 'message/rfc822',
      archive: true,
    })
    from = end ?? bytes.length
    separator = end === null ? null : separatorAt(bytes, end)
  }
  return reading
}

function separatorAt(bytes: Buffer, at: number): string | null {
  return SEPARATOR.exec(bytes.toString('latin1', at, at + WINDOW))?.[0] ?? null
}

function nextSeparator(bytes: Buffer, from: number): number | null {
  for (let at = bytes.indexOf(NEXT, from); at !== -1; at = bytes.indexOf(NEXT, at + 1))
    if (separatorAt(bytes, at + 1) !== null) return at + 1
  return null
}
