/**
 * The store on a Redis (or Valkey) server, which several machines share. A write counts when the server has
 * acknowledged it; docs/store.md says what the server must be told so that this means "on its disk".
 */
import path from 'node:path'
import type { Clock } from '../clock'
import { decodeEntry, encodeEntry, encodeKey } from './codec'
import { keyOfCopy, KeyMismatch, openKeyCopies, withKeyCopies, type KeyCopies } from './key-copies'
import { redisAdvice, redisFacts } from './redis-advice'
import { apply, readMany } from './redis-commands'
import { connectRedis } from './redis-connection'
import { redisEngine } from './redis-engine'
import { redisLink, type SendCommand } from './redis-link'
import { parseRedisUrl } from './redis-url'
import { storeOver } from './store-over'
import type { Store } from './types'

/** Milliseconds that a command may take; no call of the store takes more than twice that. */
const DEADLINE = 2_500

/** The folder below the store's path for the copies of the keys. */
const COPIES = 'redis'

export interface RedisOptions {
  /** See `parseRedisUrl`. */
  url: string
  /** Folder of this machine, for copies of the secret keys; made when missing. */
  path: string
  clock: Clock
  /** Told of failures that no caller waits for: see `storeOver`; the server away, and once a minute that it still is. */
  onError?: (error: Error) => void
  /** Told that the server is back, and of settings of the server that are not safe. */
  onNotice?: (message: string) => void
  /** Milliseconds. */
  deadline?: number
}

/**
 * Connect, for as long as it takes: a server that is away is waited for.
 *
 * @throws Error (rejects) in plain words when waiting is of no use: wrong address, user, password or database, a server
 *   with other keys, no folder for the copies
 */
export async function openRedisStore(options: RedisOptions): Promise<Store> {
  const { clock, onError = () => undefined, onNotice = () => undefined, deadline = DEADLINE } = options
  const target = parseRedisUrl(options.url)
  if ('why' in target) throw new Error(`store: redis_url ${target.why}`)
  const describe = `store: ${target.shown}`
  const copies = await openKeyCopies(path.join(options.path, COPIES))
  const link = redisLink({
    connect: () => connectRedis(target, deadline),
    admit: (send) => checkKeys(send, copies, (message) => onError(new Error(`${describe}: ${message}`))),
    isFatal,
    describe,
    deadline,
    onError,
    onNotice,
  })
  await link.opened
  for (const advice of redisAdvice(await redisFacts(link.send))) onNotice(`${describe}: ${advice}`)
  return withKeyCopies(storeOver(redisEngine(link, clock, deadline, describe), clock, onError), copies)
}

/** Refusals that only another setting, here or on the server, can change. */
function isFatal(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof KeyMismatch) return true
    if (/^(?:WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH|ERR .*DB index)/.test(at.message)) return true
  }
  return false
}

/** With every connection: is this the server with our keys? One that lost its data gets them back. */
async function checkKeys(send: SendCommand, copies: KeyCopies, tell: (message: string) => void): Promise<void> {
  // asks for nothing but needs a server that is ready: one that loads its data, or lacks its master, is away
  const found = await readMany(
    send,
    [...copies.known.keys()].map((name) => encodeKey(keyOfCopy(name))),
  )
  if (found.length === 0) await readMany(send, [encodeKey(keyOfCopy('seal'))])
  for (const [n, [name, secret]] of [...copies.known].entries()) {
    const bytes = found[n]
    if (bytes !== undefined) copies.compare(name, decodeEntry(bytes).value)
    else {
      const key = encodeKey(keyOfCopy(name))
      const restored = await apply(
        send,
        [[key, undefined]],
        [[key, { value: encodeEntry(secret, 0), dropAfter: undefined }]],
      )
      if (!restored) throw new Error(`another machine is restoring the key "${name}"`)
      tell(`the server has lost its data; the key "${name}" is restored from the copy here`)
    }
  }
}
