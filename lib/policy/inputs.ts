/** What `decide` is given, put together in one place for those who enforce and those who explain. */
import type { Settings } from '../config/settings'
import type { Grant, PolicyInputs, Route } from './types'

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
    ...{ recipient, route, map, grant, requiretls, kind, nullSender, now },
    defaultLevel: main.level,
    minVersion: tls.minVersion,
    internalDomains: main.internalDomains,
    mode: main.mode,
    overrideMode: override.mode,
    dane: tls.dane,
  }
}
