/** How a report stands after an order to send it: what gateway and command say to each other. */

/**
 * `sent-before`: by whoever; `waiting`: failed, tried again; `claimed`: another process is at it, or died at it and is
 * waited for; `unknown`: it could not be found out now.
 */
export const SEND_STATES = [
  'sent',
  'sent-before',
  'waiting',
  'claimed',
  'given-up',
  'not-wanted',
  'nothing-to-report',
  'excluded',
  'unknown',
] as const

export interface SendResult {
  /** Policy domain. */
  domain: string
  state: (typeof SEND_STATES)[number]
  /** URI of the record; absent where there is none. */
  to?: string
  /** One clause. */
  why?: string
}
