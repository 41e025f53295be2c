import assert from 'node:assert/strict'
import { systemClock } from '../../lib/clock'
import { openRedisStore } from '../../lib/store/redis'
import type { Store } from '../../lib/store/types'
import { requirePackages } from '../internet/packages'
import { storeContract } from './contract'
import { startRedis, stopRedisServers, type RedisServer } from './redis-server'
import { shareContract } from './share-contract'
import { removeTempDirs, tempDir } from './temp'

describe('store: redis', function () {
  this.timeout(60_000)
  let server: RedisServer

  before(async function () {
    await requirePackages(this)
    server = await startRedis()
  })
  beforeEach(async () => {
    const connection = await server.connect()
    await connection.send(['FLUSHALL'])
    connection.destroy()
  })
  after(async () => {
    await stopRedisServers()
    removeTempDirs()
  })

  storeContract('redis', (clock, onError) => openRedisStore({ url: server.url, path: tempDir(), clock, onError }))

  shareContract('redis', () => openRedisStore({ url: server.url, path: tempDir(), clock: systemClock }))

  describe('several machines', () => {
    let stores: Store[]

    beforeEach(async () => {
      stores = await Promise.all(
        [1, 2, 3].map(() => openRedisStore({ url: server.url, path: tempDir(), clock: systemClock })),
      )
    })
    afterEach(() => Promise.all(stores.map((store) => store.close())))

    const everybody = <T>(times: number, what: (store: Store, n: number) => Promise<T>) =>
      Promise.all(stores.flatMap((store, s) => Array.from({ length: times }, (_, n) => what(store, s * times + n))))

    it('counts exactly, each alone and all at once', async () => {
      await everybody(100, (store) => store.update<number>(['n'], (n = 0) => n + 1))
      assert.equal(await stores[0]?.get(['n']), 300)
    })

    it('counts exactly when each waits for its own last one', async () => {
      await Promise.all(
        stores.map(async (store) => {
          for (let n = 0; n < 40; n++) await store.update<number>(['n'], (old = 0) => old + 1)
        }),
      )
      assert.equal(await stores[1]?.get(['n']), 120)
    })

    it('putIfAbsent: one is first, and all are told so', async () => {
      const told = await everybody(10, (store, n) => store.putIfAbsent(['k'], n))
      assert.equal(new Set(told).size, 1)
      assert.equal(await stores[2]?.get(['k']), told[0])
    })

    it('what one has written the others see at once', async () => {
      for (let n = 0; n < 50; n++) {
        await stores[n % 3]?.put(['k', n], n)
        assert.equal(await stores[(n + 1) % 3]?.get(['k', n]), n)
        assert.equal((await stores[(n + 2) % 3]?.list(['k']))?.length, n + 1)
      }
    })

    it('counters of all are added up', async () => {
      for (const store of stores) for (let n = 0; n < 10; n++) store.increment(['c'])
      await Promise.all(stores.map((store) => store.close()))
      const reader = await openRedisStore({ url: server.url, path: tempDir(), clock: systemClock })
      assert.equal(await reader.get(['c']), 30)
      await reader.close()
    })

    it('a list longer than a page is whole and in order', async () => {
      await everybody(250, (store, n) => store.put(['long', n], n))
      const found = await stores[0]?.list<number>(['long'])
      assert.deepEqual(
        found?.map(({ value }) => value),
        Array.from({ length: 750 }, (_, n) => n),
      )
    })

    it('tolerates a neighbour in the same database', async () => {
      const connection = await server.connect()
      await connection.send(['SET', 'somebody', 'else'])
      await stores[0]?.put(['k'], 1)
      assert.deepEqual(await stores[0]?.list([]), [{ key: ['k'], value: 1 }])
      connection.destroy()
    })
  })

  describe('time to live on the server', () => {
    it('is set, later than the expiry, so that Redis clears away what nobody sweeps', async () => {
      const clock = { time: 5_000_000 }
      const store = await openRedisStore({ url: server.url, path: tempDir(), clock: { now: () => clock.time } })
      await store.put(['short'], 1, { ttl: 3_600_000 })
      await store.put(['ever'], 1)
      await store.put(['huge'], 1, { ttl: Number.MAX_VALUE })
      const connection = await server.connect()
      const ttls: number[] = []
      for (const name of ['\x02short\0', '\x02ever\0', '\x02huge\0']) {
        ttls.push(Number(await connection.send(['PTTL', Buffer.from(`{secure-mail}:value:${name}`, 'latin1')])))
      }
      assert.ok((ttls[0] ?? 0) > 3_600_000 && (ttls[0] ?? 0) <= 3_660_000, String(ttls[0]))
      assert.equal(ttls[1], -1)
      assert.ok((ttls[2] ?? 0) > 3_660_000)
      clock.time += 3_600_000
      assert.equal(await store.get(['short']), undefined, 'and it is over at its time all the same')
      connection.destroy()
      await store.close()
    })

    it('what Redis has dropped is not listed, and is taken out of the index', async () => {
      const store = await openRedisStore({ url: server.url, path: tempDir(), clock: systemClock })
      await store.put(['a'], 1)
      await store.put(['b'], 2)
      const connection = await server.connect()
      await connection.send(['DEL', Buffer.from('{secure-mail}:value:\x02a\0', 'latin1')])
      assert.deepEqual(await store.list([]), [{ key: ['b'], value: 2 }])
      assert.equal(await connection.send(['ZCARD', '{secure-mail}:keys']), 1)
      connection.destroy()
      await store.close()
    })
  })

  it('a damaged value rejects and is not taken for an absent one', async () => {
    const store = await openRedisStore({ url: server.url, path: tempDir(), clock: systemClock })
    await store.put(['k'], 'value')
    const connection = await server.connect()
    await connection.send(['SETRANGE', Buffer.from('{secure-mail}:value:\x02k\0', 'latin1'), '15', 'X'])
    connection.destroy()
    await assert.rejects(store.get(['k']), /checksum/)
    await assert.rejects(store.list([]), /checksum/)
    await assert.rejects(
      store.update(['k'], () => 1),
      /checksum/,
    )
    await store.close()
  })

  it('a full server rejects writes, writes nothing, and goes on reading', async () => {
    const full = await startRedis({ args: ['--maxmemory', '3mb', '--maxmemory-policy', 'noeviction'] })
    const store = await openRedisStore({ url: full.url, path: tempDir(), clock: systemClock })
    let stored = 0
    await assert.rejects(async () => {
      for (; stored < 100; stored++) await store.put(['k', stored], 'x'.repeat(100_000))
    }, /OOM/)
    assert.ok(stored > 0)
    assert.equal((await store.list(['k'])).length, stored)
    assert.equal(await store.get(['k', stored]), undefined)
    await store.remove(['k', 0])
    await store.close()
  })
})
