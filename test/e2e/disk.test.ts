import assert from 'node:assert/strict'
import path from 'node:path'
import {
  accepted,
  arrivals,
  dueNow,
  letter,
  placesOf,
  post,
  queueFiles,
  somewhere,
  withSetting,
  type Letter,
} from './support-mail'
import { mountSmallDisk, type SmallDisk } from './support-tmpfs'
import { startWorld, type World } from './world'
import { assertNothingInClear, clearTextDeliveries } from '../internet/capture'
import { prepareGateway, type Gateway, type TestGatewayOptions } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

const MEBIBYTE = 1024 * 1024
/** A mail that does not fit beside another one of its kind on what is left of a disk. */
const BIG = 'x'.repeat(76).concat('\r\n').repeat(1000)

describe('a full disk', function () {
  this.timeout(100_000)
  const keep = keeper()
  let world: World

  before(async function () {
    await requirePackages(this)
    world = await keep(startWorld())
  })
  after(() => keep.stop())

  async function onSmallDisk(
    folder: 'queue' | 'audit' | 'store',
    size: number,
    options: TestGatewayOptions,
  ): Promise<{ gateway: Gateway; disk: SmallDisk }> {
    const gateway = await keep(prepareGateway(options))
    const disk = await keep(mountSmallDisk(path.join(gateway.dir, folder), size))
    await gateway.start()
    return { gateway, disk }
  }
  const settled = (gateway: Gateway) =>
    until('the queue is empty', () => mailsIn(gateway).length === 0, {
      limit: 40_000,
      detail: () => `${gateway.queue().join('\n')}\n${gateway.log().slice(-4000)}`,
    })
  const mailsIn = (gateway: Gateway) => gateway.queue().filter((name) => name !== '.filling')
  const settings = () => world.settings()

  for (const nodes of [0, 2]) {
    it(`the queue is full at acceptance: 451, nothing half-written, and all goes on afterwards, nodes=${nodes}`, async () => {
      const { gateway, disk } = await onSmallDisk('queue', MEBIBYTE, {
        nodes,
        settings: withSetting(settings(), 'delivery', 'paused=true'),
      })
      disk.leave(300_000)
      const taken: Letter[] = []
      const replies: string[] = []
      for (let n = 0; n < 6; n++) {
        // two domains: the first file may fit and the second one not
        const mail = letter([`q${n}@good.test`, `q${n}@two.test`], { body: BIG })
        const { reply } = await post(gateway, mail)
        replies.push(reply)
        if (reply.startsWith('250')) taken.push(mail)
      }
      assert.ok(taken.length > 0, replies.join('\n'))
      const refused = replies.filter((reply) => !reply.startsWith('250'))
      assert.ok(refused.length > 0)
      for (const reply of refused) assert.match(reply, /^451 4\.3\.0 /)
      assert.equal(mailsIn(gateway).length, taken.length * 2, 'nothing is left of the others')
      for (const file of queueFiles(gateway).filter(({ name }) => name !== '.filling'))
        assert.match(file.text, /the end of \w+\r\n$/, 'no file is cut off')

      await gateway.kill9()
      disk.free()
      gateway.write('secure-mail.ini', settings())
      dueNow(gateway)
      await gateway.start()
      taken.push(await accepted(gateway, letter(['q9@good.test', 'q9@two.test'], { body: BIG })))
      await settled(gateway)
      await somewhere(world, gateway, taken)
      for (const mail of taken) {
        for (const to of mail.to) {
          const copies = arrivals(world, mail, to)
          assert.equal(copies.length, 1)
          assert.ok(copies[0]?.includes(BIG), 'it arrives whole')
        }
      }
    })
  }

  it('the queue is full when a report is due: the mail stays until the report can be queued', async () => {
    const { gateway, disk } = await onSmallDisk('queue', MEBIBYTE, { settings: settings() })
    const mail = await accepted(gateway, letter(['r@notls.test']))
    disk.fill()
    await until('the report could not be queued', () => gateway.log().includes('the report could not be queued'), {
      limit: 30_000,
      detail: () => gateway.log().slice(-3000),
    })
    assert.deepEqual(placesOf(world, gateway, mail, 'r@notls.test'), ['queued'])
    await gateway.kill9()
    disk.free()
    dueNow(gateway)
    await gateway.start()
    await settled(gateway)
    await until('the report is there', () => placesOf(world, gateway, mail, 'r@notls.test').join() === 'reported')
  })

  it('the audit log is full: no clear text without its record, TLS mail flows, and all goes on afterwards', async () => {
    const before = clearTextDeliveries(await world.capture.connections()).length
    const { gateway, disk } = await onSmallDisk('audit', MEBIBYTE, {
      settings: settings().replace(/^(undeliverable_after|delay_notice_after)=.*/gm, '$1=10m'),
      tlsPolicy: 'notls.test none note="until the new printer" expires=2099-01-01\n',
    })
    disk.fill()
    // the last block of the log file has room for some lines still
    await until('the log is really full', async () => {
      const mail = await accepted(gateway, letter(['tls@good.test']))
      await until('mail over TLS is delivered', () => arrivals(world, mail, 'tls@good.test').length === 1)
      return gateway.log().includes('the audit log cannot be written')
    })
    const byRow = await accepted(gateway, letter(['row@notls.test']))
    const byGrant = await accepted(gateway, letter(['grant@two.test'], { subject: '[unsecure] [public] open day' }))
    for (const domain of ['notls', 'two']) {
      const deferred = new RegExp(`${domain}\\.test>.*status=deferred .*could not be recorded`)
      await until(`mail to ${domain}.test is deferred`, () => deferred.test(gateway.log()), {
        limit: 20_000,
        detail: () => gateway.log().slice(-3000),
      })
    }
    assert.deepEqual(placesOf(world, gateway, byGrant, 'grant@two.test'), ['queued'])
    assert.deepEqual(placesOf(world, gateway, byRow, 'row@notls.test'), ['queued'])
    assert.equal(clearTextDeliveries(await world.capture.connections()).length, before)

    disk.free()
    await settled(gateway)
    await somewhere(world, gateway, [byRow, byGrant])
    assert.deepEqual(placesOf(world, gateway, byRow, 'row@notls.test'), ['delivered'])
    assert.deepEqual(placesOf(world, gateway, byGrant, 'grant@two.test'), ['delivered'])
    const permitted = gateway.events('plaintext-permitted').length
    assert.ok(permitted > 0)
    const clear = clearTextDeliveries(await world.capture.connections()).length - before
    assert.ok(clear > 0 && clear <= permitted, `${clear} in clear text, ${permitted} recorded`)
  })

  it('the store is full: nothing lost, nothing in clear text, and all goes on afterwards', async () => {
    const before = (await world.capture.connections()).length
    const { gateway, disk } = await onSmallDisk('store', 4 * MEBIBYTE, { settings: settings() })
    disk.fill()
    const mails: Letter[] = []
    for (let n = 0; n < 5; n++) {
      const mail = letter([`s${n}@good.test`, `other${n}@good.test`, `s${n}@notls.test`])
      const { reply } = await post(gateway, mail)
      assert.match(reply, /^(250|451) /)
      if (reply.startsWith('250')) mails.push(mail)
    }
    for (const mail of mails) for (const to of mail.to) assert.ok(placesOf(world, gateway, mail, to).length > 0)
    disk.free()
    mails.push(await accepted(gateway, letter(['s9@good.test', 'other9@good.test', 's9@notls.test'])))
    await settled(gateway)
    await somewhere(world, gateway, mails)
    for (const mail of mails) {
      for (const to of mail.to) {
        const places = placesOf(world, gateway, mail, to)
        assert.deepEqual(places, [to.endsWith('@good.test') ? 'delivered' : 'reported'], to)
      }
    }
    assertNothingInClear((await world.capture.connections()).slice(before), ['Nobody else may read this', 'other'])
  })
})
