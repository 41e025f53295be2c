/**
 * Counting beside the deliveries: whoever counts a session is never kept waiting and never hears of a failure. What was
 * counted is written every few seconds; a killed process loses what it had not written, nothing else.
 */
import type { Clock } from '../../clock'
import type { Store } from '../../store/types'
import { countsOf, Tally } from './counts'
import { dayOf } from './day'
import { storeCounts } from './stored'
import type { Sighting } from './types'

/** How often counts are written, in milliseconds. */
const FLUSH_EVERY = 2_000
/** Days and domains with counts that could not be written yet; beyond that they are lost. */
const MOST_WAITING = 5_000
/** Entries written at the same time: the store makes one transaction of them. */
const AT_ONCE = 100

export interface SessionCounter {
  /** @param domain next-hop domain, A-labels */
  add(domain: string, sighting: Sighting): void
  /** Write what was counted so far; rejects when something could not be written, which is kept and tried again. */
  flush(): Promise<void>
  /** Write what is left, and count nothing more. Never rejects. */
  stop(): Promise<void>
}

interface Waiting {
  day: string
  domain: string
  tally: Tally
}

/** @param onError told when counts could not be written, or were lost; must not throw */
export function sessionCounter(
  store: Pick<Store, 'update'>,
  clock: Clock,
  onError: (error: Error) => void,
): SessionCounter {
  let waiting = new Map<string, Waiting>()
  let timer: NodeJS.Timeout | undefined
  let flushing: Promise<void> = Promise.resolve()
  let stopped = false
  /** Sessions and stored sums that there was no room for, since it was last told. */
  let lost = 0

  const tallyOf = (day: string, domain: string): Tally | undefined => {
    const key = `${day} ${domain}`
    const known = waiting.get(key)
    if (known !== undefined) return known.tally
    if (waiting.size >= MOST_WAITING) return undefined
    const tally = new Tally()
    waiting.set(key, { day, domain, tally })
    return tally
  }

  const schedule = (): void => {
    if (stopped) return
    // counts alone do not keep a process alive
    timer ??= setTimeout(() => {
      timer = undefined
      flush().catch(onError)
    }, FLUSH_EVERY).unref()
  }

  const write = async (): Promise<void> => {
    const work = [...waiting.values()]
    waiting = new Map()
    let failure: unknown
    const writer = async (): Promise<void> => {
      for (let next = work.pop(); next !== undefined; next = work.pop()) {
        const { day, domain, tally } = next
        try {
          await storeCounts(store, day, domain, tally.counts())
        } catch (error) {
          failure = error
          const later = tallyOf(day, domain)
          if (later === undefined) lost += 1
          else later.add(tally.counts())
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, work.length) }, writer))
    if (failure === undefined && lost === 0) return
    if (failure !== undefined) schedule()
    const why = failure instanceof Error ? `: ${failure.message}` : ''
    const gone = lost === 0 ? 'they are kept' : `there was no room for ${lost} of them`
    lost = 0
    throw new Error(`TLS session counts could not be written, ${gone}${why}`)
  }

  const flush = (): Promise<void> => {
    const done = flushing.then(write)
    // the next one waits for this one and does not inherit its failure
    flushing = done.catch(() => undefined)
    return done
  }

  return {
    add(domain, sighting) {
      if (stopped) return
      const tally = tallyOf(dayOf(clock.now()), domain)
      if (tally === undefined) lost += 1
      else tally.add(countsOf(sighting))
      schedule()
    },
    flush,
    async stop() {
      stopped = true
      clearTimeout(timer)
      await flush().catch(onError)
    },
  }
}
