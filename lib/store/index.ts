/** Where the state of the gateway is kept; see docs/store.md for what is in it. */
import type { Clock } from '../clock'
import type { Settings } from '../config/settings'
import { openLmdbStore } from './lmdb'
import type { Store } from './types'

/**
 * Open the configured store, in the process that uses it and after privileges are dropped.
 *
 * @param onError told of failures that no caller waits for, see `storeOver`
 * @throws Error when the engine is not there or its directory cannot be used
 */
export async function openStore(
  settings: Settings['store'],
  clock: Clock,
  onError?: (error: Error) => void,
): Promise<Store> {
  switch (settings.engine) {
    case 'lmdb':
      return openLmdbStore({ path: settings.path, clock, ...(onError === undefined ? {} : { onError }) })
    case 'redis':
      throw new Error('store: engine=redis is not available in this version; set engine=lmdb in [store]')
    default:
      throw new Error(`store: unknown engine ${String(settings.engine satisfies never)}; set engine=lmdb in [store]`)
  }
}
