/**
 * The store on a Redis (or Valkey) server, which several machines share. A write counts when the server has
 * acknowledged it; docs/store.md says what the server must be told so that this means "on its disk".
 */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import type { Clock } from '../clock'
import { decodeEntry, encodeEntry, encodeKey } from './codec'
import { keyOfCopy, KeyMismatch, openKeyCopies, withKeyCopies, type KeyCopies } from './key-copies'
import { redisAdvice, redisFacts } from './redis-advice'
import { apply, DataLost, identify, readMany, type Identity, type RedisData } from './redis-commands'
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
  const identity: Identity = { id: '', writes: 0 }
  const link = redisLink({
    connect: () => connectRedis(target, deadline),
    admit: (send) => admit(send, copies, identity, (message) => onError(new Error(`${describe}: ${message}`))),
    isFatal,
    describe,
    deadline,
    onError,
    onNotice,
  })
  await link.opened
  for (const advice of redisAdvice(await redisFacts(link.send))) onNotice(`${describe}: ${advice}`)
  const data: RedisData = {
    send: link.send,
    ask: link.ask,
    expected: () => identity,
    onLost: () => link.renew(new DataLost()),
  }
  const store = storeOver(
    redisEngine(data, () => link.close(), { clock, deadline, describe }),
    clock,
    onError,
  )
  return withKeyCopies(store, copies, (name) => {
    onNotice(`${describe}: a new key "${name}" was made; the copy is in ${path.join(options.path, COPIES)}`)
  })
}

/** Refusals that only another setting, here or on the server, can change. */
function isFatal(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof KeyMismatch) return true
    if (/^(?:WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH|ERR .*DB index)/.test(at.message)) return true
  }
  return false
}

/** What a postmaster should know and do when data is gone. */
const AFTER_LOSS =
  'What was recorded of waiting mails is lost with it: some recipients of a mail to several may get a second copy. ' +
  'Find out why (FLUSHALL, a start without its file, a replica that was behind); see docs/store.md, "When something is wrong"'

/** With every connection: is this the server with our keys, and with the data that was there before? */
async function admit(
  send: SendCommand,
  copies: KeyCopies,
  identity: Identity,
  tell: (message: string) => void,
): Promise<void> {
  const restored = await restoreKeys(send, copies)
  // after the keys: whoever finds an identity finds the keys, too
  const found = await identify(send, randomBytes(12).toString('hex'))
  const known = identity.id !== ''
  if (restored.length > 0) {
    const keys = restored.map((name) => `the key "${name}" is restored from the copy here`).join(', ')
    tell(`the server has lost its data; ${keys}. ${AFTER_LOSS}`)
  } else if (known && found.id !== identity.id) {
    tell(`the server has lost its data; the keys were put back by another gateway. ${AFTER_LOSS}`)
  } else if (known && found.writes < identity.writes) {
    tell(`the server has lost its last ${identity.writes - found.writes} writes. ${AFTER_LOSS}`)
  }
  Object.assign(identity, found)
}

/** One that lost its data gets the keys back. @returns their names */
async function restoreKeys(send: SendCommand, copies: KeyCopies): Promise<string[]> {
  const data: RedisData = { send, ask: send, expected: () => ({ id: '', writes: 0 }), onLost: () => undefined }
  const names = [...copies.known.keys()]
  // asks for nothing but needs a server that is ready: one that loads its data, or lacks its master, is away
  const found = await readMany(
    data,
    names.map((name) => encodeKey(keyOfCopy(name))),
  )
  const restored: string[] = []
  for (const [n, name] of names.entries()) {
    const bytes = found[n]
    if (bytes !== undefined) {
      copies.compare(name, decodeEntry(bytes).value)
      continue
    }
    const key = encodeKey(keyOfCopy(name))
    const value = encodeEntry(copies.known.get(name), 0)
    const done = await apply(data, [[key, undefined]], [[key, { value, dropAfter: undefined }]])
    if (!done) throw new Error(`another machine is restoring the key "${name}"`)
    restored.push(name)
  }
  return restored
}
