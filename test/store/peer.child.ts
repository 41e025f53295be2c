/** A second process on the same store, told over IPC what to do; see peer.ts. */
import { open } from 'lmdb'
import { systemClock } from '../../lib/clock'
import { secretKey } from '../../lib/store/keys'
import { openLmdbStore } from '../../lib/store/lmdb'
import type { Store } from '../../lib/store/types'
import type { Order } from './peer'

const path = process.argv[2] ?? ''
const send = (message: unknown): void => void process.send?.(message)

async function obey(store: Store, order: Order): Promise<unknown> {
  switch (order.do) {
    case 'put':
      return store.put(order.key, 'x'.repeat(order.size))
    case 'length':
      return (await store.get<string>(order.key))?.length
    case 'secret':
      return (await secretKey(store, order.name)).toString('hex')
    case 'count':
      for (let n = 0; n < order.times; n++) await store.update<number>(order.key, (old = 0) => old + 1)
      return undefined
    case 'write for ever':
      await Promise.all(Array.from({ length: 8 }, (_, writer) => writeForEver(store, writer)))
      return undefined
    case 'batch for ever':
      await Promise.all(Array.from({ length: 8 }, (_, writer) => batchForEver(store, order.name, writer)))
      return undefined
    case 'hold the lock':
      return holdLock()
  }
}

/** Each record is named to the parent after the store has acknowledged it. */
async function writeForEver(store: Store, writer: number): Promise<void> {
  for (let n = 0; ; n++) {
    await store.put(['record', writer, n], { writer, n, text: 'y'.repeat(n % 3000) })
    send({ acked: [writer, n] })
  }
}

/** Each step is named to the parent after the store has acknowledged all of it. */
async function batchForEver(store: Store, name: string, writer: number): Promise<void> {
  for (let n = 1; ; n++) {
    store.increment(['counted', name])
    const text = `${n}`.repeat(1 + (n % 700))
    await Promise.all([
      store.put(['batch', name, writer], { n, text, again: text }),
      store.update<number>(['steps', name, writer], (old = 0) => old + 1),
      store.put(['short', name, writer, n], n, { ttl: 1 }),
    ])
    send({ acked: [writer, n] })
  }
}

/** Keeps the write lock until the process is ended: what a stopped or hanging neighbour looks like. */
async function holdLock(): Promise<void> {
  const db = open<Buffer, Buffer>({ path, encoding: 'binary', keyEncoding: 'binary', overlappingSync: false })
  await db.transaction(() => {
    send({ held: true })
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30_000)
  })
}

async function main(): Promise<void> {
  const store = await openLmdbStore({ path, clock: systemClock })
  process.on('message', (order: Order) => {
    obey(store, order).then(
      (result) => {
        send({ id: order.id, result })
      },
      (error: unknown) => {
        send({ id: order.id, error: String(error) })
      },
    )
  })
  process.on('disconnect', () => process.exit())
  send({ ready: true })
}

main().catch((error: unknown) => {
  send({ failed: String(error) })
})
