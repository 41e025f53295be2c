/** Sums of sessions stay whole and bounded, in memory and in the store. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { addCounts, countsOf, DAY_LIMITS, failedSessions, noCounts, Tally } from '../../../lib/report/tlsrpt/counts'
import { sessionCounter } from '../../../lib/report/tlsrpt/counter'
import { dayOf, startOf } from '../../../lib/report/tlsrpt/day'
import { readCounts, storedCounts } from '../../../lib/report/tlsrpt/stored'
import type { DayCounts, Sighting } from '../../../lib/report/tlsrpt/types'
import { openMemoryStore } from '../../../lib/store/memory'

const name = fc.integer({ min: 0, max: 60 }).map((n) => `h${n}.test`)
const sighting: fc.Arbitrary<Sighting> = fc.record(
  {
    policy: fc.record({
      type: fc.constantFrom('tlsa' as const, 'sts' as const, 'no-policy-found' as const),
      domain: name,
      strings: fc.array(name, { maxLength: 2 }),
      mxHosts: fc.array(name, { maxLength: 2 }),
    }),
    failure: fc.record(
      {
        resultType: fc.constantFrom('certificate-expired' as const, 'validation-failure' as const),
        mx: name,
        receivingIp: fc.ipV4(),
        reason: fc.string({ maxLength: 5 }),
      },
      { requiredKeys: ['resultType'] },
    ),
  },
  { requiredKeys: ['policy'] },
)
const sum = (sightings: readonly Sighting[]): DayCounts => {
  const tally = new Tally()
  for (const one of sightings) tally.add(countsOf(one))
  return tally.counts()
}
const total = ({ policies, uncounted }: DayCounts): number =>
  policies.reduce((all, one) => all + one.successes + failedSessions(one), uncounted)

describe('report: counts for TLS reports', () => {
  it('no session is lost or counted twice, however they are split and joined', () => {
    fc.assert(
      fc.property(fc.array(sighting, { maxLength: 300 }), fc.nat(300), (all, at) => {
        const joined = addCounts(sum(all.slice(0, at)), sum(all.slice(at)))
        assert.equal(total(joined), all.length)
        assert.equal(total(sum(all)), all.length)
        assert.deepEqual(readCounts(JSON.parse(JSON.stringify(joined))), joined)
      }),
      { numRuns: 60 },
    )
  })

  it('splitting changes nothing while there is room', () => {
    fc.assert(
      fc.property(fc.array(sighting, { maxLength: 20 }), fc.nat(20), (all, at) => {
        assert.deepEqual(addCounts(sum(all.slice(0, at)), sum(all.slice(at))), sum(all))
      }),
    )
  })

  it('a domain with endless hosts and policies takes a bounded place', () => {
    const tally = new Tally()
    for (let n = 0; n < 20_000; n++) {
      const policy = { type: 'tlsa' as const, domain: `mx${n % 700}.evil.test`, strings: [], mxHosts: [] }
      tally.add(
        countsOf({
          policy,
          failure: { resultType: 'tlsa-invalid', mx: `mx${n}.evil.test`, receivingIp: `192.0.2.${n}` },
        }),
      )
    }
    const counts = tally.counts()
    assert.equal(total(counts), 20_000)
    assert.equal(counts.policies.length, DAY_LIMITS.policies)
    const kept = counts.policies.reduce((all, { failures }) => all + failures.length, 0)
    // one more per policy and result type, without the place
    assert.ok(kept <= DAY_LIMITS.failures + DAY_LIMITS.policies, String(kept))
    assert.ok(JSON.stringify(counts).length < 60_000)
  })

  it('text from DNS is bounded', () => {
    const strings = Array.from({ length: 1000 }, (_, n) => `mx: ${n}`)
    const { policies } = countsOf({ policy: { type: 'sts', domain: 'a.test', strings, mxHosts: strings } })
    assert.equal(policies[0]?.policy.strings.length, 64)
    assert.equal(policies[0].policy.mxHosts.length, 64)
  })

  it('what stands in the store and makes no sense is nothing', () => {
    const odd: unknown[] = [null, 1, 'x', [], {}, { policies: 1 }, { policies: [null, { successes: -1 }] }]
    for (const value of odd) assert.deepEqual(readCounts(value), noCounts())
  })

  it('days are UTC days', () => {
    assert.equal(dayOf(Date.parse('2026-11-22T23:59:59.999Z')), '2026-11-22')
    assert.equal(startOf('2026-11-22'), Date.parse('2026-11-22T00:00:00Z'))
    for (const wrong of ['2026-13-01', '2026-02-30', '22-11-2026', '2026-11-22T00:00', '']) {
      assert.equal(startOf(wrong), undefined)
    }
  })

  describe('counter', () => {
    const policy = { type: 'no-policy-found' as const, domain: 'a.test', strings: [], mxHosts: [] }
    let now = Date.parse('2026-11-22T12:00:00Z')
    const clock = { now: () => now }

    it('several processes add to one entry per day and domain, which is gone some days later', async () => {
      const store = openMemoryStore({ clock })
      const errors: Error[] = []
      const counters = [1, 2, 3].map(() => sessionCounter(store, clock, (error) => errors.push(error)))
      for (const counter of counters) for (let n = 0; n < 10; n++) counter.add('a.test', { policy })
      await Promise.all(counters.map((counter) => counter.flush()))
      now += 86_400_000
      counters[0]?.add('a.test', { policy })
      await Promise.all(counters.map((counter) => counter.stop()))
      counters[0]?.add('a.test', { policy })
      assert.deepEqual(await storedCounts(store, '2026-11-22'), [
        { domain: 'a.test', counts: { policies: [{ policy, successes: 30, failures: [] }], uncounted: 0 } },
      ])
      assert.equal((await storedCounts(store, '2026-11-23'))[0]?.counts.policies[0]?.successes, 1)
      now += 5 * 86_400_000
      assert.deepEqual(await storedCounts(store, '2026-11-22'), [])
      assert.deepEqual(errors, [])
      await store.close()
    })

    it('what cannot be written is kept, told of, and written later', async () => {
      const store = openMemoryStore({ clock })
      let away = true
      const told: string[] = []
      const counter = sessionCounter(
        { update: (...args) => (away ? Promise.reject(new Error('away')) : store.update(...args)) },
        clock,
        (error) => told.push(error.message),
      )
      counter.add('a.test', { policy })
      await assert.rejects(counter.flush(), /they are kept: away/)
      counter.add('a.test', { policy })
      away = false
      await counter.stop()
      assert.equal((await storedCounts(store, dayOf(now)))[0]?.counts.policies[0]?.successes, 2)
      assert.deepEqual(told, [])
      await store.close()
    })
  })
})
