/** LMDB between processes: exactness, death, a full disk, a neighbour that hangs. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../../lib/clock'
import { secretKey } from '../../lib/store/keys'
import { openLmdbStore } from '../../lib/store/lmdb'
import type { Store } from '../../lib/store/types'
import { endPeers, startPeer } from './peer'
import { removeTempDirs, tempDir } from './temp'

describe('store: lmdb between processes', function () {
  this.timeout(60_000)
  const stores: Store[] = []
  const openHere = async (path: string, writeTimeout?: number): Promise<Store> => {
    const store = await openLmdbStore({ path, clock: systemClock, ...(writeTimeout ? { writeTimeout } : {}) })
    stores.push(store)
    return store
  }

  afterEach(async () => {
    await endPeers()
    for (const store of stores.splice(0)) await store.close()
    removeTempDirs()
  })

  it('three processes that count together lose nothing', async () => {
    const path = tempDir()
    const here = await openHere(path)
    const peers = await Promise.all([startPeer(path), startPeer(path)])
    const counting = peers.map((peer) => peer.ask({ do: 'count', key: ['n'], times: 150 }))
    for (let n = 0; n < 150; n++) await here.update<number>(['n'], (old = 0) => old + 1)
    await Promise.all(counting)
    assert.equal(await here.get(['n']), 450)
  })

  it('processes that start together on an empty store agree on its key', async () => {
    const path = tempDir()
    const opening = [startPeer(path), startPeer(path), startPeer(path)]
    const here = await openHere(path)
    const peers = await Promise.all(opening)
    const keys = await Promise.all([
      ...peers.map((peer) => peer.ask({ do: 'secret', name: 'seal' })),
      secretKey(here, 'seal').then((key) => key.toString('hex')),
    ])
    assert.match(String(keys[0]), /^[0-9a-f]{64}$/)
    assert.equal(new Set(keys).size, 1)
  })

  it('sees what another process has just written, and both see the file grow', async () => {
    const path = tempDir()
    const here = await openHere(path)
    const peer = await startPeer(path)
    for (let n = 0; n < 12; n++) {
      await peer.ask({ do: 'put', key: ['theirs', n], size: 1_000_000 + n })
      assert.equal((await here.get<string>(['theirs', n]))?.length, 1_000_000 + n)
      await here.put(['ours', n], 'z'.repeat(1_500_000 + n))
      assert.equal(await peer.ask({ do: 'length', key: ['ours', n] }), 1_500_000 + n)
    }
    assert.equal((await here.list([])).length, 24)
  })

  for (const run of [1, 2, 3]) {
    it(`kill -9 in the middle of writing, run ${run}: everything acknowledged is there, and others go on`, async () => {
      const path = tempDir()
      const here = await openHere(path)
      const peer = await startPeer(path)
      peer.tell({ do: 'write for ever' })
      while (peer.acked.length < 100 * run) await peer.hear(({ acked }) => acked !== undefined)
      await peer.kill()
      const acked = [...peer.acked]
      // The writer may have died holding the lock.
      await here.put(['after'], 1)
      for (const store of [here, await openHere(path)]) {
        for (const [writer, n] of acked) {
          const record = await store.get(['record', writer, n])
          assert.deepEqual(record, { writer, n, text: 'y'.repeat(n % 3000) })
        }
        assert.equal(await store.get(['after']), 1)
      }
    })
  }

  it('kill -9 of several in the middle of their batches, while others write and sweep: nothing torn, nothing lost', async () => {
    const path = tempDir()
    const here = await openHere(path)
    const names = ['a', 'b', 'c', 'd']
    const peers = await Promise.all(names.map(() => startPeer(path)))
    for (const [n, peer] of peers.entries()) peer.tell({ do: 'batch for ever', name: names[n] ?? '' })
    for (const [n, peer] of peers.entries()) {
      while (peer.acked.length < 120 * (n + 1)) await peer.hear(({ acked }) => acked !== undefined)
      // the last one is still at work while the others are gone
      await peer.kill()
      await here.sweep()
      await here.update<number>(['here'], (old = 0) => old + 1)
    }
    await wait(10)
    await here.close()
    const reopened = await openHere(path)
    for (const store of [reopened, await openHere(path)]) {
      assert.equal(await store.get(['here']), names.length)
      for (const [p, name] of names.entries()) {
        let done = 0
        for (let writer = 0; writer < 8; writer++) {
          const acked = peers[p]?.acked.filter(([one]) => one === writer).length ?? 0
          const steps = (await store.get<number>(['steps', name, writer])) ?? 0
          // what was committed, and died before it could be told
          assert.ok(steps === acked || steps === acked + 1, `${name}${writer}: ${steps} steps, ${acked} acknowledged`)
          const value = await store.get<{ n: number; text: string; again: string }>(['batch', name, writer])
          const { n = 0, text = '', again = '' } = value ?? {}
          assert.ok(n === acked || n === acked + 1, `${name}${writer}: ${n} of ${acked}`)
          assert.equal(text, `${n}`.repeat(1 + (n % 700)))
          assert.equal(again, text)
          done += steps
        }
        const counted = (await store.get<number>(['counted', name])) ?? 0
        assert.ok(counted <= done + 8, `${counted} counted of ${done}`)
      }
      await store.sweep()
      assert.deepEqual(await store.list(['short']), [])
      // every entry can be read: none is torn
      assert.ok((await store.list([])).length > 0)
    }
  })

  it('counts of several processes that are killed: at most the last second of each is missing', async () => {
    const path = tempDir()
    const here = await openHere(path)
    const peers = await Promise.all([startPeer(path), startPeer(path)])
    for (const [n, peer] of peers.entries()) peer.tell({ do: 'batch for ever', name: `p${n}` })
    const seen = [0, 0]
    for (let n = 0; n < 2; n++) {
      while (seen[n] === 0) {
        await wait(50)
        seen[n] = (await here.get<number>(['counted', `p${n}`])) ?? 0
      }
      await peers[n]?.kill()
      const counted = (await here.get<number>(['counted', `p${n}`])) ?? 0
      assert.ok(counted >= (seen[n] ?? 0), 'what was written stays')
      assert.ok(counted <= (peers[n]?.acked.length ?? 0) + 8, 'and nothing is counted twice')
    }
    here.increment(['counted', 'p0'], 1000)
    const before = (await here.get<number>(['counted', 'p0'])) ?? 0
    await here.close()
    assert.equal(await (await openHere(path)).get(['counted', 'p0']), before + 1000)
  })

  it('a full disk rejects in plain words, loses nothing, and writing works again when there is room', async function () {
    if (process.platform !== 'linux') this.skip()
    const path = tempDir()
    const peer = await startPeer(path)
    await peer.ask({ do: 'put', key: ['before'], size: 10 })
    const limit = (bytes: string): unknown =>
      execFileSync('prlimit', ['--pid', String(peer.pid), `--fsize=${bytes}:`], { stdio: 'pipe' })
    limit('200000')
    await assert.rejects(
      peer.ask({ do: 'put', key: ['big'], size: 1_000_000 }),
      /store: cannot write to .*: .* MiB free there/,
    )
    await assert.rejects(peer.ask({ do: 'put', key: ['big'], size: 1_000_000 }), /store: cannot write to/)
    assert.equal(await peer.ask({ do: 'length', key: ['before'] }), 10)
    assert.equal(await peer.ask({ do: 'length', key: ['big'] }), undefined)
    // There is still room for small things.
    await peer.ask({ do: 'put', key: ['small'], size: 10 })
    limit('unlimited')
    await peer.ask({ do: 'put', key: ['big'], size: 1_000_000 })
    assert.equal(await peer.ask({ do: 'length', key: ['big'] }), 1_000_000)
    await peer.kill()
    const here = await openHere(path)
    assert.deepEqual(
      (await here.list<string>([])).map(({ key, value }) => [...key, value.length]),
      [
        ['before', 10],
        ['big', 1_000_000],
        ['small', 10],
      ],
    )
  })

  for (const room of [50_000, 200_000]) {
    it(`a disk with room for ${room} bytes: a new store says so and leaves the process alive`, async function () {
      if (process.platform !== 'linux') this.skip()
      const path = tempDir()
      await assert.rejects(startPeer(path, room), /store: cannot use .*(EFBIG|file too large)/i)
      assert.deepEqual(
        readdirSync(path).filter((name) => !/^(data|lock)\.mdb$/.test(name)),
        [],
      )
      const here = await openHere(path)
      await here.put(['k'], 1)
    })
  }

  it('a neighbour that hangs with the lock: writes are given up, reads go on, and all is well when it dies', async () => {
    const path = tempDir()
    const here = await openHere(path, 300)
    await here.put(['k'], 'before')
    const peer = await startPeer(path)
    peer.tell({ do: 'hold the lock' })
    await peer.hear(({ held }) => held === true)
    await assert.rejects(here.put(['k'], 'during'), /not written within 300 ms/)
    await assert.rejects(here.put(['l'], 1), /hangs/)
    assert.equal(await here.get(['k']), 'before')
    await peer.kill()
    for (let tries = 0; ; tries++) {
      try {
        await here.put(['k'], 'after')
        break
      } catch (error) {
        if (tries === 100) throw error
        await wait(50)
      }
    }
    assert.equal(await here.get(['k']), 'after')
    assert.equal(await here.get(['l']), undefined)
  })
})
