/** `--only detection`: what is found of the seeded corpus, beside what others publish. */
import { scoreCorpus, scoreTable } from '../test/corpus/text-score'

/** What `--only` is given. */
export const DETECTION_TITLE = 'detection'

const SEED = 1
const PER_CLASS = { full: 2000, quick: 200 }

export function runDetection(quick: boolean): string {
  return `${scoreTable(scoreCorpus(SEED, quick ? PER_CLASS.quick : PER_CLASS.full))}\n`
}
