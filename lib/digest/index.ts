/** digest/: what support is told once a day about partners that could not be reached with TLS. */
export { composeDigest, digestText, type Digest, type DigestInput, type DigestTexts } from './compose'
export { addFacts, factsOf, factsOfDay, failingNow, merged, recovered, type PartnerFacts } from './facts'
export { DIGEST_TEXTS } from './texts'
