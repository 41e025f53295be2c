/**
 * Waiting for a store that does not answer: everybody waits for one and the same who asks again and again, with growing
 * pauses, and all go on together when it is back.
 */
import type { Store } from './types'

/** Milliseconds before the first and, at most, between later questions. */
const FIRST = 100
const LONGEST = 3_000
/** Anything may stand there; it is only asked for. */
const ANY = ['key', 'seal'] as const

/**
 * @param until milliseconds to wait at most
 * @returns `answers` = it does, at once; `back` = it did not when asked, and does now; `away` = it still does not, the
 *   time is up or the signal has fired
 */
export type Patience = (until: number, signal: AbortSignal) => Promise<'answers' | 'back' | 'away'>

export function storePatience(store: Pick<Store, 'get'>): Patience {
  let coming: Promise<void> | undefined
  let waiting = 0

  const answers = (): Promise<boolean> =>
    store.get(ANY).then(
      () => true,
      () => false,
    )

  /** Ends when the store answers, or nobody waits any more. */
  const untilBack = async (): Promise<void> => {
    for (let pause = FIRST; waiting > 0; pause = Math.min(2 * pause, LONGEST)) {
      // so that the processes of many machines do not ask all at once
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)).unref())
      if (await answers()) return
    }
  }

  return async (until, signal) => {
    if (coming === undefined && (await answers())) return 'answers'
    if (until <= 0 || signal.aborted) return 'away'
    waiting += 1
    coming ??= untilBack().finally(() => {
      coming = undefined
    })
    let onAbort: () => void = () => undefined
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<'away'>((resolve) => {
      onAbort = () => resolve('away')
      signal.addEventListener('abort', onAbort, { once: true })
      // setTimeout takes no more than 31 bits
      timer = setTimeout(onAbort, Math.min(until, 0x7fff_ffff)).unref()
    })
    try {
      return await Promise.race([coming.then(() => 'back' as const), over])
    } finally {
      waiting -= 1
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }
}
