import assert from 'node:assert/strict'
import { findPart, parseWithPython } from './clients'
import { requirePackages } from './packages'

const REPORT = [
  'From: Mail Delivery System <mailer-daemon@gateway.uni.test>',
  'To: anna@uni.test',
  'Subject: =?utf-8?Q?Ikke_leveret:_m=C3=B8de?=',
  'MIME-Version: 1.0',
  'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
  '',
  '--b',
  'Content-Type: multipart/alternative; boundary=c',
  '',
  '--c',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: base64',
  '',
  'TcO4ZGV0',
  '--c',
  'Content-Type: text/html',
  '',
  '<p>x</p>',
  '--c--',
  '--b',
  'Content-Type: message/delivery-status',
  '',
  'Reporting-MTA: dns; gateway.uni.test',
  '',
  'Final-Recipient: rfc822; a@partner.test',
  'Action: failed',
  'Status: 5.7.4',
  '',
  'Final-Recipient: rfc822; b@partner.test',
  'Status: 5.7.5',
  '',
  '--b',
  'Content-Type: text/rfc822-headers',
  '',
  'Subject: hello',
  '--b--',
  '',
].join('\r\n')

describe('internet: Python’s email package as the judge of reports', function () {
  this.timeout(30_000)
  before(async function () {
    await requirePackages(this)
  })

  it('takes a report apart', async () => {
    const report = await parseWithPython(Buffer.from(REPORT))
    assert.equal(report.contentType, 'multipart/report')
    assert.equal(report.parameters['report-type'], 'delivery-status')
    assert.deepEqual(report.headers.find(([name]) => name === 'Subject')?.[1], 'Ikke leveret: møde')
    assert.deepEqual(
      report.parts.map(({ contentType }) => contentType),
      ['multipart/alternative', 'message/delivery-status', 'text/rfc822-headers'],
    )
    assert.equal(findPart(report, 'text/plain')?.text?.trim(), 'Mødet')
    assert.equal(findPart(report, 'text/rfc822-headers')?.text?.trim(), 'Subject: hello')
    const status = findPart(report, 'message/delivery-status')?.status ?? []
    assert.deepEqual(
      status.map((block) => block.status),
      [undefined, '5.7.4', '5.7.5'],
    )
    assert.equal(status[1]!['final-recipient'], 'rfc822; a@partner.test')
    assert.deepEqual(report.defects, [])
  })

  it('says what is broken', async () => {
    const broken = await parseWithPython(Buffer.from(REPORT.replace('--b--\r\n', '').replace('TcO4ZGV0', 'TcO4ZGV')))
    assert.match(broken.defects.join(), /CloseBoundaryNotFound/)
  })
})
