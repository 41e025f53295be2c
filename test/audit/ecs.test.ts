import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import path from 'node:path'
import fc from 'fast-check'
import { ECS_VERSION } from '../../lib/audit/ecs'
import { personsMask, recipientHmac } from '../../lib/audit/identity'
import type { AuditEvent } from '../../lib/audit/types'
import { packageRoot } from '../../lib/package-root'
import { ALL_ACTIONS, CONTEXT, fullEvent, MAIL_ID, TLS, toEcs, type JsonObject, type JsonValue } from './fixtures'

const STAMP = {
  now: Date.UTC(2026, 10, 23, 18, 22, 40, 996),
  sequence: 10233,
  id: '0d9c1b1e-30f5-4a7e-9a37-6f6f0e0c7a11',
  prevHash: '0707614285'.repeat(7).slice(0, 64),
}

const { fields } = JSON.parse(readFileSync(path.join(packageRoot(), 'test', 'audit', 'ecs-fields.json'), 'utf8')) as {
  fields: Record<string, string>
}

function flatten(tree: JsonObject, prefix = ''): [string, JsonValue][] {
  return Object.entries(tree).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? flatten(value, `${prefix}${name}.`)
      : [[`${prefix}${name}`, value] as [string, JsonValue]],
  )
}

function fits(type: string, value: JsonValue): boolean {
  if (type.endsWith('[]')) return Array.isArray(value) && value.every((one) => fits(type.slice(0, -2), one))
  switch (type) {
    case 'long':
      return Number.isSafeInteger(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'date':
      return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)
    case 'ip':
      return typeof value === 'string' && isIP(value) !== 0
    default:
      return typeof value === 'string'
  }
}

describe('an audit event in ECS', () => {
  it('uses only names of the ECS field list, with their types, outside securemail.*', () => {
    const seen = new Set<string>()
    for (const action of ALL_ACTIONS) {
      for (const recipients of ['domain+hmac', 'clear'] as const) {
        for (const [name, value] of flatten(toEcs(fullEvent(action), { ...CONTEXT, recipients }, STAMP))) {
          if (name.startsWith('securemail.')) continue
          const type = fields[name]
          assert.ok(type !== undefined, `${name} is no ECS field of the list`)
          assert.ok(fits(type, value), `${name} is ${type}, not ${JSON.stringify(value)}`)
          seen.add(name)
        }
      }
    }
    assert.deepEqual([...seen].sort(), Object.keys(fields).sort(), 'the list names exactly what is used')
  })

  it('has the mapping of docs/audit-events.md', () => {
    const line = toEcs(fullEvent('tls-failed'), CONTEXT, STAMP)
    const hmac = (address: string) => recipientHmac(address, CONTEXT.digestKey())
    assert.deepEqual(line, {
      '@timestamp': '2026-11-23T18:22:40.996Z',
      ecs: { version: ECS_VERSION },
      log: { level: 'warn' },
      message: 'starttls-not-supported at mx1.partner.example, mail deferred',
      event: {
        id: STAMP.id,
        kind: 'event',
        category: ['email', 'network'],
        type: ['info', 'protocol', 'denied'],
        action: 'tls-failed',
        outcome: 'failure',
        reason: 'starttls-not-supported',
        dataset: 'securemail.audit',
        module: 'securemail',
        provider: 'haraka',
        severity: 4,
        sequence: 10233,
        duration: 812_000_000,
      },
      observer: { hostname: 'mx1.uni.example', product: 'haraka-plugin-secure-mail', version: '0.1.0', type: 'mta' },
      email: {
        direction: 'outbound',
        local_id: MAIL_ID,
        message_id: '<m1@uni.example>',
        sender: { address: 'anne@uni.example' },
      },
      user: { email: 'anne@uni.example', name: 'anne' },
      source: { ip: '192.0.2.10', port: 40000 },
      destination: { domain: 'mx1.partner.example', ip: '198.51.100.7', port: 25 },
      tls: {
        established: true,
        version: '1.3',
        version_protocol: 'tls',
        cipher: 'TLS_AES_256_GCM_SHA384',
        resumed: false,
        client: { server_name: 'mx1.partner.example' },
        server: {
          subject: 'CN=mx1.partner.example',
          issuer: 'CN=Example CA',
          not_before: '2026-01-01T00:00:00.000Z',
          not_after: '2027-01-01T00:00:00.000Z',
          hash: { sha256: '0A'.repeat(32) },
          x509: { alternative_names: ['mx1.partner.example'] },
        },
      },
      rule: {
        ruleset: 'securemail.policy',
        id: 'secure-mail.tls_policy:3 partner.example',
        name: 'encrypt',
        description: 'row',
      },
      error: { code: '4.7.4', type: 'starttls-not-supported', message: 'mx1.partner.example did not offer STARTTLS' },
      securemail: {
        route: 'mx',
        persons: 2,
        exempt: false,
        case_id: 'SM-7F3K-0Q2Z',
        recipient: {
          count: 3,
          domain: ['partner.example', 'other.example', 'third.example'],
          hmac: [hmac('bo@partner.example'), hmac('eva@other.example')],
        },
        result_type: 'starttls-not-supported',
        failure: {
          detail: 'EHLO answered with 3 keywords',
          mx: 'mx1.partner.example',
          address: '198.51.100.7',
          port: 25,
        },
        smtp: { code: 454, enhanced: '4.7.0', text: 'TLS not available for <...@partner.example>' },
        policy: { source: 'map', level: 'encrypt', would_have: 'deferred' },
        optout: { by: 'subject-tag', granted: false, refusals: ['cpr', 'no-public-marker'] },
        report: { kind: 'tls-not-offered', status: '5.7.4' },
        attempt: 3,
        queue_age_s: 1260.4,
        tls: { verified: true, auth: 'pkix', pkix: 'certificate-host-mismatch', spki_sha256: '1b'.repeat(32) },
        tls_token: 'tls=encrypt:none!',
        prev_hash: STAMP.prevHash,
      },
    })
  })

  it('leaves out what the event does not say', () => {
    const line = toEcs({ action: 'config-loaded', message: 'loaded' }, CONTEXT, STAMP)
    assert.deepEqual(Object.keys(line), ['@timestamp', 'ecs', 'log', 'message', 'event', 'observer', 'securemail'])
    assert.deepEqual(line.securemail, { prev_hash: STAMP.prevHash })
  })

  it('says of clear text that no TLS was established', () => {
    const line = toEcs({ action: 'plaintext-delivered', message: 'x', tls: null }, CONTEXT, STAMP)
    assert.deepEqual(line.tls, { established: false })
  })

  it('writes recipients in clear only when configured so', () => {
    const event: AuditEvent = {
      action: 'delivery-succeeded',
      message: '<bo@partner.example> ok',
      recipients: ['bo@partner.example'],
    }
    const keyed = JSON.stringify(toEcs(event, CONTEXT, STAMP))
    assert.doesNotMatch(keyed, /bo@partner/)
    assert.match(keyed, /"domain":\["partner\.example"\],"hmac":\["k1:[0-9a-f]{32}"\]/)
    const clear = toEcs(event, { ...CONTEXT, recipients: 'clear' }, STAMP)
    assert.match(JSON.stringify(clear), /"to":\{"address":\["bo@partner\.example"\]\}/)
    assert.doesNotMatch(JSON.stringify(clear), /hmac/)
  })

  it('keeps the sender in clear, also of a mail to oneself', () => {
    const line = toEcs(
      { action: 'message-accepted', message: 'x', sender: 'anne@uni.example', recipients: ['Anne@uni.example'] },
      CONTEXT,
      STAMP,
    )
    assert.deepEqual(line.user, { email: 'anne@uni.example' })
  })

  it('has one digest per person, whatever the case, and another with another key', () => {
    const key = { id: 'k1', key: Buffer.alloc(32, 1) }
    assert.equal(recipientHmac('Bo@Partner.example', key), recipientHmac('bo@partner.EXAMPLE', key))
    assert.notEqual(recipientHmac('bo@partner.example', key), recipientHmac('bo@partner.example', CONTEXT.digestKey()))
  })

  it('takes the recipients out of what a server said', () => {
    const rows: [string, string][] = [
      ['550 <bo+a@partner.example>: unknown', '550 <...@partner.example>: unknown'],
      ['550 BO+A@PARTNER.EXAMPLE', '550 ...@partner.example'],
      ['nothing here', 'nothing here'],
    ]
    for (const [given, expected] of rows) assert.equal(personsMask(['bo+a@partner.example'])(given), expected)
  })

  it('lets further fields neither shadow ours nor carry anything but plain names', () => {
    const event: AuditEvent = {
      action: 'plugin-error',
      message: 'x',
      caseId: 'SM-7F3K-0Q2Z',
      extra: { case_id: 'forged', prev_hash: 'forged', 'a.b': 1, ['__proto__']: 'x', UPPER: 1, ok: 1, nan: NaN },
    }
    assert.deepEqual(toEcs(event, CONTEXT, STAMP).securemail, {
      case_id: 'SM-7F3K-0Q2Z',
      ok: 1,
      prev_hash: STAMP.prevHash,
    })
  })
})

/** CPR numbers valid by date and modulus 11, as digits. */
const cpr = fc
  .tuple(
    fc.integer({ min: 1, max: 28 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 40, max: 99 }),
    fc.integer({ min: 0, max: 399 }),
  )
  .map(([day, month, year, serial]) => {
    const nine = [day, month, year].map((n) => String(n).padStart(2, '0')).join('') + String(serial).padStart(3, '0')
    const sum = [4, 3, 2, 7, 6, 5, 4, 3, 2].reduce((total, weight, i) => total + weight * Number(nine[i]), 0)
    const check = (11 - (sum % 11)) % 11
    return check === 10 ? '0101401007' : `${nine}${check}`
  })

/** The event with `text` in every string that there is, whatever its type says. */
function planted<T>(value: T, text: string): T {
  if (typeof value === 'string') return text as T
  if (Array.isArray(value)) return value.map((one: unknown) => planted(one, text)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, planted(one, text)])) as T
}

describe('CPR numbers in audit events', function () {
  this.timeout(30_000)

  it('are in no line, whatever field of whatever event they were put into', () => {
    const form = fc.constantFrom<(digits: string) => string>(
      (digits) => digits,
      (digits) => `${digits.slice(0, 6)}-${digits.slice(6)}`,
      (digits) => `cpr ${digits.slice(0, 6)} ${digits.slice(6)}`,
      (digits) => `CPR ${digits} @partner.example`,
      (digits) => `${digits}@partner.example`,
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...ALL_ACTIONS),
        cpr,
        form,
        fc.constantFrom('domain+hmac', 'clear'),
        (action, digits, write, recipients) => {
          const full = fullEvent(action)
          const event = {
            ...planted(full, write(digits)),
            action,
            extra: { text: write(digits), number: Number(digits) },
          }
          const line = JSON.stringify(toEcs(event, { ...CONTEXT, recipients }, STAMP))
          const bare = line.replace(/(?<=\d)[-. ](?=\d)/g, '')
          assert.equal(bare.includes(digits), false, line)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('are not hidden behind a digest either: the address is masked before it is hashed', () => {
    const line = toEcs(
      { action: 'delivery-succeeded', message: 'x', recipients: ['070761-4285@partner.example'] },
      CONTEXT,
      STAMP,
    )
    const plain = recipientHmac('070761-4285@partner.example', CONTEXT.digestKey())
    assert.equal(JSON.stringify(line).includes(plain), false)
  })

  it('leave our own ids, times and digests as they are', () => {
    const mailId = '07076142-8501-4285-8707-070761428507.1'
    const sha256 = '0707614285'.repeat(7).slice(0, 64)
    const event: AuditEvent = {
      action: 'tls-negotiated',
      message: 'x',
      mailId,
      caseId: 'SM-0707-6142',
      tls: { ...TLS, certificate: { ...TLS.certificate!, sha256, spkiSha256: sha256 } },
    }
    const text = JSON.stringify(toEcs(event, CONTEXT, { ...STAMP, id: '07076142-8507-4076-8142-850707614285' }))
    for (const own of [
      mailId,
      'SM-0707-6142',
      `"sha256":"${sha256}"`,
      `"spki_sha256":"${sha256}"`,
      `"prev_hash":"${STAMP.prevHash}"`,
      '"id":"07076142-8507-4076-8142-850707614285"',
    ]) {
      assert.ok(text.includes(own), own)
    }
  })
})
