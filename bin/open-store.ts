/** The store as commands open it: they do not wait for a server that is away. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Clock } from '../lib/clock'
import type { Settings } from '../lib/config/settings'
import { openStore } from '../lib/store'
import type { Store } from '../lib/store/types'

/** How long it may take, in milliseconds. */
const PATIENCE = 5_000

/** @throws Error saying why it cannot be opened (rejects) */
export async function openStoreInTime(settings: Settings['store'], clock: Clock): Promise<Store> {
  const opening = openStore(settings, clock)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`it did not answer within ${PATIENCE / 1000} s`))
    }, PATIENCE)
  })
  try {
    return await Promise.race([opening, late])
  } catch (error) {
    // should it open after all, nobody needs it any more
    opening.then((store) => store.close()).catch(() => undefined)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

export interface OpenedStore {
  /** Null = it cannot be read, or nothing was ever written. */
  store: Store | null
  /** Why it cannot be read; null = it can, or there is nothing. */
  problem: string | null
  close: () => Promise<void>
}

/** Open the store that the gateway has made: a command makes none of its own. Never rejects. */
export async function openExistingStore(
  { store: settings }: Pick<Settings, 'store'>,
  clock: Clock,
): Promise<OpenedStore> {
  const none = (problem: string | null): OpenedStore => ({ store: null, problem, close: () => Promise.resolve() })
  if (settings.engine === 'lmdb' && !existsSync(path.join(settings.path, 'data.mdb'))) return none(null)
  try {
    const store = await openStoreInTime(settings, clock)
    return { store, problem: null, close: () => store.close() }
  } catch (error) {
    return none(error instanceof Error ? error.message : String(error))
  }
}
