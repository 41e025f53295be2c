/**
 * How the connections that a destination allows are divided between processes. Pure: one record per destination in the
 * store says who holds how many places and who would like how many, and `settle` is what a process does with that
 * record in one transaction. Nobody is ever given a place that another one holds, so the places that are held together
 * never grow beyond the limit, whatever order processes come in, die or come back.
 */

/** What one process has entered: places held, places it has a use for, and until when it stands (milliseconds since the epoch). */
export type Share = readonly [held: number, want: number, until: number]

/** By process id. */
export type ShareRecord = Readonly<Record<string, Share>>

/** Milliseconds that a share stands after it was renewed; a process that is dead or cut off loses it then. */
export const SHARE_TTL = 20_000
/** Milliseconds by which the clocks of two machines may differ: others wait that much longer before a share is free. */
export const CLOCK_SKEW = 5_000
/** Where more processes have mail than there are places, the places go round; this is how long a turn lasts. */
const TURN = 10_000
/** Part of the limit that is kept free, at most, for processes that have no place yet: one waits for each of them. */
const RESERVED_PART = 4

/** What a process brings to the record. */
export interface Ask {
  /** Its id. */
  me: string
  /** Places that it goes on using, whatever the record says: what it holds shrinks to that by its own decision alone. */
  keep: number
  /** Places that it has a use for now. Less than `keep`: connections that rest, kept while nobody else wants their place. */
  want: number
}

export interface ShareRules {
  /** Connections to the destination, all processes together; at least 1. */
  limit: number
  /** Processes that are known, this one included. */
  processes: number
  /** Milliseconds since the epoch. */
  now: number
}

export interface Settled {
  /** The record to be stored; undefined = nobody holds or wants anything. */
  record: ShareRecord | undefined
  /** Places that are this process's now: never less than `keep`. */
  held: number
  /** What would be fair. Less than `held`: others wait for the rest, and it should be given back. */
  fair: number
}

/** @param found what stands in the store, of any shape: what is no record of ours counts as none */
export function settle(found: unknown, ask: Ask, rules: ShareRules): Settled {
  const limit = Math.max(1, Math.floor(rules.limit))
  const others = livingOthers(found, ask.me, rules.now)
  const want = Math.min(ask.want, limit)
  const spare = limit - others.reduce((sum, other) => sum + other.want, 0)
  const fair = Math.max(fairShare(others, { id: ask.me, want }, limit, rules.now), Math.min(ask.keep, spare))
  const free = limit - ask.keep - others.reduce((sum, other) => sum + other.held, 0)
  const held = ask.keep + grant(Math.min(want, fair) - ask.keep, free, reserve())
  const record: Record<string, Share> = {}
  for (const other of others) record[other.id] = [other.held, other.want, other.until]
  if (held > 0 || want > 0) record[ask.me] = [held, want, rules.now + SHARE_TTL]
  return { record: Object.keys(record).length === 0 ? undefined : record, held, fair }

  /** The first place is anybody's; who has one leaves some for those who have none yet, so that they need not wait. */
  function reserve(): { first: number; rest: number } {
    const holders = others.filter((other) => other.held > 0).length + 1
    const without = Math.max(0, rules.processes - holders)
    return { first: ask.keep === 0 ? 1 : 0, rest: Math.min(without, Math.floor(limit / RESERVED_PART)) }
  }
}

/** Places that are given now, of those that are free. */
function grant(wished: number, free: number, reserved: { first: number; rest: number }): number {
  if (wished <= 0 || free <= 0) return 0
  const first = Math.min(reserved.first, wished)
  return first + Math.max(0, Math.min(wished - first, free - first - reserved.rest))
}

interface Other {
  id: string
  held: number
  want: number
  until: number
}

function livingOthers(found: unknown, me: string, now: number): Other[] {
  if (typeof found !== 'object' || found === null) return []
  return Object.entries(found)
    .flatMap(([id, share]: [string, unknown]) => {
      if (id === me || !Array.isArray(share)) return []
      const [held, want, until] = share as unknown[]
      return isCount(held) && isCount(want) && typeof until === 'number' ? [{ id, held, want, until }] : []
    })
    .filter(({ until }) => until + CLOCK_SKEW > now)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}

/**
 * Everybody gets the same, but nobody more than he wants; what is over goes to those who want more. Where there are
 * more processes than places, who has a place changes every turn.
 *
 * @returns the part of the one who asks
 */
function fairShare(others: readonly Other[], mine: { id: string; want: number }, limit: number, now: number): number {
  const wanting = [...others, mine].filter(({ want }) => want > 0)
  if (mine.want === 0) return 0
  if (wanting.length > limit) {
    const ids = wanting.map(({ id }) => id).sort()
    const turn = Math.floor(now / TURN) % ids.length
    return (ids.indexOf(mine.id) - turn + ids.length) % ids.length < limit ? 1 : 0
  }
  let left = limit
  const byWant = [...wanting].sort((a, b) => a.want - b.want || (a.id < b.id ? -1 : 1))
  for (const [n, { id, want }] of byWant.entries()) {
    // what does not divide evenly goes to those who want most, one each
    const part = Math.min(want, Math.floor(left / (byWant.length - n)))
    if (id === mine.id) return part
    left -= part
  }
  return 0
}

/**
 * Places of a process that has not reached the store for so long that all shares have run out: together they stay
 * within the limit as long as there are no more processes than places, and nobody is left without.
 */
export function shareAlone(limit: number, processes: number): number {
  return Math.max(1, Math.floor(limit / Math.max(1, processes)))
}
