/**
 * The valid name that somebody most likely meant: the one with the fewest edits (insert, delete, replace, swap of
 * neighbours), if it is near enough to be worth saying.
 *
 * @param word what was written
 * @param names the valid names
 * @returns undefined when nothing is near: more than a third of the longer word, and at least two edits, away
 */
export function nearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Infinity
  for (const name of names) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase())
    if (distance < bestDistance && distance <= Math.max(2, Math.floor(Math.max(word.length, name.length) / 3))) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** Longest word that is compared; anything longer is no slip of the finger. */
const LONGEST = 100

/** Optimal string alignment distance, O(a*b) on words of bounded length. */
function editDistance(a: string, b: string): number {
  if (a.length > LONGEST || b.length > LONGEST) return Infinity
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let cost = Math.min(replace, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? Infinity
}
