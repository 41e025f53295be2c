/**
 * What becomes of the header field TLS-Required (RFC 8689 section 3) when a mail leaves: servers that it comes to would
 * do as it says, so it only stays where the opt-out was granted.
 */
import { saysTlsRequiredNo, TLS_REQUIRED } from '../lib/gate'
import { parseHeader } from '../lib/message/header'
import { hasSignatureOver } from '../lib/message/report-headers'
import type { Transaction } from './haraka'

/** The field was there, and: its wish was granted; it was taken out; it had to stay, under a signature or in monitor mode. */
export type TlsRequiredFate = 'granted' | 'removed' | 'signed' | 'monitored'

/** In every text that holds the field. */
const MENTIONED = new RegExp(TLS_REQUIRED, 'i')

/**
 * Take the field out of the raw header unless its wish was granted. Before signing plugins run.
 *
 * @param granted the mail may go without TLS
 * @param rules `allowed`: `[override] tls_required_no`; `enforce`: false in monitor mode, which changes no mail
 * @returns undefined when there is no such field
 */
export function settleTlsRequired(
  { header }: Pick<Transaction, 'header'>,
  granted: boolean,
  rules: { allowed: boolean; enforce: boolean },
): TlsRequiredFate | undefined {
  // nearly no mail has it, so nearly no header is parsed for it; what another plugin put there that is no text throws
  if (header.header_list.every((field) => field.search(MENTIONED) < 0)) return undefined
  const block = parseHeader(header.header_list)
  if (!block.fields.some(({ key }) => key === TLS_REQUIRED)) return undefined
  if (granted && rules.allowed && saysTlsRequiredNo(block)) return 'granted'
  if (!rules.enforce) return 'monitored'
  // a broken signature would harm the mail more than the field does: whoever honours it answers for that hop alone
  if (hasSignatureOver(header.header_list, TLS_REQUIRED)) return 'signed'
  // in place: Haraka and other plugins hold on to this list
  for (let at = header.header_list.length - 1; at >= 0; at--) {
    if (/^tls-required[ \t]*:/i.test(header.header_list[at] ?? '')) header.header_list.splice(at, 1)
  }
  Reflect.deleteProperty(header.headers, TLS_REQUIRED)
  Reflect.deleteProperty(header.headers_decoded, TLS_REQUIRED)
  return 'removed'
}
