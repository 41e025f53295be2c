import assert from 'node:assert/strict'
import type * as packet from 'dns-packet'
import { lookupAddresses } from '../../lib/dns/addresses'
import { lookupMx } from '../../lib/dns/mx'
import type { ResolverOptions } from '../../lib/dns/resolver'
import { serverList } from '../../lib/dns/servers'
import { lookupTlsa } from '../../lib/dns/tlsa'
import { usableTlsaRecords } from '../../lib/dns/tlsa-records'
import { verifyDane } from '../../lib/deliver/dane'
import { hops, type Hop, type Target } from '../../lib/deliver/route'
import { decide } from '../../lib/policy/decide'
import { forHost } from '../../lib/policy/for-host'
import { tlsToken } from '../../lib/policy/tls-token'
import type { Requirement, TlsaRecord, TlsaState } from '../../lib/policy/types'
import { prove } from './rule'
import { host, inputs } from '../policy/fixtures'
import { failureOf, mxHosts, request, settings, world, type World } from '../deliver/support/world'
import { association, DAY, make, type Made } from '../deliver/support/x509'
import { a, bench, cname, mx, replyTo, zone, type Script } from '../dns/server'

/** The shipped requirement for mail to the outside. */
const DEFAULT = decide(inputs({ recipient: 'rcpt@dest.test' }))

const anchor = make({ name: 'anchor' })
const leaf = make({ name: 'leaf', issuer: anchor, dns: ['mx.dest.test'] })
/** Expired, for another name, signed by nobody. */
const worthless = make({ name: 'w', ca: false, dns: ['x.test'], notBefore: -9 * DAY, notAfter: -DAY })

const about = (usage: number, { certificate, key, name }: Made): TlsaRecord => ({
  usage,
  selector: 1,
  matchingType: 1,
  data: association({ certificate, key, name }, 1, 1),
})
const tlsa = (name: string, record: TlsaRecord): packet.Answer => ({
  type: 'TLSA',
  name,
  ttl: 60,
  data: { ...record, certificate: Buffer.from(record.data, 'hex') },
})
const showing = ({ certificate, key }: Made, ...others: Made[]) => ({
  key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  cert: [certificate, ...others.map((other) => other.certificate)].map(String).join(''),
})

/** A domain with one host; `_25._tcp` holds a record about `worthless`. */
const ZONE = {
  'dest.test MX': [mx('dest.test', 10, 'mx.dest.test')],
  'mx.dest.test A': [a('mx.dest.test', '192.0.2.1')],
  '_25._tcp.mx.dest.test TLSA': [tlsa('_25._tcp.mx.dest.test', about(3, worthless))],
}
const ALL = () => true

describe('rules: DANE', () => {
  const dns = bench()
  let current: World | undefined
  afterEach(async () => {
    await dns.close()
    await current?.close()
    current = undefined
  })

  /** Which hosts a delivery comes to, with what they must show, and what was asked of DNS on the way. */
  async function route(
    script: Script,
    more: { requirement?: Requirement; port?: number; resolver?: Partial<ResolverOptions> } = {},
  ): Promise<{ found: Hop[]; asked: string[] }> {
    const server = await dns.server(script)
    const resolver = dns.resolver([server], more.resolver)
    const deps = { lookupMx, lookupAddresses, lookupTlsa, forHost, isLocalAddress: () => false, resolver }
    const asking = request({ requirement: more.requirement ?? DEFAULT })
    const current = settings({ inetPrefer: 'v4', port: more.port ?? 25 })
    const found: Hop[] = []
    for (const hop of hops(asking, { ...deps, settings: current })) {
      if (hop instanceof Promise) await hop
      else found.push(hop)
    }
    return { found, asked: server.seen.map((line) => line.replace(/ (udp|tcp)$/, '')) }
  }
  const targetOf = (hop: Hop | undefined): Target => {
    assert.ok(hop?.kind === 'target', JSON.stringify(hop))
    return hop.target
  }
  const trouble = (hop: Hop | undefined): string => {
    assert.ok(hop?.kind === 'dead', JSON.stringify(hop))
    return `${hop.failure.resultType} ${hop.failure.enhancedCode}`
  }
  /** SERVFAIL (what a validator says of a bogus answer) for one question, the zone for the others. */
  const failing =
    (name: string, type: string, rest: Script): Script =>
    (asked) =>
      asked.name === name && asked.type === type ? asked.send(replyTo(asked, [], { rcode: 2 })) : rest(asked)

  /** Two hosts, by preference; each with its certificate and its TLSA state. */
  async function twoHosts(first: [Made, TlsaState], second: [Made, TlsaState]): Promise<World> {
    current = await world()
    current.mx.set('dest.test', { ...mxHosts('mx1.test', 'mx2.test'), secure: true })
    for (const [name, [made, state]] of [
      ['mx1.test', first],
      ['mx2.test', second],
    ] as const) {
      await current.host(name, { tls: showing(made) })
      const found = current.addresses.get(name)
      assert.ok(found?.kind === 'addresses')
      current.addresses.set(name, { ...found, secure: true })
      current.tlsa.set(name, state)
    }
    return current
  }
  const usable = (base: string, ...records: TlsaRecord[]): TlsaState => ({ state: 'usable', records, base })

  prove('RFC 7672', [
    {
      number: 1,
      section: '2.1.2',
      says: 'a failed MX look-up delays the mail; it is never "no MX, so use A"',
      async holds() {
        const silent: Script = (asked) => (asked.type === 'MX' ? undefined : zone(ZONE, ALL)(asked))
        for (const script of [failing('dest.test', 'MX', zone(ZONE, ALL)), silent]) {
          const { found, asked } = await route(script, { resolver: { timeout: 50 } })
          assert.deepEqual(found.map(trouble), ['dns-error 4.4.3'])
          assert.ok(asked.every((question) => question === 'dest.test MX'))
        }
      },
    },
    {
      number: 2,
      section: '2.1.2',
      says: 'a failed TLSA look-up makes that server unreachable, and only that one',
      async holds() {
        const second = { 'dest.test MX': [mx('dest.test', 10, 'mx.dest.test'), mx('dest.test', 20, 'b.dest.test')] }
        const data = { ...ZONE, ...second, 'b.dest.test A': [a('b.dest.test', '192.0.2.2')] }
        const { found } = await route(failing('_25._tcp.mx.dest.test', 'TLSA', zone(data, ALL)))
        assert.equal(trouble(found[0]), 'dnssec-invalid 4.7.5')
        assert.equal(targetOf(found[1]).host, 'b.dest.test')
      },
    },
    {
      number: 3,
      section: '2.1.3',
      says: 'AD counts only from a resolver that is trusted, over a channel that is',
      async holds() {
        const byDane = async (trustAd: ResolverOptions['trustAd']) => {
          const { found } = await route(zone(ZONE, ALL), { resolver: { trustAd } })
          return targetOf(found[0]).need.auth
        }
        assert.deepEqual([await byDane('loopback'), await byDane('never')], ['dane', 'none'])
        const trusted = (trustAd: ResolverOptions['trustAd']) =>
          serverList(['127.0.0.1', '192.0.2.53'], trustAd).map((server) => server.trusted)
        assert.deepEqual(trusted('loopback'), [true, false])
        assert.deepEqual(trusted('always'), [true, true])
      },
    },
    {
      number: 4,
      section: '2.1.3',
      says: 'one insecure alias makes the answer insecure; a secure alias of an insecure name is found by asking for it',
      async holds() {
        const data = {
          'dest.test MX': ZONE['dest.test MX'],
          'mx.dest.test A': [cname('mx.dest.test', 'far.other.test'), a('far.other.test', '192.0.2.1')],
          'mx.dest.test CNAME': [cname('mx.dest.test', 'far.other.test')],
          '_25._tcp.mx.dest.test TLSA': ZONE['_25._tcp.mx.dest.test TLSA'],
        }
        // AD is missing wherever the chain leaves the signed zone; the alias itself is or is not secure
        const where = (aliasSecure: boolean): Script => {
          return (asked) => {
            const secure = asked.type === 'CNAME' ? aliasSecure : asked.type !== 'A'
            zone(data, () => secure)(asked)
          }
        }
        const secure = await route(where(true))
        assert.ok(secure.asked.includes('mx.dest.test CNAME'))
        assert.equal(targetOf(secure.found[0]).need.auth, 'dane')
        const insecure = await route(where(false))
        assert.equal(targetOf(insecure.found[0]).need.auth, 'none')
        assert.ok(!insecure.asked.some((question) => question.endsWith('TLSA')))
      },
    },
    {
      number: 5,
      section: '2.2',
      says: 'usable records: authenticated or not here; all unusable: TLS all the same, without authentication',
      async holds() {
        const may = decide(inputs({ recipient: 'rcpt@dest.test', defaultLevel: 'may' }))
        const unusable = { ...ZONE, '_25._tcp.mx.dest.test TLSA': [tlsa('_25._tcp.mx.dest.test', about(1, worthless))] }
        for (const requirement of [DEFAULT, may]) {
          const good = targetOf((await route(zone(ZONE, ALL), { requirement })).found[0]).need
          assert.deepEqual([good.tls, good.auth], ['must', 'dane'])
          const none = targetOf((await route(zone(unusable, ALL), { requirement })).found[0]).need
          assert.deepEqual([none.tls, none.auth, none.usable], ['must', 'none', true])
        }
      },
    },
    {
      number: 6,
      section: '2.2.1',
      says: 'MX preference goes before security; behind insecure MX records nothing is taken or logged for DANE',
      async holds() {
        const data = {
          ...ZONE,
          'dest.test MX': [mx('dest.test', 20, 'mx.dest.test'), mx('dest.test', 10, 'plain.dest.test')],
          'plain.dest.test A': [a('plain.dest.test', '192.0.2.9')],
        }
        const { found } = await route(zone(data, ALL))
        const order = found.map((hop) => [targetOf(hop).host, targetOf(hop).need.auth])
        assert.deepEqual(order, [
          ['plain.dest.test', 'none'],
          ['mx.dest.test', 'dane'],
        ])
        const insecureMx = await route(zone(ZONE, (name) => name !== 'dest.test'))
        assert.equal(targetOf(insecureMx.found[0]).need.auth, 'none')
        assert.equal(
          tlsToken(DEFAULT, { version: 'TLSv1.3', cipher: 'x', verified: false, resumed: false }),
          'tls=encrypt',
        )
      },
    },
    {
      number: 7,
      section: '2.2.2',
      says: 'addresses first: insecure ones end the search; the securely expanded name is the first base, then the original',
      async holds() {
        const insecure = await route(zone(ZONE, (name) => name === 'dest.test'))
        assert.ok(!insecure.asked.some((question) => question.endsWith('TLSA')), insecure.asked.join(', '))
        const data = {
          'dest.test MX': ZONE['dest.test MX'],
          'mx.dest.test A': [cname('mx.dest.test', 'real.test'), a('real.test', '192.0.2.1')],
          'real.test A': [a('real.test', '192.0.2.1')],
          '_25._tcp.mx.dest.test TLSA': ZONE['_25._tcp.mx.dest.test TLSA'],
        }
        const { asked, found } = await route(zone(data, ALL))
        assert.deepEqual(
          asked.filter((question) => question.endsWith('TLSA')),
          ['_25._tcp.real.test TLSA', '_25._tcp.mx.dest.test TLSA'],
        )
        assert.equal(targetOf(found[0]).need.sni, 'mx.dest.test')
        const atTarget = { ...data, '_25._tcp.real.test TLSA': [tlsa('_25._tcp.real.test', about(3, worthless))] }
        assert.equal(targetOf((await route(zone(atTarget, ALL))).found[0]).need.sni, 'real.test')
      },
    },
    {
      number: 8,
      section: '2.2.3',
      says: 'the port is the one that is connected to; an alias at _port._tcp does not change the base',
      async holds() {
        const data = {
          ...ZONE,
          '_2525._tcp.mx.dest.test TLSA': [
            cname('_2525._tcp.mx.dest.test', 'records.test'),
            tlsa('records.test', about(3, worthless)),
          ],
        }
        const { asked, found } = await route(zone(data, ALL), { port: 2525 })
        assert.ok(asked.includes('_2525._tcp.mx.dest.test TLSA') && !asked.includes('_25._tcp.mx.dest.test TLSA'))
        const { need, port } = targetOf(found[0])
        assert.deepEqual(
          [port, need.auth, need.sni, need.refNames],
          [2525, 'dane', 'mx.dest.test', ['mx.dest.test', 'dest.test']],
        )
      },
    },
    {
      number: 9,
      section: '3.1.1, 3.1.2, 3.2.2',
      says: 'DANE-EE ignores names and dates; DANE-TA checks them, against base, next-hop domain and its expansion',
      holds() {
        const now = Date.now()
        assert.equal(
          verifyDane([worthless.certificate], { tlsa: [about(3, worthless)], refNames: ['a.test'] }, now).ok,
          true,
        )
        const byAnchor = (refNames: string[], at = now) =>
          verifyDane([leaf.certificate, anchor.certificate], { tlsa: [about(2, anchor)], refNames }, at)
        assert.equal(byAnchor(['mx.dest.test']).ok, true)
        assert.deepEqual(
          [byAnchor(['other.test'])].map((verdict) => !verdict.ok && verdict.resultType),
          ['certificate-host-mismatch'],
        )
        assert.deepEqual(
          [byAnchor(['mx.dest.test'], now + 9 * DAY)].map((verdict) => !verdict.ok && verdict.resultType),
          ['certificate-expired'],
        )
        const names = (mxSecure: boolean) =>
          forHost(
            DEFAULT,
            host({
              domain: 'dest.test',
              mxSecure,
              tlsa: usable('base.test', about(2, anchor)),
              expandedDomain: 'hosted.test',
            }),
          ).refNames
        assert.deepEqual(names(true), ['base.test', 'dest.test', 'hosted.test'])
        // insecure MX: DANE is not used at all, so no name that a forged record chose is ever accepted
        assert.deepEqual(names(false), [])
      },
    },
    {
      number: 10,
      section: '3.1.3',
      says: 'usages 0 and 1 are unusable, not "PKIX and a pin"',
      async holds() {
        for (const usage of [0, 1, 4, 255]) {
          assert.deepEqual(usableTlsaRecords([about(usage, leaf)]), [])
          assert.equal(
            verifyDane([leaf.certificate], { tlsa: [about(usage, leaf)], refNames: ['mx.dest.test'] }, Date.now()).ok,
            false,
          )
        }
        const mixed = {
          ...ZONE,
          '_25._tcp.mx.dest.test TLSA': [0, 1, 3].map((usage) =>
            tlsa('_25._tcp.mx.dest.test', about(usage, worthless)),
          ),
        }
        assert.deepEqual(targetOf((await route(zone(mixed, ALL))).found[0]).need.tlsa, [about(3, worthless)])
      },
    },
    {
      number: 11,
      section: '3.2, 8.1',
      says: 'a server that does not authenticate gets nothing, the next one is tried; SNI is the TLSA base domain',
      async holds() {
        const at = await twoHosts(
          [worthless, usable('base1.test', about(3, leaf))],
          [leaf, usable('base2.test', about(3, leaf))],
        )
        const { outcomes, attempts } = await at.deliver(request({ requirement: DEFAULT }))
        assert.ok(outcomes[0]?.result === 'delivered' && outcomes[0].host === 'mx2.test', JSON.stringify(outcomes))
        assert.deepEqual(
          attempts.map(({ tls, failure }) => [tls?.servername, failure?.resultType]),
          [
            ['base1.test', 'tlsa-invalid'],
            ['base2.test', undefined],
          ],
        )
        at.tlsa.set('mx2.test', usable('base2.test', about(3, worthless)))
        const { outcomes: none } = await at.deliver(request({ requirement: DEFAULT }))
        assert.equal(failureOf(none[0]).enhancedCode, '4.7.5')
      },
    },
  ])
})
