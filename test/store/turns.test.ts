import assert from 'node:assert/strict'
import { openMemoryStore } from '../../lib/store/memory'
import { onceDone } from '../../lib/store/turns'
import type { Store } from '../../lib/store/types'

describe('work that is done once', () => {
  const TERMS = { claim: 1000, kept: 60_000 }
  let store: Store
  let now = 0
  beforeEach(() => {
    now = Date.UTC(2026, 10, 23)
    store = openMemoryStore({ clock: { now: () => now } })
  })
  afterEach(() => store.close())
  let done = 0
  const act = () => {
    done++
    return Promise.resolve()
  }
  beforeEach(() => void (done = 0))

  it('of many at one time one does it, and nobody later', async () => {
    const took = await Promise.all([1, 2, 3].map(() => onceDone(store, 'x', TERMS, act)))
    assert.equal(took.filter(Boolean).length, 1)
    now += 30_000
    assert.equal(await onceDone(store, 'x', TERMS, act), false)
    assert.equal(done, 1)
  })

  it('what failed is done by whoever comes next', async () => {
    await assert.rejects(
      onceDone(store, 'x', TERMS, () => Promise.reject(new Error('no'))),
      /no/,
    )
    assert.equal(await onceDone(store, 'x', TERMS, act), true)
  })

  it('who dies in his turn holds it up for that long, and no longer', async () => {
    // never comes back: as a process that is killed between its claim and its work
    void onceDone(store, 'x', TERMS, () => new Promise(() => undefined))
    await new Promise(setImmediate)
    assert.equal(await onceDone(store, 'x', TERMS, act), false)
    now += TERMS.claim + 1
    assert.equal(await onceDone(store, 'x', TERMS, act), true)
    assert.equal(done, 1)
  })
})
