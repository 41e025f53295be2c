/**
 * deliver/: SMTP under a requirement. MX by MX and address by address; TLS verified before a byte is said inside it;
 * one outcome per recipient. `deadline.ts` says what follows an attempt.
 */
export { createDeliverer } from './deliver'
export { delayNoticeDue, givenUpAt, nextStep, recordAttempt, type NextStep } from './deadline'
export type {
  Deliverer,
  DelivererDeps,
  DeliveryRequest,
  DeliveryResult,
  HostAttempt,
  RecipientOutcome,
  StaticRoute,
} from './types'
