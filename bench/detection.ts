/** `--only detection`: what is found of the seeded corpus, beside what others publish. */
import { loadConfig } from '../lib/config'
import { formatTable, scoreFormats } from '../test/corpus/formats-score'
import { CORPUS_NOW } from '../test/corpus/text'
import { scoreCorpus, scoreTable } from '../test/corpus/text-score'

/** What `--only` is given. */
export const DETECTION_TITLE = 'detection'

const SEED = 1
const PER_CLASS = { full: 2000, quick: 200 }

export function runDetection(quick: boolean): string {
  return `${scoreTable(scoreCorpus(SEED, quick ? PER_CLASS.quick : PER_CLASS.full))}\n`
}

/** `--only formats`: the same through every format, with the gate as it is installed. */
export const FORMATS_TITLE = 'formats'

const PER_FORMAT = { full: 20, quick: 3 }

export async function runFormats(quick: boolean): Promise<string> {
  const loaded = loadConfig(undefined, { now: () => CORPUS_NOW })
  if (!loaded.ok) throw new Error('the default configuration does not load')
  return `${formatTable(await scoreFormats(loaded.settings, SEED, quick ? PER_FORMAT.quick : PER_FORMAT.full))}\n`
}
