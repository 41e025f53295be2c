/**
 * Monitor mode: what enforcing would have held against the server that took a mail. Looked at beside the delivery and
 * after it, never before it: nothing here can keep a mail back, change how it goes, or make it fail.
 */
import { isTlsFailure, type Failure, type TlsFacts } from '../failure'
import type { HostRequirement } from '../policy/types'
import { inPatience } from '../util/patience'
import { describe, tlsFailure } from './failures'
import { verifyPeer, type Presented } from './verify'

/** Longest wait for look-ups that only monitor mode does, in milliseconds, when the mail itself is done. */
export const MONITOR_PATIENCE = 2_000

/** What a server showed that took a mail. */
export interface Shown {
  /** null = clear text. */
  tls: TlsFacts | null
  /** Of its handshake; null = clear text. */
  presented: Presented | null
  /** Why TLS failed there before clear text was used. */
  tlsTrouble?: Failure
  /** When it was shown, milliseconds. */
  at: number
}

/**
 * @param look what enforcing would have asked of this host, still being found out
 * @returns what it would have failed by; undefined = it would have taken the mail all the same; never rejects
 */
export async function heldAgainst(look: Promise<HostRequirement>, shown: Shown): Promise<Failure | undefined> {
  try {
    const need = await inPatience(look, MONITOR_PATIENCE)
    return need === undefined
      ? tlsFailure('dnssec-invalid', `the TLSA look-up was not done ${MONITOR_PATIENCE / 1000} s after the mail`)
      : judge(need, shown)
  } catch (error) {
    return tlsFailure('dnssec-invalid', 'the TLSA look-up failed', { privateDetail: describe(error) })
  }
}

/**
 * What a published policy asks of a host, and what the session failed or would have failed by.
 *
 * @param look what the policy asks, still being found out
 * @param shown `failure`: why the session could not be used
 * @returns undefined when it cannot be found out in time, or nothing was shown that could be judged; never rejects
 */
export async function publishedVerdict(
  look: Promise<HostRequirement>,
  { failure, ...shown }: Shown & { failure?: Failure | undefined },
): Promise<{ need: HostRequirement; failure?: Failure } | undefined> {
  try {
    const need = await inPatience(look, MONITOR_PATIENCE)
    if (need === undefined) return undefined
    if (failure !== undefined && !isTlsFailure(failure)) return { need, failure }
    const held = failure ?? judge(need, shown)
    return { need, ...(held === undefined ? {} : { failure: held }) }
  } catch {
    return undefined
  }
}

function judge(need: HostRequirement, { tls, presented, tlsTrouble, at }: Shown): Failure | undefined {
  if (!need.usable) return tlsFailure(need.resultType ?? 'validation-failure', need.why)
  if (tls === null || presented === null) {
    if (need.tls !== 'must') return undefined
    return tlsTrouble ?? tlsFailure('starttls-not-supported', 'The server does not offer TLS (STARTTLS).')
  }
  const verdict = verifyPeer(presented, need, at)
  if (verdict.ok) return undefined
  return tlsFailure(verdict.resultType, verdict.text, {
    tls,
    ...(verdict.detail === undefined ? {} : { privateDetail: verdict.detail }),
  })
}
