/** Where in a text some characters do not stand. */

/**
 * Questions about places near each other, and in their order, are answered with one look at each character, however many
 * questions there are: a text of nothing but numbers asks at every one of them.
 *
 * @param matters of a code unit: is it one of the characters?
 * @returns is none of them from one place up to another one (0 <= from <= to <= length)?
 */
export function freeStretches(text: string, matters: (code: number) => boolean): (from: number, to: number) => boolean {
  /** What is known to be free of them. */
  let low = 0
  let high = 0
  return (from, to) => {
    if (from > high || to < low) low = high = to
    for (; high < to; high++) if (matters(text.charCodeAt(high))) return false
    for (; low > from; low--) if (matters(text.charCodeAt(low - 1))) return false
    return true
  }
}
