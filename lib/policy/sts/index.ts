/** MTA-STS (RFC 8461), the sending side. */
export { createSts, type Sts, type StsDeps } from './sts'
export { stsEffect } from './effect'
export type { StsEvent } from './events'
export type { FetchOptions } from './fetch'
export { lookUpPublished } from './live'
export { stsFetchOptions } from './options'
export { readStsRecords, type StsRecord } from './record'
export { readStsPolicy, type StsPolicy } from './policy-file'
