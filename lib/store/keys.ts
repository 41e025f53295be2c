/** Secret keys of this gateway: made on first use, the same for every process that shares the store. */
import { randomBytes } from 'node:crypto'
import type { Store } from './types'

const KEY_BYTES = 32

/**
 * The key called `name`; whoever asks first makes it, and all others get that one.
 *
 * @param name what the key is for: `seal` (notes in the queue), `audit` (pseudonyms in the audit log)
 * @returns 32 random bytes
 * @throws Error when what stands in the store is no key; nothing is put in its place, for a new key would silently
 *   make void everything that was sealed with the old one
 */
export async function secretKey(store: Store, name: string): Promise<Buffer> {
  if (!/^[a-z][a-z0-9-]{0,40}$/.test(name)) throw new TypeError(`store: ${JSON.stringify(name)} cannot name a key`)
  const kept = await store.putIfAbsent<unknown>(['key', name], randomBytes(KEY_BYTES).toString('base64'))
  const key = typeof kept === 'string' ? Buffer.from(kept, 'base64') : Buffer.alloc(0)
  // Comparing the text again refuses what base64 decoding would forgive.
  if (key.length !== KEY_BYTES || key.toString('base64') !== kept) {
    throw new Error(`store: the key "${name}" is damaged; restore the store from a backup`)
  }
  return key
}
