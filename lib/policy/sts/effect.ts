/** Does it matter for a recipient what policy its domain publishes? Pure: `decide()` itself is asked. */
import { decide } from '../decide'
import { requirementDigest } from '../digest'
import { withMtaSts } from '../inputs'
import type { MtaStsState, PolicyInputs, Requirement } from '../types'

const ABSENT: MtaStsState = { state: 'absent' }
const STRICTEST: MtaStsState = { state: 'policy', mode: 'enforce', id: '0', mx: [], maxAge: 0 }

/**
 * @returns `none`: whatever is published changes nothing (a map row, an internal domain, a granted opt-out), so nobody
 *   needs to look; `recorded`: only what monitor mode records; `enforced`: what the delivery must show
 */
export function stsEffect(inputs: Omit<PolicyInputs, 'mtaSts'>): 'none' | 'recorded' | 'enforced' {
  const without = decide(withMtaSts(inputs, ABSENT))
  const strictest = decide(withMtaSts(inputs, STRICTEST))
  // the ordinary case: the policy's hosts are part of the protection, and nobody need compare the rest
  if (without.sts === undefined && strictest.sts !== undefined) return 'enforced'
  if (requirementDigest(without) !== requirementDigest(strictest)) return 'enforced'
  const recorded = (decided: Requirement) => requirementDigest(decided.enforced ?? decided)
  return recorded(without) === recorded(strictest) ? 'none' : 'recorded'
}
