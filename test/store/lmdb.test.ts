import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../lib/clock'
import { openLmdbStore } from '../../lib/store/lmdb'
import { storeContract } from './contract'
import { shareContract } from './share-contract'
import { removeTempDirs, tempDir } from './temp'

after(removeTempDirs)

storeContract('lmdb', (clock, onError) => openLmdbStore({ path: tempDir(), clock, onError }))

describe('store: lmdb', function () {
  this.timeout(30_000)
  afterEach(removeTempDirs)

  const shared = tempDir()
  shareContract('lmdb', () => openLmdbStore({ path: shared, clock: systemClock }))

  it('keeps everything over close and open, counts included', async () => {
    const path = tempDir()
    const first = await openLmdbStore({ path, clock: systemClock })
    await first.put(['a', 1], { deep: ['x'] })
    first.increment(['n'], 3)
    await first.close()
    const second = await openLmdbStore({ path, clock: systemClock })
    second.increment(['n'])
    await second.close()
    const third = await openLmdbStore({ path, clock: systemClock })
    assert.deepEqual(await third.get(['a', 1]), { deep: ['x'] })
    assert.equal(await third.get(['n']), 4)
    await third.close()
  })

  it('needs only data.mdb of a backup', async () => {
    const [from, to] = [tempDir(), tempDir()]
    const first = await openLmdbStore({ path: from, clock: systemClock })
    await first.put(['k'], 'kept')
    await first.close()
    copyFileSync(join(from, 'data.mdb'), join(to, 'data.mdb'))
    const second = await openLmdbStore({ path: to, clock: systemClock })
    assert.equal(await second.get(['k']), 'kept')
    await second.close()
  })

  it('may be open twice in one process; closing one leaves the other', async () => {
    const path = tempDir()
    const first = await openLmdbStore({ path, clock: systemClock })
    const second = await openLmdbStore({ path, clock: systemClock })
    await first.put(['k'], 1)
    assert.equal(await second.get(['k']), 1)
    await first.close()
    await second.put(['k'], 2)
    assert.equal(await second.get(['k']), 2)
    await second.close()
  })
})
