/** What every engine of the store must do; each engine's own test calls this with a way to open it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import sinon from 'sinon'
import type { Clock } from '../../lib/clock'
import { MAX_KEY_BYTES } from '../../lib/store/codec'
import type { Store, StoreKey } from '../../lib/store/types'

export interface Opening {
  store: Store
  /** The time the store sees; set it to whatever a test needs. */
  clock: { time: number }
  errors: Error[]
}

/**
 * @param open gives an empty store that reads `clock` and tells `onError`
 */
export function storeContract(
  name: string,
  open: (clock: Clock, onError: (error: Error) => void) => Promise<Store>,
): void {
  describe(`store contract: ${name}`, function () {
    // Each durable write waits for the disk, and the disk may be busy.
    this.timeout(60_000)
    let store: Store
    const clock = { time: 0 }
    let errors: Error[]

    beforeEach(async () => {
      clock.time = 1_000_000
      errors = []
      store = await open({ now: () => clock.time }, (error) => errors.push(error))
    })

    afterEach(() => store.close())

    describe('put, get, remove', () => {
      const values: [string, unknown][] = [
        ['a string', 'blåbærgrød 🍓 \0 \ud800'],
        ['an empty string', ''],
        ['zero', 0],
        ['false', false],
        ['null', null],
        ['an array', [1, [2, null], {}]],
        ['an object', { a: { b: [1] }, ø: '' }],
        ['a large text', 'x'.repeat(300_000)],
      ]
      for (const [what, value] of values) {
        it(`gives back ${what}`, async () => {
          await store.put(['k', 1], value)
          assert.deepEqual(await store.get(['k', 1]), value)
        })
      }

      it('knows absent from null', async () => {
        await store.put(['null'], null)
        assert.equal(await store.get(['null']), null)
        assert.equal(await store.get(['nothing']), undefined)
      })

      it('overwrites and removes', async () => {
        await store.put(['k'], 1)
        await store.put(['k'], 2)
        assert.equal(await store.get(['k']), 2)
        await store.remove(['k'])
        await store.remove(['k'])
        assert.equal(await store.get(['k']), undefined)
      })

      it('keeps no reference to the value given or handed out', async () => {
        const given = { list: [1] }
        await store.put(['k'], given)
        given.list.push(2)
        const first = await store.get<{ list: number[] }>(['k'])
        first?.list.push(3)
        assert.deepEqual(await store.get(['k']), { list: [1] })
      })

      it('writes in the order of the calls', async () => {
        await Promise.all(Array.from({ length: 50 }, (_, n) => store.put(['k'], n)))
        assert.equal(await store.get(['k']), 49)
      })

      for (const value of [undefined, () => 1, 10n]) {
        it(`rejects a ${typeof value}, which has no JSON form`, async () => {
          await store.put(['k'], 'before')
          await assert.rejects(store.put(['k'], value), TypeError)
          assert.equal(await store.get(['k']), 'before')
        })
      }
    })

    describe('keys', () => {
      const wrong: [string, StoreKey][] = [
        ['no element', []],
        ['NaN', [NaN]],
        ['Infinity', ['a', Infinity]],
        ['half a character', ['\ud800']],
        ['too many bytes', ['x'.repeat(MAX_KEY_BYTES)]],
        ['an element of another type', [true as unknown as string]],
      ]
      for (const [what, key] of wrong) {
        it(`rejects a key with ${what}`, async () => {
          await assert.rejects(store.get(key), TypeError)
          await assert.rejects(store.put(key, 1), TypeError)
          await assert.rejects(store.remove(key), TypeError)
        })
      }

      it('takes a key of the greatest size', async () => {
        const key = ['x'.repeat(MAX_KEY_BYTES - 2)]
        await store.put(key, 1)
        assert.deepEqual(await store.list([]), [{ key, value: 1 }])
      })

      it('tells every two keys apart', async () => {
        const keys: StoreKey[] = [
          ['a', 'b'],
          ['a\0b'],
          ['ab'],
          ['a', 'b', ''],
          ['a', '', 'b'],
          [1],
          ['1'],
          [1, 1],
          [11],
        ]
        for (const [n, key] of keys.entries()) await store.put(key, n)
        for (const [n, key] of keys.entries()) assert.equal(await store.get(key), n)
      })
    })

    describe('list', () => {
      it('is ordered element by element: numbers by value, before strings, a key before its extensions', async () => {
        const ordered: StoreKey[] = [
          ['q', -1e300],
          ['q', -2],
          ['q', -1.5],
          ['q', 0],
          ['q', 1e-300],
          ['q', 2],
          ['q', 10],
          ['q', 1e300],
          ['q', ''],
          ['q', 'a'],
          ['q', 'a', 0],
          ['q', 'a', 'b'],
          ['q', 'a\0'],
          ['q', 'ab'],
          ['q', 'å'],
        ]
        for (const key of [...ordered].reverse()) await store.put(key, 0)
        assert.deepEqual(
          (await store.list(['q'])).map(({ key }) => key),
          ordered,
        )
      })

      it('knows a prefix by whole elements', async () => {
        for (const key of [['a'], ['a', 1], ['a', 'x'], ['ab'], ['a\0b'], ['b', 'a']]) await store.put(key, key.length)
        assert.deepEqual(
          (await store.list(['a'])).map(({ key }) => key),
          [['a'], ['a', 1], ['a', 'x']],
        )
        assert.deepEqual(await store.list(['c']), [])
        assert.equal((await store.list([])).length, 6)
      })

      it('stops at the limit, and expired entries do not count', async () => {
        for (let n = 0; n < 5; n++) await store.put(['n', n], n, n < 2 ? { ttl: 10 } : {})
        clock.time += 10
        assert.deepEqual(
          (await store.list<number>(['n'], 2)).map(({ value }) => value),
          [2, 3],
        )
        assert.deepEqual(await store.list(['n'], 0), [])
      })

      it('agrees with a sorted map on any keys (property)', async () => {
        const element = fc.oneof(
          fc.string({ unit: 'binary', maxLength: 6 }),
          fc.constantFrom('', '\0', '\0\xff', '\x01', '\uffff', '💣'),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
          fc.integer({ min: -3, max: 3 }),
        )
        const anyKey = fc.array(element, { minLength: 1, maxLength: 3 })
        await fc.assert(
          fc.asyncProperty(fc.array(anyKey, { maxLength: 12 }), anyKey, async (keys, prefix) => {
            for (const { key } of await store.list([])) await store.remove(key)
            const model = new Map<string, { key: StoreKey; value: number }>()
            for (const [value, key] of keys.entries()) {
              const plain = key.map((e) => (e === 0 ? 0 : e))
              model.set(JSON.stringify(plain), { key: plain, value })
            }
            await Promise.all(keys.map((key, value) => store.put(key, value)))
            const sorted = [...model.values()].sort((a, b) => compareKeys(a.key, b.key))
            assert.deepEqual(await store.list([]), sorted)
            const head = prefix.map((e) => (e === 0 ? 0 : e))
            assert.deepEqual(
              await store.list(prefix),
              sorted.filter(({ key }) => head.every((e, i) => key[i] === e)),
            )
          }),
          { numRuns: 40 },
        )
      })
    })

    describe('time to live', () => {
      it('is gone from the moment it names, for every way of reading', async () => {
        await store.put(['k'], 'old', { ttl: 100 })
        clock.time += 99
        assert.equal(await store.get(['k']), 'old')
        clock.time += 1
        assert.equal(await store.get(['k']), undefined)
        assert.deepEqual(await store.list(['k']), [])
        assert.equal(await store.putIfAbsent(['k'], 'new'), 'new')
      })

      it('a later put decides anew', async () => {
        await store.put(['k'], 1, { ttl: 100 })
        await store.put(['k'], 2)
        clock.time += 1e9
        assert.equal(await store.get(['k']), 2)
      })

      it('update keeps the expiry unless it is given one', async () => {
        await store.put(['a'], 1, { ttl: 100 })
        await store.put(['b'], 1, { ttl: 100 })
        await store.update<number>(['a'], (n = 0) => n + 1)
        await store.update<number>(['b'], (n = 0) => n + 1, { ttl: 200 })
        clock.time += 150
        assert.equal(await store.get(['a']), undefined)
        assert.equal(await store.get(['b']), 2)
      })

      it('update sees an expired entry as absent', async () => {
        await store.put(['k'], 5, { ttl: 1 })
        clock.time += 1
        assert.equal(await store.update<number>(['k'], (n) => (n ?? 100) + 1), 101)
      })

      it('a ttl of nothing or less is over at once; one that is no number rejects', async () => {
        await store.put(['k'], 1, { ttl: 0 })
        await store.put(['l'], 1, { ttl: -5e12 })
        assert.deepEqual(await store.list([]), [])
        await assert.rejects(store.put(['m'], 1, { ttl: NaN }), TypeError)
      })

      it('sweep removes what has expired and nothing else, also over many chunks', async () => {
        await Promise.all(
          Array.from({ length: 2500 }, (_, n) => store.put(['n', n], n, n % 5 === 0 ? {} : { ttl: 10 + (n % 2) })),
        )
        assert.equal(await store.sweep(), 0)
        clock.time += 10
        assert.equal(await store.sweep(), 1000)
        clock.time += 10
        assert.equal(await store.sweep(), 1000)
        assert.equal((await store.list(['n'])).length, 500)
      })
    })

    describe('putIfAbsent and update', () => {
      it('putIfAbsent writes once and tells every caller the same', async () => {
        const told = await Promise.all(Array.from({ length: 20 }, (_, n) => store.putIfAbsent(['k'], n)))
        assert.deepEqual(new Set(told), new Set([0]))
        assert.equal(await store.get(['k']), 0)
      })

      it('putIfAbsent takes null for something that is there', async () => {
        await store.put(['k'], null)
        assert.equal(await store.putIfAbsent<number | null>(['k'], 1), null)
      })

      it('putIfAbsent returns what is stored, not what was given', async () => {
        assert.deepEqual(await store.putIfAbsent<unknown>(['k'], { a: undefined, b: NaN }), { b: null })
      })

      it('update counts exactly under concurrency', async () => {
        await Promise.all(Array.from({ length: 200 }, () => store.update<number>(['n'], (n = 0) => n + 1)))
        assert.equal(await store.get(['n']), 200)
      })

      it('update removes on undefined', async () => {
        await store.put(['k'], 1)
        assert.equal(await store.update<number>(['k'], () => undefined), undefined)
        assert.equal(await store.get(['k']), undefined)
      })

      it('a change that throws rejects, writes nothing and harms no neighbour', async () => {
        await store.put(['k'], 1)
        const results = await Promise.allSettled([
          store.put(['before'], 1),
          store.update(['k'], () => {
            throw new Error('no such luck')
          }),
          store.update(['k'], () => 10n),
          store.put(['after'], 1),
        ])
        assert.deepEqual(
          results.map(({ status }) => status),
          ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
        )
        await assert.rejects(
          store.update(['k'], () => {
            throw new Error('no such luck')
          }),
          /no such luck/,
        )
        assert.equal(await store.get(['k']), 1)
        assert.equal(await store.get(['after']), 1)
      })
    })

    describe('increment', () => {
      let timers: sinon.SinonFakeTimers

      beforeEach(() => {
        timers = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      })
      afterEach(() => {
        timers.restore()
      })

      /** The flush begins within the next turns and each put waits for a commit of its own. */
      const afterASecond = async (): Promise<void> => {
        timers.tick(1000)
        for (let n = 0; n < 3; n++) await store.put(['barrier'], n)
      }

      it('adds up within a second', async () => {
        for (let n = 0; n < 10; n++) store.increment(['hits'])
        store.increment(['hits'], -3)
        store.increment(['bytes'], 1.5)
        assert.equal(await store.get(['hits']), undefined)
        await afterASecond()
        assert.equal(await store.get(['hits']), 7)
        assert.equal(await store.get(['bytes']), 1.5)
        store.increment(['hits'])
        await afterASecond()
        assert.equal(await store.get(['hits']), 8)
      })

      it('leaves a value that is no number alone, says so, and counts the others', async () => {
        await store.put(['k'], 'text')
        store.increment(['k'])
        store.increment(['n'])
        await afterASecond()
        assert.equal(await store.get(['k']), 'text')
        assert.equal(await store.get(['n']), 1)
        assert.equal(errors.length, 1)
        assert.match(String(errors[0]), /\["k"\]/)
      })

      it('ignores what is no number', async () => {
        store.increment(['n'], NaN)
        store.increment(['n'], 2)
        await afterASecond()
        assert.equal(await store.get(['n']), 2)
      })
    })

    describe('close', () => {
      it('makes every method reject, and may be called twice', async () => {
        await store.close()
        await store.close()
        const calls: [string, () => Promise<unknown>][] = [
          ['get', () => store.get(['k'])],
          ['put', () => store.put(['k'], 1)],
          ['putIfAbsent', () => store.putIfAbsent(['k'], 1)],
          ['update', () => store.update(['k'], () => 1)],
          ['remove', () => store.remove(['k'])],
          ['list', () => store.list([])],
          ['sweep', () => store.sweep()],
        ]
        for (const [method, call] of calls) await assert.rejects(call, /closed/, method)
        store.increment(['k'])
      })

      it('waits for writes that were accepted', async () => {
        const writes = Promise.all(Array.from({ length: 20 }, (_, n) => store.put(['k', n], n)))
        await store.close()
        await writes
      })
    })
  })
}

/** The order that `StoreKey` promises, written down independently of the encoding. */
function compareKeys(a: StoreKey, b: StoreKey): number {
  for (const [i, left] of a.entries()) {
    const right = b[i]
    if (right === undefined) return 1
    if (left === right) continue
    if (typeof left === 'number') return typeof right === 'number' ? left - right : -1
    if (typeof right === 'number') return 1
    return Buffer.compare(Buffer.from(left), Buffer.from(right))
  }
  return a.length - b.length
}
