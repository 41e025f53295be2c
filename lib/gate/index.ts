/** The gate: whether a mail may go without TLS, and which category it is. */
export { decideCategory3, personsCounted, takesAdvice } from './category3'
export { decide } from './decide'
export { inspect, rulesFrom } from './inspect'
export { createReaderPool, type ReaderPool } from './pool'
export { quickLook } from './request'
export { saysTlsRequiredNo, TLS_REQUIRED } from './tls-required'
