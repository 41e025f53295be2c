/**
 * Writes, one transaction at a time: whatever arrives while one is being committed goes into the next. Callers wait
 * for exactly the commit that holds their change, and never longer than the time-out.
 */

export interface SerialWriter {
  /**
   * Runs `work` inside a transaction; resolves with its result when that is committed.
   *
   * @param reads handed to `commit`, for an engine that has to fetch what `work` will read
   */
  write<T>(work: () => T, reads?: readonly Buffer[]): Promise<T>
  /** Waits for what was accepted. @returns false when a commit hangs, and the engine must be left as it is */
  stop(): Promise<boolean>
}

interface Waiting {
  reads: readonly Buffer[]
  run(): void
  committed(): void
  failed(error: Error): void
}

/**
 * @param options.commit runs the given function inside one transaction and resolves when that is durable; may run it
 *   again from the beginning, then only the last run counts
 * @param options.timeout milliseconds until a write that is not committed rejects; its change may still appear later
 *   if it was already under way
 * @param options.describe beginning of error texts
 * @param options.suspect who it may be that is slow, for the text of a time-out
 */
export function serialWriter(options: {
  commit: (work: () => void, reads: readonly Buffer[]) => Promise<void>
  timeout: number
  describe: string
  suspect: string
}): SerialWriter {
  const queue = new Set<Waiting>()
  let current: Promise<void> | undefined
  /** The commit under way has been given up by its callers; until it ends nothing new can begin. */
  let hanging = false

  const next = (): void => {
    if (current !== undefined || queue.size === 0) return
    const batch = [...queue]
    queue.clear()
    current = options
      .commit(
        () => {
          for (const waiting of batch) waiting.run()
        },
        batch.flatMap(({ reads }) => reads),
      )
      .then(
        () => {
          for (const waiting of batch) waiting.committed()
        },
        (error: unknown) => {
          const reason = error instanceof Error ? error : new Error(String(error))
          for (const waiting of batch) waiting.failed(reason)
        },
      )
      .finally(() => {
        current = undefined
        hanging = false
        next()
      })
  }

  const write = <T>(work: () => T, reads: readonly Buffer[] = []): Promise<T> => {
    if (hanging) return Promise.reject(new Error(`${options.describe}: the write before this one hangs`))
    return new Promise<T>((resolve, reject) => {
      let outcome: { result: T } | { error: unknown } | undefined
      const timer = setTimeout(() => {
        if (!queue.delete(waiting)) hanging = true
        reject(new Error(`${options.describe}: not written within ${options.timeout} ms (${options.suspect} hangs)`))
      }, options.timeout)
      const waiting: Waiting = {
        reads,
        run: () => {
          try {
            outcome = { result: work() }
          } catch (error) {
            outcome = { error }
          }
        },
        committed: () => {
          clearTimeout(timer)
          if (outcome === undefined) reject(new Error(`${options.describe}: committed without being run`))
          else if ('result' in outcome) resolve(outcome.result)
          else reject(outcome.error instanceof Error ? outcome.error : new Error(String(outcome.error)))
        },
        failed: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      queue.add(waiting)
      next()
    })
  }

  const stop = async (): Promise<boolean> => {
    while (current !== undefined) {
      if (hanging) return false
      const settled = current.then(() => 'done' as const)
      const turn = new Promise<'look'>((resolve) => setTimeout(resolve, 50, 'look'))
      await Promise.race([settled, turn])
    }
    return true
  }

  return { write, stop }
}
