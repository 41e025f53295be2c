/** What a suite has started, so that all of it is stopped again, last one first, also when the set-up failed half-way. */

interface Stoppable {
  stop(): Promise<void> | void
}

export interface Keeper {
  /** Remember something that was (or is being) started. @returns it */
  <T extends Stoppable>(thing: T | Promise<T>): Promise<T>
  /** Stop everything; a failure to do so does not keep the others from being stopped, and is thrown in the end. */
  stop: () => Promise<void>
}

/** A new, empty one: `const keep = keeper()`, `after(() => keep.stop())`, `dns = await keep(startDns(...))`. */
export function keeper(): Keeper {
  const things: Promise<Stoppable | undefined>[] = []
  const keep = async <T extends Stoppable>(thing: T | Promise<T>): Promise<T> => {
    const starting = Promise.resolve(thing)
    // What is still being started when another one fails is waited for, and stopped, too.
    things.push(starting.catch(() => undefined))
    return starting
  }
  const stop = async (): Promise<void> => {
    const failures: unknown[] = []
    for (const thing of things.splice(0).reverse())
      try {
        await (await thing)?.stop()
      } catch (error) {
        failures.push(error)
      }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
  }
  return Object.assign(keep, { stop })
}
