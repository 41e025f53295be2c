/** The policy room: which protection each recipient's delivery requires. Plain values in, plain values out. */
export { decide } from './decide'
export { axesOf, forHost } from './for-host'
export { groupRecipients, requirementDigest, type Decided, type RecipientGroup } from './digest'
export { tlsToken } from './tls-token'
export { atLeastLevel, compareStrength, type Comparison } from './strength'
export { isInternalDomain } from './internal'
export { domainOf, matchesStsPatterns } from './names'
export * from './types'
