/** The store without a disk, for unit tests and the demo: same contract, nothing survives the process. */
import type { Clock } from '../clock'
import type { Engine } from './engine'
import { storeOver } from './store-over'
import type { Store } from './types'

/** @param onError see `storeOver` */
export function openMemoryStore({
  clock,
  onError = () => undefined,
}: {
  clock: Clock
  onError?: (error: Error) => void
}): Store {
  return storeOver(memoryEngine(), clock, onError)
}

/** Keys as latin1 strings: JavaScript compares those exactly as memcmp compares the bytes. */
function memoryEngine(): Engine {
  const table = new Map<string, Buffer>()
  const get = (key: Buffer): Buffer | undefined => table.get(key.toString('latin1'))
  const transaction = {
    get,
    put: (key: Buffer, value: Buffer): void => void table.set(key.toString('latin1'), value),
    remove: (key: Buffer): void => void table.delete(key.toString('latin1')),
  }
  return {
    get: (key) => Promise.resolve(get(key)),
    scan: (start, end, visit) =>
      new Promise((resolve) => {
        const [from, to] = [start.toString('latin1'), end.toString('latin1')]
        const found = [...table].filter(([key]) => key >= from && key < to).sort(([a], [b]) => (a < b ? -1 : 1))
        for (const [key, value] of found) if (!visit(Buffer.from(key, 'latin1'), value)) break
        resolve()
      }),
    write: (_reads, work) =>
      new Promise((resolve) => {
        resolve(work(transaction))
      }),
    close: () => {
      table.clear()
      return Promise.resolve()
    },
  }
}
