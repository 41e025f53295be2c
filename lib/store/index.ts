/** Where the state of the gateway is kept; see docs/store.md for what is in it. */
import type { Clock } from '../clock'
import type { Settings } from '../config/settings'
import { openLmdbStore } from './lmdb'
import type { Store } from './types'

/**
 * Open the configured store, in the process that uses it and after privileges are dropped.
 *
 * @param onError told of failures that no caller waits for, see `storeOver` and `RedisOptions`
 * @param onNotice told what the log should say besides
 * @returns with engine=redis, once the server has answered for the first time
 * @throws Error when the directory cannot be used, or the server refuses
 */
export async function openStore(
  settings: Settings['store'],
  clock: Clock,
  onError?: (error: Error) => void,
  onNotice?: (message: string) => void,
): Promise<Store> {
  switch (settings.engine) {
    case 'lmdb':
      return openLmdbStore({ path: settings.path, clock, ...(onError === undefined ? {} : { onError }) })
    case 'redis': {
      if (settings.redisUrl === undefined) throw new Error('store: engine=redis needs redis_url in [store]')
      const { path, redisUrl: url } = settings
      // most gateways need no client
      const { openRedisStore } = await import('./redis.js')
      return openRedisStore({
        url,
        path,
        clock,
        ...(onError === undefined ? {} : { onError }),
        ...(onNotice === undefined ? {} : { onNotice }),
      })
    }
    default:
      throw new Error(`store: unknown engine ${String(settings.engine satisfies never)}; set engine=lmdb in [store]`)
  }
}
