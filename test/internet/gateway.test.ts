import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createGateway, type Gateway } from '../../demo/gateway'
import { freePort, until } from '../../demo/processes'
import { sendWithPython } from './clients'
import { prepareGateway, removePlugin, startGateway } from './gateway'
import { keeper } from './keeper'
import { startMailServer, type MailServer } from './servers'

/** Sends every mail to the one server; the way of a smart host plugin. */
const route = (port: number) => `
exports.hook_get_mx = (next, hmail, domain) =>
  next(OK, { exchange: '127.0.0.1', port: ${port}, priority: 0 })
`

for (const nodes of [0, 2]) {
  describe(`internet: Haraka as a process, nodes=${nodes} (stock, to prove the means)`, function () {
    this.timeout(60_000)
    const keep = keeper()
    let server: MailServer
    let gateway: Gateway

    before(async () => {
      server = await keep(startMailServer({ address: '127.0.0.1', port: 0, hostname: 'mx.test' }))
      const plugins = [{ name: 'route', source: route(server.port) }]
      gateway = await keep(startGateway({ instance: 'stock', nodes, plugins }))
    })
    after(() => keep.stop())

    const send = async (subject: string) => {
      const data = `From: <a@uni.test>\r\nTo: <b@partner.test>\r\nSubject: ${subject}\r\n\r\nHello.\r\n`
      return sendWithPython({ server: gateway.server, from: 'a@uni.test', to: ['b@partner.test'], data })
    }
    const arrived = async (subject: string) =>
      until(`${subject} arrives`, () => server.mails.find(({ message }) => message.includes(subject)), {
        detail: () => gateway.log(),
      })

    it('relays a mail through the other plugin’s route', async () => {
      const sent = await send('one')
      assert.equal(sent.code, 0, sent.transcript)
      assert.equal((await arrived('one')).sender, 'a@uni.test')
      await until('the queue is empty', () => gateway.queue().length === 0)
    })

    it('a mail that is held lies in the queue, and a kill -9 does not change that', async () => {
      await gateway.halt()
      gateway.write('outbound.ini', 'local_mx_ok=true\nenable_tls=false\ndisabled=true\n')
      await gateway.start()
      assert.equal((await send('two')).code, 0)
      await until('one mail is queued', () => gateway.queue().length === 1)
      await gateway.kill9()
      assert.equal(gateway.queue().length, 1)
      assert.equal(server.mails.length, 1)
      gateway.write('outbound.ini', 'local_mx_ok=true\nenable_tls=false\n')
      await gateway.start()
      await arrived('two')
    })

    it('restarts gracefully at the same place', async () => {
      const before = gateway.pid()
      await gateway.restart()
      assert.notEqual(gateway.pid(), before)
      assert.equal((await send('three')).code, 0)
      await arrived('three')
    })
  })
}

for (const nodes of [0, 2]) {
  describe(`internet: our own gateway, nodes=${nodes}`, function () {
    this.timeout(60_000)
    const keep = keeper()
    after(() => keep.stop())

    it('takes mail as soon as it is started, also after a restart, and says so in its audit log', async () => {
      const settings = '[main]\ninternal_domains[]=uni.test\n[delivery]\npaused=true\n'
      const gateway = await keep(startGateway({ nodes, settings }))
      for (const queued of [1, 2]) {
        const sent = await sendWithPython({ server: gateway.server, from: 'a@uni.test', to: ['b@partner.test'] })
        assert.equal(sent.code, 0, sent.transcript)
        assert.equal(gateway.queue().length, queued)
        assert.equal(gateway.events('message-accepted').length, queued)
        if (queued === 1) await gateway.restart()
      }
    })

    it('sees another plugin beside ours', async () => {
      const source = "exports.hook_mail = (next, connection, [from]) => next(from.user === 'x' ? DENY : CONT, 'not x')"
      const gateway = await keep(startGateway({ nodes, plugins: [{ name: 'not_x', source }] }))
      const sent = await sendWithPython({ server: gateway.server, from: 'x@uni.test', to: ['b@partner.test'] })
      assert.match(sent.reply, /^550 .*not x/)
    })
  })
}

describe('internet: instances that do not start', function () {
  this.timeout(60_000)
  const keep = keeper()
  after(() => keep.stop())

  it('a refusal is seen with its exit code and words', async () => {
    const plugins = [
      { name: 'refuse', source: "exports.register = () => { process.stderr.write('no!\\n'); process.exit(7) }" },
    ]
    const gateway = await keep(prepareGateway({ instance: 'stock', plugins }))
    const { code, output } = await gateway.startExpectingRefusal()
    assert.equal(code, 7)
    assert.match(output, /no!/)
    await assert.rejects(gateway.start(), /the gateway ended/)
  })

  it('a wrong setting of ours is a refusal', async () => {
    const gateway = await keep(prepareGateway({ settings: '[main]\nmode=enfoce\n' }))
    const { code, output } = await gateway.startExpectingRefusal()
    assert.notEqual(code, 0)
    assert.match(output, /secure-mail\.ini:2: .*enforce/)
  })

  it('a plugin line can be taken away', async () => {
    const plugins = [{ name: 'refuse', source: 'exports.register = () => process.exit(7)' }]
    const gateway = await keep(prepareGateway({ instance: 'stock', plugins }))
    removePlugin(gateway.dir, 'refuse')
    await gateway.start()
    assert.throws(() => removePlugin(gateway.dir, 'refuse'), /no line refuse/)
  })

  it('an instance that cannot be made leaves nothing behind', async () => {
    let made = ''
    const init = (dir: string) => {
      made = dir
      throw new Error('no instance today')
    }
    await assert.rejects(createGateway({ settings: '', init }), /no instance today/)
    assert.equal(existsSync(made), false)
  })

  it('free ports are free on all addresses asked for', async () => {
    const addresses = ['127.0.0.41', '127.0.0.42']
    const port = await freePort(addresses)
    for (const address of addresses) await keep(startMailServer({ address, port, hostname: 'x.test' }))
  })
})
