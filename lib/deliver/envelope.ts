/** MAIL FROM and RCPT TO lines (RFC 5321 section 4.1.1) with the parameters that the server offers. */
import type { Failure } from '../failure'
import { readEnvid, readNotify, readOrcpt } from './dsn-parameters'
import type { Capabilities } from './ehlo'
import { HostTrouble } from './failures'
import type { DeliveryRequest } from './types'

/** An address that would end the command line, or the path in it, early. */
const UNSAFE = /[\p{Cc}<>]/u
const NON_ASCII = /[^\p{ASCII}]/u

/**
 * Addresses are checked where they go into a line: one line break more, and an address is a command.
 * A quoted local part may hold `<`, `>` in theory; no real mailbox does, and it is refused.
 */
export function unsafeAddress(address: string): boolean {
  return UNSAFE.test(address) || (/ /u.test(address) && !address.startsWith('"'))
}

/** RFC 3463 X.1.3 / X.1.7 */
export function unsafeAddressFailure(who: 'sender' | 'recipient'): Failure {
  return {
    resultType: 'smtp-rejected',
    enhancedCode: who === 'sender' ? '5.1.7' : '5.1.3',
    publicText: `The address of the ${who} cannot be used in SMTP.`,
  }
}

/**
 * @throws HostTrouble when the mail needs SMTPUTF8 (RFC 6531 section 3.5) and this server does not offer it
 */
export function mailCommand(request: DeliveryRequest, capabilities: Capabilities, requiretls: boolean): string {
  const parts = [`MAIL FROM:<${request.sender}>`]
  // RFC 1870 section 3; the size is what we know of the wire form.
  if (capabilities.has('SIZE') && request.size !== undefined) parts.push(`SIZE=${request.size}`)
  // RFC 6152. Where 8BITMIME is not offered, 8-bit content goes out as it is: converting would break signatures, and
  // servers that cannot take it are history (Postfix with disable_mime_output_conversion does the same).
  if (capabilities.has('8BITMIME') && request.eightBit) parts.push('BODY=8BITMIME')
  if (needsUtf8(request)) {
    if (!capabilities.has('SMTPUTF8')) throw new HostTrouble(noUtf8(), true)
    parts.push('SMTPUTF8')
  }
  if (requiretls) parts.push('REQUIRETLS')
  if (capabilities.has('DSN') && request.dsn) {
    if (request.dsn.ret !== undefined) parts.push(`RET=${request.dsn.ret}`)
    const envid = readEnvid(request.dsn.envid ?? '')
    if (envid !== undefined) parts.push(`ENVID=${envid}`)
  }
  return parts.join(' ')
}

export function rcptCommand(request: DeliveryRequest, capabilities: Capabilities, recipient: string): string {
  const parts = [`RCPT TO:<${recipient}>`]
  const dsn = capabilities.has('DSN') ? request.dsn?.rcpt[recipient] : undefined
  // what is not as RFC 3461 section 4 wants it is left out rather than sent as a second parameter
  const notify = readNotify(dsn?.notify ?? '')
  if (notify !== undefined) parts.push(`NOTIFY=${notify}`)
  const orcpt = readOrcpt(dsn?.orcpt ?? '')
  if (orcpt !== undefined) parts.push(`ORCPT=${orcpt}`)
  return parts.join(' ')
}

function needsUtf8(request: DeliveryRequest): boolean {
  return request.smtpUtf8 || [request.sender, ...request.recipients].some((address) => NON_ASCII.test(address))
}

/** RFC 6531 section 3.5 with the code of RFC 5248's registry: X.6.7, non-ASCII addresses not permitted. */
function noUtf8(): Failure {
  return {
    resultType: 'smtp-rejected',
    enhancedCode: '5.6.7',
    publicText: 'The receiving mail server does not take international (non-ASCII) addresses.',
  }
}
