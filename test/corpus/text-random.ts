/** Chance that is the same in every run. */

export interface Random {
  /** A whole number from 0 on, below `limit`. */
  below(limit: number): number
  pick<T>(from: readonly T[]): T
  /** True in so many of a hundred cases. */
  chance(percent: number): boolean
  digits(count: number): string
}

/** Park and Miller's generator. */
export function seededRandom(seed: number): Random {
  let state = (seed % 2_147_483_646) + 1
  const next = () => (state = (state * 48_271) % 2_147_483_647)
  for (let n = 0; n < 10; n++) next()
  const below = (limit: number) => Math.floor((next() / 2_147_483_647) * limit)
  return {
    below,
    pick(from) {
      const one = from[below(from.length)]
      if (one === undefined) throw new RangeError('nothing to pick from')
      return one
    },
    chance: (percent) => below(100) < percent,
    digits: (count) => Array.from({ length: count }, () => below(10)).join(''),
  }
}

export const two = (n: number) => String(n).padStart(2, '0')
