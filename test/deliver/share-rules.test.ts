/** How places are divided between processes: the arithmetic alone. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CLOCK_SKEW, settle, SHARE_TTL, shareAlone, type ShareRecord } from '../../lib/deliver/share-rules'

const NOW = 1_000_000_000
const lasting = NOW + SHARE_TTL

describe('deliver: dividing the connections of a destination', () => {
  const cases: {
    name: string
    found: ShareRecord
    keep: number
    want: number
    limit?: number
    processes?: number
    held: number
    fair: number
  }[] = [
    { name: 'nobody else: all there is use for', found: {}, keep: 0, want: 7, held: 7, fair: 7 },
    { name: 'never more than the limit', found: {}, keep: 0, want: 100, held: 20, fair: 20 },
    { name: 'what others hold is not there', found: { b: [15, 15, lasting] }, keep: 0, want: 20, held: 5, fair: 10 },
    { name: 'half each when both want all', found: { b: [10, 20, lasting] }, keep: 3, want: 20, held: 10, fair: 10 },
    { name: 'too much: give back', found: { b: [0, 20, lasting] }, keep: 20, want: 20, held: 20, fair: 10 },
    { name: 'what others do not want is free', found: { b: [2, 2, lasting] }, keep: 5, want: 20, held: 18, fair: 18 },
    {
      name: 'three, one of them modest',
      found: { b: [2, 2, lasting], c: [9, 20, lasting] },
      keep: 0,
      want: 20,
      held: 9,
      fair: 9,
    },
    {
      name: 'what does not divide evenly',
      found: { b: [7, 20, lasting], c: [7, 20, lasting] },
      keep: 0,
      want: 20,
      held: 6,
      fair: 6,
    },
    {
      name: 'a share that has run out is free',
      found: { b: [20, 20, NOW - CLOCK_SKEW] },
      keep: 0,
      want: 20,
      held: 20,
      fair: 20,
    },
    {
      name: 'one that may not have, by its own clock, is not',
      found: { b: [20, 20, NOW - CLOCK_SKEW + 1] },
      keep: 0,
      want: 20,
      held: 0,
      fair: 10,
    },
    {
      name: 'a place is left for each process that has none',
      found: {},
      keep: 0,
      want: 20,
      processes: 4,
      held: 17,
      fair: 20,
    },
    { name: 'but no more than a quarter of all', found: {}, keep: 0, want: 20, processes: 40, held: 15, fair: 20 },
    {
      name: 'and that is where they find one',
      found: { b: [17, 20, lasting] },
      keep: 0,
      want: 20,
      processes: 4,
      held: 1,
      fair: 10,
    },
    {
      name: 'what rests may stay while nobody wants it',
      found: { b: [4, 4, lasting] },
      keep: 9,
      want: 0,
      held: 9,
      fair: 9,
    },
    { name: 'and must go when somebody does', found: { b: [11, 18, lasting] }, keep: 9, want: 0, held: 9, fair: 2 },
    {
      name: 'a limit that was lowered: nothing new, the rest to give back',
      found: { b: [10, 10, lasting] },
      keep: 10,
      want: 10,
      limit: 4,
      held: 10,
      fair: 2,
    },
    {
      name: 'a single place that is taken',
      found: { b: [1, 1, lasting] },
      keep: 0,
      want: 1,
      limit: 1,
      held: 0,
      fair: 1,
    },
  ]
  for (const { name, found, keep, want, limit = 20, processes = 1, held, fair } of cases) {
    it(name, () => {
      const settled = settle(found, { me: 'a', keep, want }, { limit, processes, now: NOW })
      // with one place for two, whose turn it is depends on the time
      assert.deepEqual({ held: settled.held, fair: limit === 1 ? fair : settled.fair }, { held, fair })
    })
  }

  it('more processes than places: each has its turn, and never more than there are places', () => {
    const ids = ['a', 'b', 'c', 'd', 'e']
    const had = new Map<string, number>()
    for (let now = NOW; now < NOW + 50_000; now += 2_000) {
      const entitled = ids.filter((me) => {
        const others = ids.filter((id) => id !== me)
        const found = Object.fromEntries(others.map((id) => [id, [0, 3, now + SHARE_TTL] as const]))
        return settle(found, { me, keep: 0, want: 3 }, { limit: 2, processes: 5, now }).fair > 0
      })
      assert.equal(entitled.length, 2)
      for (const id of entitled) had.set(id, (had.get(id) ?? 0) + 1)
    }
    assert.deepEqual(
      ids.map((id) => had.get(id)),
      [10, 10, 10, 10, 10],
    )
  })

  for (const found of [
    undefined,
    null,
    7,
    'x',
    [],
    { b: 1 },
    { b: [1, 1] },
    { b: [-1, 1, lasting] },
    { b: ['1', 1, lasting] },
  ]) {
    it(`what is no record counts as none: ${JSON.stringify(found)}`, () => {
      const { held, record } = settle(found, { me: 'a', keep: 0, want: 2 }, { limit: 2, processes: 1, now: NOW })
      assert.equal(held, 2)
      assert.deepEqual(record, { a: [2, 2, lasting] })
    })
  }

  it('who neither holds nor wants leaves no trace', () => {
    const idle = settle({ a: [3, 3, lasting] }, { me: 'a', keep: 0, want: 0 }, { limit: 20, processes: 2, now: NOW })
    assert.deepEqual({ ...idle, fair: 0 }, { record: undefined, held: 0, fair: 0 })
  })

  it('in any order, whoever comes, dies or goes on after its end: together never more than the limit (property)', () => {
    const step = fc.record({
      who: fc.integer({ min: 0, max: 5 }),
      want: fc.integer({ min: 0, max: 40 }),
      /** Part of what is held that is still in use, in percent. */
      using: fc.integer({ min: 0, max: 100 }),
      pause: fc.constantFrom(0, 0, 100, 3_000, 26_000),
      dies: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 25 }),
        fc.integer({ min: 1, max: 8 }),
        fc.array(step, { maxLength: 60 }),
        (limit, processes, steps) => {
          let now = NOW
          let record: ShareRecord | undefined
          const holding = new Map<number, { held: number; until: number }>()
          for (const { who, want, using, pause, dies } of steps) {
            now += pause
            const mine = holding.get(who)
            const keep = mine !== undefined && now < mine.until ? Math.floor((mine.held * using) / 100) : 0
            const settled = settle(record, { me: `p${who}`, keep, want }, { limit, processes, now })
            record = settled.record
            assert.ok(settled.held >= keep)
            holding.set(who, { held: settled.held, until: now + SHARE_TTL })
            if (dies) holding.delete(who)
            const total = [...holding.values()]
              .filter(({ until }) => now < until)
              .reduce((sum, one) => sum + one.held, 0)
            assert.ok(total <= limit, `${total} of ${limit}`)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('cut off: the parts of all together are within the limit, and nobody is left without', () => {
    for (let limit = 1; limit <= 30; limit++) {
      for (let processes = 1; processes <= 40; processes++) {
        const part = shareAlone(limit, processes)
        assert.ok(part >= 1)
        assert.ok(part * processes <= Math.max(limit, processes))
      }
    }
  })
})
