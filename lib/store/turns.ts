/** Work that one of many processes does: who comes first does it, and the others do not for a while. */
import { randomBytes } from 'node:crypto'
import type { Store } from './types'

/**
 * @param work what it is
 * @param interval milliseconds until it is somebody's turn again; who dies in his turn holds nobody up for longer
 * @returns is it the turn of who asks?
 */
export async function turnOf(store: Pick<Store, 'putIfAbsent'>, work: string, interval: number): Promise<boolean> {
  const mine = randomBytes(12).toString('hex')
  return (await store.putIfAbsent(['turn', work], mine, { ttl: interval })) === mine
}
