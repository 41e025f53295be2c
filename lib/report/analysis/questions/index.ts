/** Every question by its name, in the order in which an analyst reads them. */
import type { Question } from '../question'
import { changes } from './changes'
import { clearText } from './clear-text'
import { coverage } from './coverage'
import { downgradeSigns } from './downgrade-signs'
import { latency } from './latency'
import { logHealth } from './log-health'
import { needless } from './needless'
import { oddSenders } from './odd-senders'
import { overview } from './overview'
import { partners } from './partners'
import { proof } from './proof'
import { refused } from './refused'
import { weakCrypto } from './weak-crypto'
import { whatIf } from './what-if'

/** The first is asked when none is named. */
export const QUESTIONS: readonly Question[] = [
  overview,
  clearText,
  refused,
  needless,
  partners,
  proof,
  downgradeSigns,
  weakCrypto,
  coverage,
  changes,
  latency,
  oddSenders,
  logHealth,
  whatIf,
]
