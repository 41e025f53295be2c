/** The TLSA records of one SMTP server (RFC 7672 section 2.2), and how much they count. */
import type { TlsaState } from '../policy/types'
import { answerOf, type AtOnce } from './at-once'
import { normaliseName } from './names'
import { usableTlsaRecords } from './tlsa-records'
import type { HostAddresses, Resolver } from './types'

/** The server whose records are asked for, and what led to it. */
export interface TlsaQuestion {
  /** Host name, A-labels, lower case; an address has no TLSA records. */
  host: string
  /** The host's own addresses, as they were looked up. */
  addresses: HostAddresses
  /** Were the MX records, or the proof that there are none, DNSSEC-secure? True where a postmaster named the host. */
  mxSecure: boolean
  /** The port that will be connected to. */
  port: number
  /** Domain without MX records whose secure CNAME expansion `host` is (RFC 7672 section 2.2.2, "Non-MX destinations"). */
  aliasOf?: string
}

/**
 * @returns `error` = the server is unreachable for now (RFC 7672 section 2.1.2); never throws
 */
export async function lookupTlsa(resolver: Resolver, question: TlsaQuestion): Promise<TlsaState> {
  return findTlsa(resolver, question)
}

/** `lookupTlsa`, at once where there is nothing to ask. */
export function findTlsa(resolver: Resolver, question: TlsaQuestion): AtOnce<TlsaState> {
  const bases = candidateBases(question)
  return 'state' in bases ? bases : stateBelow(resolver, bases.names, question.port)
}

async function stateBelow(resolver: Resolver, bases: readonly string[], port: number): Promise<TlsaState> {
  let secure = true
  for (const base of bases) {
    // RFC 7672 section 2.2.3: the port that is really used
    const name = `_${port}._tcp.${base}`
    // a name that is too long for DNS has no records, which is no fault
    if (normaliseName(name) === null) continue
    const known = answerOf(resolver, name, 'TLSA')
    const answer = known instanceof Promise ? await known : known
    switch (answer.kind) {
      case 'records': {
        if (!answer.secure) {
          // RFC 7672 section 2.1.3: also where only an alias on the way was insecure
          secure = false
          break
        }
        const records = usableTlsaRecords(answer.records)
        // RFC 7672 section 2.2.3: an alias at _25._tcp leads to the records, but the base domain stays
        return records.length === 0 ? { state: 'unusable' } : { state: 'usable', records, base }
      }
      case 'nodata':
      case 'nxdomain':
        secure &&= answer.secure
        break
      case 'error':
        // RFC 7672 section 2.1.2: whoever can suppress the answer must not gain from it, so no other base is tried
        return { state: 'error', detail: `TLSA of ${name}: ${answer.detail}` }
      default:
        return { state: 'error', detail: `TLSA of ${name}: unknown kind of answer` }
    }
  }
  return { state: secure ? 'absent' : 'insecure' }
}

/** The TLSA base domains to try, or why there is nothing to ask. */
function candidateBases({ host, addresses, mxSecure, aliasOf }: TlsaQuestion): { names: string[] } | TlsaState {
  switch (addresses.kind) {
    case 'addresses':
      break
    case 'none':
      return { state: 'absent' }
    case 'error':
      return { state: 'error', detail: addresses.detail }
    default:
      return { state: 'error', detail: `the addresses of ${host} have an unknown state` }
  }
  // RFC 7672 section 2.2.1: insecure MX records could name any server, and its TLSA records would prove nothing;
  // section 2.2.2: no query below insecure addresses, where broken name servers would make it fail
  if (!mxSecure || normaliseName(host) === null) return { state: 'insecure' }
  if (addresses.secure) {
    // RFC 7672 section 2.2.2: the securely expanded name first, then the original
    const names = [addresses.expandedName, host, ...(aliasOf === undefined ? [] : [aliasOf])]
    return { names: [...new Set(names)] }
  }
  // RFC 7672 section 2.1.3: a secure alias of an insecure name can have TLSA records of its own
  return addresses.secureAlias ? { names: [host] } : { state: 'insecure' }
}
