/** Verdicts: pure functions over what was seen. */
import { isIP } from 'node:net'
import { mostTelling } from '../deliver/failures'
import type { Verdict } from '../deliver/verify'
import { isTlsFailure, type Failure, type TlsFacts } from '../failure'
import type { HostRequirement } from '../policy/types'
import { failureDetail } from './connect'
import { faultOf, type Problem } from './problems'
import type { ProbedServer, ProbeReport, ProbeVerdict, Risk, RiskCode } from './types'

/** A certificate with fewer days left is a risk. */
export const SOON = 30
const DAY = 86_400_000

/** @returns whole days until then, negative in the past; 0 for a date that cannot be read */
export function daysLeft(notAfter: string, now: number): number {
  const end = Date.parse(notAfter)
  return Number.isNaN(end) ? 0 : Math.floor((end - now) / DAY)
}

/** What was seen of one address. */
export interface Seen {
  address: string | null
  /** The requirement as policy has it, not as it was relaxed for the probe. */
  need: HostRequirement
  failure?: Failure
  facts?: TlsFacts
  /** What level verify would have said; absent where no certificate was seen. */
  verifiable?: Verdict
  now: number
}

/** A risk before it has its texts. */
export interface Suspicion {
  code: RiskCode
  problem: Problem
  detail: string
}

export interface Judged {
  verdict: ProbeVerdict
  fault: ProbedServer['fault']
  failure?: Failure
  suspicions: Suspicion[]
}

/** One address. */
export function judgeServer(seen: Seen): Judged {
  const { need, failure } = seen
  if (failure !== undefined) {
    // Under `none` and `may` delivery goes on in clear text where TLS fails.
    if (need.usable && need.auth === 'none' && need.tls !== 'must' && isTlsFailure(failure)) {
      const clear: Suspicion = { code: 'clear-text', problem: failure.resultType, detail: failureDetail(failure) }
      return { verdict: 'at-risk', fault: null, suspicions: [clear] }
    }
    return { verdict: 'fails', fault: ownNetwork(seen) ? 'own' : faultOf(failure.resultType), failure, suspicions: [] }
  }
  const suspicions = suspicionsOf(seen)
  return { verdict: suspicions.length > 0 ? 'at-risk' : 'ok', fault: null, suspicions }
}

/** A machine without IPv6 cannot reach an IPv6 address; the partner has nothing to do with that. */
function ownNetwork({ address, failure }: Seen): boolean {
  if (address === null || isIP(address) !== 6 || failure?.resultType !== 'connection-failed') return false
  return /^(ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT)\b/.test(failure.privateDetail ?? '')
}

function suspicionsOf({ need, facts, verifiable, now }: Seen): Suspicion[] {
  const found: Suspicion[] = []
  if (need.tls === 'none') {
    const detail = 'the server offers TLS, but our policy sends in clear text'
    found.push({ code: 'clear-text', problem: 'no-route', detail })
  }
  if (facts === undefined) return found
  const { certificate, version } = facts
  const left = certificate === undefined ? Infinity : daysLeft(certificate.notAfter, now)
  // One that has expired already is named by what verification says of it.
  if (left >= 0 && left < SOON) {
    const detail = `the certificate expires in ${left} ${left === 1 ? 'day' : 'days'}`
    found.push({ code: 'certificate-expires-soon', problem: 'certificate-expires-soon', detail })
  }
  if (version !== 'TLSv1.3' && version === need.minVersion) {
    const detail = `${version} is the newest that the server speaks, and the oldest that is allowed`
    found.push({ code: 'only-oldest-tls', problem: 'only-oldest-tls', detail })
  }
  // Where the certificate was checked against what policy asks (pins, TLSA records), that is enough.
  if (need.auth === 'none' && verifiable !== undefined && !verifiable.ok) {
    found.push({ code: 'not-verifiable', problem: verifiable.resultType, detail: verifiable.text })
  }
  return found
}

/** The whole domain. `noHosts` is why there is no server to try at all. */
export function judgeDomain(
  servers: readonly Pick<ProbedServer, 'verdict' | 'fault' | 'host'>[],
  failures: readonly Failure[],
  noHosts: Failure | undefined,
  domainRisks: readonly Risk[],
): Pick<ProbeReport, 'verdict' | 'why'> & { failure?: Failure } {
  if (noHosts !== undefined) return { verdict: 'fails', why: failureDetail(noHosts), failure: noHosts }
  // What this machine cannot reach says nothing, as long as there is something else to judge by.
  const judged = servers.some(({ fault }) => fault !== 'own') ? servers.filter(({ fault }) => fault !== 'own') : servers
  const working = judged.filter(({ verdict }) => verdict !== 'fails')
  if (working.length === 0) {
    const failure = mostTelling(failures)
    const why = 'No mail server of the domain can be delivered to as our policy requires.'
    return { verdict: 'fails', why, ...(failure === undefined ? {} : { failure }) }
  }
  if (working.length < judged.length) {
    const why = `Mail is delivered, but ${judged.length - working.length} of ${judged.length} servers fail.`
    return { verdict: 'at-risk', why }
  }
  if (domainRisks.length > 0 || working.some(({ verdict }) => verdict === 'at-risk')) {
    return { verdict: 'at-risk', why: 'Mail is delivered, but something should be put in order.' }
  }
  return { verdict: 'ok', why: 'Every server can be delivered to as our policy requires.' }
}
