/** Being stopped, and things that throw: deliver() always answers, once per recipient, and never loses a mail. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { Readable } from 'node:stream'
import type { DelivererDeps } from '../../lib/deliver/types'
import { issued } from './support/certificates'
import type { Script } from './support/server'
import { failureOf, mxHosts, request, requirement, settings, world, type World } from './support/world'

const tls = issued(['mx1.test'])

describe('deliver: stopping and failing', () => {
  let current: World
  afterEach(() => current.close())

  const places: { name: string; script: (stop: () => void) => Script }[] = [
    { name: 'before the greeting', script: (stop) => (setTimeout(stop, 50), { greeting: null }) },
    { name: 'at EHLO', script: (stop) => ({ on: (_c, line) => line.startsWith('EHLO') && (stop(), true) }) },
    {
      name: 'in the handshake',
      script: (stop) => {
        let started = false
        return {
          tls,
          // what a handshake begins with may look like a line: nothing of it is answered
          on(c, line) {
            if (line === 'STARTTLS') {
              started = true
              c.say('220 go')
              setTimeout(stop, 30)
            }
            return started
          },
        }
      },
    },
    { name: 'at MAIL', script: (stop) => ({ tls, on: (_c, line) => line.startsWith('MAIL') && (stop(), true) }) },
    { name: 'at DATA', script: (stop) => ({ tls, offers: [], on: (_c, line) => line === 'DATA' && (stop(), true) }) },
  ]
  for (const place of places) {
    it(`aborted ${place.name}: deferred, closed, no dot, no further host`, async () => {
      current = await world()
      const abort = new AbortController()
      const [server] = await current.host(
        'mx1.test',
        place.script(() => abort.abort()),
      )
      const [second] = await current.host('mx2.test', { tls })
      current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
      const result = await current.deliver(request({ signal: abort.signal }))
      assert.equal(result.outcomes[0]!.result, 'deferred')
      assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
      assert.equal(failureOf(result.outcomes[0]).enhancedCode, '4.3.2')
      await server!.seen[0]!.closed
      assert.equal(server!.seen[0]!.dots, 0)
      assert.equal(second!.seen.length, 0)
    })
  }

  it('thousands of deliveries leave nothing behind at a signal that they share', async () => {
    current = await world(settings({ connectionsPerDestination: 3 }))
    await current.host('mx1.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const abort = new AbortController()
    const all = Array.from({ length: 200 }, () => current.deliver(request({ signal: abort.signal })))
    assert.equal(getEventListeners(abort.signal, 'abort').length, 1)
    const results = await Promise.all(all)
    assert.ok(results.every(({ outcomes }) => outcomes[0]?.result === 'delivered'))
    assert.equal(getEventListeners(abort.signal, 'abort').length, 1)
    const late = await current.deliver(request({ signal: AbortSignal.abort() }))
    assert.equal(failureOf(late.outcomes[0]).enhancedCode, '4.3.2')
  })

  it('aborted in the middle of the message: no dot', async () => {
    current = await world()
    const abort = new AbortController()
    const [server] = await current.host('mx1.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const endless = new Readable({ read: () => undefined })
    endless.push('Subject: x\r\n')
    endless.push('more\r\n')
    setTimeout(() => abort.abort(), 200)
    const result = await current.deliver(request({ signal: abort.signal, open: () => endless }))
    assert.equal(failureOf(result.outcomes[0]).enhancedCode, '4.3.2')
    await server!.seen[0]!.closed
    assert.equal(server!.seen[0]!.dots, 0)
    assert.equal(endless.destroyed, true)
  })

  it('aborted after the final dot: the reply is still waited for, so that no second copy is made', async () => {
    current = await world()
    const abort = new AbortController()
    await current.host('mx1.test', {
      tls,
      on: (c, line) => {
        if (line !== '.') return false
        abort.abort()
        setTimeout(() => c.say('250 2.0.0 taken'), 100)
        return true
      },
    })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request({ signal: abort.signal }))
    assert.equal(result.outcomes[0]!.result, 'delivered')
  })

  it('one signal for many deliveries at a time is no leak warning', async () => {
    current = await world()
    await current.host('mx1.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const warnings: string[] = []
    const listen = (warning: Error): void => void warnings.push(warning.name)
    process.on('warning', listen)
    const { signal } = new AbortController()
    const results = await Promise.all(Array.from({ length: 15 }, () => current.deliver(request({ signal }))))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    assert.ok(results.every((result) => result.outcomes[0]?.result === 'delivered'))
    assert.deepEqual(warnings, [])
  })

  it('a signal that was aborted before: nothing is tried', async () => {
    current = await world()
    const result = await current.deliver(request({ signal: AbortSignal.abort() }))
    assert.equal(result.outcomes[0]!.result, 'deferred')
    assert.deepEqual(current.dialled, [])
  })

  it('close() ends what runs and waits, and later requests are deferred', async () => {
    current = await world()
    await current.host('mx1.test', { greeting: null })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const running = current.deliver(request())
    await new Promise((resolve) => setTimeout(resolve, 50))
    await current.stop()
    assert.equal((await running).outcomes[0]!.result, 'deferred')
    assert.equal((await current.deliver(request())).outcomes[0]!.result, 'deferred')
  })

  const throwing: [string, Partial<DelivererDeps>][] = [
    [
      'settings',
      {
        settings: () => {
          throw new Error('boom')
        },
      },
    ],
    [
      'lookupMx throws',
      {
        lookupMx: () => {
          throw new Error('boom')
        },
      },
    ],
    ['lookupMx rejects', { lookupMx: () => Promise.reject(new Error('boom')) }],
    ['lookupAddresses', { lookupAddresses: () => Promise.reject(new Error('boom')) }],
    [
      'isLocalAddress',
      {
        isLocalAddress: () => {
          throw new Error('boom')
        },
      },
    ],
    [
      'forHost',
      {
        forHost: () => {
          throw new Error('boom')
        },
      },
    ],
    [
      'heloName',
      {
        heloName: () => {
          throw new Error('boom')
        },
      },
    ],
    [
      'resolver',
      {
        resolver: () => {
          throw new Error('boom')
        },
      },
    ],
    [
      'connect',
      {
        connect: () => {
          throw new Error('boom')
        },
      },
    ],
  ]
  for (const [name, deps] of throwing) {
    it(`${name} fails: every recipient is deferred`, async () => {
      current = await world(settings({ localMxOk: false }), deps)
      const [server] = await current.host('mx1.test', { tls })
      current.mx.set('dest.test', mxHosts('mx1.test'))
      const result = await current.deliver(request({ recipients: ['a@dest.test', 'b@dest.test'] }))
      assert.deepEqual(
        result.outcomes.map((one) => one.result),
        ['deferred', 'deferred'],
      )
      assert.ok(['local-error', 'connection-failed'].includes(failureOf(result.outcomes[0]).resultType))
      assert.match(failureOf(result.outcomes[0]).privateDetail ?? '', /boom/)
      assert.equal(server!.seen.length, 0)
    })
  }

  it('the configured roots cannot be read: no handshake, local-error, never the default roots', async () => {
    current = await world(settings({}, { caFile: '/nonexistent/roots.pem' }))
    const [server] = await current.host('mx1.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request({ requirement: requirement('verify') }))
    assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
    assert.deepEqual(server!.clear(), ['EHLO gateway.test', 'STARTTLS'])
  })

  it('a HELO name with a line break is never written', async () => {
    current = await world(settings(), { heloName: () => 'x\r\nMAIL FROM:<a@b>' })
    const [server] = await current.host('mx1.test', { tls })
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = await current.deliver(request())
    assert.equal(failureOf(result.outcomes[0]).resultType, 'local-error')
    assert.deepEqual(
      server!.clear().filter((line) => line !== 'QUIT'),
      [],
    )
  })

  it('no recipients: no outcome, no connection', async () => {
    current = await world()
    assert.deepEqual(await current.deliver(request({ recipients: [] })), { outcomes: [], attempts: [] })
  })
})
