/** A fair limit on how many deliveries to one destination run at a time. */
import { ChannelError } from './channel'

export interface Limiter {
  /**
   * Wait for a slot; first come, first served.
   * @param limit read again at every release, so that a reload counts at once; less than 1 counts as 1
   * @returns gives the slot back; calling it twice does no harm
   * @throws ChannelError `aborted` (rejects) when the signal fires first
   */
  acquire(key: string, limit: () => number, signal: AbortSignal): Promise<() => void>
}

interface Destination {
  running: number
  waiting: { limit: () => number; start: () => void }[]
}

/** Destinations are forgotten when nothing runs or waits there. */
export function createLimiter(): Limiter {
  const destinations = new Map<string, Destination>()

  function next(key: string, destination: Destination): void {
    for (let first = destination.waiting[0]; first; first = destination.waiting[0]) {
      if (destination.running >= Math.max(1, first.limit())) return
      destination.waiting.shift()
      destination.running += 1
      first.start()
    }
    if (destination.running === 0) destinations.delete(key)
  }

  return {
    acquire(key, limit, signal) {
      const destination = destinations.get(key) ?? { running: 0, waiting: [] }
      destinations.set(key, destination)
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          const index = destination.waiting.indexOf(entry)
          if (index >= 0) destination.waiting.splice(index, 1)
          next(key, destination)
          reject(new ChannelError('aborted', 'stopped while waiting for a free connection'))
        }
        const entry = {
          limit,
          start: () => {
            signal.removeEventListener('abort', onAbort)
            let held = true
            resolve(() => {
              if (!held) return
              held = false
              destination.running -= 1
              next(key, destination)
            })
          },
        }
        destination.waiting.push(entry)
        if (signal.aborted) {
          onAbort()
          return
        }
        signal.addEventListener('abort', onAbort, { once: true })
        next(key, destination)
      })
    },
  }
}
