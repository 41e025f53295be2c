import assert from 'node:assert/strict'
import sinon from 'sinon'
import type { Clock } from '../../../lib/clock'

import { createSts, type Sts, type StsEvent } from '../../../lib/policy/sts'
import { openMemoryStore } from '../../../lib/store/memory'
import type { Store } from '../../../lib/store/types'
import { fakeResolver, type FakeZone } from '../../dns/fake'
import { createTestCa, type TestCa } from '../../internet/ca'
import { until } from '../../../demo/processes'
import { fetchOptions, POLICY, policyAnswer, startPolicyHost, type PolicyHost } from './support'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const DOMAIN = 'example.test'
const TXT = `TXT _mta-sts.${DOMAIN}` as const

describe('MTA-STS: the policy that holds for a domain', () => {
  let ca: TestCa
  let host: PolicyHost
  let now: number
  let zone: FakeZone
  let store: Store
  let sts: Sts
  let events: StsEvent[]
  let warnings: string[]
  let looked: boolean[]
  const clock: Clock = { now: () => now }
  const opened: Sts[] = []

  before(async () => {
    ca = createTestCa()
    host = await startPolicyHost(ca.good(`mta-sts.${DOMAIN}`))
  })
  after(async () => {
    await host.stop()
    ca.stop()
  })
  beforeEach(() => {
    now = Date.UTC(2026, 10, 23)
    zone = { 'A mta-sts.example.test': { records: ['127.0.0.1'] }, 'AAAA mta-sts.example.test': { kind: 'nodata' } }
    publish('one')
    host.requests.length = 0
    store = openMemoryStore({ clock })
    sts = open()
  })
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close()
    await store.close()
  })

  /** A process that starts on the same store. */
  function open(on: Store = store, refresh = false): Sts {
    events = []
    warnings = []
    looked = []
    const made = createSts({
      resolver: () => fakeResolver(zone),
      store: on,
      clock,
      fetchOptions: () => fetchOptions(ca.file, host.port),
      log(level, message) {
        if (level !== 'debug') warnings.push(message)
      },
      onEvent: (event) => events.push(event),
      onLookUp: (hit) => looked.push(hit),
      refresh,
    })
    opened.push(made)
    return made
  }

  function publish(id: string, policy = POLICY): void {
    zone[TXT] = { records: [`v=STSv1; id=${id};`] }
    host.answer = policyAnswer(policy)
  }
  function httpsDown(): void {
    host.answer = policyAnswer('', { status: 500 })
  }
  const fetches = () => host.requests.length

  async function policyId(of: Sts = sts): Promise<string> {
    const state = await of.lookup(DOMAIN)
    return state.state === 'policy' ? `${state.mode} ${state.id}` : state.state
  }

  it('tells of each look-up whether the policy was there; a domain without one is no miss', async () => {
    await sts.lookup(DOMAIN)
    await sts.lookup(DOMAIN)
    publish('two')
    await sts.lookup(DOMAIN)
    assert.deepEqual(looked, [false, true, false])
    zone[TXT] = { error: 'servfail' }
    await sts.lookup(DOMAIN)
    zone[TXT] = { kind: 'nodata' }
    await sts.lookup('other.test')
    assert.deepEqual(looked, [false, true, false, true], 'the cached one serves an outage of DNS')
  })

  it('found, fetched, remembered; asked for again it is not fetched again', async () => {
    assert.deepEqual(await sts.lookup(DOMAIN), {
      state: 'policy',
      mode: 'enforce',
      id: 'one',
      mx: ['mx.example.test'],
      maxAge: 86_400,
    })
    assert.deepEqual(await sts.lookup('EXAMPLE.test.'), await sts.lookup(DOMAIN))
    assert.equal(fetches(), 1)
    assert.deepEqual(
      events.map((event) => event.kind),
      ['fetched'],
    )
  })

  for (const mode of ['testing', 'none']) {
    it(`mode ${mode} is a policy too`, async () => {
      publish('one', POLICY.replace('enforce', mode))
      assert.equal(await policyId(), `${mode} one`)
      assert.equal(await policyId(), `${mode} one`)
      assert.equal(fetches(), 1)
    })
  }

  const NOTHING: [section: string, what: string, txt: FakeZone[typeof TXT]][] = [
    ['3.1', 'no TXT record', { kind: 'nodata' }],
    ['3.1', 'no such name', { kind: 'nxdomain' }],
    ['3.1', 'two records', { records: ['v=STSv1; id=a;', 'v=STSv1; id=b;'] }],
    ['3.1', 'a record that cannot be read', { records: ['v=STSv1; id=;'] }],
  ]
  for (const [section, what, txt] of NOTHING) {
    it(`${section}: ${what}: no policy, and nothing is fetched`, async () => {
      zone[TXT] = txt
      assert.deepEqual(await sts.lookup(DOMAIN), { state: 'absent' })
      assert.equal(fetches(), 0)
    })
    it(`5.1: ${what}, while a policy is cached: it holds to the end of max_age, also after a restart`, async () => {
      assert.equal(await policyId(), 'enforce one')
      zone[TXT] = txt
      now += DAY - 1
      assert.equal(await policyId(open()), 'enforce one')
      now += 1
      assert.equal(await policyId(open()), 'absent')
      assert.equal(fetches(), 1)
    })
  }

  for (const error of ['servfail', 'timeout'] as const) {
    it(`3.3: DNS ${error} while a policy is cached: it holds`, async () => {
      await sts.lookup(DOMAIN)
      zone[TXT] = { error }
      assert.equal(await policyId(), 'enforce one')
      assert.equal(await policyId(open()), 'enforce one')
    })
    it(`DNS ${error} and nothing cached: waited out for 15 minutes, then as without a policy`, async () => {
      zone[TXT] = { error }
      const first = await sts.lookup(DOMAIN)
      assert.ok(first.state === 'error')
      assert.equal(first.resultType, 'dns-error')
      now += 15 * MINUTE - 1
      assert.equal(await policyId(open()), 'error')
      now += 1
      assert.equal(await policyId(), 'absent')
      assert.equal(events.at(-1)?.kind, 'outage-ignored')
      assert.match(warnings.at(-1) ?? '', /going on as without a policy/)
    })
  }

  it('two outages are two: an answer in between, or hours, start the 15 minutes again', async () => {
    const fine = zone[TXT]
    zone[TXT] = { error: 'servfail' }
    assert.equal(await policyId(), 'error')
    zone[TXT] = { kind: 'nodata' }
    assert.equal(await policyId(), 'absent')
    now += 16 * MINUTE
    zone[TXT] = { error: 'servfail' }
    assert.equal(await policyId(), 'error')
    now += 5 * HOUR
    assert.equal(await policyId(), 'error')
    zone[TXT] = fine
    assert.equal(await policyId(), 'enforce one')
  })

  const FAILURES: [what: string, fail: () => void, resultType: string][] = [
    ['HTTPS down', httpsDown, 'sts-policy-fetch-error'],
    ['a redirect', () => (host.answer = policyAnswer(POLICY, { status: 302 })), 'sts-policy-fetch-error'],
    ['a policy that cannot be read', () => (host.answer = policyAnswer('mode: enforce')), 'sts-policy-invalid'],
    ['no address', () => delete zone['A mta-sts.example.test'], 'sts-policy-fetch-error'],
  ]
  for (const [what, fail, resultType] of FAILURES) {
    it(`3.3: ${what} and nothing cached: as without a policy, told, and not tried again for 5 minutes`, async () => {
      fail()
      assert.equal(await policyId(), 'absent')
      assert.deepEqual(
        events.map((event) => [event.kind, event.kind === 'fetch-failed' && event.resultType]),
        [['fetch-failed', resultType]],
      )
      const before = fetches()
      now += 5 * MINUTE - 1
      zone['A mta-sts.example.test'] = { records: ['127.0.0.1'] }
      host.answer = policyAnswer(POLICY)
      assert.equal(await policyId(open()), 'absent')
      assert.equal(fetches(), before)
      now += 1
      assert.equal(await policyId(), 'enforce one')
    })
    it(`3.3: a new id and ${what} while a policy is cached: the cached one holds, and is not forgotten`, async () => {
      await sts.lookup(DOMAIN)
      publish('two')
      fail()
      for (let i = 0; i < 3; i++) assert.equal(await policyId(), 'enforce one')
      const failed = events.find((event) => event.kind === 'fetch-failed')
      assert.ok(failed?.kind === 'fetch-failed')
      assert.deepEqual([failed.id, failed.cached], ['two', 'one'])
      now += DAY - 1
      assert.equal(await policyId(open()), 'enforce one')
    })
  }

  it('3.3: the wait after a failed fetch is for that version: another id is fetched at once', async () => {
    httpsDown()
    assert.equal(await policyId(), 'absent')
    publish('two')
    assert.equal(await policyId(), 'enforce two')
  })

  it('an id that changes all the time does not get around the wait', async () => {
    httpsDown()
    for (let i = 0; i < 50; i++) {
      zone[TXT] = { records: [`v=STSv1; id=n${i};`] }
      assert.equal(await policyId(), 'absent')
    }
    assert.ok(fetches() <= 8, `${fetches()} fetches`)
  })

  it('a new id with a new policy: it holds from now on', async () => {
    await sts.lookup(DOMAIN)
    publish('two', POLICY.replace('enforce', 'testing'))
    assert.equal(await policyId(), 'testing two')
    httpsDown()
    assert.equal(await policyId(open()), 'testing two')
  })

  it('8.3: mode none takes a policy back', async () => {
    await sts.lookup(DOMAIN)
    publish('two', `version: STSv1\nmode: none\nmax_age: 86400\n`)
    assert.equal(await policyId(), 'none two')
  })

  it('ids that flip back and forth always end in the policy that HTTPS vouches for', async () => {
    for (const id of ['one', 'two', 'one', 'two']) {
      zone[TXT] = { records: [`v=STSv1; id=${id};`] }
      assert.equal(await policyId(), `enforce ${id}`)
    }
    httpsDown()
    for (const id of ['three', 'two', 'three']) {
      zone[TXT] = { records: [`v=STSv1; id=${id};`] }
      assert.equal(await policyId(), 'enforce two')
    }
  })

  it('3.2: max_age 0 holds for the mail at hand, and replaces what was cached', async () => {
    await sts.lookup(DOMAIN)
    publish('two', POLICY.replace('86400', '0'))
    assert.equal(await policyId(), 'enforce two')
    httpsDown()
    zone[TXT] = { kind: 'nodata' }
    assert.equal(await policyId(), 'absent')
  })

  it('a clock that was set back does not end a policy', async () => {
    await sts.lookup(DOMAIN)
    httpsDown()
    now -= 30 * DAY
    assert.equal(await policyId(), 'enforce one')
  })

  it('an expired policy is fetched again, also under the same id', async () => {
    await sts.lookup(DOMAIN)
    now += DAY
    assert.equal(await policyId(), 'enforce one')
    assert.equal(fetches(), 2)
  })

  it('parallel look-ups of one domain share one fetch', async () => {
    const states = await Promise.all(Array.from({ length: 20 }, () => policyId()))
    assert.deepEqual(new Set(states), new Set(['enforce one']))
    assert.equal(fetches(), 1)
  })

  it('3.4: neither a parent domain nor a subdomain is asked', async () => {
    assert.equal((await sts.lookup(`sub.${DOMAIN}`)).state, 'absent')
    assert.equal((await sts.lookup('test')).state, 'absent')
  })

  for (const name of [
    '[192.0.2.1]',
    '192.0.2.1',
    '',
    '.',
    `${'a'.repeat(64)}.test`,
    'a b.test',
    `${'a.'.repeat(124)}test`,
  ]) {
    it(`${JSON.stringify(name.slice(0, 20))} has no policy`, async () => {
      assert.deepEqual(await sts.lookup(name), { state: 'absent' })
    })
  }

  describe('5.1: before a permanent failure', () => {
    it('the same id: nothing new', async () => {
      await sts.lookup(DOMAIN)
      assert.equal(await sts.recheck(DOMAIN, 'one'), false)
      assert.equal(fetches(), 1)
    })
    it('a new id: fetched, and true', async () => {
      await sts.lookup(DOMAIN)
      publish('two')
      assert.equal(await sts.recheck(DOMAIN, 'one'), true)
      assert.equal(await policyId(), 'enforce two')
    })
    it('a new id whose fetch failed a moment ago: tried again all the same', async () => {
      await sts.lookup(DOMAIN)
      publish('two')
      httpsDown()
      assert.equal(await policyId(), 'enforce one')
      assert.equal(await sts.recheck(DOMAIN, 'one'), false)
      publish('two')
      assert.equal(await policyId(), 'enforce one')
      assert.equal(await sts.recheck(DOMAIN, 'one'), true)
    })
    it('another process has fetched it: true', async () => {
      await sts.lookup(DOMAIN)
      publish('two')
      await open().lookup(DOMAIN)
      assert.equal(await sts.recheck(DOMAIN, 'one'), true)
    })
    it('DNS fails: nothing new', async () => {
      await sts.lookup(DOMAIN)
      zone[TXT] = { error: 'servfail' }
      assert.equal(await sts.recheck(DOMAIN, 'one'), false)
    })
  })

  describe('10.2: refreshed while in use', () => {
    beforeEach(async () => {
      publish('one', POLICY.replace('86400', String((30 * DAY) / 1000)))
      await sts.lookup(DOMAIN)
    })
    it('not at once; within a day; each time it holds anew', async () => {
      assert.equal(await sts.refresh(), 0)
      now += DAY
      assert.equal(await sts.refresh(), 1)
      assert.equal(await sts.refresh(), 0)
      httpsDown()
      now += 30 * DAY - 1
      assert.equal(await policyId(), 'enforce one')
    })
    it('of several processes one at a time does it, and another when that one is gone', async () => {
      const timers = sinon.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      try {
        const first = open(store, true)
        const second = open(store, true)
        await policyId(first)
        assert.equal(fetches(), 1)
        now += DAY
        timers.tick(MINUTE)
        await until('a refresh', () => fetches() >= 2)
        // what they are at is over then, and nothing was left to do
        await Promise.all([first.refresh(), second.refresh()])
        assert.equal(fetches(), 2)
        await first.close()
        now += DAY + MINUTE
        timers.tick(MINUTE)
        await until('another one', () => fetches() === 3)
      } finally {
        timers.restore()
      }
    })
    it('a short policy is refreshed after half of its time', async () => {
      publish('two', POLICY.replace('86400', '3600'))
      await sts.lookup(DOMAIN)
      now += HOUR / 4
      assert.equal(await sts.refresh(), 0)
      now += HOUR / 4
      assert.equal(await sts.refresh(), 1)
    })
    it('10.2: whoever hides the TXT record does not let the policy run out', async () => {
      zone[TXT] = { error: 'timeout' }
      for (let day = 0; day < 40; day++) {
        now += DAY
        assert.equal(await sts.refresh(), 1)
      }
      assert.equal(await policyId(), 'enforce one')
    })
    it('3.3: a refresh that fails is told, takes nothing away and is tried again within the hour', async () => {
      httpsDown()
      now += DAY
      assert.equal(await sts.refresh(), 0)
      assert.match(warnings.at(-1) ?? '', /cached policy one stays in force/)
      assert.equal(await policyId(), 'enforce one')
      const before = fetches()
      await sts.refresh()
      assert.equal(fetches(), before)
      publish('one')
      now += HOUR
      assert.equal(await sts.refresh(), 1)
    })
    it('3.3: a failed refresh of a policy with mode none is no warning', async () => {
      publish('two', `version: STSv1\nmode: none\nmax_age: 864000\n`)
      await sts.lookup(DOMAIN)
      httpsDown()
      now += DAY
      await sts.refresh()
      assert.deepEqual(warnings, [])
    })
    it('a domain that nobody writes to for 180 days is forgotten', async () => {
      for (let day = 0; day < 179; day++) {
        now += DAY
        assert.equal(await sts.refresh(), 1, `day ${day}`)
      }
      now += DAY
      assert.equal(await sts.refresh(), 0)
      assert.deepEqual(await store.list(['sts']), [])
    })
    it('a domain in use is not', async () => {
      for (let day = 0; day < 200; day++) {
        now += DAY
        await sts.lookup(DOMAIN)
        assert.equal(await sts.refresh(), 1)
      }
    })
  })

  describe('the store', () => {
    const broken = new Error('disk gone')
    /** The store with some methods failing. */
    const failing = (...methods: (keyof Store)[]): Store => ({
      ...store,
      ...Object.fromEntries(methods.map((method) => [method, () => Promise.reject(broken)])),
    })

    it('cannot be read and DNS names no policy: unknown, never "none"', async () => {
      zone[TXT] = { kind: 'nodata' }
      const state = await open(failing('get', 'update')).lookup(DOMAIN)
      assert.ok(state.state === 'error')
      assert.equal(state.resultType, 'local-error')
      assert.match(warnings.join(), /disk gone/)
    })
    it('cannot be read, but the policy can be had: it holds', async () => {
      assert.equal(await policyId(open(failing('get', 'update'))), 'enforce one')
    })
    it('fails later: this process knows what it knew', async () => {
      let down = false
      const flaky: Store = {
        ...store,
        get: <T>(key: Parameters<Store['get']>[0]) => (down ? Promise.reject(broken) : store.get<T>(key)),
      }
      const process = open(flaky)
      await process.lookup(DOMAIN)
      down = true
      zone[TXT] = { kind: 'nodata' }
      assert.equal(await policyId(process), 'enforce one')
    })
    it('cannot be written: the policy holds all the same', async () => {
      const process = open(failing('update'))
      assert.equal(await policyId(process), 'enforce one')
    })
    for (const junk of [
      null,
      7,
      'x',
      [],
      {},
      { policy: { mode: 'enforce' } },
      { policy: null, failed: 3, outage: 'x' },
    ]) {
      it(`holds ${JSON.stringify(junk)}: as nothing`, async () => {
        await store.put(['sts', DOMAIN], junk)
        assert.equal(await policyId(), 'enforce one')
      })
    }
  })

  it('closed: what is under way ends, and nothing weaker than before comes out', async () => {
    host.answer = () => undefined
    const running = sts.lookup(DOMAIN)
    while (fetches() === 0) await new Promise((resolve) => setImmediate(resolve))
    await sts.close()
    assert.equal((await running).state, 'error')
  })
})
