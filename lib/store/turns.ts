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

/**
 * Work that is done once: who takes the turn marks it as done when it is. Who dies before that holds nobody up for longer
 * than his turn; then another does it, perhaps once more (at least once), and normally nobody does.
 *
 * @param claim milliseconds that one turn may last; longer than `act` ever takes
 * @param kept milliseconds for which it stays done
 * @param act what it throws gives the turn back, and is thrown
 * @returns was it done now?
 */
export async function onceDone(
  store: Pick<Store, 'putIfAbsent' | 'put' | 'remove'>,
  work: string,
  { claim, kept }: { claim: number; kept: number },
  act: () => Promise<void>,
): Promise<boolean> {
  if (!(await turnOf(store, work, claim))) return false
  try {
    await act()
  } catch (error) {
    await store.remove(['turn', work])
    throw error
  }
  await store.put(['turn', work], 'done', { ttl: kept })
  return true
}
