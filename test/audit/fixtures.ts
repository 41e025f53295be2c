import { ACTIONS } from '../../lib/audit/actions'
import { ecsLine, type EcsContext, type EcsStamp } from '../../lib/audit/ecs'
import type { AuditAction, AuditEvent } from '../../lib/audit/types'
import { maskCpr } from '../../lib/classify/cpr'
import type { TlsFacts } from '../../lib/failure'

export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject
export interface JsonObject {
  [name: string]: JsonValue
}

export const ALL_ACTIONS = Object.keys(ACTIONS) as AuditAction[]

export const MAIL_ID = 'F35304E8-4DF4-4DEA-8AEA-A1788CEA53B3.1'

export const TLS: TlsFacts = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  verified: true,
  auth: 'pkix',
  pkix: 'certificate-host-mismatch',
  resumed: false,
  servername: 'mx1.partner.example',
  certificate: {
    subject: 'CN=mx1.partner.example',
    issuer: 'CN=Example CA',
    names: ['mx1.partner.example'],
    notBefore: '2026-01-01T00:00:00Z',
    notAfter: 'Jan  1 00:00:00 2027 GMT',
    sha256: '0a'.repeat(32),
    spkiSha256: '1b'.repeat(32),
  },
}

const DIGEST_KEY = Buffer.alloc(32, 7)

export const CONTEXT: EcsContext = {
  hostname: 'mx1.uni.example',
  version: '0.1.0',
  recipients: 'domain+hmac',
  digestKey: () => ({ id: 'k1', key: DIGEST_KEY }),
  mask: maskCpr,
}

/** The line of an event, read back. */
export function toEcs(event: AuditEvent, context: EcsContext, stamp: EcsStamp): JsonObject {
  return JSON.parse(ecsLine(event, context, stamp)) as JsonObject
}

/** An event with every field set. */
export function fullEvent(action: AuditAction): AuditEvent {
  return {
    action,
    message: 'starttls-not-supported at mx1.partner.example, mail deferred',
    outcome: 'failure',
    mailId: MAIL_ID,
    caseId: 'SM-7F3K-0Q2Z',
    messageId: '<m1@uni.example>',
    sender: 'anne@uni.example',
    recipients: ['Bo@Partner.example', 'eva@other.example', '@third.example'],
    source: { ip: '192.0.2.10', port: 40000, user: 'anne' },
    destination: { host: 'mx1.partner.example', ip: '198.51.100.7', port: 25 },
    tls: TLS,
    failure: {
      resultType: 'starttls-not-supported',
      enhancedCode: '4.7.4',
      publicText: 'mx1.partner.example did not offer STARTTLS',
      privateDetail: 'EHLO answered with 3 keywords',
      smtp: { code: 454, enhanced: '4.7.0', text: 'TLS not available for <bo@partner.example>' },
      mx: 'mx1.partner.example',
      address: '198.51.100.7',
      port: 25,
    },
    policy: {
      source: 'map',
      level: 'encrypt',
      reason: 'row',
      rule: 'secure-mail.tls_policy:3 partner.example',
      wouldHave: 'deferred',
    },
    optOut: { by: 'subject-tag', granted: false, refusals: ['cpr', 'no-public-marker'] },
    report: { kind: 'tls-not-offered', status: '5.7.4' },
    attempt: 3,
    queueAge: 1_260_400,
    duration: 812,
    tlsToken: 'tls=encrypt:none!',
    extra: { route: 'mx', persons: 2, exempt: false },
  }
}
