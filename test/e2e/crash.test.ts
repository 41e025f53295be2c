import assert from 'node:assert/strict'
import {
  accepted,
  arrivals,
  dueNow,
  letter,
  placesOf,
  queueFiles,
  somewhere,
  withSetting,
  type Letter,
} from './support-mail'
import { pump } from './support-pump'
import { HOSTS, startWorld, type World } from './world'
import { assertNothingInClear } from '../internet/capture'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { startBadServer, type FaultName, type MailServer } from '../internet/servers'
import { until } from '../../demo/processes'

/** The domain whose server is ours to script; in this world nobody else listens there. */
const SCRIPTED = 'gone.test'
const MX = 'mx.gone.test'
/** So many mails, and so many crashes, under load. */
const LOAD = 200
const CRASHES = 3

for (const nodes of [0, 2]) {
  describe(`kill -9, nodes=${nodes}`, function () {
    this.timeout(120_000)
    const keep = keeper()
    let world: World
    let server: MailServer | undefined

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
    })
    afterEach(async () => {
      await server?.stop()
      server = undefined
    })
    after(() => keep.stop())

    const script = async (fault: FaultName): Promise<MailServer> => {
      await server?.stop()
      server = await startBadServer(fault, {
        address: HOSTS[MX],
        port: world.port,
        hostname: MX,
        certificate: world.ca.good(MX),
      })
      return server
    }
    /** Copies that the scripted server has taken of a letter for one recipient, over TLS. */
    const copies = (from: MailServer, mail: Letter, recipient: string) =>
      from.mails.filter(
        ({ message, recipients }) => message.includes(`the end of ${mail.token}`) && recipients.includes(recipient),
      )
    const restart = async (gateway: Gateway): Promise<void> => {
      dueNow(gateway)
      await gateway.start()
    }
    const settled = (gateway: Gateway, limit = 40_000) =>
      until('the queue is empty', () => gateway.queue().length === 0, {
        limit,
        detail: () => `${gateway.queue().join('\n')}\n${gateway.log().slice(-4000)}`,
      })
    /** Deadlines that no pause of a test exceeds. */
    const patient = () =>
      world.settings().replace(/^(tls_failure_after|undeliverable_after|delay_notice_after)=.*/gm, '$1=10m')

    it('between acceptance and delivery: each mail is delivered or reported, once', async () => {
      const gateway = await keep(
        startGateway({ nodes, settings: withSetting(world.settings(), 'delivery', 'paused=true') }),
      )
      const mails = []
      for (let n = 0; n < 5; n++) mails.push(await accepted(gateway, letter([`a${n}@good.test`, `a${n}@notls.test`])))
      await gateway.kill9()
      assert.equal(gateway.queue().length, 10)
      gateway.write('secure-mail.ini', world.settings())
      await restart(gateway)
      await settled(gateway)
      await somewhere(world, gateway, mails)
      for (const [n, mail] of mails.entries()) {
        assert.deepEqual(placesOf(world, gateway, mail, `a${n}@good.test`), ['delivered'])
        assert.deepEqual(placesOf(world, gateway, mail, `a${n}@notls.test`), ['reported'])
      }
    })

    it('between DATA and its reply: sent again, never lost', async () => {
      const silent = await script('finalSilent')
      const gateway = await keep(startGateway({ nodes, settings: patient() }))
      const mail = await accepted(gateway, letter([`b@${SCRIPTED}`]))
      await until('the server has the mail', () => copies(silent, mail, `b@${SCRIPTED}`).length === 1)
      await gateway.kill9()
      const good = await script('none')
      await restart(gateway)
      await settled(gateway)
      assert.equal(copies(good, mail, `b@${SCRIPTED}`).length, 1, 'one more copy, as RFC 5321 section 4.2.5 has it')
      assert.ok(good.mails.every(({ tls }) => tls !== undefined))
    })

    it('during a deferral: delivered once after the restart', async () => {
      const full = await script('greeting421')
      const gateway = await keep(startGateway({ nodes, settings: patient() }))
      const mail = await accepted(gateway, letter([`c@${SCRIPTED}`]))
      await until('it is deferred', () => gateway.events('delivery-deferred').length > 0)
      await gateway.kill9()
      assert.deepEqual(placesOf(world, gateway, mail, `c@${SCRIPTED}`), ['queued'])
      assert.equal(full.mails.length, 0)
      const good = await script('none')
      await restart(gateway)
      await settled(gateway)
      assert.equal(copies(good, mail, `c@${SCRIPTED}`).length, 1)
    })

    it('one recipient served, the other deferred: only the other is served after the restart', async () => {
      const picky = await script('rcptByName')
      const gateway = await keep(startGateway({ nodes, settings: patient() }))
      const [first, second] = [`first@${SCRIPTED}`, `4xx-second@${SCRIPTED}`]
      const mail = await accepted(gateway, letter([first, second]))
      await until(
        'both outcomes are there',
        () => gateway.events('delivery-deferred').length > 0 && gateway.events('delivery-succeeded').length > 0,
      )
      await gateway.kill9()
      assert.equal(copies(picky, mail, first).length, 1)
      const good = await script('none')
      await restart(gateway)
      await settled(gateway)
      assert.equal(copies(good, mail, first).length, 0, 'not again')
      assert.equal(copies(good, mail, second).length, 1)
    })

    it('two recipients under different requirements: who was served is not served again', async () => {
      const good = await script('none')
      const [first, held] = [`first@${SCRIPTED}`, `held@${SCRIPTED}`]
      // no certificate of this server has that name, so this recipient waits
      const tlsPolicy = `${held} secure match=other.test\n`
      const gateway = await keep(startGateway({ nodes, settings: patient(), tlsPolicy }))
      const mail = await accepted(gateway, letter([first, held]))
      await until('the first is served', () => gateway.events('delivery-succeeded').length > 0)
      await until('the other is deferred', () => gateway.events('delivery-deferred').length > 0)
      await gateway.kill9()
      assert.equal(copies(good, mail, held).length, 0)
      gateway.write('secure-mail.tls_policy', '')
      await restart(gateway)
      await settled(gateway)
      assert.equal(copies(good, mail, first).length, 1)
      assert.equal(copies(good, mail, held).length, 1)
    })

    it(`under load, ${CRASHES} times: of ${LOAD} mails every one that got 250 is delivered, queued or reported`, async function () {
      const gateway = await keep(startGateway({ nodes, settings: world.settings() }))
      const letters = Array.from({ length: LOAD }, (_, n) =>
        letter([`load${n}@${['good.test', 'two.test', 'notls.test'][n % 3]}`]),
      )
      const pumping = pump(gateway.address, gateway.port, letters)
      for (let crash = 0; crash < CRASHES; crash++) {
        const target = ((crash + 1) * LOAD) / (CRASHES + 2) + Math.floor(Math.random() * 20)
        await until(
          'enough mails are in',
          () => pumping.accepted.length >= target || pumping.accepted.length >= LOAD - 60,
          {
            every: 5,
            limit: 30_000,
          },
        )
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 100))
        await gateway.kill9()
        dueNow(gateway)
        await gateway.start()
      }
      await pumping.done
      const taken = pumping.accepted
      assert.ok(taken.length > LOAD / 2, `${taken.length} were taken`)
      assert.ok(
        pumping.refused.every((reply) => reply.startsWith('4')),
        pumping.refused.join('\n'),
      )
      await settled(gateway, 60_000)
      await somewhere(world, gateway, taken)
      const places = taken.map((mail) => placesOf(world, gateway, mail, mail.to[0] ?? ''))
      assert.equal(places.filter((found) => found.length === 0).length, 0, 'none is lost')
      const more = places.filter((found) => found.length > 1).length
      process.stdout.write(`      ${taken.length} taken, ${more} of them more than once\n`)
      for (const [n, mail] of taken.entries()) {
        const expected = mail.to[0]?.endsWith('@notls.test') === true ? 'reported' : 'delivered'
        assert.deepEqual([...new Set(places[n])], [expected])
        for (const copy of arrivals(world, mail, mail.to[0] ?? ''))
          assert.ok(copy.includes('Nobody else may read this'))
      }
    })

    it('nothing of envelope or content was on the wire in clear text', async () => {
      assertNothingInClear(await world.capture.connections(), ['Nobody else may read this', 'RCPT TO', 'load1'])
    })
  })
}

describe('a worker that dies', function () {
  this.timeout(60_000)
  const keep = keeper()
  let world: World

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
  })
  after(() => keep.stop())

  it('its successor takes its queue over', async () => {
    const gateway = await keep(
      startGateway({
        nodes: 2,
        settings: world.settings(),
        // a rejection that nobody handles ends the worker in which it happens
        plugins: [
          {
            name: 'rejects',
            source: `exports.hook_send_email = (next, hmail) => {
              if (hmail.todo.rcpt_to[0].user === 'deadly' && hmail.num_failures === 0 && !require('fs').existsSync('died')) {
                require('fs').writeFileSync('died', '')
                // a moment later: the client has its answer by then
                setTimeout(() => void Promise.reject(new Error('nobody handles this')), 1000)
                return
              }
              next()
            }`,
          },
        ],
      }),
    )
    const mail = await accepted(gateway, letter(['deadly@good.test']))
    await until('it is delivered', () => arrivals(world, mail, 'deadly@good.test').length > 0, {
      limit: 30_000,
      detail: () =>
        `${queueFiles(gateway)
          .map(({ name }) => name)
          .join('\n')}\n${gateway.log().slice(-4000)}`,
    })
    assert.match(gateway.log(), /worker \d+ (exited|killed)/)
  })
})
