/** DANE in a delivery: what the handshake shows is judged before a byte of the envelope, and the next MX is tried. */
import assert from 'node:assert/strict'
import type { HostAddresses } from '../../lib/dns/types'
import type { TlsaRecord, TlsaState } from '../../lib/policy/types'
import type { Script, TestServer } from './support/server'
import { failureOf, mxHosts, request, requirement, world, type World } from './support/world'
import { association, DAY, make, type Made } from './support/x509'

const ta = make({ name: 'TA' })
const mid = make({ name: 'Mid', issuer: ta, ca: true })
const leaf = make({ name: 'leaf', issuer: mid, dns: ['mx1.test', 'mx2.test'] })
const nobody = make({ name: 'nobody', dns: ['other.test'], ca: false, notBefore: -9 * DAY, notAfter: -DAY })

const about = (usage: number, made: Made, matchingType: 0 | 1 | 2 = 1): TlsaRecord => ({
  usage,
  selector: 1,
  matchingType,
  data: association(made, 1, matchingType),
})
const usable = (base: string, ...records: TlsaRecord[]): TlsaState => ({ state: 'usable', records, base })

/** A server with these certificates, its own first. */
function shows(own: Made, ...others: Made[]): Script {
  const pem = (made: Made) => made.certificate.toString()
  const key = own.key.privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { tls: { key, cert: [own, ...others].map(pem).join('') } }
}

const raised = requirement('encrypt', { source: 'default', daneRaises: true })

describe('deliver: DANE in a delivery', () => {
  let current: World
  afterEach(() => current.close())

  /** @returns the first server */
  async function hosts(first: Script, second?: Script): Promise<TestServer> {
    current = await world()
    const [server] = await current.host('mx1.test', first)
    assert.ok(server)
    if (second) await current.host('mx2.test', second)
    const names = second ? ['mx1.test', 'mx2.test'] : ['mx1.test']
    current.mx.set('dest.test', { ...mxHosts(...names), secure: true })
    for (const name of names) secureAddresses(name)
    return server
  }

  function secureAddresses(name: string): void {
    const found = current.addresses.get(name)
    assert.ok(found?.kind === 'addresses')
    current.addresses.set(name, { ...found, secure: true } satisfies HostAddresses)
  }

  const GOOD: [string, Script, TlsaRecord[]][] = [
    ['RFC 7672 3.1.1: self-signed, expired, another name', shows(nobody), [about(3, nobody)]],
    ['RFC 7672 3.1.2: the whole chain', shows(leaf, mid, ta), [about(2, ta)]],
    ['RFC 8446 4.4.2: the chain out of order', shows(leaf, ta, mid), [about(2, ta)]],
    ['RFC 7671 5.2.3: the anchor not sent', shows(leaf, mid), [about(2, ta, 0)]],
  ]
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [rule, script, records] of GOOD) {
      it(`${rule}, ${version}: delivered, verified`, async () => {
        await hosts({ ...script, tls: { ...script.tls, maxVersion: version } })
        current.tlsa.set('mx1.test', usable('mx1.test', ...records))
        const { outcomes } = await current.deliver(request({ requirement: raised }))
        const [outcome] = outcomes
        assert.ok(outcome?.result === 'delivered', JSON.stringify(outcome))
        const { verified, auth, servername } = outcome.tls ?? {}
        assert.deepEqual([outcome.tls?.version, verified, auth, servername], [version, true, 'dane', 'mx1.test'])
      })
    }
  }

  const BAD: [string, Script, TlsaRecord[], string][] = [
    ['RFC 7672 3.2: another key', shows(nobody), [about(3, leaf)], 'tlsa-invalid'],
    ['RFC 7671 5.2.2: the anchor is not sent', shows(leaf, mid), [about(2, ta)], 'tlsa-invalid'],
    ['the issuer between is not sent', shows(leaf, ta), [about(2, ta)], 'tlsa-invalid'],
    ['RFC 7672 2.2: TLS is a must', {}, [about(3, nobody)], 'starttls-not-supported'],
  ]
  for (const [rule, script, records, resultType] of BAD) {
    it(`${rule}: deferred with ${resultType}, not a byte of the envelope`, async () => {
      const server = await hosts(script)
      current.tlsa.set('mx1.test', usable('mx1.test', ...records))
      const { outcomes } = await current.deliver(request({ requirement: raised }))
      const failure = failureOf(outcomes[0])
      assert.equal(failure.resultType, resultType)
      assert.equal(failure.enhancedCode, resultType === 'starttls-not-supported' ? '4.7.4' : '4.7.5')
      assert.equal(outcomes[0]?.result, 'deferred')
      const [seen] = server.seen
      assert.ok(seen)
      assert.deepEqual(seen.inTls, [])
      assert.ok(seen.clear.every((line) => /^(EHLO gateway\.test|STARTTLS|QUIT)$/.test(line)))
    })
  }

  it('RFC 7672 3.2: after a mismatch the next MX', async () => {
    await hosts(shows(nobody), shows(leaf, mid, ta))
    current.tlsa.set('mx1.test', usable('mx1.test', about(3, leaf)))
    current.tlsa.set('mx2.test', usable('mx2.test', about(2, ta)))
    const { outcomes, attempts } = await current.deliver(request({ requirement: raised }))
    assert.ok(outcomes[0]?.result === 'delivered' && outcomes[0].host === 'mx2.test')
    assert.deepEqual(
      attempts.map(({ host, failure, tls }) => [host, failure?.resultType, tls?.auth, tls?.verified]),
      [
        ['mx1.test', 'tlsa-invalid', 'dane', false],
        ['mx2.test', undefined, 'dane', true],
      ],
    )
  })

  it('RFC 7672 2.1.2: a host whose TLSA look-up failed is not even connected to', async () => {
    await hosts(shows(nobody), shows(nobody))
    current.tlsa.set('mx1.test', { state: 'error', detail: 'SERVFAIL' })
    const { outcomes, attempts } = await current.deliver(request({ requirement: raised }))
    assert.ok(outcomes[0]?.result === 'delivered' && outcomes[0].host === 'mx2.test')
    assert.equal(attempts[0]?.failure?.resultType, 'dnssec-invalid')
    assert.equal(current.dialled.length, 1)
  })

  it('RFC 7672 2.2: unusable records: TLS, not verified', async () => {
    await hosts(shows(nobody))
    current.tlsa.set('mx1.test', { state: 'unusable' })
    const { outcomes } = await current.deliver(request({ requirement: requirement('may', { daneRaises: true }) }))
    assert.ok(outcomes[0]?.result === 'delivered')
    assert.deepEqual([outcomes[0].tls?.verified, outcomes[0].tls?.auth], [false, undefined])
  })

  it('RFC 7672 2.2: unusable records and no TLS: not delivered, even where clear text would do', async () => {
    await hosts({})
    current.tlsa.set('mx1.test', { state: 'unusable' })
    const { outcomes } = await current.deliver(request({ requirement: requirement('may', { daneRaises: true }) }))
    assert.equal(failureOf(outcomes[0]).resultType, 'starttls-not-supported')
  })

  it('RFC 7672 2.2.1: insecure MX: the default, without DANE', async () => {
    await hosts(shows(nobody))
    current.mx.set('dest.test', mxHosts('mx1.test'))
    current.tlsa.set('mx1.test', usable('mx1.test', about(3, leaf)))
    const { outcomes } = await current.deliver(request({ requirement: raised }))
    assert.ok(outcomes[0]?.result === 'delivered')
    assert.equal(outcomes[0].tls?.auth, undefined)
  })

  it('RFC 8461 2: a host with usable TLSA records is judged by them alone, whatever MTA-STS says', async () => {
    await hosts(shows(nobody), shows(leaf, mid))
    current.tlsa.set('mx1.test', usable('mx1.test', about(3, leaf)))
    current.tlsa.set('mx2.test', usable('mx2.test', about(3, leaf)))
    // the policy names another host, and no web PKI knows these certificates
    const sts = requirement('verify', { source: 'mta-sts', sts: { id: '1', mx: ['mx9.test'] }, daneRaises: true })
    const { outcomes, attempts } = await current.deliver(request({ requirement: sts }))
    assert.ok(outcomes[0]?.result === 'delivered' && outcomes[0].host === 'mx2.test', JSON.stringify(outcomes))
    assert.equal(attempts[0]?.failure?.resultType, 'tlsa-invalid')
  })

  it('RFC 7672 8.1: SNI is the TLSA base domain', async () => {
    const server = await hosts(shows(nobody))
    current.tlsa.set('mx1.test', usable('real.test', about(3, nobody)))
    await current.deliver(request({ requirement: raised }))
    assert.equal(server.seen[0]?.servername, 'real.test')
  })

  for (const level of ['none', 'may', 'encrypt', 'verify', 'secure', 'fingerprint'] as const) {
    it(`a row with ${level} costs no TLSA query`, async () => {
      await hosts(shows(nobody))
      const beforePlaintext = () => Promise.resolve()
      await current.deliver(request({ requirement: requirement(level), beforePlaintext }))
      assert.deepEqual(current.tlsaAsked, [])
    })
  }

  const LEVELS: [string, 'dane' | 'dane-only', TlsaState, string][] = [
    ['usable', 'dane', usable('mx1.test', about(3, nobody)), 'verified'],
    ['usable', 'dane-only', usable('mx1.test', about(3, nobody)), 'verified'],
    ['absent', 'dane', { state: 'absent' }, 'encrypted'],
    ['absent', 'dane-only', { state: 'absent' }, 'dane-required'],
    ['unusable', 'dane', { state: 'unusable' }, 'encrypted'],
    ['unusable', 'dane-only', { state: 'unusable' }, 'dane-required'],
    ['error', 'dane', { state: 'error', detail: 'x' }, 'dnssec-invalid'],
    ['error', 'dane-only', { state: 'error', detail: 'x' }, 'dnssec-invalid'],
    ['mismatch', 'dane', usable('mx1.test', about(3, leaf)), 'tlsa-invalid'],
    ['mismatch', 'dane-only', usable('mx1.test', about(3, leaf)), 'tlsa-invalid'],
  ]
  for (const [what, level, state, wanted] of LEVELS) {
    it(`level ${level}, ${what}: ${wanted}`, async () => {
      await hosts(shows(nobody))
      current.tlsa.set('mx1.test', state)
      const [outcome] = (await current.deliver(request({ requirement: requirement(level) }))).outcomes
      const got =
        outcome?.result === 'delivered'
          ? outcome.tls?.verified
            ? 'verified'
            : 'encrypted'
          : failureOf(outcome).resultType
      assert.equal(got, wanted)
    })
  }

  it('RFC 7672 2.2.2: a smart host has TLSA records of its own, and its name is the next-hop domain', async () => {
    current = await world()
    const relay = make({ name: 'relay', issuer: ta, dns: ['relay.test'] })
    const foreign = make({ name: 'foreign', issuer: ta, dns: ['dest.test'] })
    for (const [own, wanted] of [
      [relay, 'delivered'],
      [foreign, 'certificate-host-mismatch'],
    ] as const) {
      await current.host('relay.test', shows(own, ta))
      secureAddresses('relay.test')
      current.tlsa.set('relay.test', usable('relay.test', about(2, ta)))
      const routes = [{ host: 'relay.test', lmtp: false }]
      const [outcome] = (await current.deliver(request({ requirement: raised, routes }))).outcomes
      assert.equal(outcome?.result === 'delivered' ? 'delivered' : failureOf(outcome).resultType, wanted)
    }
  })
})
