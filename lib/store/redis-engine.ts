/**
 * The engine on Redis. A transaction is optimistic: the values that it reads are fetched, the work is done here, and
 * the changes are written if those values are still the same; otherwise it is done again. So two machines never lose
 * each other's changes, and one that stops in the middle holds up nobody. Writes that arrive while others are on their
 * way go together into the next transaction, as with LMDB.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../clock'
import { expiryOf } from './codec'
import type { Engine, Transaction } from './engine'
import { apply, readMany, readRange, type Change, type RedisData } from './redis-commands'
import { serialWriter } from './writer'

/**
 * Redis may drop a value that much later than it expires (milliseconds). When it expires is decided by the clock of
 * whoever reads, and the clocks of two machines and of the server differ.
 */
const GRACE = 60_000
/** More than any sensible time to live; Redis refuses what it cannot add to the time of day. */
const LONGEST = 1e15

/** How often it is looked whether the data is still there, besides every read and write; in milliseconds. */
const LOOK = 5_000

/**
 * @param end closes the way to the server
 * @param deadline milliseconds that a command may take, see `redisLink`
 * @param describe beginning of error texts
 */
export function redisEngine(
  data: RedisData,
  end: () => void,
  { clock, deadline, describe }: { clock: Clock; deadline: number; describe: string },
): Engine {
  /** The transaction whose work is running; only ever set while it runs, which is in one turn. */
  let seen = new Map<string, Buffer | undefined>()
  let changed = new Map<string, Buffer | undefined>()

  const transaction: Transaction = {
    get(key) {
      const name = key.toString('latin1')
      if (changed.has(name)) return changed.get(name)
      if (!seen.has(name)) throw new Error('store: a key was read that was not announced')
      return seen.get(name)
    },
    put: (key, value) => void changed.set(key.toString('latin1'), value),
    remove: (key) => void changed.set(key.toString('latin1'), undefined),
  }

  const change = (value: Buffer | undefined): Change => {
    if (value === undefined) return undefined
    const expires = expiryOf(value)
    if (expires === 0) return { value, dropAfter: undefined }
    return { value, dropAfter: Math.ceil(Math.min(LONGEST, Math.max(1, expires - clock.now() + GRACE))) }
  }

  const commit = async (work: () => void, reads: readonly Buffer[]): Promise<void> => {
    const names = [...new Set(reads.map((key) => key.toString('latin1')))]
    const keys = names.map((name) => Buffer.from(name, 'latin1'))
    const late = performance.now() + deadline
    for (let tries = 0; ; tries++) {
      const values = await readMany(data, keys)
      seen = new Map(names.map((name, n) => [name, values[n]]))
      changed = new Map()
      work()
      const changes = [...changed].map(([name, value]) => [Buffer.from(name, 'latin1'), change(value)] as const)
      if (changes.length === 0) return
      const before = keys.map((key, n) => [key, values[n]] as const)
      if (await apply(data, before, changes)) return
      if (performance.now() > late) throw new Error(`${describe}: other machines kept changing the same entry`)
      // so that two machines do not stay in step
      await pause(Math.random() * Math.min(2 ** tries, 50))
    }
  }

  const writer = serialWriter({
    commit,
    // for the commit under way and the one after it
    timeout: 2 * deadline,
    describe,
    suspect: 'the Redis server',
  })

  // what nobody asks for would be missed when somebody else comes and makes new keys
  const looking = setInterval(() => void readMany(data, []).catch(() => undefined), LOOK).unref()

  return {
    get: async (key) => (await readMany(data, [key]))[0],
    scan: (start, end, visit) => readRange(data, start, end, visit),
    write: (reads, work) => writer.write(() => work(transaction), reads),
    async close() {
      clearInterval(looking)
      await writer.stop()
      end()
    },
  }
}
