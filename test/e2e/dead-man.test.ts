import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { accepted, arrivals, dueNow, letter, placesOf, somewhere, withSetting, type Letter } from './support-mail'
import { HOSTS, startWorld, type World } from './world'
import { assertNothingInClear, clearTextDeliveries } from '../internet/capture'
import { addPlugin, prepareGateway, removePlugin, startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

/** Long enough for stock Haraka, which looks every second whether delivery is switched on. */
const LONG_ENOUGH = 3_500
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** The way that stock Haraka would take, so that it would arrive if it were let. */
const route = (world: World) => ({
  name: 'way_out',
  source: `exports.hook_get_mx = (next, hmail, domain) => domain === 'notls.test'
    ? next(OK, { exchange: '${HOSTS['mx.notls.test']}', port: ${world.port}, priority: 0 }) : next()`,
})

describe('the dead-man’s switch', function () {
  this.timeout(100_000)
  const keep = keeper()
  let world: World

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
  })
  after(() => keep.stop())

  const connections = async () => (await world.capture.connections()).length

  /** Two mails in the queue of a gateway that is then halted. */
  async function withQueue(nodes: number): Promise<{ gateway: Gateway; good: Letter; bad: Letter }> {
    const gateway = await keep(
      startGateway({
        nodes,
        settings: withSetting(world.settings(), 'delivery', 'paused=true'),
        plugins: [route(world)],
      }),
    )
    const good = await accepted(gateway, letter(['queued@good.test']))
    const bad = await accepted(gateway, letter(['queued@notls.test']))
    await gateway.halt()
    gateway.write('secure-mail.ini', world.settings())
    dueNow(gateway)
    return { gateway, good, bad }
  }

  async function everythingStays(gateway: Gateway, mails: readonly Letter[]): Promise<void> {
    const before = await connections()
    const [submitted] = [letter(['new@notls.test'])]
    await accepted(gateway, submitted)
    await wait(LONG_ENOUGH)
    assert.equal(await connections(), before, 'not even a connection')
    for (const mail of [...mails, submitted])
      assert.deepEqual(placesOf(world, gateway, mail, mail.to[0] ?? ''), ['queued'])
    await gateway.halt()
  }

  async function everythingFlows(gateway: Gateway, good: Letter, bad: Letter): Promise<void> {
    dueNow(gateway)
    await gateway.start()
    await until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 40_000,
      detail: () => gateway.log().slice(-4000),
    })
    await somewhere(world, gateway, [good, bad])
    assert.deepEqual(placesOf(world, gateway, good, 'queued@good.test'), ['delivered'])
    assert.deepEqual(placesOf(world, gateway, bad, 'queued@notls.test'), ['reported'])
    await gateway.halt()
  }

  for (const nodes of [0, 2]) {
    it(`without the plugin line nothing leaves; with it again, everything does, nodes=${nodes}`, async () => {
      const { gateway, good, bad } = await withQueue(nodes)
      const lines = readFileSync(path.join(gateway.dir, 'config', 'plugins'), 'utf8')
      removePlugin(gateway.dir)
      await gateway.start()
      await everythingStays(gateway, [good, bad])
      gateway.write('plugins', lines)
      await everythingFlows(gateway, good, bad)
    })
  }

  it('a plugin that cannot load, under ignore_bad_plugins: nothing leaves; without it Haraka does not start', async () => {
    const { gateway, good, bad } = await withQueue(0)
    const link = path.join(gateway.dir, 'node_modules', 'haraka-plugin-secure-mail')
    const smtp = readFileSync(path.join(gateway.dir, 'config', 'smtp.ini'), 'utf8')
    assert.ok(existsSync(link))
    renameSync(link, `${link}.away`)

    // the package is gone
    gateway.write('smtp.ini', `${smtp}ignore_bad_plugins=true\n`)
    await gateway.start()
    await everythingStays(gateway, [good, bad])

    // the package is broken
    mkdirSync(link)
    writeFileSync(path.join(link, 'package.json'), '{"name":"haraka-plugin-secure-mail","main":"index.js"}')
    writeFileSync(path.join(link, 'index.js'), 'exports.register = function ( {')
    await gateway.start()
    await everythingStays(gateway, [good, bad])

    // a register() that throws
    writeFileSync(path.join(link, 'index.js'), 'exports.register = function () { throw new Error("no") }')
    await gateway.start().catch(() => undefined)
    const before = await connections()
    await wait(LONG_ENOUGH)
    assert.equal(await connections(), before)
    await gateway.halt()

    gateway.write('smtp.ini', smtp)
    const { code } = await gateway.startExpectingRefusal()
    assert.ok(code !== 0 && code !== null, `exit code ${code}`)

    renameSync(link, `${link}.broken`)
    renameSync(`${link}.away`, link)
    await everythingFlows(gateway, good, bad)
  })

  it('outbound.ini written again and again while running: delivery goes on', async () => {
    const gateway = await keep(startGateway({ settings: world.settings() }))
    const shipped = readFileSync(path.join(gateway.dir, 'config', 'outbound.ini'), 'utf8')
    assert.match(shipped, /^disabled=true$/m)
    const mails: Letter[] = []
    for (let round = 0; round < 8; round++) {
      gateway.write('outbound.ini', `${shipped}; touched ${round}\n`)
      mails.push(await accepted(gateway, letter([`r${round}@good.test`])))
      await wait(1_000)
    }
    for (const [round, mail] of mails.entries()) {
      await until(`mail ${round} is delivered`, () => arrivals(world, mail, `r${round}@good.test`).length === 1, {
        detail: () => gateway.log().slice(-3000),
      })
    }
  })

  it('whatever happened, nothing was on the wire in clear text', async () => {
    assertNothingInClear(await world.capture.connections(), ['queued@', 'new@', 'Nobody else may read this'])
  })

  it('to compare: with disabled=false and without the plugin, stock Haraka sends in clear text', async () => {
    const gateway = await keep(prepareGateway({ settings: world.settings(), plugins: [] }))
    addPlugin(gateway.dir, route(world))
    removePlugin(gateway.dir)
    gateway.write('outbound.ini', 'disabled=false\nlocal_mx_ok=true\n')
    await gateway.start()
    const mail = await accepted(gateway, letter(['open@notls.test']))
    await until('it arrives', () => arrivals(world, mail, 'open@notls.test').length === 1, {
      detail: () => gateway.log().slice(-3000),
    })
    assert.equal(clearTextDeliveries(await world.capture.connections()).length, 1)
  })
})
