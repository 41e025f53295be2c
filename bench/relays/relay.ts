/** What the comparison needs from a relay, whichever program it is. */
import type { CpuMeter } from '../cpu'
import type { Certificates } from '../certificates'

/** With mail held back: for how long none may have come before it is held again, in milliseconds. */
export const HELD_AGAIN = 500

/** Which program, in which set-up. */
export type RelayId =
  | 'haraka-stock'
  | 'haraka-force'
  | 'gateway'
  | 'gateway-verify'
  | 'gateway-without-audit'
  | 'postfix-plain'
  | 'postfix-tls'

/** How an instance is to be set up. */
export interface RelaySetup {
  id: RelayId
  /** Empty folder of its own, readable for other users (Postfix drops privileges). */
  dir: string
  /** Loopback address to listen on. */
  address: string
  port: number
  /** Keep accepted mail in the queue until {@link Relay.release} (for the acceptance / delivery split). */
  hold: boolean
  /** Cores to run on; empty = not pinned. */
  cores: readonly number[]
  /** Worker processes for the relays built on Haraka; 0 = one process does everything. */
  nodes: number
  meter: CpuMeter
  /** Folder for V8 CPU profiles of the relays built on Haraka; absent = not profiled. */
  profileDir: string | undefined
  certificates: Certificates
  /** Recipient domains whose sinks offer TLS. */
  tlsDomains: readonly string[]
}

/** A running relay. */
export interface Relay {
  setup: RelaySetup
  /** Version as the program tells it. */
  version: string
  /** CPU used so far by all its processes, in milliseconds. */
  cpuMillis(): number
  /** Messages in its queue, in whatever state. */
  queued(): number
  /**
   * Lets held mail go; asking again is harmless.
   *
   * @returns wall-clock milliseconds of the moment in which delivery could begin
   */
  release(): Promise<number>
  /** Ends all its processes. */
  stop(): Promise<void>
  /** For the message when something goes wrong. */
  logFile: string
}

/** The relay cannot be measured on this machine; the reason goes into its row. */
export class Unavailable extends Error {}
