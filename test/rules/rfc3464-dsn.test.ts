import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { AuditEvent } from '../../lib/audit/types'
import type { Failure } from '../../lib/failure'
import type { ReportInput } from '../../lib/notify/types'
import { composeReport } from '../../lib/notify/compose'
import { reportTarget } from '../../lib/notify/target'
import type { DsnParameters } from '../../lib/store/notes'
import { freshRecord } from '../../lib/store/recipient-record'
import { CODE, type HarakaModules, type HMailItem, type Notes } from '../../plugins/haraka'
import type { MailFacts } from '../../plugins/mail-facts'
import { redeemReport } from '../../plugins/report-pass'
import { createReporter } from '../../plugins/reporter'
import type { Runtime } from '../../plugins/runtime'
import { prove } from './rule'
import { packageTemplates, recipientOf, report, SETTINGS } from '../notify/fixtures'
import { allParts, judgeOne, valuesOf, type Judged } from '../notify/judge'

const NOW = Date.UTC(2026, 10, 23, 18)
const OWN_VERDICT: Failure = {
  resultType: 'starttls-not-supported',
  enhancedCode: '5.7.4',
  publicText: 'The server does not offer TLS (STARTTLS).',
  mx: 'mx.partner.test',
}
const REMOTE_WORDS: Failure = {
  resultType: 'smtp-rejected',
  enhancedCode: '5.1.1',
  publicText: 'The receiving mail server refused the mail.',
  mx: 'mx.partner.test',
  smtp: { code: 550, enhanced: '5.1.1', text: '5.1.1 User unknown' },
}

/** A report as it was handed to the queue. */
interface Sent {
  from: string
  to: string
  raw: string
  readonly judged: Judged
  notes: Notes
}

/** Stands for Haraka's class. */
function notesOf(this: object, given: object): void {
  Object.assign(this, given)
}

describe('rules: reports', function () {
  // the judge is a process of its own
  this.timeout(30_000)
  let dir: string
  before(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'rules-'))
    writeFileSync(
      path.join(dir, 'mail'),
      'From: <anne@uni.test>\r\nSubject: Hi\r\nMessage-ID: <m@uni.test>\r\n\r\nthe body\r\n',
    )
  })
  after(() => rmSync(dir, { recursive: true }))

  /** What the reporter of the gateway does about recipients that failed. */
  async function told(
    mail: { dsn?: DsnParameters; kind?: 'mail' | 'report'; sender?: string; requiretls?: boolean },
    failures: Readonly<Record<string, Failure>>,
    how: 'notDelivered' | 'delayed' = 'notDelivered',
  ): Promise<{ sent: Sent[]; events: AuditEvent[] }> {
    const sent: Sent[] = []
    const events: AuditEvent[] = []
    const haraka = {
      Notes: notesOf,
      outbound: {
        send_email(from: string, to: string, text: string, done: (code: number) => void, more: { notes: Notes }) {
          sent.push({
            ...{ from, to, raw: text, notes: more.notes },
            get judged() {
              return judgeOne(Buffer.from(text))
            },
          })
          done(CODE.ok)
        },
      },
    } as unknown as HarakaModules
    const settings = {
      ...SETTINGS,
      ndr: { ...SETTINGS.ndr, coalesce: 0 },
      main: { internalDomains: ['uni.test'] },
    }
    const runtime = {
      settings: () => settings,
      templates: packageTemplates,
      clock: { now: () => NOW },
      audit: { tell: (event: AuditEvent) => events.push(event) },
      hostname: 'gateway.uni.test',
    } as unknown as Runtime
    const { sender = 'anne@uni.test', kind = 'mail', requiretls = false, dsn } = mail
    const facts = {
      ...{ mailId: 'M1', logId: 'M1.1', caseId: 'SM-0000-0000', sender, kind, queuedAt: NOW - 60_000 },
      recipients: Object.keys(failures),
      notes: { optOut: { requested: false, refusals: [] }, requiretls, ...(dsn === undefined ? {} : { dsn }) },
    } as unknown as MailFacts
    const item = { path: path.join(dir, 'mail'), data_start: 0 } as unknown as HMailItem
    const about = Object.entries(failures).map(([recipient, lastFailure]) => ({
      recipient,
      record: { ...freshRecord(NOW - 60_000), attempts: 1, lastFailure },
    }))
    await createReporter(haraka, runtime)[how](facts, item, about)
    return { sent, events }
  }

  const composed = async (input: ReportInput): Promise<Judged> =>
    judgeOne((await composeReport(input, { templates: packageTemplates() })).message)
  /** Fields of the delivery status: about the mail, then about each recipient. */
  const blocksOf = (judged: Judged): [string, string][][] => {
    const status = allParts(judged).find(({ type }) => /^message\/(global-)?delivery-status$/.test(type))
    assert.ok(status?.blocks)
    return status.blocks
  }
  const one = (sent: readonly Sent[]): Sent => {
    assert.equal(sent.length, 1)
    return sent[0]!
  }

  prove('RFC 3464', [
    {
      number: 27,
      section: '2.1, 2.2.2, 2.3.2 to 2.3.4',
      says: 'Reporting-MTA, Final-Recipient, Action and Status are there, Status without leading zeros, the part in 7bit',
      async holds() {
        const { judged } = one((await told({}, { 'bo@partner.test': OWN_VERDICT })).sent)
        const [mail, recipient] = blocksOf(judged)
        assert.deepEqual(valuesOf(mail!, 'Reporting-MTA'), ['dns; gateway.uni.test'])
        assert.deepEqual(valuesOf(recipient!, 'Final-Recipient'), ['rfc822; bo@partner.test'])
        assert.deepEqual(valuesOf(recipient!, 'Action'), ['failed'])
        assert.deepEqual(valuesOf(recipient!, 'Status'), ['5.7.4'])
        assert.equal(judged.reportType, 'delivery-status')
        const part = allParts(judged).find(({ type }) => type === 'message/delivery-status')
        assert.equal(part?.encoding, '7bit')
        for (const enhancedCode of ['5.07.4', '5.7', '', '5.7.0004', '5.7.4.1']) {
          const failure = { ...OWN_VERDICT, enhancedCode }
          const input = report('tls-not-offered', { recipients: [recipientOf('tls-not-offered', { failure })] })
          const [status = ''] = valuesOf(blocksOf(await composed(input))[1]!, 'Status')
          assert.match(status, /^5\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/, enhancedCode)
        }
      },
    },
    {
      number: 28,
      section: '2',
      says: 'to the envelope sender, from the null sender, without RET and NOTIFY (RFC 3461 section 6.1), never about a report',
      async holds() {
        const dsn: DsnParameters = { ret: 'FULL', rcpt: { 'bo@partner.test': { notify: 'FAILURE' } } }
        const { from, to, judged, notes } = one((await told({ dsn }, { 'bo@partner.test': OWN_VERDICT })).sent)
        assert.deepEqual([from, to, valuesOf(judged.headers, 'To')], ['<>', '<anne@uni.test>', ['anne@uni.test']])
        assert.ok(!/"(ret|notify|dsn)"/i.test(JSON.stringify(notes)))
        for (const mail of [{ kind: 'report' as const, sender: '' }, { sender: '' }]) {
          const about = await told(mail, { 'bo@partner.test': OWN_VERDICT })
          assert.deepEqual(
            about.sent.map((report) => report.to),
            ['<postmaster@uni.test>'],
          )
          assert.equal(about.events[0]?.action, 'report-undeliverable')
          assert.deepEqual((await told(mail, { 'bo@partner.test': OWN_VERDICT }, 'delayed')).sent, [])
        }
      },
    },
    {
      number: 29,
      section: '2.3.5, 2.3.6',
      says: 'Remote-MTA only with that server’s own words (typed smtp); a judgement of ours has a type of its own',
      async holds() {
        const { judged } = one((await told({}, { 'bo@partner.test': REMOTE_WORDS })).sent)
        const theirs = blocksOf(judged)[1]!
        assert.deepEqual(valuesOf(theirs, 'Remote-MTA'), ['dns; mx.partner.test'])
        assert.deepEqual(valuesOf(theirs, 'Diagnostic-Code'), ['smtp; 550 5.1.1 User unknown'])
        const ours = blocksOf(one((await told({}, { 'bo@partner.test': OWN_VERDICT })).sent).judged)[1]!
        assert.deepEqual(valuesOf(ours, 'Remote-MTA'), [])
        assert.match(valuesOf(ours, 'Diagnostic-Code')[0] ?? '', /^X-SecureMail; starttls-not-supported: /)
      },
    },
    {
      number: 30,
      section: '3461 section 6.3 (a), (d)',
      says: 'Original-Envelope-Id is the decoded ENVID and Original-Recipient the decoded ORCPT; without them they are not there',
      async holds() {
        const dsn: DsnParameters = {
          envid: 'QQ+2B314+3D159',
          rcpt: {
            'bo@partner.test': { orcpt: 'rfc822;bo+2Btag@old.test' },
            'aase@partner.test': { orcpt: 'utf-8;\\x{E5}se@old.test' },
          },
        }
        const failures = {
          'bo@partner.test': OWN_VERDICT,
          'aase@partner.test': OWN_VERDICT,
          'c@partner.test': OWN_VERDICT,
        }
        const [mail, bo, aase, c] = blocksOf(one((await told({ dsn }, failures)).sent).judged)
        assert.deepEqual(valuesOf(mail!, 'Original-Envelope-Id'), ['QQ+314=159'])
        assert.deepEqual(valuesOf(bo!, 'Original-Recipient'), ['rfc822; bo+tag@old.test'])
        assert.deepEqual(valuesOf(aase!, 'Original-Recipient'), ['utf-8; \\x{E5}se@old.test'])
        assert.deepEqual(valuesOf(c!, 'Original-Recipient'), [])
        const [plain] = blocksOf(one((await told({}, failures)).sent).judged)
        assert.deepEqual(valuesOf(plain!, 'Original-Envelope-Id'), [])
      },
    },
    {
      number: 31,
      section: '3461 sections 5.2.5 (c), 5.2.6 (b)',
      says: 'NOTIFY without DELAY: no notice of delay; without FAILURE, or NEVER: no report to the sender, the postmaster hears of it',
      async holds() {
        const notify = (value: string): DsnParameters => ({ rcpt: { 'bo@partner.test': { notify: value } } })
        const failures = { 'bo@partner.test': OWN_VERDICT }
        for (const [value, delayed, failed] of [
          ['FAILURE', [], ['<anne@uni.test>']],
          ['DELAY', ['<anne@uni.test>'], ['<postmaster@uni.test>']],
          ['SUCCESS,FAILURE,DELAY', ['<anne@uni.test>'], ['<anne@uni.test>']],
          ['NEVER', [], ['<postmaster@uni.test>']],
          ['SUCCESS', [], ['<postmaster@uni.test>']],
        ] as const) {
          const dsn = notify(value)
          const to = async (how: 'notDelivered' | 'delayed') =>
            (await told({ dsn }, failures, how)).sent.map((report) => report.to)
          assert.deepEqual([await to('delayed'), await to('notDelivered')], [delayed, failed], value)
        }
        const target = (value: string) =>
          reportTarget({
            ...{ sender: 'anne@uni.test', mailKind: 'mail', reportKind: 'delayed', recipients: ['bo@partner.test'] },
            settings: { ndr: SETTINGS.ndr, main: { internalDomains: [] } } as unknown as Parameters<
              typeof reportTarget
            >[0]['settings'],
            dsn: notify(value),
          }).kind
        assert.deepEqual([target('FAILURE'), target('DELAY')], ['nobody', 'sender'])
      },
    },
    {
      number: 32,
      section: '2.3.9',
      says: 'Will-Retry-Until with Action: delayed alone; addresses beyond ASCII by RFC 6533',
      async holds() {
        const late = blocksOf(one((await told({}, { 'bo@partner.test': OWN_VERDICT }, 'delayed')).sent).judged)[1]!
        assert.deepEqual(valuesOf(late, 'Action'), ['delayed'])
        assert.match(valuesOf(late, 'Status')[0] ?? '', /^4\./)
        assert.equal(valuesOf(late, 'Will-Retry-Until').length, 1)
        const failed = blocksOf(one((await told({}, { 'bo@partner.test': OWN_VERDICT })).sent).judged)[1]!
        assert.deepEqual(valuesOf(failed, 'Will-Retry-Until'), [])

        // RFC 6533 section 4: only for somebody whose own address is international
        const { sent } = await told({ sender: 'søren@uni.test' }, { 'åse@partner.test': OWN_VERDICT })
        const { raw, judged } = one(sent)
        const types = allParts(judged).map(({ type }) => type)
        assert.ok(types.includes('message/global-delivery-status') && types.includes('message/global-headers'))
        assert.match(raw, /^Final-Recipient: utf-8; åse@partner\.test\r$/m)
        assert.match(raw, /Hvorfor\?/)
      },
    },
    {
      number: 33,
      section: '3834 section 5.2',
      says: 'Auto-Submitted is auto-replied, never auto-generated',
      async holds() {
        for (const how of ['notDelivered', 'delayed'] as const) {
          const { judged } = one((await told({}, { 'bo@partner.test': OWN_VERDICT }, how)).sent)
          assert.deepEqual(valuesOf(judged.headers, 'Auto-Submitted'), ['auto-replied'])
        }
      },
    },
  ])

  describe('of REQUIRETLS mail', () => {
    prove('RFC 8689', [
      {
        number: 23,
        section: '5',
        says: 'a report keeps REQUIRETLS, and returns header fields only whatever RET said',
        async holds() {
          const dsn: DsnParameters = { ret: 'FULL', rcpt: {} }
          for (const requiretls of [true, false]) {
            const { judged, notes } = one((await told({ dsn, requiretls }, { 'bo@partner.test': OWN_VERDICT })).sent)
            assert.equal(redeemReport(notes)?.requiretls, requiretls)
            assert.equal(judged.returnedBody ?? '', '')
            const all = allParts(judged)
            assert.ok(all.some(({ type }) => type === 'text/rfc822-headers'))
            assert.ok(!all.some(({ type, text }) => type === 'message/rfc822' || (text ?? '').includes('the body')))
          }
        },
      },
    ])
  })
})
