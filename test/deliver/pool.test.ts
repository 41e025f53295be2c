/** Connections that are used again: what they may serve, how they end, and what a dead one costs. */
import assert from 'node:assert/strict'
import type { Settings } from '../../lib/config/settings'
import { issued } from './support/certificates'
import { openAtOnce, type Script } from './support/server'
import { failureOf, MESSAGE, mxHosts, request, requirement, settings, SHORT, world, type World } from './support/world'

const tls = issued(['mx1.test'])

describe('deliver: connections used again', () => {
  let current: World
  afterEach(() => current.close())

  async function start(script: Script = { tls }, custom: Settings = settings()) {
    current = await world(custom)
    const [server] = await current.host('mx1.test', script)
    current.mx.set('dest.test', mxHosts('mx1.test'))
    current.mx.set('other.test', mxHosts('mx1.test'))
    return server!
  }

  async function deliver(more: Parameters<typeof request>[0] = {}): Promise<void> {
    const result = await current.deliver(request(more))
    assert.equal(result.outcomes[0]!.result, 'delivered', JSON.stringify(result))
  }

  const messages = (lines: readonly string[]) => lines.filter((line) => line.startsWith('MAIL'))

  for (const offers of [['PIPELINING'], []]) {
    it(`the next message is just MAIL: no greeting, no RSET, no NOOP (${offers.join() || 'without PIPELINING'})`, async () => {
      const server = await start({ tls, offers })
      await deliver()
      await deliver()
      await current.stop()
      assert.equal(server.seen.length, 1)
      const verbs = server.seen[0]!.inTls.map((line) => line.split(' ')[0])
      assert.deepEqual(verbs, ['EHLO', 'MAIL', 'RCPT', 'DATA', 'MAIL', 'RCPT', 'DATA', 'QUIT'])
    })
  }

  it('also for another domain with the same server and requirement', async () => {
    const server = await start()
    await deliver()
    await deliver({ domain: 'other.test', recipients: ['x@other.test'] })
    assert.equal(server.seen.length, 1)
  })

  const differences: { name: string; first?: Parameters<typeof request>[0]; second: Parameters<typeof request>[0] }[] =
    [
      { name: 'a stricter level', second: { requirement: requirement('verify') } },
      {
        name: 'a weaker level',
        first: { requirement: requirement('verify') },
        second: { requirement: requirement('encrypt') },
      },
      { name: 'another minimum version', second: { requirement: requirement('encrypt', { minVersion: 'TLSv1.3' }) } },
      {
        name: 'other names',
        first: { requirement: requirement('secure', { names: ['mx1.test'] }) },
        second: { requirement: requirement('secure', { names: ['.test', 'mx1.test'] }) },
      },
      {
        name: 'another server name',
        second: { requirement: requirement('encrypt', { servername: 'else.test' }) },
      },
      {
        name: 'another HELO name',
        second: { routes: [{ host: 'mx1.test', port: 25, lmtp: false, bindHelo: 'second.test' }] },
      },
      {
        name: 'another local address',
        second: { routes: [{ host: 'mx1.test', port: 25, lmtp: false, bind: '127.0.0.1' }] },
      },
      { name: 'clear text allowed', second: { requirement: requirement('may') } },
    ]
  for (const { name, first = {}, second } of differences) {
    it(`not for ${name}`, async () => {
      const server = await start()
      await deliver(first)
      await deliver(second)
      await deliver(second)
      assert.equal(server.seen.length, 2)
    })
  }

  it('not with another login, nor without one', async () => {
    const offers = ['PIPELINING', 'AUTH PLAIN']
    const server = await start({
      tls,
      offers,
      on: (c, line) => line.startsWith('AUTH') && (c.say('235 2.7.0 welcome'), true),
    })
    const route = { host: 'mx1.test', port: 25, lmtp: false }
    for (const auth of [{ user: 'a', pass: '1' }, { user: 'a', pass: '1' }, { user: 'b', pass: '1' }, undefined]) {
      await deliver({ routes: [{ ...route, ...(auth && { auth }) }] })
    }
    assert.deepEqual(
      server.seen.map((connection) => messages(connection.inTls).length),
      [2, 1, 1],
    )
  })

  it('clear text is recorded before every message, also on a connection that is open', async () => {
    const server = await start({ offers: ['PIPELINING'] })
    const permitted: string[] = []
    const seenBefore: number[] = []
    for (const name of ['one', 'two']) {
      await deliver({
        requirement: requirement('may'),
        beforePlaintext: async () => {
          await new Promise((resolve) => setTimeout(resolve, 20))
          permitted.push(name)
          seenBefore.push(messages(server.clear()).length)
        },
      })
    }
    assert.equal(server.seen.length, 1)
    assert.deepEqual(permitted, ['one', 'two'])
    assert.deepEqual(seenBefore, [0, 1], 'nothing of the envelope was said before the record')
  })

  it('clear text that cannot be recorded does not go out over an open connection either', async () => {
    const server = await start({ offers: ['PIPELINING'] })
    await deliver({ requirement: requirement('may'), beforePlaintext: () => Promise.resolve() })
    const result = await current.deliver(
      request({ requirement: requirement('may'), beforePlaintext: () => Promise.reject(new Error('disk full')) }),
    )
    assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
    assert.equal(messages(server.clear()).length, 1)
  })

  it('so many messages on a connection, then QUIT', async () => {
    const server = await start({ tls }, settings({ messagesPerConnection: 2 }))
    for (let count = 0; count < 5; count += 1) await deliver()
    await current.stop()
    assert.deepEqual(
      server.seen.map((connection) => messages(connection.inTls).length),
      [2, 2, 1],
    )
    assert.ok(server.seen.every((connection) => connection.inTls.at(-1) === 'QUIT'))
  })

  it('idle = 0: every message has a connection of its own', async () => {
    const server = await start({ tls }, settings({ idle: 0 }))
    await deliver()
    await deliver()
    assert.equal(server.seen.length, 2)
  })

  it('QUIT when nobody came for as long as a connection may rest', async () => {
    const server = await start({ tls }, settings({ idle: 60 }))
    await deliver()
    await server.seen[0]!.closed
    assert.equal(server.seen[0]!.inTls.at(-1), 'QUIT')
  })

  it('a reload closes what rests, and nothing is sent over it any more', async () => {
    let inForce = settings()
    current = await world(inForce, { settings: () => inForce })
    const [server] = await current.host('mx1.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    await deliver()
    inForce = settings()
    await deliver()
    await server!.seen[0]!.closed
    assert.equal(server!.seen[0]!.inTls.at(-1), 'QUIT')
    assert.equal(server!.seen.length, 2)
  })

  it('settings that change while a delivery waits for its turn: nothing is sent under the old requirement', async () => {
    let inForce = settings({ connectionsPerDestination: 1 })
    current = await world(inForce, { settings: () => inForce })
    let go: () => void = () => undefined
    const held = new Promise<void>((resolve) => (go = resolve))
    let atMail: () => void = () => undefined
    const underWay = new Promise<void>((resolve) => (atMail = resolve))
    const [server] = await current.host('mx1.test', {
      tls,
      on: async (_c, line) => {
        if (line.startsWith('MAIL')) {
          atMail()
          await held
        }
        return false
      },
    })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const first = current.deliver(request())
    let waited = 0
    const second = current.deliver(request({ onWait: () => (waited += 1) }))
    await underWay
    inForce = settings({ connectionsPerDestination: 1 })
    go()
    assert.equal((await first).outcomes[0]!.result, 'delivered')
    assert.deepEqual(await second, { outcomes: [], attempts: [], superseded: true })
    assert.equal(waited, 1)
    assert.equal(messages(server!.seen[0]!.inTls).length, 1)
    assert.equal(server!.seen.length, 1)
  })

  describe('a connection that died while it rested costs no attempt', () => {
    const deaths: { name: string; script: (count: { mails: number }) => Script }[] = [
      {
        name: 'closed by the server after a message',
        script: (count) => ({
          tls,
          on: (c, line) => {
            if (line === '.' && count.mails === 1) setTimeout(() => c.cut(), 20)
            return false
          },
        }),
      },
      {
        name: '421 while it rests (RFC 5321 section 3.8)',
        script: (count) => ({
          tls,
          on: (c, line) => {
            if (line === '.' && count.mails === 1) setTimeout(() => c.say('421 4.4.2 idle too long'), 20)
            return false
          },
        }),
      },
      ...['421 4.7.0 too many messages', '503 5.5.1 nested MAIL', '250', 'garbage'].map((answer) => ({
        name: `${answer} to the second MAIL`,
        script: (count: { mails: number }): Script => ({
          tls,
          on: (c, line) => {
            if (line.startsWith('MAIL') && count.mails === 1) {
              if (answer === '250') c.cut()
              else c.say(answer)
              return true
            }
            return false
          },
        }),
      })),
      {
        name: 'cut between the answers to MAIL and RCPT',
        script: (count) => ({
          tls,
          on: (c, line) => line.startsWith('RCPT') && count.mails === 2 && (c.cut(), true),
        }),
      },
    ]
    for (const { name, script } of deaths) {
      it(name, async () => {
        const count = { mails: 0 }
        const given = script(count)
        const server = await start({
          ...given,
          on: async (c, line) => {
            const done = await given.on?.(c, line)
            if (line.startsWith('MAIL')) count.mails += 1
            return done
          },
        })
        await deliver()
        await new Promise((resolve) => setTimeout(resolve, 80))
        const result = await current.deliver(request())
        assert.equal(result.outcomes[0]!.result, 'delivered', JSON.stringify(result))
        assert.equal(result.attempts.length, 1, 'the dead connection is no attempt')
        assert.equal(server.seen.length, 2)
        assert.equal(server.seen.flatMap((connection) => connection.data).length, 2)
      })
    }

    it('and a fresh connection that fails as well is one', async () => {
      let mails = 0
      const server = await start({
        tls,
        on: (c, line) => line.startsWith('MAIL') && ++mails > 1 && (c.say('421 4.3.2 going down'), true),
      })
      await deliver()
      const result = await current.deliver(request())
      assert.equal(result.outcomes[0]!.result, 'deferred')
      assert.equal(result.attempts.length, 1)
      assert.equal(failureOf(result.outcomes[0]).smtp?.code, 421)
      assert.equal(server.seen.length, 2)
    })

    it('but one that dies after the final dot is not followed by a second copy at once', async () => {
      let dots = 0
      const server = await start({ tls, on: (c, line) => line === '.' && ++dots === 2 && (c.cut(), true) })
      await deliver()
      const result = await current.deliver(request())
      assert.match(failureOf(result.outcomes[0]).publicText, /after the whole message/)
      assert.equal(server.seen.length, 1)
      assert.equal(server.seen[0]!.data.length, 2)
    })
  })

  it('a transaction that was refused half-way is followed by RSET (RFC 5321 section 4.1.4)', async () => {
    let rcpts = 0
    for (const offers of [['PIPELINING'], []]) {
      rcpts = 0
      const server = await start({
        tls,
        offers,
        on: (c, line) => {
          if (line === 'DATA' && rcpts === 1) return (c.say('503 5.5.1 no valid recipients'), true)
          return line.startsWith('RCPT') && ++rcpts === 1 && (c.say('550 5.1.1 no such user'), true)
        },
      })
      const refused = await current.deliver(request())
      assert.equal(failureOf(refused.outcomes[0]).smtp?.code, 550)
      await deliver()
      await deliver()
      await current.close()
      const verbs = server.seen[0]!.inTls.map((line) => line.split(' ')[0])
      const first = ['EHLO', 'MAIL', 'RCPT', ...(offers.length > 0 ? ['DATA'] : [])]
      const ordinary = ['MAIL', 'RCPT', 'DATA']
      assert.deepEqual(verbs, [...first, 'RSET', ...ordinary, ...ordinary, 'QUIT'])
    }
  })

  const pieces: { name: string; open: () => Buffer | Promise<Buffer> }[] = [
    { name: 'a buffer', open: () => Buffer.from(MESSAGE) },
    { name: 'a promise of one', open: () => Promise.resolve(Buffer.from(MESSAGE)) },
  ]
  for (const { name, open } of pieces) {
    it(`the message in one piece: ${name}`, async () => {
      const server = await start()
      await deliver({ open })
      await deliver({ open })
      assert.deepEqual(server.seen[0]!.data, [`${MESSAGE}.\r\n`, `${MESSAGE}.\r\n`])
    })
  }

  const broken: { name: string; open: () => Buffer | Promise<Buffer> }[] = [
    { name: 'a file that cannot be read', open: () => Promise.reject(new Error('ENOENT')) },
    { name: 'a lone dot', open: () => Buffer.from('a\r\n.\r\nMAIL FROM:<x@y>\r\n') },
    { name: 'a file that hangs', open: () => new Promise<Buffer>(() => undefined) },
  ]
  for (const { name, open } of broken) {
    it(`the message in one piece, ${name}: no dot, deferred as local-error`, async () => {
      const { timeouts } = settings().delivery
      const server = await start({ tls }, settings({ timeouts: { ...timeouts, dataBlock: SHORT } }))
      const result = await current.deliver(request({ open }))
      assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
      await server.seen[0]!.closed
      assert.equal(server.seen[0]!.dots, 0)
    })
  }

  it('what waits for one destination goes over the connections that are open', async () => {
    const server = await start({ tls }, settings({ connectionsPerDestination: 3 }))
    const results = await Promise.all(Array.from({ length: 40 }, () => current.deliver(request())))
    assert.ok(results.every((result) => result.outcomes[0]!.result === 'delivered'))
    assert.ok(server.seen.length <= 3, `${server.seen.length} connections`)
  })

  it('connections that rest count: a different requirement closes one instead of going over the limit', async () => {
    const connections = openAtOnce()
    const server = await start(
      {
        tls,
        on: (c, line) => {
          connections.see(c, line)
          return false
        },
      },
      settings({ connectionsPerDestination: 1 }),
    )
    for (const level of ['encrypt', 'verify', 'encrypt', 'verify'] as const) {
      await deliver({ requirement: requirement(level) })
    }
    assert.equal(server.seen.length, 4)
    assert.equal(connections.most(), 1, 'the one is closed before the other is opened')
  })
})
