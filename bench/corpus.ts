/** Text for the scanner's benchmark: made from a seed, so that every run scans the same. No real person's number. */

/** A small generator of pseudo-random numbers (mulberry32): equal seeds, equal sequences; 0 <= value < 1. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const WORDS = (
  'hermed fremsendes referat fra mødet i udvalget om kvalitet og eksamen for de studerende på uddannelsen vi ' +
  'vender tilbage med et forslag til den videre proces please find attached the minutes of our meeting in the ' +
  'committee and let us know whether you have any comments before the deadline best regards med venlig hilsen'
).split(' ')

/** Things with digits that ordinary mail is full of and that are no CPR numbers. */
const NUMBERS: readonly ((digit: () => number) => string)[] = [
  (d) => `+45 ${d()}${d()} ${d()}${d()} ${d()}${d()} ${d()}${d()}`,
  (d) => `${1 + (d() % 9)}.${1 + (d() % 9)}.202${d()}`,
  (d) => `kl. 1${d()}.${d() % 6}${d()}`,
  (d) => `faktura ${d()}${d()}${d()}${d()}${d()}${d()}${d()}`,
  (d) => `lokale ${d()}${d()}-${d()}${d()}${d()}`,
  (d) => `https://example.org/doc/${d()}${d()}${d()}${d()}${d()}${d()}${d()}${d()}${d()}${d()}${d()}${d()}`,
]

/**
 * Letters as people write them: Danish and English words in lines, now and then something with digits.
 *
 * @param bytes least size in UTF-8
 * @param seed any integer
 * @param insert put in once every 2,000 words or so, e.g. a number to be found; absent = nothing
 */
export function letters(bytes: number, seed: number, insert?: string): string {
  const random = randomFrom(seed)
  const digit = () => Math.floor(random() * 10)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  let text = ''
  for (let words = 1; Buffer.byteLength(text) < bytes;) {
    let line = ''
    for (let i = 0; i < 200; i++, words++) {
      const word =
        words % 2000 === 0 && insert !== undefined ? insert : random() < 0.04 ? pick(NUMBERS)(digit) : pick(WORDS)
      line += word + (words % 12 === 0 ? '\n' : ' ')
    }
    text += line
  }
  return text
}
