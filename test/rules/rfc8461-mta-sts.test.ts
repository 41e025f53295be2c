import assert from 'node:assert/strict'
import { fetchPolicy } from '../../lib/policy/sts/fetch'
import { readStsPolicy } from '../../lib/policy/sts/policy-file'
import { readStsRecords } from '../../lib/policy/sts/record'
import { createSts, type Sts } from '../../lib/policy/sts'
import { decide } from '../../lib/policy/decide'
import { forHost } from '../../lib/policy/for-host'
import { matchesStsPatterns } from '../../lib/policy/names'
import type { MtaStsState, Requirement, TlsaState } from '../../lib/policy/types'
import { openMemoryStore } from '../../lib/store/memory'
import { prove } from './rule'
import { issued, selfSigned, type Identity } from '../deliver/support/certificates'
import { failureOf, mxHosts, request, settings, world, type World } from '../deliver/support/world'
import { bench, replyTo } from '../dns/server'
import { fakeResolver, type FakeZone } from '../dns/fake'
import { createTestCa, type TestCa } from '../internet/ca'
import { host, inputs, STS, TLSA } from '../policy/fixtures'
import { fetchOptions, POLICY, policyAnswer, startPolicyHost, type PolicyHost } from '../policy/sts/support'

const DAY = 86_400_000
const DOMAIN = 'example.test'
const enforced = (...mx: string[]): Requirement =>
  decide(inputs({ recipient: 'rcpt@dest.test', mtaSts: { ...STS, mx } }))
const parsed = (text: string) => {
  const read = readStsPolicy(Buffer.from(text))
  return read.ok ? read.policy : read.why
}

describe('rules: MTA-STS', () => {
  const dns = bench()
  let ca: TestCa
  let policyHost: PolicyHost
  let now: number
  let zone: FakeZone
  let current: World | undefined
  let sts: Sts | undefined

  before(async () => {
    ca = createTestCa()
    policyHost = await startPolicyHost(ca.good(`mta-sts.${DOMAIN}`))
  })
  beforeEach(() => {
    now = Date.UTC(2026, 10, 23)
    policyHost.answer = policyAnswer(POLICY)
    policyHost.requests.length = 0
    zone = {
      [`TXT _mta-sts.${DOMAIN}`]: { records: ['v=STSv1; id=one;'] },
      [`A mta-sts.${DOMAIN}`]: { records: ['127.0.0.1'] },
    }
  })
  afterEach(async () => {
    await current?.close()
    await sts?.close()
    await dns.close()
    current = sts = undefined
  })
  after(async () => {
    await policyHost.stop()
    ca.stop()
  })

  function open(): Sts {
    sts = createSts({
      resolver: () => fakeResolver(zone),
      store: openMemoryStore({ clock: { now: () => now } }),
      clock: { now: () => now },
      fetchOptions: () => fetchOptions(ca.file, policyHost.port),
      log: () => undefined,
      onEvent: () => undefined,
    })
    return sts
  }
  const idOf = (state: MtaStsState) => (state.state === 'policy' ? state.id : state.state)
  const fetched = () => fetchPolicy(DOMAIN, fakeResolver(zone), fetchOptions(ca.file, policyHost.port))

  /** Hosts by preference, each with its certificate; undefined = no TLS. */
  async function hosts(...servers: [string, Identity | undefined][]): Promise<World> {
    current = await world(settings())
    for (const [name, tls] of servers) await current.host(name, tls === undefined ? {} : { tls })
    current.mx.set('dest.test', { ...mxHosts(...servers.map(([name]) => name)), secure: true })
    for (const [name] of servers) {
      const found = current.addresses.get(name)
      assert.ok(found?.kind === 'addresses')
      current.addresses.set(name, { ...found, secure: true })
    }
    return current
  }

  prove('RFC 8461', [
    {
      number: 12,
      section: '2',
      says: 'MTA-STS never overrides a DANE validation that fails, nor stands in for it',
      async holds() {
        const at = await hosts(['mx.dest.test', issued(['mx.dest.test'])])
        const broken: TlsaState[] = [
          { state: 'usable', records: [TLSA], base: 'mx.dest.test' },
          { state: 'error', detail: 'SERVFAIL' },
        ]
        for (const [state, resultType] of [
          [broken[0], 'tlsa-invalid'],
          [broken[1], 'dnssec-invalid'],
        ] as const) {
          assert.ok(state)
          at.tlsa.set('mx.dest.test', state)
          const { outcomes } = await at.deliver(request({ requirement: enforced('mx.dest.test') }))
          assert.equal(failureOf(outcomes[0]).resultType, resultType)
        }
        at.tlsa.delete('mx.dest.test')
        const { outcomes } = await at.deliver(request({ requirement: enforced('mx.dest.test') }))
        assert.equal(outcomes[0]?.result, 'delivered')
        // and a host that DANE vouches for needs no name in the policy
        const need = forHost(enforced('mx.else.test'), host({ tlsa: { state: 'usable', records: [TLSA], base: 'b' } }))
        assert.deepEqual([need.usable, need.auth], [true, 'dane'])
      },
    },
    {
      number: 13,
      section: '3.1',
      says: 'exactly one TXT that begins with v=STSv1; strings of one record are joined, different records never',
      async holds() {
        assert.deepEqual(readStsRecords(['v=STSv1; id=a;', 'something else']), { kind: 'record', id: 'a' })
        for (const records of [['v=STSv1; id=a;', 'v=STSv1; id=b;'], ['v=STSv1;', ' id=a;'], ['V=STSv1; id=a;'], []]) {
          assert.equal(readStsRecords(records).kind, 'none', records.join(' | '))
        }
        const name = `_mta-sts.${DOMAIN}`
        const server = await dns.server((asked) =>
          asked.send(
            replyTo(asked, [
              { type: 'TXT', name, ttl: 60, data: ['v=STSv1; ', 'id=', 'joined;'] },
              { type: 'TXT', name, ttl: 60, data: ['id=other;'] },
            ]),
          ),
        )
        const answer = await dns.resolver([server]).resolve(name, 'TXT')
        assert.ok(answer.kind === 'records')
        assert.deepEqual(readStsRecords(answer.records), { kind: 'record', id: 'joined' })
      },
    },
    {
      number: 14,
      section: '3.2',
      says: 'unknown fields are ignored, of a field that comes twice the first counts, except mx; none needs no mx',
      holds() {
        const text =
          'version: STSv1\nfuture: x\nmode: enforce\nmode: none\nmx: a.test\nmx: b.test\nmax_age: 60\nmax_age: 1\n'
        assert.deepEqual(parsed(text), { mode: 'enforce', maxAge: 60, mx: ['a.test', 'b.test'] })
        assert.deepEqual(parsed('version: STSv1\nmode: none\nmax_age: 60\n'), { mode: 'none', maxAge: 60, mx: [] })
        assert.equal(parsed('version: STSv1\nmode: enforce\nmax_age: 60\n'), 'it names no mx')
      },
    },
    {
      number: 15,
      section: '3.3',
      says: 'no redirect is followed, only 200 is an answer, nothing is cached by HTTP; a cached policy outlives DNS and HTTPS',
      async holds() {
        for (const status of [201, 204, 301, 302, 307, 308, 404, 500]) {
          policyHost.answer = policyAnswer(POLICY, { status, headers: { location: '/elsewhere' } })
          assert.equal((await fetched()).ok, false, String(status))
        }
        assert.ok(policyHost.requests.every((asked) => asked.endsWith('/.well-known/mta-sts.txt')))
        let cacheControl: string | undefined
        policyHost.answer = (asked, response) => {
          cacheControl = asked.headers['cache-control']
          policyAnswer(POLICY)(asked, response)
        }
        const cache = open()
        assert.equal(idOf(await cache.lookup(DOMAIN)), 'one')
        assert.equal(cacheControl, 'no-cache')

        policyHost.answer = policyAnswer('', { status: 500 })
        const troubles: FakeZone['TXT x'][] = [
          { error: 'servfail' },
          { error: 'timeout' },
          { kind: 'nxdomain' },
          { records: ['v=STSv1; id=a;', 'v=STSv1; id=b;'] },
          { records: ['v=STSv1; id=two;'] },
        ]
        for (const trouble of troubles) {
          now += 600_000
          zone[`TXT _mta-sts.${DOMAIN}`] = trouble
          assert.equal(idOf(await cache.lookup(DOMAIN)), 'one', JSON.stringify(trouble))
        }
        now += DAY
        assert.equal(idOf(await cache.lookup(DOMAIN)), 'absent', 'and not longer than max_age')
      },
    },
    {
      number: 16,
      section: '3.4, 4.1, 5',
      says: 'no policy of a parent; *. covers the left-most label alone; enforce: nothing to a host that fails, on to the next',
      async holds() {
        assert.equal(idOf(await open().lookup(`sub.${DOMAIN}`)), 'absent')
        assert.deepEqual(
          ['a.mail.test', 'mail.test', 'a.b.mail.test', 'xmail.test'].map((name) =>
            matchesStsPatterns(name, ['*.mail.test']),
          ),
          [true, false, false, false],
        )
        const at = await hosts(
          ['not-named.test', issued(['not-named.test'])],
          ['self-signed.dest.test', selfSigned(['self-signed.dest.test'])],
          ['no-tls.dest.test', undefined],
          ['good.dest.test', issued(['good.dest.test'])],
        )
        const { outcomes, attempts } = await at.deliver(request({ requirement: enforced('*.dest.test') }))
        assert.deepEqual(
          attempts.map((attempt) => [attempt.host, attempt.failure?.resultType]),
          [
            ['not-named.test', 'validation-failure'],
            ['self-signed.dest.test', 'certificate-not-trusted'],
            ['no-tls.dest.test', 'starttls-not-supported'],
            ['good.dest.test', undefined],
          ],
        )
        assert.equal(outcomes[0]?.result, 'delivered')
        assert.equal(at.dialled.length, 3, 'the host that is not named is not even connected to')
      },
    },
    {
      number: 17,
      section: '5.1, 7.1, 7.2',
      says: 'a newer policy is looked for before a mail is given up; SNI is the MX host name; TLS 1.2 at least',
      async holds() {
        const cache = open()
        await cache.lookup(DOMAIN)
        assert.equal(await cache.recheck(DOMAIN, 'one'), false)
        zone[`TXT _mta-sts.${DOMAIN}`] = { records: ['v=STSv1; id=two;'] }
        policyHost.answer = policyAnswer('', { status: 500 })
        await cache.lookup(DOMAIN)
        // a fetch failed a moment ago, and it is tried again all the same
        policyHost.answer = policyAnswer(POLICY)
        assert.equal(await cache.recheck(DOMAIN, 'one'), true)
        assert.equal(idOf(await cache.lookup(DOMAIN)), 'two')

        const old = decide(inputs({ minVersion: 'TLSv1', mtaSts: STS }))
        const need = forHost(old, host())
        assert.deepEqual([need.minVersion, need.sni, need.auth], ['TLSv1.2', 'mx1.example.org', 'pkix'])
      },
    },
  ])
})
