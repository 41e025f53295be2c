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

/** Entries fetched at once while scanning. */
const PAGE = 200

/** What `apply` does with one key: a value, and after how many milliseconds Redis may drop it; undefined = remove. */
export type Change = { value: Buffer; dropAfter: number | undefined } | undefined

/**
 * Nothing is written unless every value is still what it was; then all changes are. Out-of-memory and read-only are
 * answered at the first write of a script, so that a script is never left half done.
 */
const APPLY = `
local at = 3
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
return 1`

/** A key whose value Redis has dropped is taken out of the set by the way, where writing is possible. */
const READ_PAGE = `
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

/** Values of several keys at one moment. */
export async function readMany(send: SendCommand, keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
  if (keys.length === 0) return []
  const reply = await send(['MGET', ...keys.map((key) => Buffer.concat([Buffer.from(VALUE), key]))])
  if (!Array.isArray(reply) || reply.length !== keys.length) throw unexpected()
  return reply.map((value: unknown) => {
    if (value === null) return undefined
    if (!Buffer.isBuffer(value)) throw unexpected()
    return value
  })
}

/**
 * Write all changes if every key of `seen` still has that value (undefined = nothing).
 *
 * @returns false when one has not, and nothing was written
 */
export async function apply(
  send: SendCommand,
  seen: readonly (readonly [key: Buffer, value: Buffer | undefined])[],
  changes: readonly (readonly [key: Buffer, change: Change])[],
): Promise<boolean> {
  const reply = await script(send, APPLY, [
    String(seen.length),
    String(changes.length),
    ...seen.flatMap(([key, value]) => [key, value ?? '']),
    ...changes.flatMap(([key, change]) => [key, change?.value ?? '', String(change?.dropAfter ?? '')]),
  ])
  if (reply !== 0 && reply !== 1) throw unexpected()
  return reply === 1
}

/** Show the entries with start <= key < end in order, until `visit` says false. Not one moment's picture: page by page. */
export async function readRange(
  send: SendCommand,
  start: Buffer,
  end: Buffer,
  visit: (key: Buffer, value: Buffer) => boolean,
): Promise<void> {
  const below = Buffer.concat([Buffer.from('('), end])
  for (let from = Buffer.concat([Buffer.from('['), start]); ;) {
    const reply = await script(send, READ_PAGE, [from, below, String(PAGE)])
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
  const rest = ['2', INDEX, VALUE, ...args]
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
