import { decodeWords } from './encoded-words'
import type { HeaderBlock } from './header'
import type { TextPiece, Uninspectable } from './message'

/** Fields that machines write and only machines read: ids, traces, signatures. Everything else is searched. */
const MACHINE =
  /^(?:message-id|references|in-reply-to|received(?:-spf)?|return-path|date|resent-(?:date|message-id)|dkim-signature|domainkey-signature|arc-.*|authentication-results|mime-version|content-(?:type|transfer-encoding|disposition|id|length|md5)|thread-index|x-ms-.*|x-originating-ip|x-microsoft-.*|x-google-.*|x-mailer|user-agent|openpgp|autocrypt|msip_label.*|sensitivity|x-priority)$/

/**
 * The texts that stand in a header.
 *
 * @param prefix place of the entity: '' or e.g. `nested message 1.3 > `
 */
export function headerTexts(block: HeaderBlock, prefix: string): { texts: TextPiece[]; uninspected: Uninspectable[] } {
  const texts: TextPiece[] = []
  const uninspected: Uninspectable[] = block.problems.map((reason) => ({ where: `${prefix}header`, reason }))
  for (const field of block.fields) {
    if (MACHINE.test(field.key)) continue
    const role = field.key === 'subject' ? 'subject' : 'header'
    const where = role === 'subject' ? `${prefix}subject` : `${prefix}header ${field.name.slice(0, 60)}`
    const { text, broken } = decodeWords(field.value)
    texts.push({ where, role, text })
    if (broken) {
      uninspected.push({ where, reason: 'an encoded word is broken' })
      texts.push({ where, role, text: field.value })
    }
  }
  return { texts, uninspected }
}
