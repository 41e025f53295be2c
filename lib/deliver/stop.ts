/**
 * The word to stop, for thousands of listeners. An `EventTarget` looks through all its listeners for each one that comes
 * or goes; here both cost the same however many there are, so that all deliveries of a room can share one signal.
 */

/** What deliveries and their connections need of a signal; every `AbortSignal` is one. */
export interface StopSignal {
  readonly aborted: boolean
  /** Called once when it comes to that; never for a signal that is `aborted` already. The same listener counts once. */
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** A stop signal together with what gives it. */
export class Stop implements StopSignal {
  readonly #listeners = new Set<() => void>()
  #aborted = false

  get aborted(): boolean {
    return this.#aborted
  }

  /** Listeners that have not been called; for tests of who leaves some behind. */
  get listening(): number {
    return this.#listeners.size
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (!this.#aborted) this.#listeners.add(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener)
  }

  /** Twice does no harm. The fault of one listener keeps the word from no other. */
  abort(): void {
    if (this.#aborted) return
    this.#aborted = true
    for (const listener of this.#listeners) {
      this.#listeners.delete(listener)
      try {
        listener()
      } catch (error) {
        // as an EventTarget does: nobody here could make good use of it
        process.nextTick(() => {
          throw error
        })
      }
    }
  }
}

/** The stops of a room: one for each signal that its deliveries came with, all of them given when the room closes. */
export class RoomStops {
  readonly #known = new WeakMap<AbortSignal, Stop>()
  /** For deliveries that came without a signal. */
  readonly #own = new Stop()
  /** Those that something listens to, and how many deliveries hold each of them. */
  readonly #held = new Map<Stop, number>()
  /** Who waits until there are none. */
  readonly #waiting: (() => void)[] = []
  #closed = false

  /**
   * For one more delivery.
   *
   * @returns given already when the room is closed or `signal` has fired; to be handed back to `leave`
   */
  join(signal: AbortSignal | undefined): Stop {
    const stop = this.#of(signal)
    // also when the signal fires just now, and whoever begins a delivery was told before us
    if (this.#closed || signal?.aborted === true) stop.abort()
    this.#held.set(stop, (this.#held.get(stop) ?? 0) + 1)
    return stop
  }

  /** A delivery is over, its goodbyes are said. */
  leave(stop: Stop): void {
    const left = (this.#held.get(stop) ?? 1) - 1
    if (left > 0) this.#held.set(stop, left)
    else this.#held.delete(stop)
    if (this.#held.size > 0) return
    for (const tell of this.#waiting.splice(0)) tell()
  }

  /** Resolves when every delivery that joined has left. */
  async empty(): Promise<void> {
    while (this.#held.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Everything stops now, and whatever joins from now on at once. */
  close(): void {
    this.#closed = true
    for (const stop of this.#held.keys()) stop.abort()
  }

  #of(signal: AbortSignal | undefined): Stop {
    if (signal === undefined) return this.#own
    const known = this.#known.get(signal)
    if (known !== undefined) return known
    const stop = new Stop()
    this.#known.set(signal, stop)
    signal.addEventListener('abort', () => stop.abort(), { once: true })
    return stop
  }
}
