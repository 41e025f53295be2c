/** What one message may cost, however many files and messages are in it. */
import type { Clock } from '../../clock'
import type { ReadLimits } from '../message'
import type { ReadBudget } from './types'

/** The budget of one message, shared by the walker and all readers. */
export interface MessageBudget extends ReadBudget {
  readonly limits: ReadLimits
  /** One more MIME part. */
  mimePart(): boolean
  /** MIME parts that are left. */
  mimePartsLeft(): number
}

/**
 * Members, pages and sheets of files come in larger numbers than MIME parts: a book has hundreds of pages, a
 * presentation hundreds of members.
 */
const INNER_PARTS = 10

/** Starts the time. */
export function createBudget(limits: ReadLimits, clock: Clock): MessageBudget {
  const started = clock.now()
  const spent = { mimeParts: 0, parts: 0, bytes: 0 }
  let late = false
  return {
    limits,
    mimePart: () => ++spent.mimeParts <= limits.maxParts,
    mimePartsLeft: () => Math.max(0, limits.maxParts - spent.mimeParts),
    part: () => ++spent.parts <= INNER_PARTS * limits.maxParts,
    bytes(count) {
      spent.bytes += count
      return spent.bytes <= limits.maxBytes
    },
    timeUp() {
      // a clock that is set back gives no time back
      late ||= clock.now() - started > limits.maxMillis
      return late
    },
  }
}
