/**
 * How many deliveries run at a time: to one destination, and in all. Fair between destinations, so that none waits for
 * a slow one.
 *
 * A destination begins with a few connections and gets one more with each delivery that reached it, up to its limit;
 * one that cannot be reached falls back to a single one. So a dead partner with a thousand mails waiting does not hold
 * twenty connections in their time-outs (Postfix's concurrency feedback is the model).
 */
import { ChannelError } from './channel'
import type { StopSignal } from './stop'

/** Gives a place back. `unreachable`: no server of the destination could be talked to. Twice does no harm. */
export type Release = (how?: 'reached' | 'unreachable') => void

export interface Limiter {
  /**
   * Wait for a place; first come, first served within a destination.
   *
   * @param limit read again at every release, so that a reload counts at once; less than 1 counts as 1
   * @param onWait called at once when there is no place now
   * @throws ChannelError `aborted` (rejects) when the signal fires first
   */
  acquire(key: string, limit: () => number, signal: StopSignal, onWait?: () => void): Promise<Release>
  /** Deliveries to a destination that run now. */
  running(key: string): number
  /** Does anybody wait for a place at a destination? */
  waits(key: string): boolean
  /** Deliveries that run, and those that would if places of other processes were free. */
  demand(key: string): number
  /** How many deliveries to a destination may run by experience, and by the limit. */
  places(key: string, limit: number): number
  /** Bad experience with a destination is forgotten: somebody says that it is well again. Its limit stays. */
  ease(key: string): void
  /** Let in whoever may begin by now: `places` has changed its answer. */
  admit(key: string): void
}

/**
 * Places of this process at a destination, where several processes share its limit.
 *
 * @param wanted how many there is use for
 */
export type Places = (key: string, wanted: number) => number

/** Deliveries at once, over all destinations. */
export const MAX_RUNNING = 1000
/** Deliveries at once to a destination that nothing is known of. */
export const FIRST = 5

/** Whoever waits for a place. Thousands may: each holds as little as it can. */
interface Waiting {
  readonly limit: () => number
  readonly start: (release: Release) => void
  readonly signal: StopSignal
  /** Listens to `signal`. */
  onAbort?: () => void
}

interface Destination {
  running: number
  /** What experience allows, whatever the limit. */
  window: number
  waiting: Set<Waiting>
}

/**
 * @param places asked besides the limit and experience; absent = this process is alone
 * @returns a limiter that forgets destinations where nothing runs or waits
 */
export function createLimiter(maxRunning = MAX_RUNNING, places?: Places): Limiter {
  const destinations = new Map<string, Destination>()
  /** Those who could go on but for the limit over all, in the order in which they get their turn. */
  const starved = new Set<string>()
  let running = 0

  /** @returns has somebody been let in? */
  function next(key: string, destination: Destination): boolean {
    const [first] = destination.waiting
    if (first === undefined) {
      if (destination.running === 0) destinations.delete(key)
      return false
    }
    const most = Math.max(1, Math.min(first.limit(), destination.window))
    if (destination.running >= most) return false
    if (places !== undefined && destination.running >= places(key, demanded(destination, most))) return false
    if (running >= maxRunning) {
      starved.add(key)
      return false
    }
    destination.waiting.delete(first)
    if (first.onAbort !== undefined) first.signal.removeEventListener('abort', first.onAbort)
    first.start(enter(key, destination, first.limit))
    return true
  }

  /** One more runs. @returns gives its place back */
  function enter(key: string, destination: Destination, limit: () => number): Release {
    destination.running += 1
    running += 1
    let held = true
    return (how) => {
      if (!held) return
      held = false
      destination.running -= 1
      running -= 1
      if (how === 'reached') destination.window = Math.min(destination.window + 1, Math.max(FIRST, limit()))
      else if (how === 'unreachable') destination.window = 1
      pump(key, destination)
    }
  }

  function demanded({ running: here, waiting }: Destination, most: number): number {
    return Math.max(here, Math.min(most, here + waiting.size))
  }

  /** Everybody who may begin; with places short, one of each destination in turn. */
  function pump(key: string, destination: Destination): void {
    if (starved.size > 0 && destination.waiting.size > 0) starved.add(key)
    for (const other of starved) {
      if (running >= maxRunning) return
      starved.delete(other)
      const waiting = destinations.get(other)
      if (waiting !== undefined && next(other, waiting) && waiting.waiting.size > 0) starved.add(other)
    }
    while (next(key, destination));
  }

  return {
    running: (key) => destinations.get(key)?.running ?? 0,
    waits: (key) => (destinations.get(key)?.waiting.size ?? 0) > 0,
    demand(key) {
      const destination = destinations.get(key)
      const [first] = destination?.waiting ?? []
      if (destination === undefined || first === undefined) return destination?.running ?? 0
      return demanded(destination, Math.max(1, Math.min(first.limit(), destination.window)))
    },
    places: (key, limit) => Math.max(1, Math.min(limit, destinations.get(key)?.window ?? FIRST)),
    admit(key) {
      const destination = destinations.get(key)
      if (destination !== undefined) pump(key, destination)
    },
    ease(key) {
      const destination = destinations.get(key)
      if (destination === undefined) return
      destination.window = Math.max(destination.window, FIRST)
      pump(key, destination)
    },
    acquire(key, limit, signal, onWait) {
      if (signal.aborted) return Promise.reject(stopped())
      const destination = destinations.get(key) ?? { running: 0, window: FIRST, waiting: new Set<Waiting>() }
      destinations.set(key, destination)
      return new Promise((resolve, reject) => {
        const entry: Waiting = { limit, signal, start: resolve }
        destination.waiting.add(entry)
        pump(key, destination)
        if (!destination.waiting.has(entry)) return
        entry.onAbort = () => {
          destination.waiting.delete(entry)
          pump(key, destination)
          reject(stopped())
        }
        signal.addEventListener('abort', entry.onAbort)
        onWait?.()
      })
    },
  }
}

function stopped(): ChannelError {
  return new ChannelError('aborted', 'stopped while waiting for a free connection')
}
