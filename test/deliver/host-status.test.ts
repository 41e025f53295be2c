/** What is remembered of servers that could not be talked to, and what never comes from it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { BELIEVED, createHostStatus, MAX_REMEMBERED, type Approach } from '../../lib/deliver/host-status'
import { connectionKey } from '../../lib/deliver/pool-key'
import type { Target } from '../../lib/deliver/route'
import { isTlsFailure, TLS_RESULT_TYPES, type Failure, type ResultType } from '../../lib/failure'
import { forHost } from '../../lib/policy/for-host'
import { issued } from './support/certificates'
import type { Script } from './support/server'
import {
  addressesOf,
  failureOf,
  mxHosts,
  request,
  requirement,
  settings,
  SHORT,
  world,
  type World,
} from './support/world'

const forever = new AbortController().signal
const FAILED: Failure = { resultType: 'connection-failed', enhancedCode: '4.4.1', publicText: 'refused' }
const NO_TLS: Failure = { resultType: 'starttls-not-supported', enhancedCode: '4.7.4', publicText: 'no STARTTLS' }

function target(more: Partial<Target> = {}, level: Parameters<typeof requirement>[0] = 'encrypt'): Target {
  const host = 'mx1.test'
  const need = forHost(requirement(level), {
    ...{ host, domain: 'dest.test', mxSecure: false, addressSecure: false, tlsa: { state: 'absent' } },
  })
  return { host, address: '192.0.2.1', port: 25, lmtp: false, need, ...more }
}

const keyOf = (one: Target) => connectionKey(one, 'gateway.test')

describe('deliver: memory of hosts that could not be talked to', () => {
  let now: number
  beforeEach(() => (now = 1_000_000))
  const status = (firstRetry = 600_000) => createHostStatus({ now: () => now }, () => firstRetry)
  const approach = (of: ReturnType<typeof status>, one: Target, signal = forever) =>
    of.approach(one, keyOf(one), signal)

  async function fails(of: ReturnType<typeof status>, one: Target, failure: Failure): Promise<void> {
    const first = await approach(of, one)
    assert.equal(first.kind, 'try')
    first.done(failure)
  }

  it('a server that refused is not tried by the next mail, with the recorded reason and time', async () => {
    const hosts = status()
    await fails(hosts, target(), FAILED)
    now += BELIEVED - 1
    assert.deepEqual(await approach(hosts, target()), { kind: 'met', met: { failure: FAILED, at: 1_000_000 } })
    // whatever is required: a connection that cannot be made serves no requirement
    assert.equal((await approach(hosts, target({}, 'verify'))).kind, 'met')
    for (const other of [{ address: '192.0.2.2' }, { port: 26 }, { bind: '192.0.2.9' }]) {
      assert.equal((await approach(hosts, target(other))).kind, 'try', JSON.stringify(other))
    }
  })

  it('after a minute, or before the first retry comes, the next mail tries', async () => {
    for (const [firstRetry, after] of [
      [600_000, BELIEVED],
      [2_000, 1_800],
    ] as const) {
      now = 1_000_000
      const hosts = status(firstRetry)
      await fails(hosts, target(), FAILED)
      now += after - 1
      assert.equal((await approach(hosts, target())).kind, 'met')
      now += 1
      assert.equal((await approach(hosts, target())).kind, 'try')
    }
  })

  it('one probe; who comes meanwhile waits for it, and gets what it met', async () => {
    const hosts = status()
    await fails(hosts, target(), FAILED)
    now += BELIEVED
    const probe = await approach(hosts, target())
    const others = [approach(hosts, target()), approach(hosts, target({}, 'secure'))]
    let answered = 0
    for (const other of others) void other.then(() => (answered += 1))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(answered, 0)
    now += 30_000
    const again = { ...FAILED, publicText: 'refused again' }
    if (probe.kind === 'try') probe.done(again)
    for (const other of await Promise.all(others)) {
      assert.deepEqual(other, { kind: 'met', met: { failure: again, at: now } })
    }
  })

  it('a probe that gets through lets all others go', async () => {
    const hosts = status()
    await fails(hosts, target(), FAILED)
    now += BELIEVED
    const probe = await approach(hosts, target())
    const others = [1, 2, 3].map(() => approach(hosts, target()))
    if (probe.kind === 'try') probe.done()
    for (const other of await Promise.all(others)) assert.equal(other.kind, 'try')
  })

  it('a probe that a shutdown cut off says nothing: the next one probes', async () => {
    const hosts = status()
    await fails(hosts, target(), FAILED)
    now += BELIEVED
    const probe = await approach(hosts, target())
    const [second, third] = [approach(hosts, target()), approach(hosts, target())]
    if (probe.kind === 'try') probe.done({ ...FAILED, resultType: 'local-error' })
    const first = (await Promise.race([second, third])) as Extract<Approach, { kind: 'try' }>
    assert.equal(first.kind, 'try')
    first.done(FAILED)
    assert.equal((await third).kind, 'met')
  })

  it('waiting ends with the signal', async () => {
    const hosts = status()
    await fails(hosts, target(), FAILED)
    now += BELIEVED
    await approach(hosts, target())
    const stop = new AbortController()
    const waiting = approach(hosts, target(), stop.signal)
    stop.abort()
    await assert.rejects(waiting, { kind: 'aborted' })
  })

  it('forgotten on request: also by who waits, and by a try that began before', async () => {
    const hosts = status()
    await fails(hosts, target(), FAILED)
    hosts.forget()
    const begunBefore = await approach(hosts, target())
    assert.equal(begunBefore.kind, 'try')
    begunBefore.done(FAILED)
    now += BELIEVED
    const probe = await approach(hosts, target())
    const waiting = approach(hosts, target())
    hosts.forget()
    assert.equal((await waiting).kind, 'try')
    if (probe.kind === 'try') probe.done(FAILED)
    assert.equal((await approach(hosts, target())).kind, 'try')
  })

  it('a server that took a message a moment ago is not dead: it has enough connections', async () => {
    const hosts = status()
    hosts.reached(target(), keyOf(target()))
    await fails(hosts, target(), FAILED)
    assert.equal((await approach(hosts, target())).kind, 'try')
    now += 30_001
    await fails(hosts, target(), FAILED)
    assert.equal((await approach(hosts, target())).kind, 'met')
    hosts.reached(target(), keyOf(target()))
    assert.equal((await approach(hosts, target())).kind, 'try')
  })

  it('TLS that failed is remembered for the same requirement only', async () => {
    const hosts = status()
    await fails(hosts, target(), NO_TLS)
    assert.equal((await approach(hosts, target())).kind, 'met')
    for (const level of ['verify', 'may', 'none'] as const) {
      assert.equal((await approach(hosts, target({}, level))).kind, 'try', level)
    }
  })

  it('an answer of the server about a mail, or trouble of our own, is not remembered', async () => {
    for (const resultType of ['smtp-deferred', 'smtp-rejected', 'protocol-error', 'local-error'] as const) {
      const hosts = status()
      await fails(hosts, target(), { ...FAILED, resultType })
      assert.equal((await approach(hosts, target())).kind, 'try', resultType)
    }
  })

  it('bounded', async () => {
    const hosts = status()
    for (let n = 0; n <= MAX_REMEMBERED; n += 1) await fails(hosts, target({ address: `a${n}` }), FAILED)
    assert.equal((await approach(hosts, target({ address: 'a0' }))).kind, 'try')
    assert.equal((await approach(hosts, target({ address: 'a1' }))).kind, 'met')
  })

  it('property: what is remembered only ever keeps back, and never where clear text or the end of a mail would follow', async () => {
    const levels = ['none', 'may', 'encrypt', 'verify', 'secure', 'fingerprint', 'dane', 'dane-only'] as const
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...levels),
        fc.boolean(),
        fc.constantFrom<ResultType>(...TLS_RESULT_TYPES, 'connection-failed', 'smtp-deferred', 'local-error'),
        fc.integer({ min: 0, max: 2 * BELIEVED }),
        async (level, requiretls, resultType, later) => {
          now = 1_000_000
          const hosts = status()
          const failed = target({}, level)
          failed.need = { ...failed.need, requiretls }
          const failure = { ...FAILED, resultType }
          await fails(hosts, failed, failure)
          now += later
          const next = await approach(hosts, failed)
          if (next.kind === 'try') return
          assert.deepEqual(next.met.failure, failure)
          assert.ok(later < BELIEVED)
          if (isTlsFailure(failure)) assert.ok(failed.need.tls === 'must' && !requiretls)
          else assert.equal(resultType, 'connection-failed')
        },
      ),
    )
  })
})

describe('deliver: many mails to servers that do not answer', () => {
  let current: World
  afterEach(() => current.close())

  it('a refused connection: later mails are put off with the same reason, each with its own record', async () => {
    current = await world()
    current.mx.set('dest.test', mxHosts('mx1.test'))
    current.addresses.set('mx1.test', addressesOf('mx1.test', '192.0.2.77'))
    const first = await current.deliver(request())
    const second = await current.deliver(request({ mailId: 'OTHER' }))
    assert.equal(current.dialled.length, 1)
    assert.equal(failureOf(second.outcomes[0]).resultType, 'connection-failed')
    assert.equal(failureOf(second.outcomes[0]).publicText, failureOf(first.outcomes[0]).publicText)
    assert.match(failureOf(second.outcomes[0]).privateDetail ?? '', /ECONNREFUSED.*not tried again since/)
    assert.equal(first.attempts[0]!.metAt, undefined)
    assert.equal(second.attempts[0]!.metAt, first.attempts[0]!.at)
  })

  it('the second MX host takes the mail at once while the first is known to be dead', async () => {
    current = await world(settings({ timeouts: { ...settings().delivery.timeouts, greeting: SHORT } }))
    const [silent] = await current.host('mx1.test', { greeting: null })
    const [second] = await current.host('mx2.test', { tls: issued(['mx2.test']) })
    current.mx.set('dest.test', mxHosts('mx1.test', 'mx2.test'))
    for (let n = 0; n < 3; n += 1) {
      assert.equal((await current.deliver(request())).outcomes[0]!.result, 'delivered')
    }
    assert.deepEqual([silent!.seen.length, second!.seen.length], [1, 1])
  })

  it('no STARTTLS: one connection, nothing but EHLO on it, and under `may` every mail asks again', async () => {
    current = await world()
    const [server] = await current.host('mx1.test', {})
    current.mx.set('dest.test', mxHosts('mx1.test'))
    for (let n = 0; n < 5; n += 1) {
      assert.equal(failureOf((await current.deliver(request())).outcomes[0]).resultType, 'starttls-not-supported')
    }
    assert.equal(server!.seen.length, 1)
    assert.deepEqual(
      server!.clear().filter((line) => !/^(EHLO|QUIT)/.test(line)),
      [],
    )
    const may = { requirement: requirement('may'), beforePlaintext: () => Promise.resolve() }
    assert.equal((await current.deliver(request(may))).outcomes[0]!.result, 'delivered')
    assert.equal(server!.seen.length, 2)
  })

  it('a server that came back serves every mail again, and at once when somebody says so', async () => {
    let now = Date.now()
    const impatient = settings({ timeouts: { ...settings().delivery.timeouts, greeting: SHORT } })
    current = await world(impatient, { clock: { now: () => now } })
    const script: Script = { tls: issued(['mx1.test']), greeting: null }
    const [server] = await current.host('mx1.test', script)
    current.mx.set('dest.test', mxHosts('mx1.test'))
    const result = async () => (await current.deliver(request())).outcomes[0]!.result
    assert.equal(await result(), 'deferred')
    delete script.greeting
    assert.equal(await result(), 'deferred')
    assert.equal(server!.seen.length, 1)
    now += BELIEVED
    assert.equal(await result(), 'delivered')
    assert.equal(await result(), 'delivered')
    assert.equal(server!.seen.length, 2)
  })
})
