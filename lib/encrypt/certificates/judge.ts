/** What a certificate is worth now: the one rule that harvest, look-up and list share. */
import { certificateFacts, unusable, type CertificateFacts } from './facts'
import type { CertificateState, ChainResult, StoredCertificate, Trust } from './types'

/** What is found about a certificate at one time, with the roots and revocation lists of that time. */
export interface Judgement {
  facts: CertificateFacts
  state: CertificateState
  chain: ChainResult
  /** Why mail is not encrypted to it, whatever its state; null = nothing speaks against it. */
  unusable: string | null
}

/**
 * Nothing of this is kept: a root that is taken away, a list that revokes, a date that passes have their effect on the
 * next mail, and so has a root that is added for what was a candidate until then.
 *
 * @param now milliseconds
 * @throws RangeError when the stored bytes are no certificate
 */
export function judge(stored: StoredCertificate, trust: Trust, now: number): Judgement {
  const der = Buffer.from(stored.certificate, 'base64')
  const facts = certificateFacts(der)
  const issuers = stored.issuers.map((one) => Buffer.from(one, 'base64'))
  const chain = trust.chainOf(der, issuers, now)
  const approved = stored.source !== 'harvested' || chain.result === 'valid'
  return {
    facts,
    state: stored.rejected ? 'rejected' : approved ? 'trusted' : 'candidate',
    chain,
    // what its issuer has revoked nobody can confirm
    unusable: unusable(facts, now) ?? (chain.result === 'revoked' ? chain.why : null),
  }
}

/** May mail be encrypted to it? */
export function isUsable({ state, unusable: why }: Judgement): boolean {
  return state === 'trusted' && why === null
}
