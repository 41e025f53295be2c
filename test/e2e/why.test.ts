/** `secure-mail why` and `probe` on an instance that really ran, against real servers and DNS. */
import assert from 'node:assert/strict'
import { accepted, letter, type Letter } from './support-mail'
import { startWorld, type World } from './world'
import { ran, schemaErrors } from '../bin/run'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'
import type { ProbeReport } from '../../lib/probe'
import type { MailTimeline, Why } from '../../lib/report'

describe('why and probe, end to end', function () {
  this.timeout(120_000)
  const keep = keeper()
  let world: World
  let gateway: Gateway
  let delivered: Letter
  let waiting: Letter
  let refused: Letter

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    gateway = await keep(startGateway({ settings: world.settings() }))
    delivered = await accepted(gateway, letter(['bo@good.test', 'eva@two.test']))
    refused = await accepted(gateway, letter(['bo@notls.test'], { subject: '[unsecure] no marker' }))
    // What is given up ends in a report that arrives.
    await until('the report has arrived', () => world.postfix.mails('uni.test').length > 0, {
      limit: 60_000,
      detail: () => gateway.log().slice(-4000),
    })
    await until('the queue is empty', () => gateway.queue().length === 0, { limit: 60_000 })
    waiting = await accepted(gateway, letter(['busy@good.test']))
    await until(
      'a deferred delivery',
      () => gateway.events('delivery-deferred').some((event) => JSON.stringify(event).includes('good.test')),
      { limit: 30_000 },
    )
  })
  after(() => keep.stop())

  async function why(id: string): Promise<Why> {
    const { out, err, exitCode } = await ran(['why', id, '--json', '--config', gateway.dir])
    assert.equal(err, '')
    assert.equal(exitCode, 0)
    const found = JSON.parse(out) as Why
    assert.deepEqual(schemaErrors('why.schema.json', found), [])
    return found
  }

  async function mailOf(one: Letter): Promise<MailTimeline> {
    const [mail] = (await why(`<${one.token}@uni.test>`)).mails
    assert.ok(mail)
    assert.ok(mail.events.some(({ action }) => action === 'message-accepted'))
    return mail
  }

  it('delivered: both recipients, with the server and TLS, and nothing left in the queue', async () => {
    const mail = await mailOf(delivered)
    assert.deepEqual(mail.recipients.map(({ recipient, state }) => [recipient, state]).toSorted(), [
      ['good.test', 'delivered'],
      ['two.test', 'delivered'],
    ])
    assert.deepEqual(mail.queue, [])
    assert.ok(
      mail.events.some(({ text }) => /two\.test: delivered to mx2\.two\.test \[127\.0\.0\.65\], TLS 1\.3/.test(text)),
    )
    assert.ok(mail.events.some(({ text }) => /TLS with mx1\.two\.test .*failed.*starttls-not-supported/.test(text)))
  })

  it('deferred: still in the queue, with the next attempt', async () => {
    const mail = await mailOf(waiting)
    assert.equal(mail.recipients[0]?.state, 'deferred')
    assert.equal(mail.recipients[0].resultType, 'smtp-deferred')
    assert.equal(mail.queue.length, 1)
    assert.match(mail.queue[0]?.nextAttempt ?? '', /^20/)
    assert.equal(mail.queue[0]?.domain, 'good.test')
  })

  it('refused opt-out, given up and reported; the report is there by the case id', async () => {
    const mail = await mailOf(refused)
    assert.deepEqual(
      mail.recipients.map(({ recipient, state, reported }) => [recipient, state, reported]),
      [['notls.test', 'failed', true]],
    )
    const actions = mail.events.map(({ action }) => action)
    for (const action of [
      'optout-requested',
      'optout-refused',
      'policy-resolved',
      'delivery-deferred',
      'report-sent',
    ]) {
      assert.ok(actions.includes(action), `${action} in ${actions.join(' ')}`)
    }
    const byCase = await why(mail.caseId)
    assert.deepEqual(byCase.mails.map(({ kind }) => kind).toSorted(), ['mail', 'report'])
    assert.equal(byCase.mails.find(({ kind }) => kind === 'report')?.recipients[0]?.recipient, 'uni.test')
    assert.deepEqual(
      (await why(mail.mailId)).mails.map(({ mailId }) => mailId).toSorted(),
      byCase.mails.map(({ mailId }) => mailId).toSorted(),
    )
  })

  const PROBED: [string, string, string | null][] = [
    ['good.test', 'ok', null],
    ['notls.test', 'fails', 'starttls-not-supported'],
    ['old.test', 'fails', 'tls-version-too-low'],
    ['gone.test', 'fails', 'connection-failed'],
    ['null.test', 'fails', 'null-mx'],
    ['two.test', 'at-risk', null],
    ['expired.test', 'at-risk', null],
  ]
  for (const [domain, verdict, resultType] of PROBED) {
    it(`probe ${domain}: ${verdict}`, async () => {
      const before = world.postfix.mails(domain).length
      const { out, exitCode } = await ran(['probe', domain, '--json', '--config', gateway.dir])
      const report = JSON.parse(out) as ProbeReport
      assert.deepEqual(schemaErrors('probe.schema.json', report), [])
      assert.equal(report.resultType, resultType)
      // The certificates of this world are good for a month, which is a risk of its own.
      const risks = report.mx.flatMap((server) => server.risks.map(({ code }) => code))
      const onlyShort = report.verdict === 'at-risk' && risks.every((code) => code === 'certificate-expires-soon')
      assert.equal(onlyShort && report.risks.length === 0 ? 'ok' : report.verdict, verdict)
      assert.equal(exitCode, report.verdict === 'ok' ? 0 : 1)
      assert.equal(world.postfix.mails(domain).length, before)
    })
  }
})
