import assert from 'node:assert/strict'
import { accepted, arrivals, letter, type Letter } from './support-mail'
import { startWorld, type World } from './world'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

/** Numbers that pass modulus 11, of nobody. */
const NUMBERS = ['070761-1006', '211062-1003', '131052-1007', '290444-1018', '010270-1003', '151175-1000']
const listOf = (count: number) =>
  NUMBERS.slice(0, count)
    .map((number, n) => `Person ${n}, CPR ${number}\r\n`)
    .join('')

for (const action of ['notify', 'ndr', 'off'] as const) {
  describe(`more persons than may go by encryption in transport, action=${action}`, function () {
    this.timeout(60_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      gateway = await keep(startGateway({ nodes: 0, settings: `${world.settings()}\n[category3]\naction=${action}\n` }))
    })
    after(() => keep.stop())

    const told = (mail: Letter) =>
      world.postfix
        .mails('uni.test')
        .filter(({ sender, message }) => sender === '' && message.toString('latin1').includes(mail.token))
        .map(({ message }) => message.toString('latin1'))

    it('a list of six: advised, withheld or let go', async () => {
      const mail = await accepted(gateway, letter(['list@good.test'], { body: listOf(6) }))
      if (action === 'ndr') {
        await until('the sender is told', () => told(mail).length === 1)
        assert.match(told(mail)[0] ?? '', /5\.7\.10/)
        assert.deepEqual(arrivals(world, mail, 'list@good.test'), [])
      } else {
        await until('it is delivered', () => arrivals(world, mail, 'list@good.test').length === 1)
        if (action === 'notify') await until('the sender is advised', () => told(mail).length === 1)
      }
      assert.equal(told(mail).length, action === 'off' ? 0 : 1)
      for (const report of told(mail)) for (const number of NUMBERS) assert.ok(!report.includes(number))
    })

    it('a list of five goes without a word', async () => {
      const mail = await accepted(gateway, letter(['few@good.test'], { body: listOf(5) }))
      await until('it is delivered', () => arrivals(world, mail, 'few@good.test').length === 1)
      assert.deepEqual(told(mail), [])
    })
  })
}
