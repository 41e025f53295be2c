/** What a mail's content means. */
export { containsCpr, findCpr, maskCpr, type CprHit, type CprSearch } from './cpr'
export { findCprInTable, type TableHit } from './cpr-table'
export { labelsFromProperties } from './file-labels'
export { readMarkers } from './markers'
export { personRows, personRowsInText } from './person-rows'
export { protectionOf } from './protection'
export { findSensitive, type SensitiveHit } from './sensitive'
export { SENSITIVE_KINDS, type SensitiveKind } from './sensitive-kinds'
