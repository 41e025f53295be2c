/** What happens with policies, for those who tell postmasters and write TLS reports. */
import type { Rfc8460ResultType } from '../../failure'
import type { StsPolicy } from './policy-file'

export type StsEvent =
  /** A policy that is new to us, or another version of one. */
  | { kind: 'fetched'; domain: string; id: string; mode: StsPolicy['mode']; maxAge: number; mx: readonly string[] }
  /** There is a TXT record and no policy to be had; `cached`: id of the policy that stays in force. */
  | { kind: 'fetch-failed'; domain: string; id: string; resultType: Rfc8460ResultType; detail: string; cached?: string }
  /** The TXT record cannot be looked up, nothing is cached: mail waits. `since`: milliseconds since the epoch. */
  | { kind: 'outage'; domain: string; detail: string; since: number }
  /** The same for too long: mail goes on as without a policy. */
  | { kind: 'outage-ignored'; domain: string; detail: string; since: number }
