import assert from 'node:assert/strict'
import { accepts, until } from '../../demo/processes'
import { sendWithPython } from '../internet/clients'
import { prepareGateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'

for (const nodes of [0, 2]) {
  describe(`a mail that comes while the gateway starts, nodes=${nodes}`, function () {
    this.timeout(60_000)
    const keep = keeper()
    after(() => keep.stop())

    it('is accepted, however early', async () => {
      const gateway = await keep(
        prepareGateway({ nodes, settings: '[main]\ninternal_domains[]=uni.test\n[delivery]\npaused=true\n' }),
      )
      const started = gateway.start()
      await until('the port is open', () => accepts(gateway.address, gateway.port), { every: 5 })
      const sent = await sendWithPython({
        server: gateway.server,
        from: 'a@uni.test',
        to: ['b@partner.test'],
        data: 'From: <a@uni.test>\r\nSubject: early\r\n\r\nx\r\n',
      })
      await started
      assert.equal(sent.code, 0, sent.transcript)
      assert.equal(gateway.queue().length, 1)
    })
  })
}
