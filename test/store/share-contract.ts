/** Connections shared through a real store: what every engine has to carry. */
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { createLimiter, type Release } from '../../lib/deliver/limiter'
import { createShares } from '../../lib/deliver/shares'
import type { Store } from '../../lib/store/types'
import { until } from '../../demo/processes'

/** @param open gives one more way to the same store */
export function shareContract(name: string, open: () => Promise<Store>): void {
  it(`${name}: three that deliver to one destination stay within its limit, all get on, and all is given back`, async () => {
    const [key, limit] = ['dest.test', 6]
    const forever = new AbortController().signal
    setMaxListeners(0, forever)
    let atWork = 0
    let most = 0
    // one after the other, before anything is written: LMDB cannot be opened again in a process that is writing
    const stores = [await open(), await open(), await open()]
    const rooms = stores.map((store) => {
      const running = new Set<Release>()
      const limiter = createLimiter(1000, (one, wanted) => shares.places(one, wanted))
      const shares = createShares({
        store,
        clock: { now: () => Date.now() },
        limit: () => limit,
        use: (one) => ({ used: running.size, want: limiter.demand(one) }),
        onChange: (one) => limiter.admit(one),
        log: () => undefined,
      })
      return { store, limiter, shares, running, served: 0 }
    })
    const mails = rooms.flatMap((room) =>
      Array.from({ length: 40 }, async () => {
        const release = await room.limiter.acquire(key, () => limit, forever)
        room.running.add(release)
        most = Math.max(most, ++atWork)
        await new Promise((resolve) => setTimeout(resolve, 20))
        atWork--
        room.running.delete(release)
        room.served++
        release('reached')
      }),
    )
    await until('each has been at work', () => rooms.every(({ served }) => served > 0), {
      limit: 20_000,
    })
    await Promise.all(mails)
    assert.ok(most <= limit, `${most} at once`)
    for (const { shares } of rooms) await shares.close()
    const [first] = rooms
    assert.deepEqual(await first?.store.list(['connections']), [])
    assert.deepEqual(await first?.store.list(['processes']), [])
    for (const { store } of rooms) await store.close()
  })
}
