/** Certificates where they are kept: the same in every engine, and for everybody who has the store open. */
import assert from 'node:assert/strict'
import { systemClock } from '../../../lib/clock'
import { certificateBook, type CertificateBook } from '../../../lib/encrypt/certificates/book'
import type { StoredCertificate } from '../../../lib/encrypt/certificates/types'
import { openLmdbStore } from '../../../lib/store/lmdb'
import { openMemoryStore } from '../../../lib/store/memory'
import { openRedisStore } from '../../../lib/store/redis'
import type { Store } from '../../../lib/store/types'
import { requirePackages } from '../../internet/packages'
import { startRedis, stopRedisServers } from '../../store/redis-server'
import { removeTempDirs, tempDir } from '../../store/temp'

const one = (n: number, more: Partial<StoredCertificate> = {}): StoredCertificate => ({
  ...{ fingerprint: n.toString(16).padStart(64, '0'), certificate: 'AA==', issuers: ['AQ=='], source: 'harvested' },
  ...{ rejected: false, firstSeen: n, lastSeen: n + 1 },
  ...more,
})

const OPENERS: Readonly<Record<string, () => () => Promise<Store>>> = {
  memory() {
    const store = openMemoryStore({ clock: systemClock })
    return () => Promise.resolve(store)
  },
  lmdb() {
    const dir = tempDir()
    return () => openLmdbStore({ path: dir, clock: systemClock })
  },
  redis() {
    const server = startRedis()
    return async () => openRedisStore({ url: (await server).url, path: tempDir(), clock: systemClock })
  },
}

for (const [engine, opener] of Object.entries(OPENERS)) {
  describe(`certificate book: ${engine}`, function () {
    this.timeout(60_000)
    let stores: Store[]
    let here: CertificateBook
    let there: CertificateBook

    before(async function () {
      await requirePackages(this)
    })
    beforeEach(async () => {
      const open = opener()
      stores = [await open(), await open()]
      const [first, second] = stores.map((store) => certificateBook(store))
      assert.ok(first !== undefined && second !== undefined)
      ;[here, there] = [first, second]
    })
    afterEach(async () => {
      await Promise.all([...new Set(stores)].map((store) => store.close()))
    })
    after(async () => {
      await stopRedisServers()
      removeTempDirs()
    })

    it('what one has written the other reads, whole; none left = nobody is listed', async () => {
      assert.deepEqual(await here.of('address', 'a@b.test'), [])
      const both = [one(1), one(2, { source: 'confirmed', rejected: true })]
      assert.deepEqual(await here.change('address', 'a@b.test', () => both), both)
      assert.deepEqual(await there.of('address', 'a@b.test'), both)
      assert.deepEqual(await there.of('domain', 'b.test'), [])
      assert.deepEqual(await there.all(), [{ scope: 'address', name: 'a@b.test', certificates: both }])
      await there.change('address', 'a@b.test', ([first]) => [{ ...first!, rejected: true }])
      assert.deepEqual(await here.of('address', 'a@b.test'), [{ ...both[0]!, rejected: true }])
      await there.change('address', 'a@b.test', () => [])
      assert.deepEqual([await here.of('address', 'a@b.test'), await here.all()], [[], []])
    })

    it('both change the same name at once: nothing is lost', async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          (n % 2 === 0 ? here : there).change('domain', 'b.test', (old) => [...old, one(n)]),
        ),
      )
      const kept = (await here.of('domain', 'b.test')).map(({ firstSeen }) => firstSeen).toSorted((a, b) => a - b)
      assert.deepEqual(
        kept,
        Array.from({ length: 20 }, (_, n) => n),
      )
    })

    it('all, bucket by bucket and by neighbourhood: everybody once', async () => {
      const names = Array.from({ length: 40 }, (_, n) => `p${n}@b.test`)
      for (const [n, name] of names.entries()) await here.change('address', name, () => [one(n)])
      const seen: string[] = []
      for await (const holders of there.buckets()) seen.push(...holders.map(({ name }) => name))
      assert.deepEqual(seen.toSorted(), names.toSorted())
      assert.deepEqual((await there.all()).map(({ name }) => name).toSorted(), names.toSorted())
      for (const name of names) {
        const around = await there.neighbours('address', name)
        assert.equal(around.filter((holder) => holder.name === name).length, 1)
      }
    })
  })
}
