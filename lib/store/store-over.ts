/** `Store` on top of any ordered engine: expiry, JSON, prefix lists and counters, in one place for all engines. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../clock'
import { decodeEntry, decodeKey, encodeEntry, encodeKey, expiryOf, prefixRange } from './codec'
import { batchedCounters } from './counters'
import type { Engine, Transaction } from './engine'
import type { Store, StoreEntry, StoreKey } from './types'

/** Entries looked at between two turns of the event loop while sweeping. */
const SWEEP_CHUNK = 1000

/**
 * @param onError told of a failure that no caller waits for: counts that could not be written (they are kept and tried
 *   again) or that stand on something that is no number
 */
export function storeOver(engine: Engine, clock: Clock, onError: (error: Error) => void): Store {
  let closed = false
  let closing: Promise<void> | undefined

  const live = (bytes: Buffer | undefined): { value: unknown; expires: number } | undefined => {
    if (bytes === undefined) return undefined
    const entry = decodeEntry(bytes)
    return hasExpired(entry.expires, clock.now()) ? undefined : entry
  }

  const expiry = (ttl: number | undefined): number => {
    if (ttl === undefined) return 0
    if (!Number.isFinite(ttl)) throw new TypeError(`store: ttl ${ttl} is no number of milliseconds`)
    return Math.max(1, clock.now() + ttl)
  }

  /** Everything a method does first. Async, so that a wrong key rejects and does not throw. */
  const open = (): void => {
    if (closed) throw new Error('store: it is closed')
  }

  const addCounts = (counts: ReadonlyMap<string, number>): Promise<void> =>
    engine.write(
      [...counts.keys()].map((key) => Buffer.from(key, 'latin1')),
      (transaction) => {
        for (const [key, by] of counts) addOne(transaction, Buffer.from(key, 'latin1'), by)
      },
    )

  const addOne = (transaction: Transaction, key: Buffer, by: number): void => {
    let old: { value: unknown; expires: number } | undefined
    try {
      old = live(transaction.get(key))
      if (old !== undefined && typeof old.value !== 'number') throw new Error('store: counting on what is no number')
    } catch (error) {
      // Retrying cannot help and must not hold up the other counters.
      onError(new Error(`store: count of ${by} lost on ${JSON.stringify(decodeKey(key))}`, { cause: error }))
      return
    }
    transaction.put(key, encodeEntry(((old?.value as number | undefined) ?? 0) + by, old?.expires ?? 0))
  }

  const counters = batchedCounters(addCounts, onError)

  const store: Store = {
    async get<T>(key: StoreKey) {
      open()
      return live(await engine.get(encodeKey(key)))?.value as T | undefined
    },

    async put(key, value, options) {
      open()
      const name = encodeKey(key)
      const bytes = encodeEntry(value, expiry(options?.ttl))
      await engine.write([], (transaction) => {
        transaction.put(name, bytes)
      })
    },

    async putIfAbsent<T>(key: StoreKey, value: T, options?: { ttl?: number }) {
      open()
      const name = encodeKey(key)
      const bytes = encodeEntry(value, expiry(options?.ttl))
      return engine.write([name], (transaction) => {
        const old = live(transaction.get(name))
        if (old !== undefined) return old.value as T
        transaction.put(name, bytes)
        // What was stored, not what was given: the caller sees what every later reader will see.
        return decodeEntry(bytes).value as T
      })
    },

    async update<T>(key: StoreKey, change: (old: T | undefined) => T | undefined, options?: { ttl?: number }) {
      open()
      const name = encodeKey(key)
      const expires = options?.ttl === undefined ? undefined : expiry(options.ttl)
      return engine.write([name], (transaction) => {
        const old = live(transaction.get(name))
        const value = change(old?.value as T | undefined)
        if (value === undefined) {
          transaction.remove(name)
          return undefined
        }
        const bytes = encodeEntry(value, expires ?? old?.expires ?? 0)
        transaction.put(name, bytes)
        return decodeEntry(bytes).value as T
      })
    },

    async remove(key) {
      open()
      const name = encodeKey(key)
      await engine.write([], (transaction) => {
        transaction.remove(name)
      })
    },

    async list<T>(prefix: StoreKey, limit = Infinity) {
      open()
      const { start, end } = prefixRange(prefix)
      const found: StoreEntry<T>[] = []
      if (limit <= 0) return found
      await engine.scan(start, end, (key, value) => {
        const entry = live(value)
        if (entry !== undefined) found.push({ key: decodeKey(key), value: entry.value as T })
        return found.length < limit
      })
      return found
    },

    increment(key, by = 1) {
      if (closed || !Number.isFinite(by)) return
      counters.add(encodeKey(key).toString('latin1'), by)
    },

    async sweep() {
      open()
      let removed = 0
      let { start } = prefixRange([])
      const { end } = prefixRange([])
      for (;;) {
        const chunk = await readChunk(engine, start, end, clock.now())
        if (chunk.expired.length > 0) removed += await removeExpired(engine, chunk.expired, clock)
        if (chunk.next === undefined) return removed
        start = chunk.next
        await nextTurn()
        open()
      }
    },

    close() {
      closing ??= (async () => {
        closed = true
        try {
          await counters.stop()
        } finally {
          await engine.close()
        }
      })()
      return closing
    },
  }
  return store
}

function hasExpired(expires: number, now: number): boolean {
  return expires !== 0 && expires <= now
}

async function readChunk(
  engine: Engine,
  start: Buffer,
  end: Buffer,
  now: number,
): Promise<{ expired: Buffer[]; next: Buffer | undefined }> {
  const expired: Buffer[] = []
  let next: Buffer | undefined
  let seen = 0
  await engine.scan(start, end, (key, value) => {
    if (seen++ === SWEEP_CHUNK) {
      next = Buffer.from(key)
      return false
    }
    if (hasExpired(expiryOf(value), now)) expired.push(Buffer.from(key))
    return true
  })
  return { expired, next }
}

/** Looks again inside the transaction: somebody may have written the key anew since the scan. */
function removeExpired(engine: Engine, keys: readonly Buffer[], clock: Clock): Promise<number> {
  return engine.write(keys, (transaction) => {
    const gone = keys.filter((key) => {
      const value = transaction.get(key)
      return value !== undefined && hasExpired(expiryOf(value), clock.now())
    })
    for (const key of gone) transaction.remove(key)
    return gone.length
  })
}
