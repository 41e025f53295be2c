/** What a mail's content means. */
export { containsCpr, findCpr, maskCpr, type CprHit } from './cpr'
export { readMarkers } from './markers'
export { protectionOf } from './protection'
export { findSensitive } from './sensitive'
