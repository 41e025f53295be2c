import assert from 'node:assert/strict'
import { accepted, dueNow, letter, placesOf, post, queueFiles, somewhere, type Letter } from './support-mail'
import { startWorld, type World } from './world'
import { assertNothingInClear } from '../internet/capture'
import { removePlugin, startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

const TAGGED = '[unsecure] [public] open day'

const NOT_HELD = `Object.defineProperty(transaction.message_stream, 'held', { value: false });`

/**
 * What our code is given is broken under it, so that it throws where it stands. By local part of the recipient: a body
 * of `(connection) => { ... }`, run before the mail is queued.
 */
const AT_ACCEPTANCE: Readonly<Record<string, string>> = {
  'content-throws': `transaction.message_stream.content = () => { throw new Error('broken') }`,
  'wire-throws': `transaction.message_stream.wire = () => { throw new Error('broken') }`,
  // a message that is held in memory is not asked for as a stream
  'get-data-throws': `${NOT_HELD} transaction.message_stream.get_data = () => { throw new Error('broken') }`,
  'get-data-emits': `${NOT_HELD} transaction.message_stream.get_data = function () { setImmediate(() => this.emit('error', new Error('broken'))) }`,
  'no-stream': `transaction.message_stream = undefined`,
  'results-throw': `connection.results = { get() { throw new Error('broken') }, add() {}, collate() {} }`,
  'no-header-list': `transaction.header.header_list = undefined`,
  'header-list-throws': `Object.defineProperty(transaction.header, 'header_list', { get() { throw new Error('broken') }, set() {} })`,
  'header-of-numbers': `transaction.header.header_list = [1, 2, {}]`,
  'recipient-throws': `Object.defineProperty(transaction.rcpt_to[0], 'host', { get() { throw new Error('broken') } })`,
  'sender-throws': `transaction.mail_from.isNull = () => { throw new Error('broken') }`,
  'pipe-throws': `${NOT_HELD} transaction.message_stream.pipe = () => { throw new Error('broken') }`,
  'pipe-breaks-off': `${NOT_HELD} transaction.message_stream.pipe = function (to) { to.write('half a mail'); setImmediate(() => this.emit('error', new Error('broken'))) }`,
  'notes-frozen': `Object.freeze(transaction.notes)`,
}

/** The same when the mail is about to be delivered: a body of `(item) => { ... }`. */
const AT_DELIVERY: Readonly<Record<string, string>> = {
  'notes-throw': `Object.defineProperty(item.todo.notes, 'secure_mail', { get() { throw new Error('broken') } })`,
  'no-notes': `item.todo.notes = undefined`,
  'todo-gone': `item.todo = null`,
  'recipients-throw': `Object.defineProperty(item.todo, 'rcpt_to', { get() { throw new Error('broken') } })`,
  'domain-number': `item.todo.domain = 7`,
  'uuid-gone': `item.todo.uuid = undefined`,
  'path-gone': `item.path = item.path + '.nowhere'`,
  'next-cb-throws': `const { next_cb } = item; item.next_cb = () => { next_cb(); throw new Error('broken') }`,
  'log-throws': `item.lognotice = () => { throw new Error('broken') }`,
}

const table = (ways: Readonly<Record<string, string>>, parameters: string) =>
  Object.entries(ways)
    .map(([name, body]) => `${JSON.stringify(name)}(${parameters}) { ${body} }`)
    .join(',\n')

const BREAKER = {
  name: 'breaker',
  source: `
    const acceptance = { ${table(AT_ACCEPTANCE, 'connection, transaction')} }
    const delivery = { ${table(AT_DELIVERY, 'item')} }
    exports.register = function () {
      this.register_hook('data_post', 'accept', 100)
      this.register_hook('send_email', 'deliver', 100)
    }
    exports.accept = (next, connection) => {
      const way = acceptance[connection.transaction.rcpt_to[0].user]
      if (way) way(connection, connection.transaction)
      next()
    }
    exports.deliver = (next, item) => {
      const way = delivery[item.todo.rcpt_to[0].user]
      if (way) way(item)
      next()
    }`,
}

for (const nodes of [0, 2]) {
  describe(`our own code breaks, nodes=${nodes}`, function () {
    this.timeout(110_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway
    const stuck = new Map<string, Letter>()

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      gateway = await keep(startGateway({ nodes, settings: world.settings(), plugins: [BREAKER] }))
    })
    after(() => keep.stop())

    for (const way of Object.keys(AT_ACCEPTANCE)) {
      it(`${way}: the mail is put off, or queued whole and as an ordinary one`, async () => {
        const mail = letter([`${way}@notls.test`], { subject: TAGGED })
        const { reply, transcript } = await post(gateway, mail, 15_000)
        assert.match(reply, /^(250|451|421) /, transcript)
        const places = placesOf(world, gateway, mail, `${way}@notls.test`)
        if (!reply.startsWith('250')) assert.deepEqual(places, [])
        else {
          assert.ok(places.length > 0)
          for (const { text } of queueFiles(gateway)) {
            if (text.includes(mail.token)) assert.doesNotMatch(text, /"grant":\s*\{/)
          }
        }
        for (const { text } of queueFiles(gateway)) assert.doesNotMatch(text, /half a mail/)
      })
    }

    it('at delivery: the mail stays or is dealt with, whatever is thrown', async () => {
      for (const way of Object.keys(AT_DELIVERY))
        stuck.set(way, await accepted(gateway, letter([`${way}@good.test`, `${way}@notls.test`])))
      // the file of a mail that was tried is renamed or gone, or an error is in the log; ordinary mail shows that time has passed
      const mail = await accepted(gateway, letter(['friend@good.test']))
      await until('other mail flows', () => placesOf(world, gateway, mail, 'friend@good.test').join() === 'delivered')
      for (const [way, letter] of stuck) {
        for (const to of letter.to) assert.ok(placesOf(world, gateway, letter, to).length > 0, `${way}: ${to} is lost`)
      }
    })

    it('no process of the gateway ended', () => {
      const lines = gateway.log().split('\n')
      const end = lines.findIndex((line) => /killed by signal|exited with error code|uncaught|unhandled/i.test(line))
      assert.equal(end, -1, lines.slice(Math.max(0, end - 20), end + 1).join('\n'))
      assert.ok(process.kill(gateway.pid(), 0))
    })

    it('with the cause gone, all of it is delivered or reported', async () => {
      await gateway.kill9()
      removePlugin(gateway.dir, 'breaker')
      dueNow(gateway)
      await gateway.start()
      await until('the queue is empty', () => gateway.queue().length === 0, {
        limit: 40_000,
        detail: () => `${gateway.queue().join('\n')}\n${gateway.log().slice(-4000)}`,
      })
      await somewhere(world, gateway, stuck.values())
      for (const [way, mail] of stuck) {
        assert.deepEqual([...new Set(placesOf(world, gateway, mail, `${way}@good.test`))], ['delivered'], way)
        assert.deepEqual([...new Set(placesOf(world, gateway, mail, `${way}@notls.test`))], ['reported'], way)
      }
    })

    it('nothing of envelope or content was on the wire in clear text', async () => {
      assertNothingInClear(await world.capture.connections(), ['Nobody else may read this', 'open day'])
      assert.deepEqual(gateway.events('plaintext-permitted'), [])
    })
  })
}
