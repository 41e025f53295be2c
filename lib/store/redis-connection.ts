/**
 * One connection to a Redis server. The client's own reconnecting and queueing are switched off: a command is sent
 * once, over the connection it was given to, or it fails.
 */
import { createClient, RESP_TYPES } from '@redis/client'
import type { RedisTarget } from './redis-url'

export interface RedisConnection {
  /** @returns the reply: numbers, null, bulk strings as Buffer, arrays of these; status lines as string */
  send: (command: readonly (string | Buffer)[]) => Promise<unknown>
  /** Rejects whatever is under way. May be called again. */
  destroy: () => void
  /** Resolves, with the reason, when the connection is over. */
  readonly lost: Promise<Error>
}

/**
 * @param limit milliseconds for the connection including TLS, AUTH and SELECT
 * @throws Error (rejects) with the reason in the system's or the server's words
 */
export async function connectRedis(target: RedisTarget, limit: number): Promise<RedisConnection> {
  const { place, username, password, database } = target
  const socket = { connectTimeout: limit, reconnectStrategy: false as const }
  const client = createClient({
    socket:
      place.kind === 'unix'
        ? { ...socket, path: place.path, tls: false }
        : place.tls
          ? { ...socket, host: place.host, port: place.port, tls: true }
          : { ...socket, host: place.host, port: place.port },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
  })
  const lost = new Promise<Error>((resolve) => {
    client.on('error', (error: unknown) => resolve(error instanceof Error ? error : new Error(String(error))))
    client.on('end', () => resolve(new Error('the connection was closed')))
  })
  const destroy = () => {
    if (client.isOpen) client.destroy()
  }
  const late = new AbortController()
  const timer = setTimeout(() => {
    late.abort()
    destroy()
  }, limit)
  try {
    await client.connect()
  } catch (error) {
    destroy()
    throw late.signal.aborted ? new Error(`no answer within ${limit} ms`, { cause: error }) : error
  } finally {
    clearTimeout(timer)
  }
  const options = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } }
  return { send: async (command) => client.sendCommand(command, options), destroy, lost }
}
