import assert from 'node:assert/strict'
import { TLS_RESULT_TYPES, type ResultType } from '../../lib/failure'
import { caseId } from '../../lib/notify/case-id'
import { causeKey, REPORT_KINDS, reportKindFor } from '../../lib/notify/kinds'
import { owesRelayed, postmasterAddress, reportTarget, type TargetInput } from '../../lib/notify/target'
import type { ReportKind } from '../../lib/notify/types'
import { SETTINGS } from './fixtures'

describe('which report a failure leads to', () => {
  const rows: [ResultType, ReportKind][] = [
    ['starttls-not-supported', 'tls-not-offered'],
    ['starttls-injection', 'handshake-failed'],
    ['validation-failure', 'handshake-failed'],
    ['tls-version-too-low', 'tls-version-too-low'],
    ['certificate-expired', 'certificate-expired'],
    ['certificate-host-mismatch', 'certificate-wrong-name'],
    ['certificate-not-trusted', 'certificate-not-trusted'],
    ['fingerprint-mismatch', 'fingerprint-mismatch'],
    ['tlsa-invalid', 'dane-failed'],
    ['dane-required', 'dane-failed'],
    ['dnssec-invalid', 'dane-failed'],
    ['sts-policy-invalid', 'mta-sts-failed'],
    ['requiretls-not-supported', 'requiretls-not-supported'],
    ['domain-not-found', 'domain-unknown'],
    ['null-mx', 'domain-unknown'],
    ['smtp-rejected', 'mailbox-refused'],
    ['connection-failed', 'unreachable'],
    ['dns-error', 'unreachable'],
    ['smtp-deferred', 'expired'],
    ['local-error', 'expired'],
    ['optout-refused', 'optout-refused'],
    ['ended-by-postmaster', 'ended-by-postmaster'],
  ]
  for (const [resultType, kind] of rows) {
    it(`${resultType} -> ${kind}`, () => {
      assert.equal(reportKindFor({ resultType }), kind)
      assert.equal(causeKey({ resultType }), kind)
    })
  }

  it('is about TLS when the failure is, and there is a report for it', () => {
    for (const resultType of TLS_RESULT_TYPES) {
      const kind = reportKindFor({ resultType })
      assert.ok(REPORT_KINDS.includes(kind))
      assert.ok(!['unreachable', 'expired', 'mailbox-refused', 'domain-unknown'].includes(kind), resultType)
    }
  })
})

describe('a case id', () => {
  it('has the form that people can read out, and follows from the mail alone', () => {
    const ids = Array.from({ length: 2000 }, (_, i) => caseId(`F35304E8-4DF4-4DEA-8AEA-A1788CEA53B3.${i}`))
    for (const id of ids) assert.match(id, /^SM-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(caseId('x'), caseId('x'))
  })
})

describe('who gets a report', () => {
  const settings: TargetInput['settings'] = {
    ndr: { ...SETTINGS.ndr, postmaster: 'postmaster@uni.example' },
    main: { mode: 'enforce', level: 'encrypt', internalDomains: ['.sub.example', 'uni.example'] },
  }
  const base: TargetInput = {
    sender: 'anne@uni.example',
    mailKind: 'mail',
    reportKind: 'tls-not-offered',
    settings,
    recipients: ['a@x.example', 'b@y.example'],
  }
  const notify = (a: string, b?: string) => ({
    dsn: { rcpt: { 'a@x.example': { notify: a }, ...(b === undefined ? {} : { 'b@y.example': { notify: b } }) } },
  })
  /** RFC section; change; who. */
  const rows: [string, Partial<TargetInput>, string][] = [
    ['the sender', {}, 'sender a@x.example b@y.example'],
    ['3461 6.1 null sender: the postmaster', { sender: '' }, 'postmaster'],
    ['3464 2 a report about a report: never', { mailKind: 'report' }, 'postmaster'],
    ['8460 3 nor about a TLS report', { mailKind: 'tlsrpt' }, 'postmaster'],
    ['3461 5.2.6 (b) NOTIFY=NEVER for all', notify('NEVER', 'NEVER'), 'postmaster'],
    ['3461 5.2.6 (b) NOTIFY=NEVER for one', notify('NEVER'), 'sender b@y.example'],
    ['3461 5.2.6 (b) without FAILURE', notify('SUCCESS,DELAY', 'delay'), 'postmaster'],
    ['3461 4.1 with FAILURE', notify('success, failure', 'FAILURE'), 'sender a@x.example b@y.example'],
    ['3461 4.1 empty NOTIFY is none', notify('', ''), 'sender a@x.example b@y.example'],
    ['3461 5.2.5 (c) no DELAY, no delay notice', { reportKind: 'delayed', ...notify('FAILURE', 'FAILURE') }, 'nobody'],
    ['3461 5.2.5 with DELAY', { reportKind: 'delayed', ...notify('DELAY', 'FAILURE') }, 'sender a@x.example'],
    ['delay notice without NOTIFY', { reportKind: 'delayed' }, 'sender a@x.example b@y.example'],
    ['delay notice to the null sender', { reportKind: 'delayed', sender: '' }, 'nobody'],
    ['3461 4.1 nobody asked about success', { reportKind: 'relayed' }, 'nobody'],
    ['3461 5.2.2 with SUCCESS', { reportKind: 'relayed', ...notify('SUCCESS', 'FAILURE') }, 'sender a@x.example'],
    ['3461 6.1 relayed, null sender', { reportKind: 'relayed', sender: '', ...notify('SUCCESS') }, 'nobody'],
    [
      'ndr.dsn=ignore',
      { ...notify('NEVER', 'NEVER'), settings: { ...settings, ndr: { ...settings.ndr, dsn: 'ignore' } } },
      'sender a@x.example b@y.example',
    ],
    [
      'no postmaster anywhere',
      { sender: '', settings: { ndr: SETTINGS.ndr, main: { ...settings.main, internalDomains: ['.x.example'] } } },
      'nobody',
    ],
  ]
  for (const [what, change, expected] of rows) {
    it(what, () => {
      const target = reportTarget({ ...base, ...change })
      const who = target.kind === 'sender' ? `sender ${target.recipients.join(' ')}` : target.kind
      assert.equal(who, expected)
      if (target.kind === 'sender') assert.equal(target.to, base.sender)
      if (target.kind === 'postmaster') assert.equal(target.to, 'postmaster@uni.example')
    })
  }

  /** Setting; NOTIFY; does the next hop offer DSN; is a report owed? */
  for (const [dsn, asked, offersDsn, owed] of [
    ['advertise', 'SUCCESS', false, true],
    ['advertise', 'SUCCESS', true, false],
    ['advertise', 'FAILURE', false, false],
    ['advertise', 'NEVER', false, false],
    ['honour', 'SUCCESS', false, false],
    ['ignore', 'SUCCESS', false, false],
  ] as const) {
    it(`3461 5.2.2 dsn=${dsn}, NOTIFY=${asked}, next hop ${offersDsn ? 'with' : 'without'} DSN: ${owed ? 'owed' : 'not owed'}`, () => {
      const given = { ...base, ...notify(asked), settings: { ...settings, ndr: { ...settings.ndr, dsn } } }
      assert.equal(owesRelayed({ ...given, recipients: ['a@x.example'] }, offersDsn), owed)
    })
  }

  it('falls back to postmaster at the first own domain', () => {
    assert.equal(postmasterAddress({ ndr: SETTINGS.ndr, main: settings.main }), 'postmaster@uni.example')
  })

  it('a host that the recipient’s own MTA-STS policy does not list has a kind of its own', () => {
    assert.equal(reportKindFor({ resultType: 'validation-failure' }, 'mta-sts'), 'mta-sts-failed')
    assert.equal(reportKindFor({ resultType: 'validation-failure' }, 'default'), 'handshake-failed')
    assert.equal(reportKindFor({ resultType: 'certificate-expired' }, 'mta-sts'), 'certificate-expired')
  })
})
