/** The policy room: which protection each recipient's delivery requires. Plain values in, plain values out. */
export { decide } from './decide'
export { axesOf, forHost } from './for-host'
export { groupRecipients, requirementDigest, type Decided, type RecipientGroup } from './digest'
export { requiretlsCode } from './requiretls'
export { tlsToken } from './tls-token'
export { atLeastLevel, compareStrength, type Comparison } from './strength'
export { isInternalDomain } from './internal'
export { domainOf, matchesStsPatterns } from './names'
export {
  explain,
  explainFindings,
  hindranceOf,
  hostInputs,
  MEANING,
  tlsaSays,
  type Findings,
  type HostFindings,
  type PolicyReport,
} from './explain'
export { lookUp, type LookUps } from './look-up'
export * from './types'
