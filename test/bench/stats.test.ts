import assert from 'node:assert/strict'
import fc from 'fast-check'
import { median, pairedRatio, summarise } from '../../bench/stats'

describe('bench: statistics', () => {
  const medians: [number[], number][] = [
    [[5], 5],
    [[3, 1, 2], 2],
    [[10, 9, 1, 2], 5.5],
    [[100, 2, 30], 30], // numbers, not strings, are sorted
  ]
  for (const [values, expected] of medians)
    it(`median of ${values.join(', ')} is ${expected}`, () => assert.equal(median(values), expected))

  it('has no median of nothing, nor of what is no number', () => {
    assert.throws(() => median([]), RangeError)
    assert.throws(() => median([1, Number.NaN]), RangeError)
  })

  it('leaves the order of its input alone', () => {
    const values = [3, 1, 2]
    median(values)
    assert.deepEqual(values, [3, 1, 2])
  })

  it('summarises with both ends and the count', () => {
    assert.deepEqual(summarise([4, 1, 7]), { median: 4, min: 1, max: 7, n: 3 })
    assert.equal(summarise([]), undefined)
  })

  it('keeps the median between the ends', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), (values) => {
        const summary = summarise(values)!
        return summary.min <= summary.median && summary.median <= summary.max && summary.n === values.length
      }),
    )
  })

  it('pairs ratios by round: a slow round drops out', () => {
    // Every round twice as fast, although the machine itself went from 100 to 10.
    assert.deepEqual(pairedRatio([200, 20, 100], [100, 10, 50]), { median: 2, min: 2, max: 2, n: 3 })
  })

  it('uses only rounds that have both', () => {
    assert.deepEqual(pairedRatio([2, undefined, 6, 8], [1, 1, undefined, 2]), { median: 3, min: 2, max: 4, n: 2 })
    assert.equal(pairedRatio([1, undefined], [undefined, 1]), undefined)
    assert.equal(pairedRatio([1], [0]), undefined)
    assert.equal(pairedRatio([], []), undefined)
  })
})
