/** The little statistics that the comparison needs: medians, ranges, and ratios paired by round. */

/** Middle and ends of a handful of measurements. */
export interface Summary {
  median: number
  min: number
  max: number
  /** How many measurements there were. */
  n: number
}

/**
 * Median of the values; the mean of the middle two when their number is even.
 *
 * @param values at least one finite number
 * @throws RangeError when there are none, or one is not finite: an empty median would read as a measurement
 */
export function median(values: readonly number[]): number {
  if (values.length === 0 || !values.every(Number.isFinite)) throw new RangeError('median of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]!
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2
}

/**
 * @param values measurements of one thing in several rounds
 * @returns undefined when there are none
 */
export function summarise(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), n: values.length }
}

/**
 * Ratio of two things that were measured in the same rounds: one ratio per round, then their summary. What changes
 * from round to round (other work on the machine, clock frequency) hits both alike and drops out; the ratio of two
 * medians would keep it.
 *
 * @param numerator value per round; undefined where that round failed
 * @param denominator the same rounds of what it is compared with; a zero makes its round unusable
 * @returns undefined when no round has both
 */
export function pairedRatio(
  numerator: readonly (number | undefined)[],
  denominator: readonly (number | undefined)[],
): Summary | undefined {
  const ratios = numerator.flatMap((top, round) => {
    const bottom = denominator[round]
    return top === undefined || bottom === undefined || bottom === 0 ? [] : [top / bottom]
  })
  return summarise(ratios)
}
