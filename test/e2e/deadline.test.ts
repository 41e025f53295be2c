import assert from 'node:assert/strict'
import { readReports } from './reports'
import { startWorld, type World } from './world'
import { sendWithPython } from '../internet/clients'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

/** Answers DELAY to every question, for an hour each time. */
const HOLDING = 'exports.hook_send_email = (next) => next(DELAY, 3600)'

describe('deadlines no other plugin can move', function () {
  this.timeout(60_000)
  const keep = keeper()
  let world: World
  let gateway: Gateway

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
    gateway = await keep(startGateway({ settings: world.settings(), plugins: [{ name: 'holding', source: HOLDING }] }))
    const sent = await sendWithPython({
      server: gateway.server,
      from: 'anne@uni.test',
      to: ['a@good.test', 'b@notls.test'],
      data: 'From: <anne@uni.test>\r\nSubject: held\r\n\r\nx\r\n',
    })
    assert.equal(sent.code, 0, sent.transcript)
  })
  after(() => keep.stop())

  it('a mail that a plugin puts off for ever is tried at its deadline, and reported or delivered', async () => {
    // the report is held back as well, and goes at its own deadline
    const [report] = await readReports(await world.postfix.waitFor('uni.test', 1, 40_000))
    assert.deepEqual(report?.recipients, ['b@notls.test'])
    assert.equal(world.postfix.mails('good.test').length, 1)
    assert.deepEqual(world.postfix.mails('notls.test'), [])
    await until('the queue is empty', () => gateway.queue().length === 0)
  })

  it('not before: until then the plugin is obeyed', () => {
    const [accepted] = gateway.events('message-accepted')
    const first = gateway.events('policy-resolved')[0]
    const waited = Date.parse(String(first?.['@timestamp'])) - Date.parse(String(accepted?.['@timestamp']))
    assert.ok(waited >= 7_000, `first attempt after ${waited} ms, the deadline is 8 s`)
  })
})
