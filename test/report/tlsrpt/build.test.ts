/** Reports as JSON and as mail, judged by the schema and by a reader that shares no code with the writer. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { TLS_RESULT_TYPES, type Rfc8460ResultType } from '../../../lib/failure'
import { buildReport, reportMail, type BuiltReport } from '../../../lib/report/tlsrpt'
import type { ReportParts } from '../../../lib/report/tlsrpt/build'
import type { FailureCount, PolicyCounts } from '../../../lib/report/tlsrpt/types'
import { assertSchema, goodReports, judgeReports } from './judge'

const party = {
  organization: 'Example Universitet, Ø',
  contact: 'tls@uni.test',
  from: 'tls@uni.test',
  submitter: 'uni.test',
}
const build = (policies: readonly PolicyCounts[], more: Partial<ReportParts> = {}): BuiltReport =>
  buildReport({ party, day: '2026-11-22', domain: 'partner.test', policies, key: Buffer.alloc(32, 1), ...more })
const none: PolicyCounts = {
  policy: { type: 'no-policy-found', domain: 'partner.test', strings: [], mxHosts: [] },
  successes: 3,
  failures: [],
}
const NOW = Date.parse('2026-11-23T01:02:03Z')

const host = fc.integer({ min: 0, max: 9 }).map((n) => `mx${n}.partner.test`)
const failures = (...types: Rfc8460ResultType[]): fc.Arbitrary<FailureCount[]> =>
  fc.array(
    fc.record(
      {
        resultType: fc.constantFrom(...types),
        mx: host,
        receivingIp: fc.oneof(fc.ipV4(), fc.ipV6()),
        sendingIp: fc.ipV4(),
        reason: fc.string({ minLength: 1, maxLength: 30, unit: 'binary' }),
        sessions: fc.integer({ min: 1, max: 1_000_000 }),
      },
      { requiredKeys: ['resultType', 'sessions'] },
    ),
    { maxLength: 4 },
  )
const GENERAL = [
  'starttls-not-supported',
  'certificate-host-mismatch',
  'certificate-expired',
  'certificate-not-trusted',
  'validation-failure',
] as const
const counts: fc.Arbitrary<PolicyCounts> = fc.oneof(
  fc.record({ policy: fc.constant(none.policy), successes: fc.nat(), failures: failures(...GENERAL) }),
  fc.record({
    policy: host.map((mx) => ({
      ...{ type: 'tlsa' as const, domain: mx, mxHosts: [mx] },
      strings: [`_25._tcp.${mx}. IN TLSA 3 1 1 ${'ab'.repeat(32)}`],
    })),
    successes: fc.nat(),
    failures: failures(...GENERAL, 'tlsa-invalid', 'dnssec-invalid', 'dane-required'),
  }),
  fc.record({
    policy: host.map((mx) => ({
      ...{ type: 'sts' as const, domain: 'partner.test', mxHosts: [mx] },
      strings: ['version: STSv1', 'mode: enforce', `mx: ${mx}`, 'max_age: 86400'],
    })),
    successes: fc.nat(),
    failures: failures(...GENERAL, 'sts-policy-fetch-error', 'sts-policy-invalid', 'sts-webpki-invalid'),
  }),
)

describe('report: TLS reports', function () {
  this.timeout(60_000)

  it('whatever was counted, the report is one by RFC 8460', async () => {
    const samples = fc.sample(fc.array(counts, { minLength: 1, maxLength: 4 }), 60)
    const mails = await Promise.all(
      samples.map(async (policies) => ({ mail: await reportMail(build(policies), 'tls@partner.test', NOW) })),
    )
    for (const [n, judged] of judgeReports(mails).entries()) {
      assert.deepEqual(judged.problems, [], JSON.stringify(samples[n]))
      assertSchema('tls-report.schema.json', judged.report)
      assert.deepEqual(judged.report, JSON.parse(build(samples[n]!).json))
    }
  })

  it('the judge is no rubber stamp', async () => {
    const report = build([none])
    const mail = (await reportMail(report, 'tls@partner.test', NOW)).toString()
    const wrong: string[] = [
      mail.replace('TLS-Report-Domain', 'Tls-Report-Domain'),
      mail.replace('TLS-Report-Submitter: uni.test', 'TLS-Report-Submitter: other.test'),
      mail.replace(/report-type="?tlsrpt"?/, 'report-type=delivery-status'),
      mail.replaceAll('application/tlsrpt+gzip', 'application/gzip'),
      mail.replace('Report-ID', 'ReportID'),
      mail.replaceAll('.json.gz', '.json'),
      mail.replace('auto-generated', 'auto-replied'),
    ]
    for (const text of wrong) assert.notEqual(text, mail)
    const bad = { ...none, successes: -1 }
    const verdicts = judgeReports([...wrong.map((text) => ({ mail: Buffer.from(text) })), { body: build([bad]).gzip }])
    for (const [n, { problems }] of verdicts.entries()) assert.notDeepEqual(problems, [], `number ${n}`)
  })

  it('says what it is about: names, day, counts', async () => {
    const failed: FailureCount = { resultType: 'certificate-expired', mx: 'mx.partner.test', sessions: 2 }
    const report = build([{ ...none, failures: [failed] }])
    assert.match(report.fileName, /^uni\.test!partner\.test!1795305600!1795391999![a-z]{16}\.json\.gz$/)
    assert.match(report.id, /^20261122\.partner\.test\.[a-z]{16}@uni\.test$/)
    const mail = await reportMail(report, 'tls@partner.test', NOW)
    const read = goodReports([{ mail }])[0]!.report
    assert.deepEqual(read['date-range'], {
      'start-datetime': '2026-11-22T00:00:00Z',
      'end-datetime': '2026-11-22T23:59:59Z',
    })
    assert.deepEqual(read.policies, [
      {
        policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'partner.test' },
        summary: { 'total-successful-session-count': 3, 'total-failure-session-count': 2 },
        'failure-details': [
          {
            'result-type': 'certificate-expired',
            'receiving-mx-hostname': 'mx.partner.test',
            'failed-session-count': 2,
          },
        ],
      },
    ])
    const text = mail.toString()
    for (const line of ['TLS-Report-Domain: partner.test', 'TLS-Report-Submitter: uni.test', 'TLS-Required: No']) {
      assert.ok(text.includes(`\r\n${line}\r\n`), line)
    }
    assert.doesNotMatch(text, /[^\r]\n|[^\x00-\x7f]/, 'seven-bit, CRLF')
  })

  it('the same report again is the same mail; another gateway or address makes another', async () => {
    const message = async (report: BuiltReport, to = 'a@partner.test') => (await reportMail(report, to, NOW)).toString()
    const idOf = (text: string) => /^Message-ID: (.*)$/m.exec(text)?.[1]
    const first = await message(build([none]))
    assert.equal(await message(build([none])), first)
    assert.notEqual(idOf(await message(build([none]), 'b@partner.test')), idOf(first))
    assert.notEqual(build([none], { key: Buffer.alloc(32, 2) }).id, build([none]).id)
    assert.notEqual(build([none], { day: '2026-11-23' }).id, build([none]).id)
    assert.throws(() => build([none], { day: 'today' }), RangeError)
  })

  it('the schema knows every result type of the RFC, and none of our own', () => {
    const own = new Set([
      'starttls-injection',
      'tls-version-too-low',
      'fingerprint-mismatch',
      'requiretls-not-supported',
    ])
    for (const type of TLS_RESULT_TYPES) {
      const failure = { resultType: type as Rfc8460ResultType, sessions: 1 }
      const report = JSON.parse(build([{ ...none, failures: [failure] }]).json) as unknown
      if (own.has(type)) assert.throws(() => assertSchema('tls-report.schema.json', report))
      else assertSchema('tls-report.schema.json', report)
    }
  })
})
