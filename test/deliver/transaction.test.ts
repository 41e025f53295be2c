/** Envelope, content and final replies: who gets which outcome, and what went over the wire for it. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import type { DeliveryResult, RecipientOutcome } from '../../lib/deliver/types'
import { issued } from './support/certificates'
import type { Script, TestServer } from './support/server'
import { failureOf, MESSAGE, mxHosts, request, settings, SHORT, world, type World } from './support/world'

const tls = issued(['mx1.test'])

/** Answer a command with something else. */
function answering(table: Record<string, string>, more: Script = {}): Script {
  return {
    tls,
    ...more,
    on: (c, line) => {
      const answer = Object.entries(table).find(([start]) => line.startsWith(start))?.[1]
      if (answer === undefined || !c.secure) return false
      c.say(answer)
      return true
    },
  }
}

describe('deliver: transactions', () => {
  let current: World
  afterEach(() => current.close())

  async function deliver(
    script: Script,
    more: Parameters<typeof request>[0] = {},
    custom = settings(),
  ): Promise<{ server: TestServer; result: DeliveryResult }> {
    current = await world(custom)
    const [server] = await current.host('mx1.test', script)
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request(more))
    await current.close()
    return { server: server!, result }
  }

  const said = (result: DeliveryResult): string[] =>
    result.outcomes.map((outcome) =>
      outcome.result === 'delivered'
        ? `${outcome.recipient} delivered ${outcome.response}`
        : `${outcome.recipient} ${outcome.result} ${outcome.failure.enhancedCode} ${outcome.failure.smtp?.code ?? '-'} ${outcome.failure.smtp?.text ?? ''}`,
    )

  const three = ['a@dest.test', 'b@dest.test', 'c@dest.test']

  for (const offers of [['PIPELINING'], []]) {
    const how = offers.length > 0 ? 'pipelined (RFC 2920)' : 'one command at a time'

    it(`${how}: each recipient its own reply, the message goes to those who were accepted`, async () => {
      const { server, result } = await deliver(
        answering(
          { 'RCPT TO:<a@': '450 4.2.0 greylisted', 'RCPT TO:<b@': '550-5.1.1 no\r\n550 5.1.1 such user' },
          { offers },
        ),
        { recipients: three },
      )
      assert.deepEqual(said(result), [
        'a@dest.test deferred 4.2.0 450 greylisted',
        'b@dest.test failed 5.1.1 550 no such user',
        'c@dest.test delivered 250 2.0.0 Ok: queued',
      ])
      assert.deepEqual(server.seen[0]!.data, [`${MESSAGE}.\r\n`])
      assert.equal(result.attempts.length, 1)
      assert.equal(result.attempts[0]!.ok, true)
      assert.equal(server.seen[0]!.inTls.at(-1), 'QUIT')
    })

    it(`${how}: all refused, no content`, async () => {
      const { server, result } = await deliver(answering({ RCPT: '550 no', DATA: '503 no recipients' }, { offers }), {
        recipients: three,
      })
      assert.deepEqual(
        said(result),
        three.map((one) => `${one} failed 5.0.0 550 no`),
      )
      assert.deepEqual(server.seen[0]!.data, [])
      assert.equal(server.seen[0]!.inTls.includes('DATA'), offers.length > 0)
      assert.equal(server.seen[0]!.inTls.at(-1), 'QUIT')
    })

    it(`${how}: sender refused`, async () => {
      const { server, result } = await deliver(
        answering({ MAIL: '550 5.7.1 not from you', RCPT: '503 no', DATA: '503 no' }, { offers }),
        { recipients: three },
      )
      assert.deepEqual(
        said(result),
        three.map((one) => `${one} failed 5.7.1 550 not from you`),
      )
      assert.equal(server.seen[0]!.dots, 0)
    })

    it(`${how}: DATA refused is each accepted recipient's reply`, async () => {
      const { result } = await deliver(answering({ DATA: '451 4.3.0 later', 'RCPT TO:<b@': '550 no' }, { offers }), {
        recipients: three,
      })
      assert.deepEqual(said(result), [
        'a@dest.test deferred 4.3.0 451 later',
        'b@dest.test failed 5.0.0 550 no',
        'c@dest.test deferred 4.3.0 451 later',
      ])
    })

    it(`${how}: the order and text of commands`, async () => {
      const { server } = await deliver(
        { tls, offers: [...offers, 'SIZE 1000', '8BITMIME', 'SMTPUTF8', 'DSN'] },
        {
          eightBit: true,
          smtpUtf8: true,
          size: 77,
          recipients: ['a@dest.test', 'bøf@dest.test'],
          dsn: {
            ret: 'HDRS',
            envid: 'E1',
            rcpt: { 'a@dest.test': { notify: 'FAILURE,DELAY', orcpt: 'rfc822;x@dest.test' } },
          },
        },
      )
      assert.deepEqual(server.seen[0]!.inTls.slice(1), [
        'MAIL FROM:<sender@own.test> SIZE=77 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=E1',
        'RCPT TO:<a@dest.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;x@dest.test',
        `RCPT TO:<${Buffer.from('bøf').toString('latin1')}@dest.test>`,
        'DATA',
        'QUIT',
      ])
    })
  }

  it('pipelined: 354 although nobody was accepted gets no content and no dot (RFC 2920 section 3.1)', async () => {
    const { server, result } = await deliver(answering({ RCPT: '550 no' }))
    assert.equal(result.outcomes[0]!.result, 'failed')
    assert.equal(server.seen[0]!.dots, 0)
    assert.ok(!server.seen[0]!.inTls.includes('QUIT'))
  })

  it('what the server does not offer is not said; 8-bit content goes out as it is', async () => {
    const body = 'Subject: x\r\n\r\nbl\u00e5b\u00e6r\r\n'
    const { server, result } = await deliver(
      { tls, offers: [] },
      {
        eightBit: true,
        size: 5,
        dsn: { ret: 'FULL', rcpt: {} },
        open: () => Readable.from([Buffer.from(body, 'latin1')]),
      },
    )
    assert.equal(result.outcomes[0]!.result, 'delivered')
    assert.ok(server.seen[0]!.inTls.includes('MAIL FROM:<sender@own.test>'))
    assert.deepEqual(server.seen[0]!.data, [`${body}.\r\n`])
  })

  it('SMTPUTF8 needed and not offered (RFC 6531 section 3.5): 5.6.7, no envelope', async () => {
    const { server, result } = await deliver({ tls }, { recipients: ['bøf@dest.test'] })
    assert.equal(result.outcomes[0]!.result, 'failed')
    assert.equal(failureOf(result.outcomes[0]).enhancedCode, '5.6.7')
    assert.deepEqual(server.seen[0]!.inTls, ['EHLO gateway.test', 'QUIT'])
  })

  it('addresses that would be commands never reach the wire', async () => {
    const evil = 'x@dest.test>\r\nRCPT TO:<victim@dest.test'
    const { server, result } = await deliver({ tls }, { recipients: [evil, 'good@dest.test'] })
    assert.deepEqual(
      result.outcomes.map((one) => one.result),
      ['failed', 'delivered'],
    )
    assert.ok(!server.seen[0]!.inTls.join('\n').includes('victim'))
  })

  it('content arrives byte for byte, in many chunks, with what is stuffed left stuffed', async () => {
    const lines = ['Subject: x', '', '..', '...', '..x', 'plain', 'x'.repeat(70_000), '..end']
    const body = Array.from({ length: 40 }, () => lines.join('\r\n')).join('\r\n')
    const chunks = [...Array(Math.ceil(body.length / 10_007)).keys()].map((n) =>
      Buffer.from(body.slice(n * 10_007, (n + 1) * 10_007)),
    )
    const { server, result } = await deliver({ tls }, { open: () => Readable.from(chunks) })
    assert.equal(result.outcomes[0]!.result, 'delivered')
    assert.ok(server.seen[0]!.data[0] === `${body}\r\n.\r\n`)
  })

  it('a message that cannot be read to its end: no dot, connection cut, deferred as local-error', async () => {
    const { server, result } = await deliver(
      { tls },
      {
        open: () =>
          Readable.from(
            (async function* () {
              yield Buffer.from('Subject: half\r\n')
              await new Promise((resolve) => setImmediate(resolve))
              throw new Error('EIO')
            })(),
          ),
      },
    )
    assert.equal(result.outcomes[0]!.result, 'deferred')
    assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
    assert.match(failureOf(result.outcomes[0]).privateDetail ?? '', /EIO/)
    await server.seen[0]!.closed
    assert.equal(server.seen[0]!.dots, 0)
  })

  it('a message that stalls: cut at the deadline of a block', async () => {
    const { server, result } = await deliver(
      { tls },
      { open: () => new Readable({ read: () => undefined }) },
      settings({ timeouts: { ...settings().delivery.timeouts, dataBlock: SHORT } }),
    )
    assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
    assert.equal(server.seen[0]!.dots, 0)
  })

  it('open() that throws', async () => {
    const { server, result } = await deliver(
      { tls },
      {
        open: () => {
          throw new Error('ENOENT')
        },
      },
    )
    assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
    assert.equal(server.seen[0]!.dots, 0)
  })

  it('a lone dot inside the message is never sent as an end of data', async () => {
    const { server, result } = await deliver(
      { tls },
      { open: () => Readable.from([Buffer.from('a\r\n.\r\nMAIL FROM:<evil@own.test>\r\n')]) },
    )
    assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
    assert.equal(server.seen[0]!.dots, 0)
  })

  it('final reply 4xx and 5xx', async () => {
    const refused = await deliver({ tls, dot: '554 5.7.1 spam' })
    assert.deepEqual(said(refused.result), ['rcpt@dest.test failed 5.7.1 554 spam'])
    assert.equal(refused.result.attempts[0]!.ok, false)
    const later = await deliver({ tls, dot: '452 4.3.1 full' })
    assert.deepEqual(said(later.result), ['rcpt@dest.test deferred 4.3.1 452 full'])
    const odd = await deliver({ tls, dot: '334 what' })
    assert.equal(failureOf(odd.result.outcomes[0]).resultType, 'protocol-error')
    assert.equal(odd.result.outcomes[0]!.result, 'deferred')
  })

  it('connection lost between the final dot and its reply: deferred, the next MX is not tried', async () => {
    current = await world()
    await current.host('mx1.test', { tls, on: (c, line) => line === '.' && (c.cut(), true) })
    const [second] = await current.host('mx2.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
    const result = await current.deliver(request())
    assert.equal(failureOf(result.outcomes[0]).resultType, 'connection-failed')
    assert.match(failureOf(result.outcomes[0]).privateDetail ?? '', /second copy is possible/)
    assert.equal(second!.seen.length, 0)
  })

  it('connection lost before the final dot: the next MX gets those who have no final reply', async () => {
    current = await world()
    await current.host('mx1.test', {
      tls,
      offers: [],
      on: (c, line) => {
        if (line.startsWith('RCPT TO:<a@')) c.say('550 5.1.1 no')
        else if (line === 'DATA') c.cut()
        else return false
        return true
      },
    })
    const [second] = await current.host('mx2.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
    const result = await current.deliver(request({ recipients: three }))
    assert.deepEqual(
      result.outcomes.map((one) => one.result),
      ['failed', 'delivered', 'delivered'],
    )
    assert.ok(!second!.seen[0]!.inTls.join().includes('RCPT TO:<a@'))
    assert.deepEqual(
      result.attempts.map((one) => one.ok),
      [false, true],
    )
  })

  for (const command of ['MAIL', 'RCPT', 'DATA']) {
    it(`421 to ${command} (RFC 5321 section 3.8) is about the server: next MX`, async () => {
      current = await world()
      await current.host('mx1.test', answering({ [command]: '421 4.3.2 closing' }, { offers: [] }))
      await current.host('mx2.test', { tls })
      current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
      const result = await current.deliver(request())
      assert.equal(result.outcomes[0]!.result, 'delivered')
      assert.equal(result.attempts[0]!.failure?.smtp?.code, 421)
    })
    it(`450 to ${command} ends the attempt: the next MX is not tried`, async () => {
      current = await world()
      await current.host('mx1.test', answering({ [command]: '450 4.2.0 later' }, { offers: [] }))
      const [second] = await current.host('mx2.test', { tls })
      current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
      const result = await current.deliver(request())
      assert.deepEqual(said(result), ['rcpt@dest.test deferred 4.2.0 450 later'])
      assert.equal(second!.seen.length, 0)
    })
  }

  it('a reply in the middle of the message: refusal counts, "yes" does not, never a dot', async () => {
    const slow = (): Readable =>
      Readable.from(
        (async function* () {
          yield Buffer.from('Subject: x\r\n')
          await new Promise((resolve) => setTimeout(resolve, 100))
          yield Buffer.from('more\r\n')
          yield Buffer.from('more\r\n')
        })(),
      )
    const early = (answer: string): Script => ({
      tls,
      on: (c, line) => {
        if (line === 'DATA') setTimeout(() => c.say(answer), 30)
        return false
      },
    })
    const no = await deliver(early('552 5.3.4 too big'), { open: slow })
    assert.deepEqual(said(no.result), ['rcpt@dest.test failed 5.3.4 552 too big'])
    assert.equal(no.server.seen[0]!.dots, 0)
    const yes = await deliver(early('250 thanks'), { open: slow })
    assert.equal(failureOf(yes.result.outcomes[0]).resultType, 'protocol-error')
    assert.equal(yes.server.seen[0]!.dots, 0)
  })

  it('onOutcome is awaited for each recipient before QUIT, and its failure changes nothing', async () => {
    const order: string[] = []
    const { server, result } = await deliver(
      {
        tls,
        on: (_c, line) => {
          if (line === 'QUIT') order.push('QUIT')
          return false
        },
      },
      {
        recipients: three,
        onOutcome: async (outcome: RecipientOutcome) => {
          await new Promise((resolve) => setTimeout(resolve, 20))
          order.push(outcome.recipient)
          throw new Error('disk full')
        },
      },
    )
    assert.deepEqual(order, [...three, 'QUIT'])
    assert.equal(result.outcomes.filter((one) => one.result === 'delivered').length, 3)
    assert.equal(server.seen.length, 1)
    assert.equal(current.log.filter((line) => line.includes('disk full')).length, 3)
  })

  it('the same recipient twice is sent once and answered twice', async () => {
    const { server, result } = await deliver({ tls }, { recipients: ['a@dest.test', 'a@dest.test'] })
    assert.deepEqual(
      result.outcomes.map((one) => one.result),
      ['delivered', 'delivered'],
    )
    assert.equal(server.seen[0]!.inTls.filter((line) => line.startsWith('RCPT')).length, 1)
  })

  it('facts of the handshake are in outcome and attempt', async () => {
    const { server, result } = await deliver({ tls })
    const outcome = result.outcomes[0]!
    assert.ok(outcome.result === 'delivered')
    assert.equal(outcome.tls?.version, 'TLSv1.3')
    assert.equal(outcome.tls.verified, false)
    assert.equal(outcome.tls.resumed, false)
    assert.deepEqual(outcome.tls.certificate?.names, ['mx1.test'])
    assert.deepEqual(result.attempts[0]!.tls, outcome.tls)
    assert.equal(server.seen.length, 1)
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result)
  })

  describe('time-outs (RFC 5321 section 4.5.3.2), each at its own command', () => {
    const rows: { timeout: keyof ReturnType<typeof settings>['delivery']['timeouts']; script: Script }[] = [
      { timeout: 'greeting', script: { greeting: null } },
      { timeout: 'helo', script: { on: (_c, line) => line.startsWith('EHLO') } },
      { timeout: 'mail', script: { tls, offers: [], on: (_c, line) => line.startsWith('MAIL') } },
      { timeout: 'rcpt', script: { tls, offers: [], on: (_c, line) => line.startsWith('RCPT') } },
      { timeout: 'data', script: { tls, offers: [], on: (_c, line) => line === 'DATA' } },
      { timeout: 'dataEnd', script: { tls, on: (_c, line) => line === '.' } },
    ]
    for (const row of rows) {
      it(`${row.timeout}: silence`, async () => {
        const { result } = await deliver(
          row.script,
          {},
          settings({ timeouts: { ...settings().delivery.timeouts, [row.timeout]: SHORT } }),
        )
        assert.equal(result.outcomes[0]!.result, 'deferred')
        assert.equal(failureOf(result.outcomes[0]).resultType, 'connection-failed')
        assert.match(failureOf(result.outcomes[0]).privateDetail ?? '', /within 0\.15 s/)
      })
    }

    it('a slow drip does not hold a deadline up', async () => {
      const dripping: Script = {
        tls,
        offers: [],
        on: (c, line) => {
          if (!line.startsWith('MAIL')) return false
          const drip = setInterval(() => c.say('250-more'), 20)
          void c.seen.closed.then(() => clearInterval(drip))
          return true
        },
      }
      const { result } = await deliver(
        dripping,
        {},
        settings({ timeouts: { ...settings().delivery.timeouts, mail: SHORT } }),
      )
      assert.equal(failureOf(result.outcomes[0]).resultType, 'connection-failed')
      assert.match(failureOf(result.outcomes[0]).privateDetail ?? '', /within 0\.15 s/)
    })

    it('a server that takes the message but reads nothing is cut at the deadline of a block', async () => {
      const big = Buffer.alloc(1 << 20, 'x\r\n')
      const { result } = await deliver(
        {
          on: (c, line) => {
            if (line === 'DATA') {
              c.say('354 go')
              c.pause()
              return true
            }
            return false
          },
        },
        {
          requirement: { ...request().requirement, level: 'none' },
          beforePlaintext: () => Promise.resolve(),
          open: () => Readable.from(Array.from({ length: 30 }, () => big)),
        },
        settings({ timeouts: { ...settings().delivery.timeouts, dataBlock: 2 * SHORT } }),
      )
      assert.match(failureOf(result.outcomes[0]).privateDetail ?? '', /no progress in sending/)
    })
  })

  describe('LMTP (RFC 2033)', () => {
    const route = { host: '192.0.2.1', lmtp: true, port: 24 }

    it('a final reply for each recipient, each told before the next is read', async () => {
      const { server, result } = await deliver(
        { ...answering({ 'RCPT TO:<a@': '550 5.1.1 no' }), dot: ['250 2.0.0 kept', '452 4.2.2 full'] },
        { recipients: three, routes: [route] },
      )
      assert.deepEqual(said(result), [
        'a@dest.test failed 5.1.1 550 no',
        'b@dest.test delivered 250 2.0.0 kept',
        'c@dest.test deferred 4.2.2 452 full',
      ])
      assert.equal(server.seen[0]!.clear[0], 'LHLO gateway.test')
    })

    it('lost after the first of two final replies: only the second is open', async () => {
      const { result } = await deliver(
        {
          tls,
          on: (c, line) => {
            if (line !== '.') return false
            c.say('250 kept')
            setTimeout(c.cut, 30)
            return true
          },
        },
        { recipients: ['a@dest.test', 'b@dest.test'], routes: [route] },
      )
      assert.deepEqual(
        result.outcomes.map((one) => one.result),
        ['delivered', 'deferred'],
      )
    })
  })
})
