/**
 * Keys of the digests that stand in for recipients in the audit log: numbered `k1`, `k2` ..., one in use, all kept, so
 * that an address can be found under the digest that it had in any year.
 */
import type { Clock } from '../clock'
import { secretKey } from '../store/keys'
import type { Store } from '../store/types'
import { recipientHmac, type DigestKey } from './identity'

/** Which key is in use; kept in the store, the same for every process and machine that shares it. */
export interface KeyInUse {
  number: number
  /** Milliseconds: in use since then. */
  since: number
}

/** Where the number of the key in use stands. */
const IN_USE = ['audit-key'] as const

/** More keys than anybody needs; a damaged number must not make the gateway fetch for ever. */
const MOST_KEYS = 10_000

/** The first key is older than numbers are, so it has none in its name. */
function nameOf(number: number): string {
  return number === 1 ? 'audit' : `audit-k${number}`
}

/**
 * Which key is in use.
 *
 * @throws Error (rejects) of the store, or when what stands there is none of ours
 */
export async function keyInUse(store: Store, clock: Clock): Promise<KeyInUse> {
  return checked(await store.putIfAbsent<unknown>(IN_USE, { number: 1, since: clock.now() }))
}

/** The key that new digests are made with. */
export async function currentKey(store: Store, clock: Clock): Promise<DigestKey> {
  return await digestKey(store, (await keyInUse(store, clock)).number)
}

/** Every key that there ever was, the one in use last. */
export async function allKeys(store: Store, clock: Clock): Promise<DigestKey[]> {
  const { number } = await keyInUse(store, clock)
  return await Promise.all(Array.from({ length: number }, (_, at) => digestKey(store, at + 1)))
}

/**
 * Take the next key into use, when the one in use is at least so old; of several processes that ask at once one changes
 * it.
 *
 * @param olderThan milliseconds; 0 = whatever its age
 * @returns what is in use now
 * @throws Error (rejects) of the store
 */
export async function rotateKey(store: Store, clock: Clock, olderThan: number): Promise<KeyInUse> {
  const before = await keyInUse(store, clock)
  if (clock.now() - before.since < olderThan) return before
  // made first: a number without its key would leave digests without one
  await digestKey(store, before.number + 1)
  const after = await store.update<unknown>(IN_USE, (old) =>
    checked(old).number === before.number ? { number: before.number + 1, since: clock.now() } : checked(old),
  )
  return checked(after)
}

/**
 * The digests that one recipient has under each key, as the audit log writes them.
 *
 * @param mask takes CPR numbers out of the address first, as the log does
 */
export function digestsOf(address: string, keys: readonly DigestKey[], mask: (text: string) => string): string[] {
  return keys.map((key) => recipientHmac(mask(address), key))
}

async function digestKey(store: Store, number: number): Promise<DigestKey> {
  return { id: `k${number}`, key: await secretKey(store, nameOf(number)) }
}

function checked(value: unknown): KeyInUse {
  const { number, since } = (typeof value === 'object' && value !== null ? value : {}) as Partial<KeyInUse>
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 1 && number <= MOST_KEYS) {
    if (typeof since === 'number' && Number.isFinite(since)) return { number, since }
  }
  throw new Error('store: which audit key is in use is damaged; restore the store from a backup')
}
