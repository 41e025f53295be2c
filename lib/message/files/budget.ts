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

/** Memory that several messages share. */
export interface MemoryAccount {
  /** So many more bytes are held until the message ends. @returns false: there is no room for them now */
  take(bytes: number): boolean
}

/**
 * Starts the time.
 *
 * @param account no room in it counts as the time being up: the message can be read later
 */
export function createBudget(limits: ReadLimits, clock: Clock, account?: MemoryAccount): MessageBudget {
  const started = clock.now()
  const spent = { mimeParts: 0, parts: 0, bytes: 0, engine: 0 }
  let late = false
  const hold = (count: number) => {
    if (account?.take(count) !== false) return true
    late = true
    return false
  }
  return {
    limits,
    mimePart: () => ++spent.mimeParts <= limits.maxParts,
    mimePartsLeft: () => Math.max(0, limits.maxParts - spent.mimeParts),
    part: () => ++spent.parts <= INNER_PARTS * limits.maxParts,
    bytes(count) {
      spent.bytes += count
      // what is beyond the limit is not going to be held; what is, is held as bytes and once more as text
      return spent.bytes <= limits.maxBytes && hold(2 * count)
    },
    engine(total) {
      const more = Math.max(0, total - spent.engine)
      spent.engine += more
      return more === 0 || hold(more)
    },
    timeUp() {
      // a clock that is set back gives no time back
      late ||= clock.now() - started > limits.maxMillis
      return late
    },
  }
}
