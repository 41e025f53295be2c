import assert from 'node:assert/strict'
import { isAsciiMessage, reportFor, type ReadReport, readReports } from './reports'
import { startWorld, type World } from './world'
import { assertNothingInClear } from '../internet/capture'
import { sendWithPython } from '../internet/clients'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

const SECRET = 'only the recipient may read this sentence'

for (const nodes of [0, 2]) {
  describe(`one message, six recipients in six domains, nodes=${nodes}`, function () {
    this.timeout(120_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway
    let reports: ReadReport[]

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      gateway = await keep(
        startGateway({
          nodes,
          settings: world.settings(),
          tlsPolicy: 'expired.test verify note="partner agreement"\n',
        }),
      )
      const sent = await sendWithPython({
        server: gateway.server,
        from: 'anne@uni.test',
        to: ['a@good.test', 'b@notls.test', 'c@expired.test', 'd@two.test', 'e@gone.test', 'f@nosuchdomain.test'],
        data: `From: Anne <anne@uni.test>\r\nTo: many@example.test\r\nSubject: Six ways\r\nMessage-ID: <six@uni.test>\r\n\r\n${SECRET}\r\n.\r\n..\r\n.x\r\n`,
      })
      assert.equal(sent.code, 0, sent.transcript)
      await until('the queue is empty', () => gateway.queue().length === 0, {
        limit: 60_000,
        detail: () => gateway.log().slice(-6000),
      })
      reports = await readReports(await world.postfix.waitFor('uni.test', 4))
    })
    after(() => keep.stop())

    it('good TLS: delivered over TLS, byte for byte', () => {
      const [mail] = world.postfix.mails('good.test')
      assert.ok(mail)
      assert.equal(mail.tls, 'TLSv1.3')
      assert.ok(mail.message.toString().endsWith(`\r\n\r\n${SECRET}\r\n.\r\n..\r\n.x\r\n`))
    })

    it('first MX without TLS, second with: delivered by the second', () => {
      const mails = world.postfix.mails('two.test')
      assert.deepEqual(
        mails.map((mail) => mail.by),
        ['mx2.two.test'],
      )
      assert.ok(mails[0]?.tls)
    })

    for (const [what, recipient, kind, status] of [
      ['no TLS', 'b@notls.test', 'tls-not-offered', '5.7.4'],
      ['expired certificate under verify', 'c@expired.test', 'certificate-expired', '5.7.5'],
      ['unreachable', 'e@gone.test', 'unreachable', /^5\.4\.[147]$/],
      ['unknown domain', 'f@nosuchdomain.test', 'domain-unknown', '5.1.2'],
    ] as const) {
      it(`${what}: not delivered, one report of kind ${kind} with status ${status}`, () => {
        assert.deepEqual(world.postfix.mails(recipient.slice(2)), [])
        const mine = reports.filter((report) => report.recipients.includes(recipient))
        assert.equal(mine.length, 1)
        const report = reportFor(reports, recipient)
        assert.match(
          report.status(recipient),
          typeof status === 'string' ? new RegExp(`^${status.replace(/\./g, '\\.')}$`) : status,
        )
        assert.equal(report.action(recipient), 'failed')
        const event = gateway.events('report-sent').find((line) => JSON.stringify(line).includes(`"${kind}"`))
        assert.ok(event, `an event report-sent of kind ${kind}`)
      })
    }

    it('the opt-out is advised only where the map would allow it', () => {
      const mentions = (recipient: string) => /first in the subject/.test(reportFor(reports, recipient).text)
      assert.equal(mentions('b@notls.test'), true)
      assert.equal(mentions('c@expired.test'), false)
    })

    it('every report is a valid multipart/report in Danish and English, with a case number and no body', () => {
      assert.equal(reports.length, 4)
      for (const report of reports) {
        assert.deepEqual(report.defects, [])
        assert.equal(report.contentType, 'multipart/report')
        assert.match(report.text, /Hvorfor\?/)
        assert.match(report.text, /Why\?/)
        assert.match(report.text, /SM-[0-9A-Z]{4}-[0-9A-Z]{4}/)
        assert.ok(report.html.includes('<'), 'there is an HTML part')
        assert.ok(!report.raw.includes(SECRET), 'the body must not come back')
        assert.ok(isAsciiMessage(report.raw))
        assert.equal(report.header('Auto-Submitted'), 'auto-replied')
        assert.equal(report.header('References'), '<six@uni.test>')
      }
    })

    it('nothing of envelope or content was on the wire in clear text', async () => {
      assertNothingInClear(await world.capture.connections(), [
        SECRET,
        'a@good.test',
        'b@notls.test',
        'c@expired.test',
        'Six ways',
      ])
    })

    it('the audit log tells the same and never that clear text was permitted', () => {
      assert.equal(gateway.events('message-accepted').length, 1)
      assert.equal(gateway.events('delivery-succeeded').length >= 2, true)
      const external = gateway.events('plaintext-permitted')
      assert.deepEqual(external, [])
    })
  })
}
