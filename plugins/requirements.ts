/** What each recipient of an attempt requires: facts of the mail, settings in force, and what the next hop publishes. */
import { MONITOR_PATIENCE } from '../lib/deliver/monitor'
import type { StaticRoute } from '../lib/deliver/types'
import type { Failure } from '../lib/failure'
import { decide } from '../lib/policy/decide'
import { requirementDigest, type Decided } from '../lib/policy/digest'
import { inputsFrom, withMtaSts } from '../lib/policy/inputs'
import { stsEffect } from '../lib/policy/sts'
import type { MtaStsState, PolicyInputs, Requirement, Route } from '../lib/policy/types'
import { inPatience } from '../lib/util/patience'
import type { MailFacts } from './mail-facts'
import { policyFailure, policyOnDemand } from './mta-sts'
import type { Runtime } from './runtime'

export interface Requirements {
  decided: Decided[]
  /** Recipients whose requirement is not known yet. */
  waiting: { recipient: string; failure: Failure }[]
  /** The MTA-STS policy that was looked up; undefined = it did not matter to any of them. */
  mtaSts?: MtaStsState
  /** What is published asks for, where that is more than is enforced: for TLS reports. By recipient. */
  published: Map<string, Requirement>
}

/** @param chosen where the mail goes next */
export async function requirementsOf(
  { runtime, facts }: { runtime: Runtime; facts: MailFacts },
  recipients: readonly string[],
  chosen: { route: Route; routes?: readonly StaticRoute[] },
): Promise<Requirements> {
  const published = policyOnDemand(runtime, facts.domain, chosen.route, chosen.routes)
  const result: Requirements = { decided: [], waiting: [], published: new Map() }
  for (const recipient of recipients) {
    const inputs = inputsFor(runtime, facts, recipient, chosen.route)
    const effect = stsEffect(inputs)
    const mtaSts: MtaStsState = effect === 'none' ? { state: 'absent' } : await known(published(), effect)
    if (effect !== 'none') result.mtaSts = mtaSts
    if (mtaSts.state === 'error' && effect === 'enforced') {
      result.waiting.push({ recipient, failure: policyFailure(mtaSts.resultType, mtaSts.detail) })
    } else {
      const requirement = decide(withMtaSts(inputs, mtaSts))
      result.decided.push({ recipient, requirement })
      const enforced = asEnforced(mtaSts)
      // the same question has the same answer
      if (inputs.mode === 'enforce' && enforced === mtaSts) continue
      const published = decide({ ...withMtaSts(inputs, enforced), mode: 'enforce' })
      if (requirementDigest(published) !== requirementDigest(requirement)) result.published.set(recipient, published)
    }
  }
  return result
}

/** RFC 8461 section 5: under mode testing, what enforcing would have failed by is reported (RFC 8460). */
function asEnforced(mtaSts: MtaStsState): MtaStsState {
  return mtaSts.state === 'policy' && mtaSts.mode === 'testing' ? { ...mtaSts, mode: 'enforce' } : mtaSts
}

/** Only where a policy is enforced is it worth waiting for: what monitor mode records keeps no mail back. */
async function known(looked: Promise<MtaStsState>, effect: 'recorded' | 'enforced'): Promise<MtaStsState> {
  if (effect === 'enforced') return looked
  const late = { state: 'error', resultType: 'sts-policy-fetch-error', detail: 'not known in time' } as const
  return (await inPatience(looked, MONITOR_PATIENCE)) ?? late
}

/**
 * Would the map refuse an opt-out for this recipient, whoever asked for it? A report must not advise what would be
 * refused.
 */
export function forbidsOptOut(
  { runtime, facts }: { runtime: Runtime; facts: MailFacts },
  recipient: string,
  route: Route,
): boolean {
  const inputs = { ...inputsFor(runtime, facts, recipient, route), grant: { by: 'subject-tag' as const } }
  return decide(withMtaSts(inputs, { state: 'absent' })).overrideForbidden
}

function inputsFor(runtime: Runtime, facts: MailFacts, recipient: string, route: Route): Omit<PolicyInputs, 'mtaSts'> {
  const { grant, requiretls, kind, sender } = facts
  const now = runtime.clock.now()
  return inputsFrom(runtime.settings(), { recipient, route, grant, requiretls, kind, nullSender: sender === '', now })
}
