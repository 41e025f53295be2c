/** Which hosts are tried, in which order, and what it means when none is left (RFC 5321 section 5.1). */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MxAnswer } from '../../lib/dns/types'
import { issued } from './support/certificates'
import { startServer, type Script } from './support/server'
import {
  addressesOf,
  failureOf,
  MESSAGE,
  mxHosts,
  request,
  requirement,
  settings,
  SHORT,
  world,
  type World,
} from './support/world'

const tls = issued(['mx1.test'])

describe('deliver: routing', () => {
  let current: World
  afterEach(() => current.close())

  const dead: { name: string; answer: MxAnswer; result: string; resultType: string; code: string }[] = [
    {
      name: 'null MX (RFC 7505)',
      answer: { kind: 'null-mx', secure: false },
      result: 'failed',
      resultType: 'null-mx',
      code: '5.1.10',
    },
    {
      name: 'NXDOMAIN',
      answer: { kind: 'no-domain', detail: 'x' },
      result: 'failed',
      resultType: 'domain-not-found',
      code: '5.1.2',
    },
    {
      name: 'SERVFAIL',
      answer: { kind: 'error', error: 'servfail', detail: 'x' },
      result: 'deferred',
      resultType: 'dns-error',
      code: '4.4.3',
    },
    {
      name: 'time-out',
      answer: { kind: 'error', error: 'timeout', detail: 'x' },
      result: 'deferred',
      resultType: 'dns-error',
      code: '4.4.3',
    },
    {
      name: 'no MX host has an address',
      answer: mxHosts('no1.test', 'no2.test'),
      result: 'failed',
      resultType: 'no-address',
      code: '5.4.4',
    },
    {
      name: 'implicit MX without address',
      answer: { ...mxHosts('dest.test'), implicit: true },
      result: 'failed',
      resultType: 'no-address',
      code: '5.4.4',
    },
    {
      name: 'one host without address, one that could not be asked',
      answer: mxHosts('no1.test', 'broken.test'),
      result: 'deferred',
      resultType: 'dns-error',
      code: '4.4.3',
    },
    {
      name: 'one host without address, one unreachable',
      answer: mxHosts('no1.test', 'away.test'),
      result: 'deferred',
      resultType: 'connection-failed',
      code: '4.4.1',
    },
    { name: 'only ourselves', answer: mxHosts('self.test'), result: 'deferred', resultType: 'no-route', code: '4.4.6' },
  ]
  for (const row of dead) {
    it(`${row.name}: ${row.code} ${row.resultType}, ${row.result}, told once`, async () => {
      current = await world(settings({ localMxOk: false }))
      current.mx.set('dest.test', row.answer)
      current.addresses.set('broken.test', { kind: 'error', error: 'servfail', detail: 'x' })
      current.addresses.set('away.test', addressesOf('away.test', '198.51.100.7'))
      current.addresses.set('self.test', addressesOf('self.test', '127.0.0.1', '127.0.0.2'))
      const told: string[] = []
      const recipients = ['a@dest.test', 'b@dest.test']
      const result = await current.deliver(
        request({ recipients, onOutcome: (outcome) => Promise.resolve(void told.push(outcome.recipient)) }),
      )
      assert.deepEqual(
        result.outcomes.map((one) => [one.recipient, one.result]),
        recipients.map((one) => [one, row.result]),
      )
      assert.equal(failureOf(result.outcomes[0]).resultType, row.resultType)
      assert.equal(failureOf(result.outcomes[0]).enhancedCode, row.code)
      assert.deepEqual(told, recipients)
      assert.ok(!current.dialled.some((address) => address.startsWith('127.')))
    })
  }

  const skipped: { name: string; script: Script; resultType: string; timeouts?: object }[] = [
    { name: 'greeting 421', script: { greeting: '421 4.3.2 busy' }, resultType: 'smtp-deferred' },
    { name: 'greeting 450', script: { greeting: '450 later' }, resultType: 'smtp-deferred' },
    { name: 'greeting 554', script: { greeting: '554 5.3.2 no service' }, resultType: 'smtp-rejected' },
    { name: 'greeting that is no SMTP', script: { greeting: 'SSH-2.0-OpenSSH' }, resultType: 'protocol-error' },
    { name: 'greeting 250', script: { greeting: '250 hm' }, resultType: 'protocol-error' },
    { name: 'no greeting', script: { greeting: null }, resultType: 'connection-failed', timeouts: { greeting: SHORT } },
    {
      name: 'EHLO 421',
      script: { on: (c, line) => line.startsWith('EHLO') && (c.say('421 no'), true) },
      resultType: 'smtp-deferred',
    },
    {
      name: 'EHLO inside TLS refused',
      script: { tls, on: (c, line) => c.secure && line.startsWith('EHLO') && (c.say('550 no'), true) },
      resultType: 'smtp-rejected',
    },
    { name: 'two greetings', script: { greeting: '220 a\r\n220 b' }, resultType: 'protocol-error' },
    { name: 'cut after greeting', script: { on: (c) => (c.cut(), true) }, resultType: 'connection-failed' },
  ]
  for (const row of skipped) {
    it(`${row.name}: ${row.resultType}, next MX; alone: deferred`, async () => {
      current = await world(settings({ timeouts: { ...settings().delivery.timeouts, ...row.timeouts } }))
      await current.host('mx1.test', row.script)
      await current.host('mx2.test', { tls })
      current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
      current.mx.set('alone.test', mxHosts('mx1.test'))
      const result = await current.deliver(request())
      assert.equal(result.outcomes[0]!.result, 'delivered')
      assert.equal(result.attempts[0]!.failure?.resultType, row.resultType)
      const alone = await current.deliver(request({ domain: 'alone.test' }))
      assert.equal(alone.outcomes[0]!.result, 'deferred')
      assert.match(failureOf(alone.outcomes[0]).enhancedCode, /^4\./u)
    })
  }

  it('preference order and address order are kept; a refused connection goes on', async () => {
    current = await world()
    current.addresses.set('mx1.test', addressesOf('mx1.test', '198.51.100.1', '198.51.100.2'))
    await current.host('mx2.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
    const result = await current.deliver(request())
    assert.equal(result.outcomes[0]!.result, 'delivered')
    assert.deepEqual(current.dialled, ['198.51.100.1', '198.51.100.2', '192.0.2.1'])
    assert.deepEqual(
      result.attempts.map((one) => [one.host, one.address, one.ok]),
      [
        ['mx1.test', '198.51.100.1', false],
        ['mx1.test', '198.51.100.2', false],
        ['mx2.test', '192.0.2.1', true],
      ],
    )
  })

  it('20 connections are enough for one attempt', async () => {
    current = await world()
    const many = Array.from({ length: 50 }, (_, n) => `198.51.100.${n + 1}`)
    current.addresses.set('mx1.test', addressesOf('mx1.test', ...many))
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request())
    assert.equal(failureOf(result.outcomes[0]).resultType, 'connection-failed')
    assert.equal(current.dialled.length, 20)
  })

  it('no more connections at a time than the limit, and every mail gets its turn', async () => {
    current = await world(settings({ connectionsPerDestination: 2 }))
    let open = 0
    let most = 0
    const [server] = await current.host('mx1.test', {
      tls,
      on: async (c, line) => {
        if (line.startsWith('EHLO') && !c.secure) {
          open += 1
          most = Math.max(most, open)
          void c.seen.closed.then(() => (open -= 1))
        }
        return Promise.resolve(false)
      },
    })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const results = await Promise.all(Array.from({ length: 8 }, () => current.deliver(request())))
    assert.ok(results.every((result) => result.outcomes[0]?.result === 'delivered'))
    assert.equal(server!.seen.flatMap((connection) => connection.data).length, 8)
    assert.ok(most <= 2, `${most}`)
  })

  describe('static routes', () => {
    it('host and port, tried in order, own addresses allowed; SNI and names from the policy', async () => {
      current = await world()
      const [server] = await current.host('smart.test', { tls: issued(['smart.test']) })
      const result = await current.deliver(
        request({
          requirement: requirement('verify'),
          routes: [
            { host: '127.0.0.9', port: 26, lmtp: false },
            { host: 'Smart.Test.', port: 587, lmtp: false },
          ],
        }),
      )
      const outcome = result.outcomes[0]!
      assert.ok(outcome.result === 'delivered', JSON.stringify(result))
      assert.equal(outcome.port, 587)
      assert.equal(outcome.tls?.verified, true)
      assert.equal(server!.seen[0]!.servername, 'smart.test')
      assert.equal(result.attempts[0]!.failure?.resultType, 'connection-failed')
    })

    it('no routes, a route without host', async () => {
      current = await world()
      for (const routes of [[], [{ lmtp: false }]]) {
        const result = await current.deliver(request({ routes }))
        assert.equal(failureOf(result.outcomes[0]).resultType, 'no-route')
        assert.equal(result.outcomes[0]!.result, 'deferred')
      }
    })

    it('bind and bindHelo', async () => {
      current = await world()
      const [server] = await current.host('smart.test', { tls })
      current.addresses.set('smart.test', addressesOf('smart.test', '2001:db8::1', '192.0.2.1'))
      const result = await current.deliver(
        request({ routes: [{ host: 'smart.test', lmtp: false, bind: '127.0.0.1', bindHelo: 'other.own.test' }] }),
      )
      assert.equal(result.outcomes[0]!.result, 'delivered')
      assert.deepEqual(current.dialled, ['192.0.2.1'], 'only addresses of the family that is bound')
      assert.equal(server!.seen[0]!.clear[0], 'EHLO other.own.test')
      assert.equal(server!.seen[0]!.inTls[0], 'EHLO other.own.test')
    })

    it('LMTP over a unix socket', async () => {
      current = await world()
      const directory = await mkdtemp(join(tmpdir(), 'deliver-'))
      const path = join(directory, 'lmtp')
      const server = await startServer({ dot: ['250 2.0.0 kept'] }, path)
      const permitted: string[] = []
      const result = await current.deliver(
        request({
          requirement: requirement('may', { source: 'local' }),
          routes: [{ path, lmtp: true }],
          beforePlaintext: (event) => Promise.resolve(void permitted.push(event.address)),
        }),
      )
      await current.close()
      await server.close()
      await rm(directory, { recursive: true, force: true })
      const outcome = result.outcomes[0]!
      assert.ok(outcome.result === 'delivered', JSON.stringify(result))
      assert.equal(outcome.lmtp, true)
      assert.deepEqual(permitted, [path])
      assert.deepEqual(server.seen[0]!.data, [`${MESSAGE}.\r\n`])
    })

    const auth = { user: 'us', pass: 'secret-pass' }
    const credentials = Buffer.from('\0us\0secret-pass').toString('base64')
    const login: {
      name: string
      offers: string[]
      type?: string
      on?: Script['on']
      said: string[]
      result: string
    }[] = [
      {
        name: 'PLAIN (RFC 4616)',
        offers: ['AUTH LOGIN PLAIN'],
        on: (c, line) => line.startsWith('AUTH') && (c.say('235 ok'), true),
        said: [`AUTH PLAIN ${credentials}`],
        result: 'delivered',
      },
      {
        name: 'LOGIN',
        offers: ['AUTH LOGIN'],
        on: (c, line) => {
          if (/^AUTH|^dXM=$/u.test(line)) c.say('334 VXNlcm5hbWU6')
          else if (line === 'c2VjcmV0LXBhc3M=') c.say('235 ok')
          else return false
          return true
        },
        said: ['AUTH LOGIN', 'dXM=', 'c2VjcmV0LXBhc3M='],
        result: 'delivered',
      },
      {
        name: 'LOGIN because the route says so',
        offers: ['AUTH PLAIN LOGIN'],
        type: 'login',
        on: (c, line) => line === 'AUTH LOGIN' && (c.say('535 5.7.8 no'), true),
        said: ['AUTH LOGIN'],
        result: 'deferred',
      },
      {
        name: 'wrong password is temporary',
        offers: ['AUTH PLAIN'],
        on: (c, line) => line.startsWith('AUTH') && (c.say('535 5.7.8 no'), true),
        said: [`AUTH PLAIN ${credentials}`],
        result: 'deferred',
      },
      { name: 'nothing usable offered', offers: ['AUTH GSSAPI'], said: [], result: 'deferred' },
    ]
    for (const row of login) {
      it(`AUTH ${row.name}: only inside TLS`, async () => {
        current = await world()
        const [server] = await current.host('smart.test', {
          tls,
          offers: row.offers,
          ...(row.on ? { on: row.on } : {}),
        })
        const result = await current.deliver(
          request({
            routes: [{ host: 'smart.test', lmtp: false, auth: { ...auth, ...(row.type ? { type: row.type } : {}) } }],
          }),
        )
        await current.close()
        const outcome = result.outcomes[0]!
        assert.equal(outcome.result, row.result)
        if (outcome.result === 'delivered') assert.equal(outcome.authenticated, true)
        const { clear, inTls } = server!.seen[0]!
        assert.deepEqual(clear, ['EHLO gateway.test', 'STARTTLS'])
        const envelope =
          row.result === 'delivered' ? ['MAIL FROM:<sender@own.test>', 'RCPT TO:<rcpt@dest.test>', 'DATA'] : []
        assert.deepEqual(inTls, ['EHLO gateway.test', ...row.said, ...envelope, 'QUIT'])
      })
    }

    for (const level of ['may', 'none'] as const) {
      it(`AUTH where there is no TLS, level ${level}: no delivery, no password`, async () => {
        current = await world()
        const [server] = await current.host('smart.test', { offers: ['AUTH PLAIN'] })
        const result = await current.deliver(
          request({
            requirement: requirement(level),
            routes: [{ host: 'smart.test', lmtp: false, auth }],
            beforePlaintext: () => Promise.resolve(),
          }),
        )
        await current.close()
        assert.equal(result.outcomes[0]!.result, 'deferred')
        assert.deepEqual(server!.clear(), level === 'may' ? ['EHLO gateway.test', 'QUIT'] : [])
      })
    }
  })
})
