/** Waiting for a store that is away; turns; under a fake clock. */
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import sinon from 'sinon'
import { openMemoryStore } from '../../lib/store/memory'
import { storePatience } from '../../lib/store/patience'
import { recipientRecords } from '../../lib/store/recipients'
import { savedAgain } from '../../lib/store/recipients-again'
import { waitedFor } from '../../lib/store/recipients-patient'
import { turnOf } from '../../lib/store/turns'
import type { Store } from '../../lib/store/types'

const HOUR = 3_600_000

describe('store: waiting until it answers', () => {
  let timers: sinon.SinonFakeTimers
  let inner: Store
  let store: Store
  let away: boolean
  let damaged: boolean
  let asked: number

  beforeEach(() => {
    timers = sinon.useFakeTimers({ now: 1_700_000_000_000, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    inner = openMemoryStore({ clock: { now: () => Date.now() } })
    ;[away, damaged, asked] = [false, false, 0]
    store = {
      ...inner,
      get: (key) => {
        asked++
        if (away) return Promise.reject(new Error('away'))
        return damaged && key[0] === 'rcpt' ? Promise.reject(new Error('checksum')) : inner.get(key)
      },
    }
  })
  afterEach(async () => {
    timers.restore()
    await inner.close()
  })

  const never = new AbortController().signal
  setMaxListeners(0, never)
  const outcomeOf = <T>(promise: Promise<T>): { value?: T; error?: unknown } => {
    const outcome: { value?: T; error?: unknown } = {}
    promise.then(
      (value) => (outcome.value = value),
      (error: unknown) => (outcome.error = error),
    )
    return outcome
  }

  it('one that answers is not waited for', async () => {
    assert.equal(await storePatience(store)(HOUR, never), 'answers')
  })

  it('a hundred wait for one who asks, more and more seldom, and all go on within seconds', async () => {
    away = true
    const patience = storePatience(store)
    const all = Array.from({ length: 100 }, () => outcomeOf(patience(10 * HOUR, never)))
    await timers.tickAsync(HOUR)
    const before = asked
    await timers.tickAsync(60_000)
    assert.ok(asked - before >= 20 && asked - before <= 40, String(asked - before))
    away = false
    await timers.tickAsync(3_000)
    assert.ok(all.every(({ value }) => value === 'back'))
    const after = asked
    await timers.tickAsync(60_000)
    assert.equal(asked, after, 'nobody asks any more')
  })

  it('time that is up and a signal end the waiting, each for itself', async () => {
    away = true
    const patience = storePatience(store)
    const stop = new AbortController()
    const [short, stopped, long] = [
      outcomeOf(patience(5_000, never)),
      outcomeOf(patience(HOUR, stop.signal)),
      outcomeOf(patience(HOUR, never)),
    ]
    await timers.tickAsync(5_000)
    assert.deepEqual([short.value, stopped.value, long.value], ['away', undefined, undefined])
    stop.abort()
    await timers.tickAsync(0)
    assert.deepEqual([stopped.value, long.value], ['away', undefined])
    assert.equal(await patience(0, never), 'away')
    away = false
    await timers.tickAsync(4_000)
    assert.equal(long.value, 'back')
  })

  describe('records of recipients', () => {
    const records = (signal = never) =>
      waitedFor(savedAgain(recipientRecords(store)), {
        patience: storePatience(store),
        longest: () => HOUR,
        clock: { now: () => Date.now() },
        signal,
      })

    it('are loaded the moment the store is back', async () => {
      away = true
      const loading = outcomeOf(records().load('M', 'a@b.test', Date.now()))
      await timers.tickAsync(600_000)
      assert.deepEqual(loading, {})
      away = false
      await timers.tickAsync(3_000)
      assert.equal(loading.value?.state, 'pending')
    })

    it('are not waited for any more when the time of the mail is up', async () => {
      away = true
      const loading = outcomeOf(records().load('M', 'a@b.test', Date.now() - HOUR + 10_000))
      await timers.tickAsync(9_000)
      assert.deepEqual(loading, {})
      await timers.tickAsync(1_000)
      assert.match(String(loading.error), /away/)
      const late = outcomeOf(records().load('M', 'a@b.test', Date.now() - HOUR))
      await timers.tickAsync(0)
      assert.match(String(late.error), /away/)
    })

    it('that are damaged reject at once: waiting is of no use', async () => {
      damaged = true
      await assert.rejects(records().load('M', 'a@b.test', Date.now()), /checksum/)
    })

    it('reject at once where nobody said since when the mail waits, and at the end of the process', async () => {
      away = true
      await assert.rejects(records().load('M', 'a@b.test'), /away/)
      const stop = new AbortController()
      const loading = outcomeOf(records(stop.signal).load('M', 'a@b.test', Date.now()))
      await timers.tickAsync(1_000)
      stop.abort()
      await timers.tickAsync(0)
      assert.match(String(loading.error), /away/)
    })
  })

  it('a turn is one process’s until the interval is over, whoever it was', async () => {
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => turnOf(inner, 'sweep', HOUR))), [true, false, false])
    assert.equal(await turnOf(inner, 'other', HOUR), true)
    timers.tick(HOUR - 1)
    assert.equal(await turnOf(inner, 'sweep', HOUR), false)
    timers.tick(1)
    assert.equal(await turnOf(inner, 'sweep', HOUR), true)
  })
})
