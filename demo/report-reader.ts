/** What a report says, read from the bytes that the sender's mailbox got. */
import { systemClock } from '../lib/clock'
import { fieldsNamed } from '../lib/message/header'
import type { Part } from '../lib/message/message'
import { readMessage } from '../lib/message/read'
import { decodeWords } from '../lib/message/encoded-words'

/** A report to a sender. */
export interface ReadReport {
  /** Message-ID of the mail that it is about, without angle brackets; '' when it names none. */
  about: string
  subject: string
  /** Kind of report, from the block for IT; '' when there is none. */
  kind: string
  /** Failed recipients with their status code. */
  recipients: { address: string; status: string; diagnosis: string }[]
  /** The text part. */
  text: string
}

const LIMITS = { maxParts: 50, maxDepth: 10, maxBytes: 10_000_000, maxMillis: 5_000 }

/**
 * @param message as received
 * @returns undefined when it is no multipart/report about a delivery (RFC 6522, RFC 3464)
 */
export function readReport(message: Buffer): ReadReport | undefined {
  const { header, root } = readMessage(message, LIMITS, systemClock)
  if (root.type !== 'multipart/report') return undefined
  const text = find(root, 'text/plain')?.shown?.text
  const status = find(root, 'message/delivery-status')
  if (text === undefined || status === undefined) return undefined
  const field = (name: string) => fieldsNamed(header, name)[0]?.value.trim() ?? ''
  return {
    about: /<([^>]*)>/.exec(field('in-reply-to') || field('references'))?.[1] ?? '',
    subject: decodeWords(field('subject')).text,
    kind: /^report\s+(\S+)$/m.exec(text)?.[1] ?? '',
    recipients: statusBlocks(status.bytes?.toString() ?? status.shown?.text ?? ''),
    text,
  }
}

function find(part: Part, type: string): Part | undefined {
  if (part.type === type) return part
  for (const child of part.children) {
    const found = find(child, type)
    if (found) return found
  }
  return undefined
}

/** RFC 3464 section 2.1: the first block is about the mail, the others about one recipient each. */
function statusBlocks(status: string): ReadReport['recipients'] {
  const blocks = status.replace(/\r\n/g, '\n').split(/\n{2,}/)
  return blocks.slice(1).flatMap((block) => {
    const unfolded = block.replace(/\n[ \t]+/g, ' ')
    const field = (name: string) => new RegExp(`^${name}: *(.*)$`, 'im').exec(unfolded)?.[1] ?? ''
    const address = field('Final-Recipient').replace(/^[^;]*; */, '')
    if (address === '') return []
    return [{ address, status: field('Status'), diagnosis: field('Diagnostic-Code') }]
  })
}
