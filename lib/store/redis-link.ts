/**
 * The way to the Redis server: connected again and again, with growing waits, for as long as the store is open. A
 * command waits for a connection that is just being made anew, but not once the server is known to be away: whoever
 * delivers mail must hear at once that an outcome cannot be recorded.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RedisConnection } from './redis-connection'

/** Milliseconds before the first and between later attempts to connect. */
const FIRST_WAIT = 100
const LONGEST_WAIT = 3_000
/** Somebody who needs the server has it tried at once, but not more often than this, and waits that long for it. */
const TRY_AT_ONCE = 200
/** A connection that lasted that long was a good one: the next attempt follows at once. */
const GOOD = 5_000
/** How often it is said that the server is still away, in milliseconds. */
const REMIND = 60_000

/** Sends one command; rejects with an Error in plain words. */
export type SendCommand = (command: readonly (string | Buffer)[]) => Promise<unknown>

export interface RedisLink {
  send: SendCommand
  /** The same for commands that only read: sent once more when the connection broke before the answer. */
  ask: SendCommand
  /** Resolves with the first good connection; rejects when `isFatal` says that waiting is of no use. */
  readonly opened: Promise<void>
  /** Gives the connection up and makes a new one, which has to be admitted again. */
  renew(reason: Error): void
  close(): void
}

export interface LinkOptions {
  /** Makes a connection, within the deadline. */
  connect: () => Promise<RedisConnection>
  /** Looks whether this is the server it should be, before anything else is sent; what it throws ends the connection. */
  admit: (send: SendCommand) => Promise<void>
  /** Is this failure a mistake in the settings? The first connection is then the last one; later ones are tried again. */
  isFatal: (error: unknown) => boolean
  /** Beginning of error texts. */
  describe: string
  /** Milliseconds that a command may take; a connection on which one takes longer is given up. */
  deadline: number
  /** Told when the server is lost, and every minute that it stays away. */
  onError: (error: Error) => void
  /** Told when it is back. */
  onNotice: (message: string) => void
}

export function redisLink(options: LinkOptions): RedisLink {
  const { describe, deadline } = options
  let closed = false
  let current: RedisConnection | undefined
  let trouble = new Error('not connected yet')
  /** Until when a command waits for a connection that is being made. */
  let patientUntil = performance.now() + deadline
  let told = -Infinity
  /** The last connection was one that waiting does not make good. */
  let refused = false
  /** Connections given up because a command was not answered. */
  const silent = new WeakMap<RedisConnection, Error>()
  /** When the last attempt to connect ended in vain. */
  let tried = -Infinity
  /** Connections given up for a reason that they do not know themselves. */
  const given = new WeakMap<RedisConnection, Error>()
  const waiting = new Set<() => void>()
  let wake: () => void = () => undefined
  let settle: { resolve: () => void; reject: (error: Error) => void } | undefined
  const opened = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })

  const away = () => new Error(`${describe}: the server is away: ${trouble.message}`, { cause: trouble })

  const give = async (connection: RedisConnection, command: readonly (string | Buffer)[]): Promise<unknown> => {
    let timer: NodeJS.Timeout | undefined
    try {
      return await Promise.race([
        connection.send(command),
        new Promise<never>((_, reject) => {
          timer = setTimeout(() => {
            const silence = new Error(`no answer within ${deadline} ms`)
            silent.set(connection, silence)
            reject(silence)
            connection.destroy()
          }, deadline)
        }),
      ])
    } finally {
      clearTimeout(timer)
    }
  }

  const connection = async (): Promise<RedisConnection> => {
    const now = performance.now()
    if (current === undefined && !closed && now < patientUntil) await connectedWithin(patientUntil - now)
    else if (current === undefined && !closed && now - tried >= TRY_AT_ONCE) {
      wake()
      await connectedWithin(TRY_AT_ONCE)
    }
    if (current === undefined) throw away()
    return current
  }

  const send = async (command: readonly (string | Buffer)[], again: boolean): Promise<unknown> => {
    const way = await connection()
    try {
      return await give(way, command)
    } catch (error) {
      if (again && !silent.has(way)) {
        // the loss of the connection is noticed a moment after the command has failed
        await nextTurn()
        if (current !== way) return send(command, false)
      }
      const reason = silent.get(way) ?? error
      throw new Error(`${describe}: ${reason instanceof Error ? reason.message : String(reason)}`, { cause: reason })
    }
  }

  const connectedWithin = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, milliseconds)
      waiting.add(done)
    })

  const tellAway = () => {
    if (closed || performance.now() - told < REMIND) return
    told = performance.now()
    options.onError(away())
  }

  /** One connection from beginning to end. */
  const once = async (): Promise<void> => {
    const made = await options.connect()
    try {
      await options.admit((command) => give(made, command))
      if (closed) return
      current = made
      settle?.resolve()
      settle = undefined
      refused = false
      if (told !== -Infinity) options.onNotice(`${describe}: the server is there again`)
      told = -Infinity
      for (const go of [...waiting]) go()
      const reason = await made.lost
      const silence = silent.get(made)
      trouble = silence ?? given.get(made) ?? reason
      // one that was silent has been waited for already
      patientUntil = performance.now() + (silence === undefined ? deadline : 0)
    } finally {
      current = undefined
      made.destroy()
    }
  }

  const keepConnected = async (): Promise<void> => {
    let wait = FIRST_WAIT
    while (!closed) {
      const began = performance.now()
      try {
        await once()
        if (performance.now() - began > GOOD) wait = FIRST_WAIT
      } catch (error) {
        trouble = error instanceof Error ? error : new Error(String(error))
        if (settle !== undefined && options.isFatal(error)) {
          settle.reject(away())
          return
        }
        // a word of its own, however short ago it was said that the server is away: this does not pass by itself
        if (options.isFatal(error) && !refused) told = -Infinity
        refused = options.isFatal(error)
      }
      tried = performance.now()
      for (const go of [...waiting]) if (tried >= patientUntil) go()
      tellAway()
      await pause(wait * (0.5 + Math.random() / 2))
      wait = Math.min(wait * 2, LONGEST_WAIT)
    }
  }

  const pause = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, closed ? 0 : milliseconds)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  void keepConnected()

  return {
    opened,
    send: (command) => send(command, false),
    ask: (command) => send(command, true),
    renew(reason) {
      if (current === undefined) return
      given.set(current, reason)
      current.destroy()
    },
    close() {
      closed = true
      trouble = new Error('the store is closed')
      settle?.reject(away())
      settle = undefined
      current?.destroy()
      for (const go of [...waiting]) go()
      wake()
    },
  }
}
