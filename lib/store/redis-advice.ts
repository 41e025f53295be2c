/** What the settings of a Redis server mean for what is kept in it. */
import { connectRedis, type RedisConnection } from './redis-connection'
import type { SendCommand } from './redis-link'
import { parseRedisUrl } from './redis-url'

/** What is known of a server; undefined = it does not say. */
export interface RedisFacts {
  appendOnly: boolean | undefined
  appendFsync: string | undefined
  /** Bytes; 0 = no limit. */
  maxMemory: number | undefined
  evicts: string | undefined
}

/** Ask the server. Managed servers forbid CONFIG; then less is known. Never rejects. */
export async function redisFacts(send: SendCommand): Promise<RedisFacts> {
  const info = await send(['INFO']).catch(() => '')
  const lines = new Map(
    String(info)
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
  const setting: unknown = await send(['CONFIG', 'GET', 'appendfsync']).catch(() => undefined)
  const aof = lines.get('aof_enabled')
  const limit = lines.get('maxmemory')
  return {
    appendOnly: aof === undefined ? undefined : aof === '1',
    appendFsync: Array.isArray(setting) && setting.length === 2 ? String(setting[1]) : undefined,
    maxMemory: limit === undefined ? undefined : Number(limit),
    evicts: lines.get('maxmemory_policy'),
  }
}

/** @returns one sentence per thing that could lose what the gateway was told is kept */
export function redisAdvice({ appendOnly, appendFsync, maxMemory, evicts }: RedisFacts): string[] {
  const advice: string[] = []
  if (appendOnly === false) {
    advice.push(
      'appendonly is off: what was recorded since the last snapshot is lost when the server ends, and recipients may get a second copy; set appendonly yes and appendfsync always',
    )
  } else if (appendOnly === true && appendFsync !== undefined && appendFsync !== 'always') {
    advice.push(
      `appendfsync is ${appendFsync}: what was recorded in the last second or more is lost when the server's machine fails; set appendfsync always`,
    )
  }
  if (maxMemory !== undefined && maxMemory > 0 && evicts !== undefined && evicts !== 'noeviction') {
    advice.push(
      `maxmemory-policy is ${evicts}: the server throws outcomes away when its memory is full; set maxmemory-policy noeviction`,
    )
  }
  return advice
}

/** Milliseconds that `probeRedis` waits for each answer. */
const PROBE_LIMIT = 3_000

/**
 * Connect to a server once and look at its settings.
 *
 * @param url see `parseRedisUrl`
 * @returns one sentence per thing that is wrong: cannot be reached, refuses, could lose what it was given. Never rejects
 */
export async function probeRedis(url: string): Promise<string[]> {
  const target = parseRedisUrl(url)
  if ('why' in target) return [`redis_url ${target.why}`]
  let connection: RedisConnection | undefined
  let timer: NodeJS.Timeout | undefined
  try {
    const made = await connectRedis(target, PROBE_LIMIT)
    connection = made
    timer = setTimeout(made.destroy, PROBE_LIMIT)
    await made.send(['PING'])
    return redisAdvice(await redisFacts(made.send)).map((advice) => `${target.shown}: ${advice}`)
  } catch (error) {
    return [`${target.shown} gives no access: ${error instanceof Error ? error.message : String(error)}`]
  } finally {
    clearTimeout(timer)
    connection?.destroy()
  }
}
