/**
 * The table of keys and values in Redis: a sorted set of all keys, whose members of equal score Redis orders as memcmp
 * does (https://redis.io/docs/latest/commands/zrangebylex/), and one string per value, which Redis lets expire by
 * itself. Both change together, in scripts, which Redis runs one at a time.
 */
import { createHash } from 'node:crypto'
import type { SendCommand } from './redis-link'

/** The braces keep everything in one hash slot, should the server be a node of a cluster. */
const INDEX = '{secure-mail}:keys'
const VALUE = '{secure-mail}:value:'
/** Made up once for a set of data: where it is missing or another one, this is not the data that was there before. */
const IDENTITY = '{secure-mail}:instance'
/** Grows with every write: where it is smaller than it was, the last writes are gone. */
const WRITES = '{secure-mail}:writes'

/** Entries fetched at once while scanning. */
const PAGE = 200

/** What a server shows of the data that is on it. */
export interface Identity {
  id: string
  /** Writes so far. */
  writes: number
}

/** The way to a server, and the data that must be there. */
export interface RedisData {
  send: SendCommand
  /** For commands that only read. */
  ask: SendCommand
  /** Of the data that was there when the connection was made; '' = not known, nothing is compared. */
  expected: () => Identity
  /** Told with the answer that shows that it is not there any more; what was asked rejects. */
  onLost: () => void
}

/** What `apply` does with one key: a value, and after how many milliseconds Redis may drop it; undefined = remove. */
export type Change = { value: Buffer; dropAfter: number | undefined } | undefined

/**
 * Nothing is written unless every value is still what it was; then all changes are. Out-of-memory and read-only are
 * answered at the first write of a script, so that a script is never left half done.
 */
const APPLY = `
if ARGV[3] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[3] then return -1 end
local at = 4
for _ = 1, tonumber(ARGV[1]) do
  if (redis.call('GET', KEYS[2] .. ARGV[at]) or '') ~= ARGV[at + 1] then return 0 end
  at = at + 2
end
for _ = 1, tonumber(ARGV[2]) do
  local name, value, drop = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if value == '' then
    redis.call('ZREM', KEYS[1], name)
    redis.call('DEL', KEYS[2] .. name)
  else
    redis.call('ZADD', KEYS[1], 0, name)
    if drop == '' then redis.call('SET', KEYS[2] .. name, value)
    else redis.call('SET', KEYS[2] .. name, value, 'PX', drop) end
  end
  at = at + 3
end
return redis.call('INCR', KEYS[4])`

/** A key whose value Redis has dropped is taken out of the set by the way, where writing is possible. */
const READ_PAGE = `
if ARGV[4] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[4] then return -1 end
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local found = {}
for _, name in ipairs(names) do
  local value = redis.call('GET', KEYS[2] .. name)
  if value then
    found[#found + 1] = name
    found[#found + 1] = value
  else redis.pcall('ZREM', KEYS[1], name) end
end
return { #names, names[#names] or '', found }`

/** The data on a server is not what was there before. */
export class DataLost extends Error {
  constructor() {
    super('store: the Redis server has lost its data')
  }
}

/** Values of several keys at one moment; none asks only whether the data is still there. */
export async function readMany(data: RedisData, keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
  const values = await mget(data.ask, [
    Buffer.from(IDENTITY),
    ...keys.map((key) => Buffer.concat([Buffer.from(VALUE), key])),
  ])
  const { id } = data.expected()
  if (id !== '' && values[0]?.toString('latin1') !== id) throw lost(data)
  return values.slice(1)
}

/** The identity of what is there; one without gets one, where the server takes writes. */
export async function identify(send: SendCommand, fresh: string): Promise<Identity> {
  const look = async (): Promise<Identity> => {
    const [id, writes] = await mget(send, [Buffer.from(IDENTITY), Buffer.from(WRITES)])
    return { id: id?.toString('latin1') ?? '', writes: Number(writes?.toString('latin1') ?? 0) }
  }
  const found = await look()
  if (found.id !== '') return found
  // one that is full or read-only can still be read
  await send(['SET', IDENTITY, fresh, 'NX']).catch(() => undefined)
  return look()
}

async function mget(send: SendCommand, names: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
  const reply = await send(['MGET', ...names])
  if (!Array.isArray(reply) || reply.length !== names.length) throw unexpected()
  return reply.map((value: unknown) => {
    if (value === null) return undefined
    if (!Buffer.isBuffer(value)) throw unexpected()
    return value
  })
}

function lost(data: RedisData): DataLost {
  data.onLost()
  return new DataLost()
}

/**
 * Write all changes if every key of `seen` still has that value (undefined = nothing).
 *
 * @returns false when one has not, and nothing was written
 */
export async function apply(
  data: RedisData,
  seen: readonly (readonly [key: Buffer, value: Buffer | undefined])[],
  changes: readonly (readonly [key: Buffer, change: Change])[],
): Promise<boolean> {
  const expected = data.expected()
  const reply = await script(data.send, APPLY, [
    String(seen.length),
    String(changes.length),
    expected.id,
    ...seen.flatMap(([key, value]) => [key, value ?? '']),
    ...changes.flatMap(([key, change]) => [key, change?.value ?? '', String(change?.dropAfter ?? '')]),
  ])
  if (typeof reply !== 'number') throw unexpected()
  if (reply < 0) throw lost(data)
  // an answer that comes late says less than one that came before
  expected.writes = Math.max(expected.writes, reply)
  return reply > 0
}

/** Show the entries with start <= key < end in order, until `visit` says false. Not one moment's picture: page by page. */
export async function readRange(
  data: RedisData,
  start: Buffer,
  end: Buffer,
  visit: (key: Buffer, value: Buffer) => boolean,
): Promise<void> {
  const below = Buffer.concat([Buffer.from('('), end])
  for (let from = Buffer.concat([Buffer.from('['), start]); ;) {
    const reply = await script(data.ask, READ_PAGE, [from, below, String(PAGE), data.expected().id])
    if (reply === -1) throw lost(data)
    if (!Array.isArray(reply)) throw unexpected()
    const [count, last, found] = reply as unknown[]
    if (typeof count !== 'number' || !Buffer.isBuffer(last) || !Array.isArray(found)) throw unexpected()
    for (let at = 0; at + 1 < found.length; at += 2) {
      const [key, value] = [found[at] as unknown, found[at + 1] as unknown]
      if (!Buffer.isBuffer(key) || !Buffer.isBuffer(value)) throw unexpected()
      if (!visit(key, value)) return
    }
    if (count < PAGE) return
    from = Buffer.concat([Buffer.from('('), last])
  }
}

/** By its hash; a server that does not know the script (a new one, or restarted) says so without running anything. */
async function script(send: SendCommand, text: string, args: readonly (string | Buffer)[]): Promise<unknown> {
  const rest = ['4', INDEX, VALUE, IDENTITY, WRITES, ...args]
  try {
    return await send(['EVALSHA', createHash('sha1').update(text).digest('hex'), ...rest])
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes('NOSCRIPT')) throw error
    return await send(['EVAL', text, ...rest])
  }
}

function unexpected(): Error {
  return new Error('store: the Redis server gave an answer that fits no question')
}
