/** `may` and `none`: clear text is only ever sent because the requirement says so, and after it has been recorded. */
import assert from 'node:assert/strict'
import { expired, issued, selfSigned } from './support/certificates'
import type { Script } from './support/server'
import { failureOf, MESSAGE, mxHosts, request, requirement, settings, SHORT, world, type World } from './support/world'

const tls = issued(['mx1.test'])
const may = requirement('may')

function startTls(act: NonNullable<Script['on']>): Script {
  return { tls, on: (c, line) => line === 'STARTTLS' && act(c, line) }
}

describe('deliver: opportunistic TLS and clear text', () => {
  let current: World
  afterEach(() => current.close())

  it('may: TLS where it is offered, whatever the certificate', async () => {
    current = await world()
    const [server] = await current.host('mx1.test', { tls: selfSigned(['other.test']) })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request({ requirement: may }))
    const outcome = result.outcomes[0]!
    assert.ok(outcome.result === 'delivered' && outcome.tls?.verified === false)
    assert.deepEqual(server!.clear(), ['EHLO gateway.test', 'STARTTLS'])
  })

  const worth = [
    { name: 'for the host', tls: issued(['mx1.test']), pkix: 'ok' },
    { name: 'for another name', tls: issued(['other.test']), pkix: 'certificate-host-mismatch' },
    { name: 'expired', tls: expired(['mx1.test']), pkix: 'certificate-expired' },
    { name: 'of nobody', tls: selfSigned(['mx1.test']), pkix: 'certificate-not-trusted' },
  ]
  for (const { name, tls: identity, pkix } of worth) {
    it(`encrypt, a certificate ${name}: taken, and it is known what a check would say`, async () => {
      current = await world()
      await current.host('mx1.test', { tls: identity })
      current.mx.set('dest.test', mxHosts('mx1.test'))
      const [outcome] = (await current.deliver(request({ requirement: requirement('encrypt') }))).outcomes
      assert.ok(outcome?.result === 'delivered')
      assert.deepEqual([outcome.tls?.verified, outcome.tls?.auth, outcome.tls?.pkix], [false, undefined, pkix])
    })
  }

  const clear: { name: string; script: Script; connections: number; timeouts?: object }[] = [
    { name: 'STARTTLS not offered', script: {}, connections: 1 },
    { name: 'STARTTLS refused with 454', script: startTls((c) => (c.say('454 no'), true)), connections: 1 },
    { name: 'STARTTLS refused with 502', script: startTls((c) => (c.say('502 no'), true)), connections: 1 },
    { name: 'garbage to STARTTLS', script: startTls((c) => (c.say('what?'), true)), connections: 2 },
    { name: 'handshake cut', script: startTls((c) => (c.say('220 go'), setTimeout(c.cut, 20), true)), connections: 2 },
    {
      name: 'handshake hangs',
      script: startTls((c) => (c.say('220 go'), true)),
      connections: 2,
      timeouts: { starttls: SHORT },
    },
    {
      name: 'TLS 1.1 only',
      script: { tls: { ...tls, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } },
      connections: 2,
    },
    {
      name: 'EHLO not known',
      script: { on: (c, line) => line.startsWith('EHLO') && (c.say('500 what?'), true) },
      connections: 1,
    },
  ]
  for (const row of clear) {
    it(`may, ${row.name}: clear text on the same host, recorded before the first envelope byte`, async () => {
      current = await world(settings({ timeouts: { ...settings().delivery.timeouts, ...row.timeouts } }))
      const [server] = await current.host('mx1.test', row.script)
      const [second] = await current.host('mx2.test', { tls })
      current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
      const events: object[] = []
      const result = await current.deliver(
        request({
          requirement: may,
          beforePlaintext: async (event) => {
            await new Promise((resolve) => setTimeout(resolve, 30))
            assert.ok(!server!.clear().some((line) => line.startsWith('MAIL')))
            events.push(event)
          },
        }),
      )
      const outcome = result.outcomes[0]!
      assert.ok(outcome.result === 'delivered' && outcome.tls === null, JSON.stringify(result))
      assert.deepEqual(events, [{ host: 'mx1.test', address: '192.0.2.1', recipients: ['rcpt@dest.test'] }])
      assert.equal(server!.seen.length, row.connections)
      assert.equal(second!.seen.length, 0)
      assert.deepEqual(server!.seen.at(-1)!.data, [`${MESSAGE}.\r\n`])
      assert.equal(result.attempts.length, row.connections)
    })

    it(`may, ${row.name}: what cannot be recorded is not sent`, async () => {
      current = await world(settings({ timeouts: { ...settings().delivery.timeouts, ...row.timeouts } }))
      const [server] = await current.host('mx1.test', row.script)
      const [second] = await current.host('mx2.test', {})
      current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
      const result = await current.deliver(
        request({ requirement: may, beforePlaintext: () => Promise.reject(new Error('audit log is full')) }),
      )
      await current.close()
      assert.equal(result.outcomes[0]!.result, 'deferred')
      assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
      assert.match(failureOf(result.outcomes[0]).privateDetail ?? '', /audit log is full/)
      for (const line of server!.clear()) assert.match(line, /^(?:(?:EHLO|HELO) gateway\.test|STARTTLS|QUIT)$/u)
      assert.equal(second!.seen.length, 0)
    })
  }

  it('none: no STARTTLS, even where it is offered', async () => {
    current = await world()
    const [server] = await current.host('mx1.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    let events = 0
    const result = await current.deliver(
      request({ requirement: requirement('none'), beforePlaintext: () => Promise.resolve(void (events += 1)) }),
    )
    await current.close()
    assert.equal(result.outcomes[0]!.result, 'delivered')
    assert.equal(events, 1)
    assert.deepEqual(server!.clear(), [
      'EHLO gateway.test',
      `MAIL FROM:<sender@own.test> SIZE=${MESSAGE.length}`,
      'RCPT TO:<rcpt@dest.test>',
      'DATA',
      'QUIT',
    ])
  })

  it('may: a failure that is not TLS is no reason for clear text', async () => {
    current = await world()
    const [server] = await current.host('mx1.test', {
      tls,
      on: (c, line) => c.secure && line.startsWith('MAIL') && (c.cut(), true),
    })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request({ requirement: may }))
    assert.equal(failureOf(result.outcomes[0]).resultType, 'connection-failed')
    assert.equal(server!.seen.length, 1)
  })
})
