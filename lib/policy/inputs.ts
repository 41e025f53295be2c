/** What `decide` is given, put together in one place for those who enforce and those who explain. */
import type { Settings } from '../config/settings'
import type { Grant, MtaStsState, PolicyInputs, Route } from './types'

/** What is asked of one recipient's delivery, as far as no setting says it. */
export interface Question {
  /** `local@domain`, domain in A-labels, lower case; an empty local part stands for nobody in particular. */
  recipient: string
  route: Route
  /** Absent = none. */
  grant?: Grant | null
  /** Absent = false. */
  requiretls?: boolean
  /** Absent = an ordinary mail. */
  kind?: PolicyInputs['kind']
  /** Absent = no. */
  nullSender?: boolean
  /** Milliseconds. */
  now: number
}

/** @returns all but the published policy, which is looked up only where it matters */
export function inputsFrom(
  { main, tls, override, map }: Pick<Settings, 'main' | 'tls' | 'override' | 'map'>,
  { recipient, route, grant = null, requiretls = false, kind = 'mail', nullSender = false, now }: Question,
): Omit<PolicyInputs, 'mtaSts'> {
  return {
    recipient,
    route,
    map,
    defaultLevel: main.level,
    minVersion: tls.minVersion,
    internalDomains: main.internalDomains,
    mode: main.mode,
    overrideMode: override.mode,
    grant,
    requiretls,
    nullSender,
    dane: tls.dane,
    kind,
    now,
  }
}

/**
 * The whole question, once it is known what is published. Each field is named: this is asked several times for each
 * recipient, and Node 20 takes a microsecond for every property that follows a spread object.
 */
export function withMtaSts(inputs: Omit<PolicyInputs, 'mtaSts'>, mtaSts: MtaStsState): PolicyInputs {
  return {
    recipient: inputs.recipient,
    route: inputs.route,
    map: inputs.map,
    defaultLevel: inputs.defaultLevel,
    minVersion: inputs.minVersion,
    internalDomains: inputs.internalDomains,
    mode: inputs.mode,
    overrideMode: inputs.overrideMode,
    grant: inputs.grant,
    requiretls: inputs.requiretls,
    nullSender: inputs.nullSender,
    mtaSts,
    dane: inputs.dane,
    kind: inputs.kind,
    now: inputs.now,
  }
}
