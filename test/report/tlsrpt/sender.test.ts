/** Who sends which report when: several senders over one store, with a clock of the test's own. */
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import type { Settings } from '../../../lib/config/settings'
import { reportSender, type BuiltReport, type ReportEvent, type ReportSender } from '../../../lib/report/tlsrpt'
import { jobsOf, LEASE } from '../../../lib/report/tlsrpt/jobs'
import { storeCounts } from '../../../lib/report/tlsrpt/stored'
import type { PolicyType } from '../../../lib/report/tlsrpt/types'
import { openMemoryStore } from '../../../lib/store/memory'
import type { Store } from '../../../lib/store/types'
import { fakeResolver, type FakeZone } from '../../dns/fake'

const DAY = '2026-11-22'
const MIDNIGHT = Date.parse('2026-11-23T00:00:00Z')
const HOUR = 3_600_000

describe('report: sending TLS reports', () => {
  let now: number
  let store: Store
  let zone: FakeZone
  let sent: { by: number; to: string; report: BuiltReport }[]
  let events: ReportEvent[]
  let troubles: Error[]
  let tlsrpt: Settings['tlsrpt']
  /** What becomes of a delivery. */
  let delivery: (by: number) => Promise<void>
  const clock = { now: () => now }

  beforeEach(async () => {
    now = MIDNIGHT + HOUR
    store = openMemoryStore({ clock })
    zone = {}
    sent = []
    events = []
    troubles = []
    delivery = () => Promise.resolve()
    tlsrpt = { enabled: true, onlyFailures: false, excludeDomains: [], window: 0, https: true }
    await counted('a.test')
    wants('a.test', 'mailto:tls@a.test')
  })
  afterEach(() => store.close())

  async function counted(
    domain: string,
    failed = 0,
    type: PolicyType = 'no-policy-found',
    under = domain,
  ): Promise<void> {
    const failures = failed === 0 ? [] : [{ resultType: 'certificate-expired' as const, sessions: failed }]
    const policy = { type, domain: under, strings: [], mxHosts: [] }
    await storeCounts(store, DAY, domain, { policies: [{ policy, successes: 2, failures }], uncounted: 0 })
  }
  const wants = (domain: string, rua: string): void => {
    zone[`TXT _smtp._tls.${domain}`] = { records: [`v=TLSRPTv1;rua=${rua}`] }
  }
  function sender(by = 0, stop = new AbortController()): ReportSender {
    return reportSender({
      store,
      clock,
      settings: () => ({
        tlsrpt,
        main: { mode: 'enforce', level: 'encrypt', internalDomains: ['uni.test'] },
        ndr: { postmaster: 'postmaster@uni.test' } as Settings['ndr'],
      }),
      resolver: () => fakeResolver(zone),
      key: Buffer.alloc(32),
      async deliver(report, to) {
        await delivery(by)
        sent.push({ by, to: to.uri, report })
        return { detail: 'done' }
      },
      onReport: (event) => events.push(event),
      onTrouble: (error) => troubles.push(error),
      signal: stop.signal,
    })
  }
  const places = () => sent.map(({ to }) => to).sort()

  it('each report goes to each place of the record once, whoever of many asks, and how often', async () => {
    wants('a.test', 'mailto:tls@a.test,https://r.a.test/x')
    await counted('b.test')
    wants('b.test', 'mailto:tls@b.test')
    const senders = Array.from({ length: 5 }, (_, n) => sender(n))
    await Promise.all(senders.flatMap((one) => [one.pass(), one.send(DAY)]))
    await Promise.all(senders.map((one) => one.pass()))
    assert.deepEqual(places(), ['https://r.a.test/x', 'mailto:tls@a.test', 'mailto:tls@b.test'])
    assert.ok(events.every(({ result, takenOver }) => result === 'sent' && !takenOver))
    assert.equal(events.length, 3)
    assert.deepEqual(troubles, [])
    const states = (await senders[0]!.send(DAY)).map(({ state }) => state)
    assert.deepEqual(states, ['sent-before', 'sent-before', 'sent-before'])
  })

  it('counts of an MX host that several domains share are one report about that host', async () => {
    await counted('b.test', 1, 'tlsa', 'mx.host.test')
    await counted('c.test', 2, 'tlsa', 'mx.host.test')
    wants('mx.host.test', 'mailto:tls@host.test')
    await sender().pass()
    const about = sent.find(({ to }) => to === 'mailto:tls@host.test')
    const report = JSON.parse(about!.report.json) as { policies: { summary: Record<string, number> }[] }
    assert.deepEqual(
      report.policies.map(({ summary }) => summary),
      [{ 'total-successful-session-count': 4, 'total-failure-session-count': 3 }],
    )
  })

  it('nothing before midnight is a minute past, and each domain at its own time within the window', async () => {
    tlsrpt.window = 4 * HOUR
    for (let n = 0; n < 40; n++) {
      await counted(`d${n}.test`)
      wants(`d${n}.test`, `mailto:tls@d${n}.test`)
    }
    const one = sender()
    const after: number[] = []
    for (const at of [0, 59_000, HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR + 61_000]) {
      now = MIDNIGHT + at
      await one.pass()
      after.push(sent.length)
    }
    assert.deepEqual(after.slice(0, 2), [0, 0])
    const [, , first = 0, second = 0, third = 0, last] = after
    assert.ok(0 < first && first < second && second < third && third < 41, String(after))
    assert.equal(last, 41)
  })

  it('enabled=false: nothing by itself; an order of an operator is one', async () => {
    tlsrpt.enabled = false
    await sender().pass()
    assert.deepEqual(places(), [])
    await sender().send(DAY)
    assert.deepEqual(places(), ['mailto:tls@a.test'])
  })

  it('a day that is not over, or is none, is refused; so is reporting from nowhere', async () => {
    await assert.rejects(sender().send('2026-11-23'), /not over/)
    await assert.rejects(sender().send('2026-11-31'), /no day/)
    now = MIDNIGHT
    await assert.rejects(sender().send(DAY), /not over/)
  })

  it('only_failures, exclude_domains, https=false, and domains that ask for nothing', async () => {
    tlsrpt = { ...tlsrpt, onlyFailures: true, excludeDomains: ['.x.test'], https: false }
    for (const domain of ['fails.test', 'sub.x.test', 'web.test', 'both.test', 'silent.test']) await counted(domain, 1)
    wants('fails.test', 'mailto:tls@fails.test')
    wants('sub.x.test', 'mailto:tls@x.test')
    wants('web.test', 'https://web.test/')
    wants('both.test', 'https://both.test/,mailto:tls@both.test')
    const results = await sender().send(DAY)
    assert.deepEqual(places(), ['mailto:tls@both.test', 'mailto:tls@fails.test'])
    assert.deepEqual(
      results.map(({ domain, state }) => [domain, state]),
      [
        ['a.test', 'nothing-to-report'],
        ['both.test', 'sent'],
        ['fails.test', 'sent'],
        ['silent.test', 'not-wanted'],
        ['sub.x.test', 'excluded'],
        ['web.test', 'not-wanted'],
      ],
    )
    // settings that changed count for an order
    tlsrpt = { ...tlsrpt, https: true }
    await sender().send(DAY, 'web.test')
    assert.ok(places().includes('https://web.test/'))
  })

  it('a resolver that fails is asked again', async () => {
    zone['TXT _smtp._tls.a.test'] = { error: 'servfail' }
    const one = sender()
    await one.pass()
    assert.deepEqual(places(), [])
    wants('a.test', 'mailto:tls@a.test')
    await one.pass()
    assert.deepEqual(places(), ['mailto:tls@a.test'])
  })

  it('what fails is tried again, later and later, for 24 hours from the first try, and then told of', async () => {
    delivery = () => Promise.reject(new Error('no\r\nroom'))
    const one = sender()
    for (now = MIDNIGHT + HOUR; now < MIDNIGHT + 40 * HOUR; now += 60_000) await one.pass()
    const tries = events.map(({ result }) => result)
    assert.ok(tries.length > 5 && tries.length < 15, String(tries.length))
    assert.deepEqual(new Set(tries.slice(0, -1)), new Set(['failed']))
    assert.equal(tries.at(-1), 'given-up')
    assert.ok(events.every(({ detail }) => detail === 'no room'))
    assert.equal((await jobsOf(store, DAY)).get('a.test')?.settled, 'given-up')
    delivery = () => Promise.resolve()
    await one.pass()
    assert.deepEqual(places(), [])
  })

  it('one place that fails does not keep another from its report, nor has it sent twice', async () => {
    wants('a.test', 'mailto:tls@a.test,mailto:other@a.test')
    let fail = true
    delivery = () => (fail ? Promise.reject(new Error('no')) : Promise.resolve())
    await sender().pass()
    fail = false
    now += 6 * 60_000
    await sender().pass()
    await sender().pass()
    assert.deepEqual(places(), ['mailto:other@a.test', 'mailto:tls@a.test'])
  })

  it('a process that dies between claim and queue: another one takes over after the lease, and says so', async () => {
    // it never comes back from queueing
    delivery = (by) => (by === 1 ? new Promise(() => undefined) : Promise.resolve())
    const dead = sender(1)
    void dead.pass()
    await until(
      async () => (await jobsOf(store, DAY)).get('a.test')?.destinations['mailto:tls@a.test']?.state === 'claimed',
    )
    const heir = sender(2)
    await heir.pass()
    assert.deepEqual(places(), [], 'while the claim stands nobody else sends')
    now += LEASE + 1
    await heir.pass()
    assert.deepEqual(
      sent.map(({ by }) => by),
      [2],
    )
    assert.deepEqual(
      events.map(({ result, takenOver }) => [result, takenOver]),
      [['sent', true]],
    )
    now += LEASE + 1
    await Promise.all([sender(3).pass(), sender(4).send(DAY)])
    assert.equal(sent.length, 1)
  })

  it('a process that slept with its claim does not use it', async () => {
    const update = store.update.bind(store)
    const slow = {
      ...store,
      list: store.list.bind(store),
      update: (async (...args: Parameters<typeof update>) => {
        const result = await update(...args)
        now += LEASE
        return result
      }) as typeof update,
    }
    const real = store
    store = slow
    const [result] = await sender().send(DAY)
    store = real
    assert.equal(result?.state, 'claimed')
    assert.deepEqual(places(), [])
    now += LEASE
    await sender().send(DAY)
    assert.deepEqual(places(), ['mailto:tls@a.test'])
  })

  it('a store that cannot be written sends nothing', async () => {
    const real = store
    store = { ...store, list: store.list.bind(store), update: () => Promise.reject(new Error('away')) }
    await sender().pass()
    store = real
    assert.deepEqual(places(), [])
    assert.match(troubles[0]?.message ?? '', /away/)
    await sender().pass()
    assert.deepEqual(places(), ['mailto:tls@a.test'])
  })

  it('a shutdown begins nothing', async () => {
    const stop = new AbortController()
    const one = sender(0, stop)
    stop.abort()
    await one.pass()
    assert.deepEqual(places(), [])
  })
})

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await wait(1)
}
