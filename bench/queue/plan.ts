/** The partners of a big queue and the mails for them: made from a seed, so that every run has the same. Pure. */
import { randomFrom } from '../corpus'

/** How a partner's mail server behaves. */
export type PartnerKind = 'healthy' | 'slow' | 'refused' | 'black hole' | 'silent' | 'no STARTTLS' | 'handshake hangs'

/** Those that cannot take mail, in turn. */
const DEAD: readonly PartnerKind[] = ['refused', 'black hole', 'silent', 'no STARTTLS', 'handshake hangs']

/** Milliseconds that each reply of a slow partner takes. */
export const SLOW_REPLY = 300

export interface Partner {
  domain: string
  kind: PartnerKind
  /** Where its mail server is, or would be. */
  address: string
  mails: number
}

/** One in so many partners is dead; of the others, one in so many is slow. */
const ONE_DEAD_IN = 5
const ONE_SLOW_IN = 40
/** Network that swallows what is sent to it. */
export const BLACK_HOLE = '10.99.0.0/16'

/**
 * A few large partners and many small ones (the share falls with the rank), dead ones among all sizes.
 *
 * @param destinations at most 16,000
 * @param mails at least one per destination; the sum over all partners
 */
export function planPartners(destinations: number, mails: number): Partner[] {
  const weights = Array.from({ length: destinations }, (_, rank) => 1 / (rank + 10))
  const whole = weights.reduce((sum, weight) => sum + weight, 0)
  const partners = weights.map((weight, rank): Partner => {
    const kind = kindOf(rank)
    const [high, low] = [1 + Math.floor(rank / 250), 1 + (rank % 250)]
    return {
      domain: `p${rank}.queue.test`,
      kind,
      address: kind === 'black hole' ? `10.99.${high}.${low}` : `127.1.${high}.${low}`,
      mails: 1 + Math.floor((weight / whole) * (mails - destinations)),
    }
  })
  // what rounding left over goes to the largest
  const first = partners[0]
  if (first !== undefined) first.mails += mails - partners.reduce((sum, partner) => sum + partner.mails, 0)
  return partners
}

function kindOf(rank: number): PartnerKind {
  if (rank % ONE_DEAD_IN === ONE_DEAD_IN - 1) return DEAD[Math.floor(rank / ONE_DEAD_IN) % DEAD.length]!
  return rank % ONE_SLOW_IN === ONE_SLOW_IN / 2 ? 'slow' : 'healthy'
}

/** Can mail be delivered there? */
export function isAlive({ kind }: Pick<Partner, 'kind'>): boolean {
  return kind === 'healthy' || kind === 'slow'
}

/** A mail of the load: to whom, and how long its text is in bytes. */
export interface PlannedMail {
  domain: string
  bytes: number
}

/** Sizes as they are in ordinary mail: most are small, a few have an attachment. Share, from, to (bytes). */
const SIZES: readonly (readonly [number, number, number])[] = [
  [0.6, 2_000, 8_000],
  [0.3, 8_000, 30_000],
  [0.09, 30_000, 60_000],
  [0.01, 100_000, 250_000],
]

/** All mails for all partners, mixed. */
export function planMails(partners: readonly Partner[]): PlannedMail[] {
  const random = randomFrom(20_000)
  const mails = partners.flatMap(({ domain, mails: count }) =>
    Array.from({ length: count }, () => ({ domain, bytes: size(random) })),
  )
  for (let left = mails.length - 1; left > 0; left -= 1) {
    const other = Math.floor(random() * (left + 1))
    ;[mails[left], mails[other]] = [mails[other]!, mails[left]!]
  }
  return mails
}

function size(random: () => number): number {
  let share = random()
  for (const [part, from, to] of SIZES) {
    if (share < part) return Math.round(from + random() * (to - from))
    share -= part
  }
  return SIZES[0]![1]
}
