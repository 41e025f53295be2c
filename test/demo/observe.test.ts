import assert from 'node:assert/strict'
import type { ReceivedMail } from '../../demo/mail-server'
import { MAILS, messageIdOf, type DemoMail } from '../../demo/mails'
import { judge, look, reportsIn, type DemoRow } from '../../demo/observe'
import { readReport } from '../../demo/report-reader'
import { showResult } from '../../demo/show'
import { composeReport } from '../../lib/notify/compose'
import { REPORT_KINDS } from '../../lib/notify/kinds'
import { sampleReport } from '../../lib/notify/sample'
import { loadTemplates } from '../../lib/notify/templates'
import type { ReportKind } from '../../lib/notify/types'
import { SETTINGS } from '../notify/fixtures'

/** A real report of that kind about a mail of the demo, as the sender's server would receive it. */
async function reportAbout(mail: DemoMail, address: string, kind: ReportKind): Promise<ReceivedMail> {
  const sample = sampleReport(kind, SETTINGS)
  const [recipient] = sample.recipients
  const input = {
    ...sample,
    sender: mail.from,
    recipients: [{ ...recipient!, address }],
    original: { ...sample.original, messageId: `<${messageIdOf(mail)}>` },
  }
  const loaded = loadTemplates(undefined)
  assert.ok(loaded.ok)
  const { to, message } = await composeReport(input, { templates: loaded.templates, mask: (text) => text })
  return { sender: '', recipients: [to], parameters: '', message, tls: 'TLSv1.3', connection: 1 }
}

function arrived(mail: DemoMail, address: string, tls: string | undefined, subject = mail.subject): ReceivedMail {
  const head = `Subject: ${subject}\r\nMessage-ID: <${messageIdOf(mail)}>\r\n`
  const common = { sender: mail.from, recipients: [address], parameters: '', connection: 1 }
  return { ...common, message: Buffer.from(`${head}\r\nHello.\r\n`), ...(tls === undefined ? {} : { tls }) }
}

const mailWith = (happens: string): DemoMail => MAILS.find(({ to }) => to[0]!.expected.happens === happens)!

describe('demo: what was seen is judged', () => {
  const see = (mail: DemoMail, at: string, mails: ReceivedMail[], home: ReceivedMail[] = []): DemoRow => {
    const servers = new Map([[at, { mails }]])
    const recipient = mail.to[0]!
    return judge(mail, recipient, look(mail, recipient, servers, reportsIn({ mails: home })))
  }
  const encrypted = mailWith('encrypted')
  const clear = mailWith('clear')
  const reported = mailWith('reported')
  const to = (mail: DemoMail) => mail.to[0]!.address

  it('encrypted, at the right server: as expected', () => {
    const row = see(encrypted, 'mx.partner.example', [arrived(encrypted, to(encrypted), 'TLSv1.3')])
    assert.deepEqual([row.ok, row.happened, row.tls, row.at], [true, 'encrypted', 'TLSv1.3', 'mx.partner.example'])
  })

  const bad: readonly (readonly [string, () => DemoRow, RegExp])[] = [
    ['nothing came', () => see(encrypted, 'mx.partner.example', []), /seen: nothing/],
    [
      'it came in clear text',
      () => see(encrypted, 'mx.partner.example', [arrived(encrypted, to(encrypted), undefined)]),
      /seen: clear/,
    ],
    [
      'it came to another server',
      () => see(encrypted, 'mx.other.example', [arrived(encrypted, to(encrypted), 'TLSv1.3')]),
      /expected at mx\.partner\.example/,
    ],
    [
      'it came twice',
      () =>
        see(encrypted, 'mx.partner.example', [
          arrived(encrypted, to(encrypted), 'TLSv1.3'),
          arrived(encrypted, to(encrypted), 'TLSv1.3'),
        ]),
      /2 copies arrived/,
    ],
    [
      'another mail came',
      () => see(encrypted, 'mx.partner.example', [arrived(clear, to(encrypted), 'TLSv1.3')]),
      /seen: nothing/,
    ],
    [
      'the tag is still there',
      () => see(clear, 'mx.clinic.example', [arrived(clear, to(clear), undefined)]),
      /the tag is still in the subject/,
    ],
    [
      'sent although it should be reported',
      () => see(reported, 'mx.clinic.example', [arrived(reported, to(reported), 'TLSv1.3')]),
      /expected: reported, seen: encrypted/,
    ],
  ]
  for (const [what, row, problem] of bad) {
    it(`${what}: not as expected`, () => {
      const { ok, problem: seen } = row()
      assert.equal(ok, false)
      assert.match(seen!, problem)
    })
  }

  it('clear text with the tag gone: as expected', () => {
    const row = see(clear, 'mx.clinic.example', [arrived(clear, to(clear), undefined, '[public] Open house')])
    assert.deepEqual([row.ok, row.happened, row.tls], [true, 'clear', null])
  })

  it('a report of the right kind: as expected; of another kind, or besides a delivery: not', async () => {
    const right = await reportAbout(reported, to(reported), 'tls-not-offered')
    const wrong = await reportAbout(reported, to(reported), 'unreachable')
    const other = await reportAbout(reported, 'somebody@else.example', 'tls-not-offered')
    assert.deepEqual(see(reported, 'x', [], [right]).problem, null)
    assert.match(see(reported, 'x', [], [wrong]).problem!, /seen: unreachable/)
    assert.match(see(reported, 'x', [], [other]).problem!, /seen: nothing/)
    assert.match(see(reported, 'x', [], [right, right]).problem!, /2 reports were sent/)
    assert.match(
      see(reported, 'x', [arrived(reported, to(reported), 'TLSv1.3')], [right]).problem!,
      /1 copies .* 1 rep/,
    )
  })
})

describe('demo: reports are read', () => {
  const [mail] = MAILS
  // Advice about a mail that was delivered is a plain notice, no report.
  for (const kind of REPORT_KINDS.filter((one) => one !== 'category3-advice')) {
    it(kind, async () => {
      const { message } = await reportAbout(mail!, 'bo@partner.example', kind)
      const report = readReport(message)
      assert.equal(report?.kind, kind)
      assert.equal(report.about, messageIdOf(mail!))
      assert.equal(report.recipients.length, 1)
      assert.equal(report.recipients[0]!.address, 'bo@partner.example')
      assert.match(report.recipients[0]!.status, kind === 'relayed' ? /^2\.0\.0$/ : /^[45]\.\d+\.\d+$/)
      assert.match(report.text, /SM-/)
      assert.notEqual(report.subject, '')
    })
  }

  it('another mail is no report', () =>
    assert.equal(readReport(Buffer.from('Subject: x\r\n\r\nHello.\r\n')), undefined))
})

describe('demo: the table', () => {
  const [mail] = MAILS
  const recipient = mail!.to[0]!
  const row = judge(mail!, recipient, {
    arrivals: [{ at: 'mx.partner.example', tls: 'TLSv1.3', subject: mail!.subject }],
    reports: [],
  })
  const base = { seconds: 12.3, clearText: { envelopes: 1, expected: 1 }, reports: [], problems: [] }

  it('says what happened, without colours where there is no terminal', () => {
    const text = showResult({ ...base, ok: true, rows: [row] }, { color: false, width: 120 })
    assert.match(text, /TLSv1\.3/)
    assert.match(text, /All 1 outcomes are as they should be \(12\.3 s\)/)
    assert.equal(text.includes('\x1b'), false)
  })

  it('has colours on a terminal', () => {
    assert.ok(showResult({ ...base, ok: true, rows: [row] }, { color: true, width: 120 }).includes('\x1b[32m'))
  })

  it('no line is wider than the terminal', () => {
    for (const width of [80, 100, 120, 150]) {
      const [lines] = [showResult({ ...base, ok: true, rows: [row] }, { color: false, width }).split('\n')]
      assert.ok(Math.max(...lines.map((line) => line.length)) <= width, String(width))
    }
  })

  it('a failure is named in the table and in the end', () => {
    const failed = { ...row, ok: false, problem: 'it came twice' }
    const problems = ['mail 1 to post@partner.example: it came twice']
    const text = showResult({ ...base, ok: false, rows: [failed], problems }, { color: false, width: 150 })
    assert.match(text, /NOT AS/)
    assert.match(text, /NOT as it should be \(12\.3 s\):\n- mail 1 to post@partner\.example: it came twice/)
  })
})
