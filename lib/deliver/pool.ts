/**
 * Open connections between two messages. A message on an open connection costs 0.04 to 0.07 ms of CPU, one on a new
 * TLS connection 1.7 ms (measured), and it spares the partner as much.
 */
import { ChannelError } from './channel'
import { Handover } from './handover'
import { quit, type Session } from './session'
import { Stop, type StopSignal } from './stop'

/** What decides how long a connection may be used; read when one is given back. */
export interface PoolLimits {
  /** Milliseconds that a connection may rest; 0 = connections are not used again. */
  idle: number
  /** Messages on one connection. */
  messages: number
}

/** A connection is closed when it is this old (milliseconds), so that a certificate's end is noticed in time. */
export const MAX_AGE = 300_000
/** Connections that rest, over all destinations; more push out the one that has rested longest. */
export const MAX_RESTING = 500

/** Servers that are remembered for not taking the next message's commands with the end of this one's content. */
const MAX_STRICT = 1_000

/** A connection for one more message. */
export interface Taken {
  session: Session
  /** The message before is not answered yet. */
  behind?: Handover
}

export interface Pool {
  /**
   * The connection under `key` that rested for the shortest time, or one that was offered; it is the caller's from now
   * on.
   *
   * @param rested not one that was offered
   */
  take(key: string, signal: StopSignal, rested?: boolean): Taken | undefined
  /**
   * Offers a connection on which a message is under way whose content is with the network, for the next one.
   *
   * @returns undefined when it is not to be used again, or its server is `strict`
   */
  offer(session: Session): Handover | undefined
  /** Does any connection to `destination` rest? */
  rests(destination: string): boolean
  /** Is there one to be taken under `key`? */
  has(key: string): boolean
  /** Nobody gets it any more who has not got it. */
  withdraw(handover: Handover): void
  /** The server under `key` did not answer commands that came with the end of a message: none are sent so any more. */
  strict(key: string): void
  /**
   * Takes a connection on which nothing is under way. It rests here until somebody needs it, or is closed politely: at
   * once when it has done its share, later when nobody comes.
   *
   * @param destination as the limit per destination knows it
   */
  give(session: Session, destination: string): void
  /** Closes the oldest resting connections to `destination` until at most `most` are left. */
  shrink(destination: string, most: number): void
  /** Closes what rests under `key`: one of them turned out to be dead. */
  drop(key: string): void
  /** Closes all that rests; the pool goes on. */
  drain(): void
  /** Closes all that rests and takes nothing any more; resolves when every connection is closed. */
  close(): Promise<void>
}

interface Resting {
  session: Session
  destination: string
  until: number
  forget(): void
}

/**
 * @param now milliseconds since the epoch
 * @returns a pool that keeps no process alive: its timer and the sockets in it are not waited for
 */
export function createPool(limits: () => PoolLimits, now: () => number): Pool {
  const byKey = new Map<string, Resting[]>()
  /** In the order of coming, over all keys; and how many of each destination. */
  const all = new Set<Resting>()
  const perDestination = new Map<string, number>()
  const goodbyes = new Set<Promise<void>>()
  const offered = new Map<string, Set<Handover>>()
  const strictOnes = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function remove(resting: Resting): void {
    if (!all.delete(resting)) return
    resting.forget()
    const { key } = resting.session.use
    const others = byKey.get(key)?.filter((other) => other !== resting) ?? []
    if (others.length > 0) byKey.set(key, others)
    else byKey.delete(key)
    const left = (perDestination.get(resting.destination) ?? 1) - 1
    if (left > 0) perDestination.set(resting.destination, left)
    else perDestination.delete(resting.destination)
  }

  function part(session: Session): void {
    const goodbye = quit(session.channel).finally(() => goodbyes.delete(goodbye))
    goodbyes.add(goodbye)
  }

  function end(resting: Resting): void {
    remove(resting)
    resting.session.channel.wake(NEVER)
    part(resting.session)
  }

  /** One timer for all: the first to come is nearly always the first to go. */
  function watch(): void {
    const first = all.values().next().value
    if (timer !== undefined || first === undefined) return
    timer = setTimeout(
      () => {
        timer = undefined
        const present = now()
        for (const resting of all) if (resting.until <= present) end(resting)
        watch()
      },
      Math.max(10, first.until - now()),
    )
    timer.unref()
  }

  /** @returns until when it may rest (milliseconds since the epoch); undefined = it has done its share */
  function usableUntil({ use: { served, openedAt } }: Session): number | undefined {
    const { idle, messages } = limits()
    const present = now()
    const until = Math.min(present + idle, openedAt + MAX_AGE)
    return closed || served >= messages || until <= present ? undefined : until
  }

  function withdraw(handover: Handover): void {
    const { key } = handover.session.use
    const others = offered.get(key)
    if (others?.delete(handover) && others.size === 0) offered.delete(key)
  }

  return {
    take(key, signal, rested = false) {
      const present = now()
      for (let resting = byKey.get(key)?.at(-1); resting; resting = byKey.get(key)?.at(-1)) {
        if (resting.until <= present) {
          end(resting)
          continue
        }
        remove(resting)
        resting.session.channel.wake(signal)
        return { session: resting.session }
      }
      const [behind] = offered.get(key) ?? []
      if (behind === undefined || rested) return undefined
      withdraw(behind)
      behind.take(signal)
      return { session: behind.session, behind }
    },
    offer(session) {
      const { key } = session.use
      if (strictOnes.has(key) || usableUntil(session) === undefined) return undefined
      const handover = new Handover(session)
      const others = offered.get(key)
      if (others === undefined) offered.set(key, new Set([handover]))
      else others.add(handover)
      return handover
    },
    rests: (destination) => perDestination.has(destination),
    has: (key) => byKey.has(key) || offered.has(key),
    withdraw,
    strict(key) {
      if (strictOnes.size >= MAX_STRICT) strictOnes.clear()
      strictOnes.add(key)
    },
    give(session, destination) {
      const { key } = session.use
      const until = usableUntil(session)
      if (until === undefined || session.channel.unread()) {
        part(session)
        return
      }
      const resting: Resting = {
        session,
        destination,
        until,
        forget: session.channel.rest(() => remove(resting)),
      }
      if (session.channel.fault() !== undefined) return
      all.add(resting)
      const same = byKey.get(key)
      if (same === undefined) byKey.set(key, [resting])
      else same.push(resting)
      perDestination.set(destination, (perDestination.get(destination) ?? 0) + 1)
      const [oldest] = all
      if (all.size > MAX_RESTING && oldest !== undefined) end(oldest)
      watch()
    },
    shrink(destination, most) {
      let over = (perDestination.get(destination) ?? 0) - Math.max(0, most)
      if (over <= 0) return
      for (const resting of all) {
        if (over <= 0) return
        if (resting.destination !== destination) continue
        end(resting)
        over -= 1
      }
    },
    drop(key) {
      for (const resting of byKey.get(key) ?? []) {
        remove(resting)
        resting.session.channel.destroy(new ChannelError('closed', 'another connection to the same server was dead'))
      }
    },
    drain() {
      offered.clear()
      for (const resting of all) end(resting)
    },
    async close() {
      closed = true
      clearTimeout(timer)
      for (const resting of all) end(resting)
      while (goodbyes.size > 0) await Promise.allSettled(goodbyes)
    },
  }
}

/** A goodbye has its own time limits. */
const NEVER = new Stop()
