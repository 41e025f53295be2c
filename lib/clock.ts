/** The time source every room takes as a parameter, so that a test can own it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/** Wall time of this machine. */
export const systemClock: Clock = { now: () => Date.now() }
