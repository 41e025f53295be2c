import { ask } from './ask'
import { serverList, serverText, type Server, type TrustAd } from './servers'
import { RCODE } from './wire'

export interface Validation {
  /** Every configured resolver gives answers whose AD bit counts, so DANE can work. */
  validates: boolean
  /** One or more sentences for the postmaster: what was seen, and what to change. */
  detail: string
}

/**
 * Can DANE work here? Asks each configured resolver for the SOA record of the root, which is signed.
 *
 * @param settings as in `secure-mail.ini`; never throws
 */
export async function probeValidation(settings: {
  dns: { servers: readonly string[]; trustAd: TrustAd; timeout: number }
}): Promise<Validation> {
  const { servers, trustAd, timeout } = settings.dns
  try {
    const results = await Promise.all(
      serverList(servers, trustAd).map((server) => probeServer(server, trustAd, timeout)),
    )
    return {
      validates: results.every((result) => result.validates),
      detail: results.map((result) => result.detail).join(' '),
    }
  } catch (error) {
    return { validates: false, detail: error instanceof Error ? error.message : 'the resolvers cannot be read' }
  }
}

async function probeServer(server: Server, trustAd: TrustAd, timeout: number): Promise<Validation> {
  const who = serverText(server)
  if (!server.trusted) return { validates: false, detail: untrusted(who, trustAd) }
  const asked = await ask([server], '', 'SOA', timeout, new AbortController().signal)
  if (!asked.ok) return { validates: false, detail: `No answer from the resolver ${asked.detail}.` }
  if (asked.reply.rcode !== RCODE.noError || asked.reply.answers.length === 0) {
    return { validates: false, detail: `The resolver ${who} does not know the root zone.` }
  }
  if (!asked.reply.authentic) {
    const cure =
      'DANE cannot work: configure it to validate, or install a resolver that does (Unbound) on this machine.'
    return { validates: false, detail: `The resolver ${who} does not validate DNSSEC. ${cure}` }
  }
  return { validates: true, detail: `The resolver ${who} validates DNSSEC and is trusted; DANE works.` }
}

function untrusted(who: string, trustAd: TrustAd): string {
  if (trustAd === 'never')
    return `trust_ad=never: what the resolver ${who} says about DNSSEC does not count, so no DANE.`
  return (
    `The resolver ${who} is not on this machine, so its word on DNSSEC could be forged on the way and does not count; ` +
    'no DANE. Run a validating resolver on loopback, or set trust_ad=always if the path to it is trusted.'
  )
}
