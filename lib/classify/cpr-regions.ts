/** Only what stands around the spots of a text is decoded and read: a region each, or one for several that lie close. */
import { findCandidates, type Candidate } from './cpr-candidates'
import type { Spot, Token } from './cpr-spots'
import { digitView, type DigitView } from './digit-view'

/** How far around a candidate almost all of its context is, and a little more for what has no width. */
const REACH = 150
const REACH_BEHIND = 100
/** A region of a text full of numbers ends here, so that none takes long. */
const LONGEST = 1 << 16

export interface Region {
  /** In the text. */
  start: number
  view: DigitView
  /** In order of place, in the view. */
  candidates: Candidate[]
  /** In order of place, in the source of the view. */
  tokens: Token[]
}

/**
 * The regions that hold a candidate or a token of ten digits.
 *
 * @param spots in order of place
 * @param isPossible what a candidate may still fail by
 */
export function regionsOf(
  text: string,
  spots: readonly Spot[],
  now: number,
  isPossible: (region: Region, candidate: Candidate) => boolean,
): Region[] {
  const regions: Region[] = []
  for (let first = 0; first < spots.length;) {
    const start = Math.max(0, (spots[first]?.start ?? 0) - REACH)
    let last = first
    let end = spots[first]?.end ?? 0
    for (let next = spots[last + 1]; next !== undefined; next = spots[last + 1]) {
      if (next.start - end > REACH + REACH_BEHIND || next.end - start > LONGEST) break
      end = next.end
      last++
    }
    const view = digitView(text.slice(start, end + REACH_BEHIND))
    const own = spots
      .slice(first, last + 1)
      .map((spot) => ({ start: spot.start - start, end: spot.end - start, plain: spot.plain }))
    const { found, tokens } = findCandidates(view, own, now)
    const region = { start, view, candidates: found, tokens }
    region.candidates = found.filter((candidate) => isPossible(region, candidate))
    if (region.candidates.length > 0 || tokens.length > 0) regions.push(region)
    first = last + 1
  }
  return regions
}
