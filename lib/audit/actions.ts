/** What each action is in the terms of the Elastic Common Schema. */
import type { AuditAction } from './types'

export interface ActionFacts {
  /** ECS event.category; see https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category */
  category: readonly ('email' | 'network' | 'configuration' | 'process')[]
  /** ECS event.type; what the category may be with. */
  type: readonly ('info' | 'allowed' | 'denied' | 'connection' | 'protocol' | 'change')[]
  level: 'info' | 'warn' | 'error'
  /** Used when the event does not say. */
  outcome: 'success' | 'failure' | 'unknown'
}

const MAIL = ['email'] as const
const WIRE = ['email', 'network'] as const

/** One row per action: a new action cannot be forgotten. */
export const ACTIONS: Readonly<Record<AuditAction, ActionFacts>> = {
  'message-accepted': { category: MAIL, type: ['info'], level: 'info', outcome: 'success' },
  'optout-requested': { category: MAIL, type: ['info'], level: 'info', outcome: 'unknown' },
  'optout-granted': { category: MAIL, type: ['info'], level: 'warn', outcome: 'success' },
  'optout-refused': { category: MAIL, type: ['info'], level: 'warn', outcome: 'failure' },
  'policy-resolved': { category: WIRE, type: ['info'], level: 'info', outcome: 'success' },
  'tls-negotiated': { category: WIRE, type: ['info', 'connection', 'protocol'], level: 'info', outcome: 'success' },
  'tls-failed': { category: WIRE, type: ['info', 'protocol', 'denied'], level: 'warn', outcome: 'failure' },
  'delivery-succeeded': { category: WIRE, type: ['info', 'connection'], level: 'info', outcome: 'success' },
  'delivery-deferred': { category: WIRE, type: ['info', 'connection'], level: 'warn', outcome: 'failure' },
  'delivery-failed': { category: WIRE, type: ['info', 'connection'], level: 'warn', outcome: 'failure' },
  'plaintext-permitted': { category: WIRE, type: ['info', 'allowed'], level: 'warn', outcome: 'success' },
  'plaintext-delivered': { category: WIRE, type: ['info', 'allowed'], level: 'warn', outcome: 'success' },
  'report-sent': { category: MAIL, type: ['info'], level: 'info', outcome: 'success' },
  'report-undeliverable': { category: MAIL, type: ['info'], level: 'error', outcome: 'failure' },
  'delay-notice-sent': { category: MAIL, type: ['info'], level: 'info', outcome: 'success' },
  'support-digest-sent': { category: MAIL, type: ['info'], level: 'info', outcome: 'success' },
  'category3-detected': { category: MAIL, type: ['info'], level: 'warn', outcome: 'success' },
  'category3-encrypted': { category: MAIL, type: ['info'], level: 'info', outcome: 'success' },
  'certificate-harvested': { category: ['configuration'], type: ['change'], level: 'info', outcome: 'success' },
  'certificate-changed': { category: ['configuration'], type: ['change'], level: 'info', outcome: 'success' },
  'override-expired': { category: ['configuration'], type: ['change'], level: 'warn', outcome: 'success' },
  'probe-run': { category: ['network'], type: ['info', 'connection'], level: 'info', outcome: 'unknown' },
  'tlsrpt-sent': { category: MAIL, type: ['info'], level: 'info', outcome: 'success' },
  'queue-retried': { category: MAIL, type: ['info'], level: 'info', outcome: 'success' },
  'queue-bounced': { category: MAIL, type: ['info'], level: 'warn', outcome: 'success' },
  'config-loaded': { category: ['configuration'], type: ['change'], level: 'info', outcome: 'success' },
  'config-rejected': { category: ['configuration'], type: ['info'], level: 'error', outcome: 'failure' },
  'plugin-error': { category: ['process'], type: ['info'], level: 'error', outcome: 'failure' },
}

/** Syslog severities (RFC 5424 section 6.2.1) of the levels, for event.severity. */
export const SEVERITY = { info: 6, warn: 4, error: 3 } as const
