/** What a file without a signature of its own looks like. */
import { sniff } from '../sniff'

/** Where the header block of a message is looked for. */
const HEADER_WINDOW = 16 * 1024
/** Fields that make a text a message. */
const MESSAGE_FIELDS =
  /^(?:from|to|cc|subject|date|message-id|mime-version|received|return-path|sender|content-type|content-transfer-encoding|delivered-to|x-[a-z0-9-]+):/gim

/** A block of header fields (RFC 5322 section 2.2): two that messages have, or what S/MIME content begins with. */
export function looksLikeMessage(bytes: Buffer): boolean {
  if (sniff(bytes) !== null) return false
  const head = bytes.toString('latin1', 0, HEADER_WINDOW)
  if (!/^[!-9;-~]{1,76}:/.test(head)) return false
  const end = /\r?\n\r?\n/.exec(head)?.index
  const lines = (end === undefined ? head : head.slice(0, end)).split(/\r?\n/)
  // the last line may be cut off by the window
  const whole = end === undefined ? lines.slice(0, -1) : lines
  if (!whole.every((line) => /^(?:[ \t]|[!-9;-~]{1,76}:)/.test(line))) return false
  const block = lines.join('\n')
  const fields = block.match(MESSAGE_FIELDS)?.length ?? 0
  return fields >= 2 || /^content-type:/i.test(block)
}
