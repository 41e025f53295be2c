import assert from 'node:assert/strict'
import { formatDeliveryLine, type DeliveryLineInput } from '../../lib/audit/delivery-line'
import type { RecipientOutcome } from '../../lib/deliver/types'
import type { Requirement } from '../../lib/policy/types'
import { TLS } from './fixtures'

const requirement: Requirement = {
  level: 'encrypt',
  minVersion: 'TLSv1.2',
  names: [],
  fingerprints: [],
  requiretls: false,
  source: 'default',
  reason: 'default',
  daneRaises: true,
  overrideForbidden: false,
}
const delivered: RecipientOutcome = {
  recipient: 'Bo@Partner.example',
  result: 'delivered',
  host: 'mx1.partner.example',
  address: '198.51.100.7',
  port: 25,
  response: '250 2.6.0 ok queued as 77 for bo@partner.example',
  tls: TLS,
  authenticated: false,
  lmtp: false,
  offersDsn: false,
}
const failed: RecipientOutcome = {
  recipient: 'bo@partner.example',
  result: 'failed',
  failure: {
    resultType: 'smtp-rejected',
    enhancedCode: '5.1.1',
    publicText: 'refused',
    mx: 'mx1.partner.example',
    address: '2001:db8::7',
    port: 25,
    smtp: { code: 550, text: 'cpr 070761-4285\r\nstatus=sent (forged) \u001b[31m<bo@partner.example>' },
  },
}
const base: DeliveryLineInput = {
  mailId: 'ID.1',
  outcome: delivered,
  requirement,
  delay: 1234,
  recipients: 'domain+hmac',
}

describe('the line per delivery', () => {
  const rows: [string, Partial<DeliveryLineInput>, string][] = [
    [
      'delivered',
      {},
      'ID.1: to=<partner.example>, relay=mx1.partner.example[198.51.100.7]:25, delay=1.2, tls=encrypt, session=TLSv1.3/TLS_AES_256_GCM_SHA384/new, cert=0a0a0a0a0a0a0a0a, dsn=2.6.0, status=sent (250 2.6.0 ok queued as 77 for ...@partner.example)',
    ],
    [
      'delivered, recipients in clear',
      { recipients: 'clear', delay: 65_400 },
      'ID.1: to=<Bo@Partner.example>, relay=mx1.partner.example[198.51.100.7]:25, delay=65, tls=encrypt, session=TLSv1.3/TLS_AES_256_GCM_SHA384/new, cert=0a0a0a0a0a0a0a0a, dsn=2.6.0, status=sent (250 2.6.0 ok queued as 77 for bo@partner.example)',
    ],
    [
      'delivered over a session that was resumed',
      { outcome: { ...delivered, tls: { ...TLS, resumed: true } } },
      'ID.1: to=<partner.example>, relay=mx1.partner.example[198.51.100.7]:25, delay=1.2, tls=encrypt, session=TLSv1.3/TLS_AES_256_GCM_SHA384/resumed, cert=0a0a0a0a0a0a0a0a, dsn=2.6.0, status=sent (250 2.6.0 ok queued as 77 for ...@partner.example)',
    ],
    [
      'in clear text where it is permitted',
      {
        outcome: { ...delivered, tls: null, response: '250 ok' },
        requirement: { ...requirement, level: 'may' },
        delay: 56,
      },
      'ID.1: to=<partner.example>, relay=mx1.partner.example[198.51.100.7]:25, delay=0.06, tls=may:none, dsn=2.0.0, status=sent (250 ok)',
    ],
    [
      'bounced, with hostile remote text',
      { outcome: failed },
      'ID.1: to=<partner.example>, relay=mx1.partner.example[2001:db8::7]:25, delay=1.2, tls=encrypt?, dsn=5.1.1, status=bounced (smtp-rejected: refused; it said: 550 cpr 070761-**** status=sent (forged)  [31m<...@partner.example>)',
    ],
    [
      'deferred before anything was reached',
      {
        outcome: {
          recipient: 'bo@partner.example',
          result: 'deferred',
          failure: { resultType: 'dns-error', enhancedCode: '4.4.3', publicText: 'SERVFAIL' },
        },
        requirement: null,
        delay: -5,
      },
      'ID.1: to=<partner.example>, relay=none, delay=0, dsn=4.4.3, status=deferred (dns-error: SERVFAIL)',
    ],
  ]
  for (const [what, change, expected] of rows) {
    it(what, () => {
      assert.equal(formatDeliveryLine({ ...base, ...change }), expected)
    })
  }
})
