import assert from 'node:assert/strict'
import { composeReport } from '../../lib/notify/compose'
import type { ReportInput } from '../../lib/notify/types'
import { packageTemplates, recipientOf, report } from './fixtures'
import { judgeOne, valuesOf } from './judge'

const options = { templates: packageTemplates() }

async function blocks(input: ReportInput): Promise<[string, string][][]> {
  const { message } = await composeReport(input, options)
  const status = judgeOne(message).parts.find((part) => part.type === 'message/delivery-status')
  assert.ok(status?.blocks)
  return status.blocks
}

const smtp = { code: 550, enhanced: '5.1.1', text: '5.1.1 User unknown' }

describe('message/delivery-status', function () {
  // The judge is a process of its own.
  this.timeout(30_000)

  /** RFC section; change to the report; field; block; expected values. */
  const rows: [string, Partial<ReportInput>, string, number, string[]][] = [
    ['3464 2.2.2 Reporting-MTA', {}, 'Reporting-MTA', 0, ['dns; mx.uni.example']],
    ['3461 6.3 (a) no ENVID, no field', {}, 'Original-Envelope-Id', 0, []],
    ['3461 6.3 (a) ENVID decoded', { envid: 'QQ314159' }, 'Original-Envelope-Id', 0, ['QQ314159']],
    ['3464 2.2.5 Arrival-Date in UTC', {}, 'Arrival-Date', 0, ['Mon, 23 Nov 2026 18:03:14 +0000']],
    ['3461 6.3 (d) no ORCPT, no field', {}, 'Original-Recipient', 1, []],
    [
      '3461 6.3 (d) ORCPT',
      { recipients: [recipientOf('mailbox-refused', { originalRecipient: 'rfc822;bo@old.example' })] },
      'Original-Recipient',
      1,
      ['rfc822; bo@old.example'],
    ],
    ['3464 2.3.2 Final-Recipient', {}, 'Final-Recipient', 1, ['rfc822; bo@partner.example']],
    [
      '3464 2.3.2, 5891 A-labels',
      { recipients: [recipientOf('mailbox-refused', { address: 'bo@Rødgrød.example' })] },
      'Final-Recipient',
      1,
      ['rfc822; bo@xn--rdgrd-vuad.example'],
    ],
    [
      '6533 3 utf-8-addr-xtext in seven bits',
      { smtpUtf8: true, recipients: [recipientOf('mailbox-refused', { address: 'søren+a@partner.example' })] },
      'Final-Recipient',
      1,
      ['utf-8; s\\x{F8}ren\\x{2B}a@partner.example'],
    ],
    ['3464 2.3.3 Action', {}, 'Action', 1, ['failed']],
    ['3464 2.3.4 Status', {}, 'Status', 1, ['5.1.1']],
    ['3464 2.3.5 Remote-MTA, its reply', {}, 'Remote-MTA', 1, ['dns; mx1.partner.example']],
    [
      '3464 2.3.6 Diagnostic-Code of the remote',
      {
        recipients: [
          recipientOf('mailbox-refused', {
            failure: {
              resultType: 'smtp-rejected',
              enhancedCode: '5.1.1',
              publicText: 'x',
              mx: 'mx1.partner.example',
              smtp,
            },
          }),
        ],
      },
      'Diagnostic-Code',
      1,
      ['smtp; 550 5.1.1 User unknown'],
    ],
    ['3464 2.3.7 Last-Attempt-Date', {}, 'Last-Attempt-Date', 1, ['Mon, 23 Nov 2026 18:03:14 +0000']],
    ['3464 2.3.8 Final-Log-ID', {}, 'Final-Log-ID', 1, ['F35304E8-4DF4-4DEA-8AEA-A1788CEA53B3.1.1']],
    [
      '3464 2.3.9 Will-Retry-Until only when delayed',
      { retryUntil: Date.UTC(2026, 10, 24) },
      'Will-Retry-Until',
      1,
      [],
    ],
  ]
  for (const [section, change, field, block, expected] of rows) {
    it(`RFC ${section}`, async () => {
      const found = await blocks(report('mailbox-refused', change))
      assert.deepEqual(valuesOf(found[block]!, field), expected)
    })
  }

  it('names no Remote-MTA with a judgement of our own (RFC 3464 section 2.3.5)', async () => {
    const [, recipient] = await blocks(report('tls-not-offered'))
    assert.deepEqual(valuesOf(recipient!, 'Remote-MTA'), [])
    assert.deepEqual(valuesOf(recipient!, 'Diagnostic-Code'), [
      'X-SecureMail; starttls-not-supported: mx1.partner.example did not offer STARTTLS',
    ])
  })

  it('says delayed, class 4 and until when, when the mail is late', async () => {
    const found = await blocks(report('delayed'))
    assert.deepEqual(valuesOf(found[1]!, 'Action'), ['delayed'])
    assert.deepEqual(valuesOf(found[1]!, 'Status'), ['4.4.1'])
    assert.deepEqual(valuesOf(found[1]!, 'Will-Retry-Until'), ['Tue, 24 Nov 2026 17:03:14 +0000'])
  })

  it('says relayed, class 2 and who took it, when the next hop will not tell (RFC 3461 section 5.2.2)', async () => {
    const [, recipient] = await blocks(report('relayed'))
    assert.deepEqual(valuesOf(recipient!, 'Action'), ['relayed'])
    assert.deepEqual(valuesOf(recipient!, 'Status'), ['2.0.0'])
    assert.deepEqual(valuesOf(recipient!, 'Remote-MTA'), ['dns; mx1.partner.example'])
    assert.deepEqual(valuesOf(recipient!, 'Diagnostic-Code'), ['smtp; 250 2.0.0 Ok: queued as 4F1C22A'])
  })

  it('has one block about the mail and one per recipient', async () => {
    const addresses = ['a@x.example', 'b@y.example', 'c@z.example']
    const found = await blocks(
      report('tls-not-offered', {
        recipients: addresses.map((address) => recipientOf('tls-not-offered', { address })),
      }),
    )
    assert.equal(found.length, 4)
    assert.deepEqual(
      found.slice(1).flatMap((block) => valuesOf(block, 'Final-Recipient')),
      addresses.map((address) => `rfc822; ${address}`),
    )
    for (const block of found.slice(1)) {
      for (const required of ['Final-Recipient', 'Action', 'Status']) assert.equal(valuesOf(block, required).length, 1)
    }
  })

  /** RFC 3463 section 2: three numbers without leading zeros, class by what happened. */
  const codes: [string, string, string][] = [
    ['4.7.4', 'failed', '5.7.4'],
    ['5.7.30', 'failed', '5.7.30'],
    ['5.07.4', 'failed', '5.0.0'],
    ['5.7', 'failed', '5.0.0'],
    ['nonsense\r\nAction: delivered', 'failed', '5.0.0'],
  ]
  for (const [given, action, status] of codes) {
    it(`status ${JSON.stringify(given)} is ${status}`, async () => {
      const failure = { resultType: 'starttls-not-supported' as const, enhancedCode: given, publicText: 'x' }
      const [, block] = await blocks(
        report('tls-not-offered', { recipients: [recipientOf('tls-not-offered', { failure })] }),
      )
      assert.deepEqual(valuesOf(block!, 'Status'), [status])
      assert.deepEqual(valuesOf(block!, 'Action'), [action])
    })
  }

  it('is internationalised for a sender whose own address is (RFC 6533 section 4)', async () => {
    const { message } = await composeReport(
      report('mailbox-refused', {
        smtpUtf8: true,
        sender: 'søren@uni.example',
        recipients: [recipientOf('mailbox-refused', { address: 'åse@partner.example' })],
      }),
      options,
    )
    const text = message.toString('utf8')
    assert.match(text, /^Content-Type: message\/global-delivery-status\r\nContent-Transfer-Encoding: 8bit/m)
    assert.match(text, /^Final-Recipient: utf-8; åse@partner\.example\r$/m)
    assert.match(text, /^Content-Type: message\/global-headers/m)
    assert.match(text, /^To: søren@uni\.example\r$/m)
  })
})
