/** The DNS room: a DNSSEC-aware stub resolver, and the look-ups that mail routing makes with it. */
export { lookupAddresses, type AddressOptions } from './addresses'
export { isLocalAddress, isLoopback } from './local-address'
export { lookupMx, MAX_MX_HOSTS, type MxOptions } from './mx'
export { addressLiteral, normaliseName } from './names'
export { probeValidation, type Validation } from './probe-validation'
export { createResolver, type ResolverOptions } from './resolver'
export { parseServer, type TrustAd } from './servers'
export * from './types'
