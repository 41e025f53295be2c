/**
 * What is remembered of servers that could not be talked to, so that one dead partner with a thousand mails waiting
 * costs one time-out and not a thousand (sendmail calls it host status).
 *
 * While a failure is fresh, other mails are put off with it and nobody connects. After that the next mail tries, and
 * those that come meanwhile wait for what it finds. A memory can only keep a mail back: nothing is ever sent, lowered or
 * taken for verified because of it.
 */
import type { Clock } from '../clock'
import { isTlsFailure, type Failure } from '../failure'
import { ChannelError } from './channel'
import type { Target } from './route'
import { Stop, type StopSignal } from './stop'

/** A failure that another attempt met. */
export interface Met {
  failure: Failure
  /** Milliseconds since the epoch. */
  at: number
}

export type Approach =
  | { kind: 'met'; met: Met }
  /** `done` is to be called once, with what came of it: absent = the server could be talked to. */
  | { kind: 'try'; done(failure?: Failure): void }

export interface HostStatus {
  /**
   * To be asked before a connection is opened.
   *
   * @param key the target's `connectionKey`
   * @throws ChannelError `aborted` (rejects) when the signal fires while somebody else's try is waited for
   */
  approach(target: Target, key: string, signal: StopSignal): Promise<Approach>
  /** A message got through to the target. */
  reached(target: Target, key: string): void
  /** Somebody has corrected something: everything is tried anew, and who waits for another's try does not. */
  forget(): void
}

/** A failure is believed for this long at most (milliseconds); less where the first retry comes earlier. */
export const BELIEVED = 60_000
/** After this long without a try nothing is known of a server. */
const KEPT = 3_600_000
/** A server that took a message a moment ago is not dead: it may only have enough connections. */
const ALIVE = 30_000
/** Servers that are remembered; of more, the oldest are forgotten. */
export const MAX_REMEMBERED = 5_000

interface Entry {
  met: Met
  /** Whoever tries it again, until it is known what came of it. */
  probe?: Promise<unknown>
}

/**
 * @param firstRetry milliseconds that a mail waits after its first attempt: its own second one is always a real one
 */
export function createHostStatus(clock: Clock, firstRetry: () => number): HostStatus {
  let entries = new Map<string, Entry>()
  /** When a server was last talked to. */
  const alive = new Map<string, number>()
  let forgotten = new Stop()

  const believed = (): number => Math.min(BELIEVED, firstRetry() * 0.9)

  function known(key: string): Entry | undefined {
    const entry = entries.get(key)
    if (entry === undefined || entry.probe !== undefined) return entry
    if (Math.abs(clock.now() - entry.met.at) < KEPT) return entry
    entries.delete(key)
    return undefined
  }

  /** A clock that was set back makes nothing fresh for longer. */
  function isFresh({ met }: Entry): boolean {
    return Math.abs(clock.now() - met.at) < believed()
  }

  function remember(key: string, failure: Failure): void {
    const now = clock.now()
    const reachedAt = alive.get(key)
    if (reachedAt !== undefined && Math.abs(now - reachedAt) < ALIVE) return
    entries.delete(key)
    entries.set(key, { met: { failure, at: now } })
    const [oldest] = entries.keys()
    if (entries.size > MAX_REMEMBERED && oldest !== undefined) entries.delete(oldest)
  }

  function isAlive(keys: readonly string[]): void {
    const now = clock.now()
    for (const key of keys) {
      entries.delete(key)
      alive.set(key, now)
    }
    if (alive.size <= MAX_REMEMBERED) return
    for (const [key, at] of alive) if (Math.abs(now - at) >= ALIVE) alive.delete(key)
    // all of them are alive: what is not known costs a try at most
    if (alive.size > MAX_REMEMBERED) alive.clear()
  }

  function beginTry(target: Target, keys: Keys): Approach {
    const mine = entries
    const probed = [keys.server, keys.connection].flatMap((key) => known(key) ?? [])
    let over: () => void = () => undefined
    const probe = new Promise<void>((resolve) => (over = resolve))
    for (const entry of probed) entry.probe = probe
    return {
      kind: 'try',
      done(failure) {
        for (const entry of probed) if (entry.probe === probe) delete entry.probe
        over()
        // begun before somebody corrected something: what it met may not be true any more
        if (mine !== entries) return
        if (failure === undefined) isAlive([keys.server, keys.connection])
        else if (isOfServer(failure)) remember(keys.server, failure)
        else if (failure.resultType !== 'local-error') {
          // it was talked to
          entries.delete(keys.server)
          if (isOfConnection(failure, target)) remember(keys.connection, failure)
        }
      },
    }
  }

  return {
    async approach(target, connection, signal) {
      const keys: Keys = { server: serverKey(target), connection }
      for (;;) {
        const found = [keys.server, keys.connection].flatMap((key) => known(key) ?? [])
        const fresh = found.find(isFresh)
        if (fresh !== undefined) return { kind: 'met', met: fresh.met }
        const probe = found.find((entry) => entry.probe !== undefined)?.probe
        if (probe === undefined) return beginTry(target, keys)
        await until(probe, signal, forgotten)
      }
    },
    reached: (target, connection) => isAlive([serverKey(target), connection]),
    forget() {
      entries = new Map()
      forgotten.abort()
      forgotten = new Stop()
    },
  }
}

interface Keys {
  /** What does not depend on any requirement: can the server be talked to? */
  server: string
  /** See `connectionKey`: the same server, requirement and identity. */
  connection: string
}

function serverKey({ address, port, path, bind }: Target): string {
  return `${path ?? address} ${port} ${bind ?? ''}`
}

/** No connection, no greeting, no answer, whatever is required. */
function isOfServer(failure: Failure): boolean {
  return failure.resultType === 'connection-failed'
}

/**
 * TLS that fails for one mail fails for the next under the same requirement. Not where clear text would follow (each
 * mail has to see for itself that TLS cannot be had), and not where one failure is final (REQUIRETLS).
 */
function isOfConnection(failure: Failure, { need }: Target): boolean {
  return isTlsFailure(failure) && need.tls === 'must' && !need.requiretls
}

/** @throws ChannelError `aborted` (rejects) when `signal` fires; resolves when `released` does */
async function until(probe: Promise<unknown>, signal: StopSignal, released: StopSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      released.removeEventListener('abort', onRelease)
    }
    const onAbort = (): void => {
      settle()
      reject(new ChannelError('aborted', 'stopped while another attempt was waited for'))
    }
    const onRelease = (): void => {
      settle()
      resolve()
    }
    signal.addEventListener('abort', onAbort)
    released.addEventListener('abort', onRelease)
    if (signal.aborted) onAbort()
    void probe.then(onRelease)
  })
}
