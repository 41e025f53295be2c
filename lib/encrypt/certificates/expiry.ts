/** Correspondents to whom mail will soon not be encrypted any more, because their certificate ends. */
import { setImmediate as turn } from 'node:timers/promises'
import type { CertificateBook } from './book'
import { certificateFacts } from './facts'
import { isUsable, judge } from './judge'
import type { StoredCertificate, Trust } from './types'

const DAY = 86_400_000

/** How many addresses and domains have so much left; `expired`: it ended within the last 30 days. */
export interface Expiring {
  expired: number
  '7d': number
  '30d': number
}

/**
 * Look through all that is kept, a bucket at a time, with other work in between.
 *
 * @param now milliseconds
 * @returns rejects when the store cannot be read
 */
export async function countExpiring(
  book: Pick<CertificateBook, 'buckets'>,
  trust: Trust,
  now: number,
): Promise<Expiring> {
  const count: Expiring = { expired: 0, '7d': 0, '30d': 0 }
  for await (const holders of book.buckets()) {
    for (const { certificates } of holders) {
      const end = lastEnd(certificates, trust, now)
      if (end === null || end < now - 30 * DAY) continue
      if (end < now) count.expired += 1
      else if (end <= now + 7 * DAY) count['7d'] += 1
      else if (end <= now + 30 * DAY) count['30d'] += 1
    }
    await turn()
  }
  return count
}

/**
 * When the last of these ends that mail is encrypted to, milliseconds; a successor that begins later counts.
 *
 * @returns null when there is none, or nothing ends within 30 days
 */
export function lastEnd(certificates: readonly StoredCertificate[], trust: Trust, now: number): number | null {
  const wanted = certificates.filter(({ rejected }) => !rejected).flatMap((stored) => endsOf(stored) ?? [])
  // chains are looked at only where it matters
  if (wanted.every(({ notAfter }) => notAfter > now + 30 * DAY)) return null
  const ends = wanted.flatMap(({ stored, notBefore, notAfter }) => {
    const at = Math.min(Math.max(now, notBefore), notAfter)
    return isUsable(judge(stored, trust, at)) ? notAfter : []
  })
  return ends.length === 0 ? null : Math.max(...ends)
}

function endsOf(stored: StoredCertificate): { stored: StoredCertificate; notBefore: number; notAfter: number } | null {
  try {
    const { notBefore, notAfter } = certificateFacts(Buffer.from(stored.certificate, 'base64'))
    return { stored, notBefore, notAfter }
  } catch {
    // what cannot be read is not encrypted to
    return null
  }
}
