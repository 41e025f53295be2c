/** Which certificate mail to an address is encrypted to. */
import type { CertificateBook } from './book'
import { isUsable, judge, type Judgement } from './judge'
import { certificateAddress, domainOfAddress, type Scope } from './names'
import type { CertificateSource, StoredCertificate, Trust } from './types'

/** A certificate that mail can be encrypted to. */
export interface FoundCertificate {
  /** DER. */
  certificate: Uint8Array
  source: CertificateSource
  /** SHA-256, lower-case hex. */
  fingerprint: string
  /** `domain` = the certificate of the gateway in front of everybody at that domain. */
  scope: Scope
}

export interface CertificateDirectory {
  /**
   * The best usable certificate of an address, else of the gateway of its domain. Usable is what is trusted (a chain to
   * a configured root, or a postmaster's word), valid now, not revoked, for mail, and has a key that can be encrypted to.
   * Of several the one that was issued last: who gets a new card has the new one in hand.
   *
   * @param address as it stands in the envelope
   * @param now milliseconds
   * @returns undefined when there is none; rejects when the store cannot be read: nobody may take that for "none"
   */
  certificateFor(address: string, now: number): Promise<FoundCertificate | undefined>
}

/** @param trust asked for each look-up, so that a change of the settings counts at once */
export function certificateDirectory(book: CertificateBook, trust: () => Trust | Promise<Trust>): CertificateDirectory {
  const best = async (scope: Scope, name: string, now: number): Promise<FoundCertificate | undefined> => {
    const stored = await book.of(scope, name)
    if (stored.length === 0) return undefined
    const trusted = await trust()
    const [first] = stored
      .flatMap((one) => judged(one, trusted, now))
      .filter(({ judgement }) => isUsable(judgement))
      .sort(newestFirst)
    if (first === undefined) return undefined
    const { source, fingerprint } = first.stored
    return { certificate: first.judgement.facts.x509.raw, source, fingerprint, scope }
  }
  return {
    async certificateFor(address, now) {
      const name = certificateAddress(address)
      if (name === null) return undefined
      return (await best('address', name, now)) ?? (await best('domain', domainOfAddress(name), now))
    },
  }
}

interface Judged {
  stored: StoredCertificate
  judgement: Judgement
}

/** What cannot be read any more is no certificate. */
function judged(stored: StoredCertificate, trust: Trust, now: number): Judged[] {
  try {
    return [{ stored, judgement: judge(stored, trust, now) }]
  } catch {
    return []
  }
}

function newestFirst(a: Judged, b: Judged): number {
  return (
    b.judgement.facts.notBefore - a.judgement.facts.notBefore ||
    b.stored.lastSeen - a.stored.lastSeen ||
    (a.stored.fingerprint < b.stored.fingerprint ? -1 : 1)
  )
}
