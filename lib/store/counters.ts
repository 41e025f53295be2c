/** Counts that are added up in memory and written once a second: a counter must never cost a disk flush per mail. */

const FLUSH_EVERY = 1000

export interface BatchedCounters {
  add(key: string, by: number): void
  /** Write what is left; rejects when that fails. */
  stop(): Promise<void>
}

/**
 * @param write adds all counts, all or none
 * @param onError told when a flush failed; the counts stay and join the next one
 */
export function batchedCounters(
  write: (counts: ReadonlyMap<string, number>) => Promise<void>,
  onError: (error: Error) => void,
): BatchedCounters {
  let waiting = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined
  let flushing: Promise<void> = Promise.resolve()

  const add = (key: string, by: number): void => {
    waiting.set(key, (waiting.get(key) ?? 0) + by)
    // Counts alone do not keep a process alive.
    timer ??= setTimeout(tick, FLUSH_EVERY).unref()
  }

  const tick = (): void => {
    timer = undefined
    flush().catch(onError)
  }

  const flush = (): Promise<void> => {
    const done = flushing.then(async () => {
      const counts = waiting
      if (counts.size === 0) return
      waiting = new Map()
      try {
        await write(counts)
      } catch (error) {
        for (const [key, by] of counts) add(key, by)
        throw error
      }
    })
    // The next flush waits for this one and does not inherit its failure.
    flushing = done.catch(() => undefined)
    return done
  }

  return {
    add,
    async stop() {
      clearTimeout(timer)
      try {
        await flush()
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
