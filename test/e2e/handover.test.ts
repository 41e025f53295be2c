/** A queue for one partner goes out over few connections, each message with the commands of the next: Postfix agrees. */
import assert from 'node:assert/strict'
import { settingsFor } from './settings'
import { letter, queueFiles } from './support-mail'
import { pump } from './support-pump'
import { createTestCa } from '../internet/ca'
import { assertNothingInClear, startCapture, type Capture } from '../internet/capture'
import { startDns } from '../internet/dns'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { startPostfix, type Postfix } from '../internet/postfix'
import { freePort, until } from '../../demo/processes'

const ADDRESS = '127.0.0.146'
const SECRET = 'Only for you.'
const MAILS = 60

describe('a queue for one partner, end to end', function () {
  this.timeout(60_000)
  const keep = keeper()
  let postfix: Postfix
  let gateway: Gateway
  let capture: Capture
  let settings: (paused: string) => string

  before(async function () {
    await requirePackages(this)
    const ca = createTestCa()
    const port = await freePort([ADDRESS])
    capture = await keep(startCapture([port]))
    const dns = await keep(startDns({ zones: [{ name: 'queued.test', records: ['@ MX 10 mx', `mx A ${ADDRESS}`] }] }))
    postfix = await keep(
      startPostfix({
        port,
        listeners: [
          {
            ...{ address: ADDRESS, hostname: 'mx.queued.test', domains: ['queued.test'], profile: 'tls' },
            certificate: ca.good('mx.queued.test'),
            unknown: ['gone@queued.test'],
          },
        ],
      }),
    )
    settings = (paused) =>
      settingsFor(
        { ca, dns, port },
        { delivery: { paused, connections_per_destination: '2' }, ndr: { coalesce: '1s' } },
      )
    gateway = await keep(startGateway({ settings: settings('true') }))
  })
  after(() => keep.stop())

  it('each mail arrives once, each refusal is told to its own sender, and Postfix sees nothing that RFC 2920 forbids', async () => {
    const letters = Array.from({ length: MAILS }, (_, n) =>
      letter([n % 20 === 7 ? 'gone@queued.test' : `u${n}@queued.test`], { body: `${SECRET}\r\n` }),
    )
    const sending = pump(gateway.address, gateway.port, letters)
    await sending.done
    assert.deepEqual(sending.refused, [])
    gateway.write('secure-mail.ini', settings('false'))
    const there = MAILS - 3
    const mails = await postfix.waitFor('queued.test', there, 30_000)
    assert.equal(new Set(mails.map(({ recipient }) => recipient)).size, there)
    const refused = () => gateway.log().match(/status=bounced \(smtp-rejected/g) ?? []
    await until('each of three is refused', () => refused().length === 3, { detail: () => gateway.log().slice(-4_000) })
    assert.equal(gateway.events('delivery-succeeded').length, there)
    assert.equal(postfix.mails('queued.test').length, there)
    const log = postfix.log()
    assert.doesNotMatch(log, /pipelining/)
    const sessions = (log.match(/postfix\/smtpd.*: connect from/g) ?? []).length
    // one to see whether it is there, two for the queue, and one more where a refusal comes in the wrong moment
    assert.ok(sessions <= 6, `${sessions} connections`)
  })

  it('reports that nobody takes are set aside, also when they stand in the journal', async () => {
    const names = () => queueFiles(gateway).map(({ name }) => name)
    await until(
      'only they are left',
      () => names().length > 0 && gateway.queue().every((name) => name.startsWith('error.')),
    )
    assert.ok(names().every((name) => name.startsWith('error.')))
    assert.doesNotMatch(gateway.log(), /ENOENT/)
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    assertNothingInClear(await capture.connections(), [SECRET, 'queued.test>'])
  })
})
