import assert from 'node:assert/strict'
import path from 'node:path'
import { systemClock } from '../../lib/clock'
import { openStore } from '../../lib/store'
import { removeTempDirs, tempDir } from './temp'

describe('openStore', function () {
  this.timeout(30_000)
  afterEach(removeTempDirs)

  it('engine=lmdb opens the store at its path', async () => {
    const dir = path.join(tempDir(), 'store')
    const store = await openStore({ engine: 'lmdb', path: dir }, systemClock)
    await store.put(['k'], 1)
    await store.close()
    const again = await openStore({ engine: 'lmdb', path: dir }, systemClock)
    assert.equal(await again.get(['k']), 1)
    await again.close()
  })

  it('engine=redis says which setting is missing or wrong', async () => {
    await assert.rejects(openStore({ engine: 'redis', path: tempDir() }, systemClock), /needs redis_url/)
    await assert.rejects(
      openStore({ engine: 'redis', path: tempDir(), redisUrl: 'redis://127.0.0.1/one' }, systemClock),
      /redis_url \/one is no number of a database/,
    )
  })

  it('an engine that nobody knows is refused', async () => {
    await assert.rejects(
      openStore({ engine: 'sqlite' as 'lmdb', path: tempDir() }, systemClock),
      /unknown engine sqlite/,
    )
  })
})
