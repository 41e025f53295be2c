/** The next message's commands together with the end of this one's content (RFC 2920 section 3.1), and all that can go wrong. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Settings } from '../../lib/config/settings'
import type { DeliveryRequest, DeliveryResult } from '../../lib/deliver/types'
import { issued } from './support/certificates'
import { openAtOnce, type Conversation, type Script, type Seen, type TestServer } from './support/server'
import { failureOf, mxHosts, request, requirement, settings, SHORT, world, type World } from './support/world'

const tls = issued(['mx1.test'])

/** Messages that can be told apart, in one piece as the queue gives them. */
function mail(n: number, more: Partial<DeliveryRequest> = {}): DeliveryRequest {
  return request({
    mailId: `M${n}`,
    sender: `s${n}@own.test`,
    open: () => Buffer.from(`Subject: hi\r\n\r\nmessage ${n}\r\n`),
    ...more,
  })
}

/** Numbers of the messages that a server has taken whole, in their order. */
function taken(server: TestServer): number[] {
  return server.seen.flatMap(({ data }) => data.map((text) => Number(/message (\d+)/.exec(text)?.[1])))
}

/** Did the end of a message and the next MAIL come in one piece? Only clear text shows. */
function together({ raw }: Seen): number {
  return raw.filter((chunk) => /\r\n\.\r\nMAIL FROM/.test(chunk.toString('latin1'))).length
}

describe('deliver: connections handed on with the end of a message', () => {
  let current: World
  afterEach(() => current.close())

  async function start(script: Script = { tls }, delivery: Partial<Settings['delivery']> = {}): Promise<TestServer> {
    current = await world(settings({ connectionsPerDestination: 1, ...delivery }))
    const [server] = await current.host('mx1.test', script)
    current.mx.set('dest.test', mxHosts('mx1.test'))
    return server!
  }

  const send = (count: number, more: (n: number) => Partial<DeliveryRequest> = () => ({})): Promise<DeliveryResult[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => current.deliver(mail(n, more(n)))))

  const inClear = (): Partial<DeliveryRequest> => ({
    requirement: requirement('may'),
    beforePlaintext: () => Promise.resolve(),
  })
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
  const sorted = (numbers: number[]): number[] => [...numbers].sort((a, b) => a - b)

  it('one write for both; each message arrives once, in its own transaction', async () => {
    const server = await start({ offers: ['PIPELINING'] })
    const results = await send(20, inClear)
    assert.ok(results.every(({ outcomes }) => outcomes[0]?.result === 'delivered'))
    assert.equal(server.seen.length, 1)
    const [seen] = server.seen
    assert.deepEqual(taken(server), upTo(20))
    // the first message shows how soon the server answers
    assert.equal(together(seen!), 18)
    const expected = upTo(20).flatMap((n) => [`MAIL FROM:<s${n}@own.test>`, 'RCPT TO:<rcpt@dest.test>', 'DATA'])
    assert.deepEqual(seen!.clear.slice(1), expected)
    assert.deepEqual(
      results.map(({ attempts }) => attempts[0]?.reused === true),
      upTo(20).map((n) => n > 0),
    )
  })

  for (const [name, script, more] of [
    ['a server without PIPELINING', { offers: [] }, {}],
    ['a server that takes its time for a message', { offers: ['PIPELINING'], on: slowly(300) }, {}],
    ['connections that are not used again', { offers: ['PIPELINING'] }, { idle: 0 }],
    ['one message per connection', { offers: ['PIPELINING'] }, { messagesPerConnection: 1 }],
  ] as const) {
    it(`not with ${name}`, async () => {
      const server = await start(script, more)
      const results = await send(4, inClear)
      assert.ok(results.every(({ outcomes }) => outcomes[0]?.result === 'delivered'))
      assert.deepEqual(sorted(taken(server)), upTo(4))
      assert.equal(
        server.seen.reduce((sum, seen) => sum + together(seen), 0),
        0,
      )
    })
  }

  it('the last message that a connection may carry is not followed by another', async () => {
    const server = await start({ tls }, { messagesPerConnection: 3 })
    await send(9)
    await current.stop()
    assert.deepEqual(
      server.seen.map(({ data }) => data.length),
      [3, 3, 3],
    )
    assert.ok(server.seen.every(({ inTls }) => inTls.at(-1) === 'QUIT'))
  })

  it('never for a stricter requirement than the one that the connection was made for', async () => {
    const server = await start({ tls }, { connectionsPerDestination: 1 })
    const results = await send(12, (n) => ({ requirement: requirement(n % 4 === 3 ? 'verify' : 'encrypt') }))
    for (const [n, { outcomes, attempts }] of results.entries()) {
      assert.equal(outcomes[0]?.result, 'delivered')
      assert.equal(attempts.at(-1)?.tls?.verified, n % 4 === 3, `message ${n}`)
    }
    assert.deepEqual(sorted(taken(server)), upTo(12))
  })

  it('clear text is recorded before each envelope', async () => {
    const server = await start({ offers: ['PIPELINING'] })
    const recorded = new Set<string>()
    const early: string[] = []
    await send(12, (n) => ({
      requirement: requirement('may'),
      beforePlaintext: async () => {
        await new Promise((resolve) => setTimeout(resolve, n % 3))
        if (server.clear().some((line) => line.includes(`<s${n}@`))) early.push(`s${n}`)
        recorded.add(`s${n}`)
      },
    }))
    assert.deepEqual(early, [])
    assert.equal(recorded.size, 12)
    assert.deepEqual(sorted(taken(server)), upTo(12))
  })

  it('clear text that cannot be recorded: that envelope is not said, and the others go', async () => {
    const server = await start({ offers: ['PIPELINING'] })
    const results = await send(9, (n) => ({
      requirement: requirement('may'),
      beforePlaintext: () => (n % 3 === 2 ? Promise.reject(new Error('disk full')) : Promise.resolve()),
    }))
    const kept = upTo(9).filter((n) => n % 3 === 2)
    for (const n of kept) assert.equal(failureOf(results[n]!.outcomes[0]).resultType, 'local-error')
    assert.deepEqual(
      sorted(taken(server)),
      upTo(9).filter((n) => !kept.includes(n)),
    )
    assert.ok(kept.every((n) => !server.clear().some((line) => line.includes(`<s${n}@`))))
  })

  for (const [reply, result] of [
    ['550 5.1.1 no such user', 'failed'],
    ['450 4.2.0 greylisted', 'deferred'],
  ] as const) {
    it(`a recipient refused with ${reply.slice(0, 3)} gets just that, after RSET; the connection goes on`, async () => {
      const server = await start({
        tls,
        on: (c, line) => {
          if (line.startsWith('RCPT TO:<bad')) c.say(reply)
          else if (line === 'DATA' && c.seen.inTls.at(-2)?.startsWith('RCPT TO:<bad')) c.say('503 5.5.1 no recipients')
          else return false
          return true
        },
      })
      const results = await send(9, (n) => (n % 3 === 2 ? { recipients: ['bad@dest.test'] } : {}))
      for (const [n, { outcomes }] of results.entries()) {
        assert.equal(outcomes[0]?.result, n % 3 === 2 ? result : 'delivered')
        if (n % 3 === 2) assert.equal(failureOf(outcomes[0]).smtp?.code, Number(reply.slice(0, 3)))
      }
      assert.equal(server.seen.length, 1)
      assert.ok(server.seen[0]!.inTls.includes('RSET'))
    })
  }

  it('some recipients refused: each its own reply, and 354 shows that they are in step', async () => {
    const server = await start({
      tls,
      on: (c, line) => {
        if (!line.startsWith('RCPT TO:<bad')) return false
        c.say('550 5.1.1 no such user')
        return true
      },
    })
    const recipients = ['a@dest.test', 'bad@dest.test', 'c@dest.test']
    const results = await send(6, () => ({ recipients }))
    for (const { outcomes } of results) {
      assert.deepEqual(
        outcomes.map(({ result }) => result),
        ['delivered', 'failed', 'delivered'],
      )
    }
    assert.ok(!server.seen[0]!.inTls.includes('RSET'))
    assert.deepEqual(taken(server), upTo(6))
  })

  for (const second of ['250 2.0.0 queued again', '550 5.7.1 no', '354 more']) {
    it(`a server that answers a message twice (${second}): nobody gets an answer that was for another`, async () => {
      const server = await start({ tls, dot: ['250 2.0.0 queued', second], on: refuseBad })
      const results = await send(8, (n) => ({
        recipients: n % 2 === 0 ? ['a@dest.test', 'bad@dest.test'] : ['bad@dest.test', 'c@dest.test'],
      }))
      for (const { outcomes } of results) {
        for (const outcome of outcomes) {
          assert.equal(
            outcome.result,
            outcome.recipient.startsWith('bad') ? 'failed' : 'delivered',
            JSON.stringify(outcome),
          )
        }
      }
      assert.deepEqual(sorted(taken(server)), upTo(8))
    })
  }

  it('a server that throws away what comes with the end of a message: asked so once, then never again', async () => {
    const { timeouts } = settings().delivery
    const server = await start({ tls, deaf: true }, { timeouts: { ...timeouts, mail: SHORT } })
    const results = await send(12)
    assert.ok(results.every(({ outcomes }) => outcomes[0]?.result === 'delivered'))
    assert.deepEqual(sorted(taken(server)), upTo(12))
    assert.equal(server.seen.length, 2)
  })

  for (const [name, how] of [
    [
      '421 and the end',
      (c: Conversation): void => {
        c.say('421 4.3.2 closing')
        c.cut()
      },
    ],
    ['nothing but the end', (c: Conversation): void => c.cut()],
  ] as const) {
    it(`the message ahead is answered with ${name}: the one behind goes over another connection, once`, async () => {
      let dots = 0
      const server = await start({
        tls,
        on: (c, line) => {
          if (line !== '.' || (dots += 1) !== 4) return false
          how(c)
          return true
        },
      })
      const results = await send(10)
      const late = results.filter(({ outcomes }) => outcomes[0]?.result !== 'delivered')
      assert.equal(late.length, 1)
      assert.equal(late[0]!.outcomes[0]!.result, 'deferred')
      assert.deepEqual(sorted(taken(server)), upTo(10))
      assert.equal(server.seen.length, 2)
    })
  }

  it('a message ahead that is not answered for seconds holds nobody up', async function () {
    this.timeout(30_000)
    let dots = 0
    const server = await start(
      {
        tls,
        on: async (c, line) => {
          if (line !== '.' || (dots += 1) !== 4) return false
          await new Promise((resolve) => setTimeout(resolve, 6_500))
          c.say('250 2.0.0 at last')
          return true
        },
      },
      { connectionsPerDestination: 2 },
    )
    const began = Date.now()
    const times: number[] = []
    const results = await send(10, () => ({
      onOutcome: () => Promise.resolve(void times.push(Date.now() - began)),
    }))
    assert.ok(results.every(({ outcomes }) => outcomes[0]?.result === 'delivered'))
    assert.deepEqual(sorted(taken(server)), upTo(10))
    assert.equal(times.filter((ms) => ms > 6_000).length, 1, 'only the one itself')
  })

  it('a shutdown: what is with the server is waited for, the envelope behind it is not followed by content', async () => {
    let dots = 0
    let stopped: Promise<void> | undefined
    const server = await start({
      tls,
      on: async (c, line) => {
        if (line !== '.' || (dots += 1) !== 4) return false
        stopped = current.stop()
        await new Promise((resolve) => setTimeout(resolve, 50))
        c.say('250 2.0.0 taken')
        return true
      },
    })
    const results = await send(10)
    await stopped
    const delivered = upTo(10).filter((n) => results[n]!.outcomes[0]!.result === 'delivered')
    assert.deepEqual(delivered, sorted(taken(server)))
    assert.equal(delivered.length, 4)
    for (const { outcomes } of results.slice(4)) assert.equal(failureOf(outcomes[0]).enhancedCode, '4.3.2')
  })

  it('whatever a server does: one outcome each, true to what the server has, and never more connections than allowed', async function () {
    this.timeout(60_000)
    const deeds = fc.constantFrom('yes', 'yes', 'yes', 'refuse', 'later', 'closing', 'cut', 'twice', 'no-data')
    await fc.assert(
      fc.asyncProperty(fc.array(deeds, { minLength: 20, maxLength: 40 }), async (script) => {
        let turn = 0
        const connections = openAtOnce()
        const next = (): (typeof script)[number] => script[turn++ % script.length] ?? 'yes'
        const server = await start(
          {
            tls,
            on: (c, line) => {
              connections.see(c, line)
              if (!c.secure || !/^(RCPT|DATA|\.$)/.test(line)) return false
              const deed = next()
              if (deed === 'refuse' && line.startsWith('RCPT')) c.say('550 5.1.1 no')
              else if (deed === 'later' && line === '.') c.say('450 4.3.0 later')
              else if (deed === 'closing') {
                c.say('421 4.3.2 closing')
                c.cut()
              } else if (deed === 'cut') c.cut()
              else if (deed === 'twice' && line === '.') c.say('250 2.0.0 yes\r\n250 2.0.0 yes')
              else if (deed === 'no-data' && line === 'DATA') c.say('451 4.3.0 not now')
              else return false
              return true
            },
          },
          { connectionsPerDestination: 3 },
        )
        const told = new Map<number, number>()
        const results = await send(40, (n) => ({
          onOutcome: () => Promise.resolve(void told.set(n, (told.get(n) ?? 0) + 1)),
        }))
        const copies = new Map<number, number>()
        for (const n of taken(server)) copies.set(n, (copies.get(n) ?? 0) + 1)
        for (const [n, { outcomes }] of results.entries()) {
          assert.equal(outcomes.length, 1)
          assert.equal(told.get(n), 1)
          assert.ok((copies.get(n) ?? 0) <= 1, `message ${n}: ${copies.get(n)} copies in one attempt`)
          if (outcomes[0]!.result === 'delivered') assert.equal(copies.get(n), 1)
        }
        assert.ok(connections.most() <= 3, `${connections.most()} connections`)
        await current.close()
      }),
      { numRuns: 12 },
    )
  })
})

function slowly(ms: number): NonNullable<Script['on']> {
  return async (_c, line) => {
    if (line === '.') await new Promise((resolve) => setTimeout(resolve, ms))
    return false
  }
}

function refuseBad(c: Conversation, line: string): boolean {
  if (!line.startsWith('RCPT TO:<bad')) return false
  c.say('550 5.1.1 no such user')
  return true
}
