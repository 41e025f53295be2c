/** What a delivery's own facts amount to in a TLS report: real connections to scripted servers. */
import assert from 'node:assert/strict'
import type { TriedSession } from '../../../lib/deliver/types'
import { decide } from '../../../lib/policy/decide'
import type { MtaStsState, Requirement, TlsaState } from '../../../lib/policy/types'
import { addCounts, countsOf, failedSessions, noCounts } from '../../../lib/report/tlsrpt/counts'
import { asPublished, fetchFailure, sightingOf, type StsApplied } from '../../../lib/report/tlsrpt/session'
import type { DayCounts, Sighting } from '../../../lib/report/tlsrpt/types'
import { expired, issued, selfSigned } from '../../deliver/support/certificates'
import type { Script } from '../../deliver/support/server'
import { mxHosts, request, requirement, settings, world, type World } from '../../deliver/support/world'
import { association, make, type Made } from '../../deliver/support/x509'
import { inputs, STS } from '../../policy/fixtures'

const DOMAIN = 'dest.test'

describe('report: sessions for TLS reports', () => {
  let current: World
  let told: TriedSession[]
  beforeEach(() => {
    told = []
  })
  afterEach(() => current.close())

  async function start(...scripts: [host: string, script: Script][]): Promise<void> {
    current = await world(settings())
    for (const [host, script] of scripts) await current.host(host, script)
    current.mx.set(DOMAIN, { ...mxHosts(...scripts.map(([host]) => host)), secure: true })
    for (const [host, found] of current.addresses) {
      if (found.kind === 'addresses') current.addresses.set(host, { ...found, secure: true })
    }
  }

  async function deliver(required: Requirement, published?: Requirement): Promise<void> {
    await current.deliver(
      request({
        requirement: required,
        ...(published === undefined ? {} : { published }),
        beforePlaintext: () => Promise.resolve(),
        onSession: (session) => told.push(session),
      }),
    )
  }

  async function sightings(sts?: StsApplied): Promise<(Sighting | undefined)[]> {
    return Promise.all(told.map(async (session) => sightingOf(await asPublished(session), DOMAIN, sts)))
  }

  const none = { type: 'no-policy-found', domain: DOMAIN, strings: [], mxHosts: [] }
  const good: Script = { tls: issued(['mx.test']) }

  it('a session that serves two mails is one success', async () => {
    await start(['mx.test', good])
    await deliver(requirement('encrypt'))
    await deliver(requirement('encrypt'))
    assert.deepEqual(await sightings(), [{ policy: none }])
    assert.equal(told[0]?.from, '127.0.0.1')
    assert.equal(told[0].address, '192.0.2.1')
  })

  it('a host without STARTTLS fails with its name and addresses, the next one succeeds', async () => {
    await start(['mx1.test', {}], ['mx2.test', { tls: issued(['mx2.test']) }])
    await deliver(requirement('encrypt'))
    const place = { mx: 'mx1.test', receivingIp: '192.0.2.1', sendingIp: '127.0.0.1' }
    assert.deepEqual(await sightings(), [
      { policy: none, failure: { resultType: 'starttls-not-supported', ...place } },
      { policy: none },
    ])
  })

  it('clear text under may is a failure; a handshake that failed before it counts once', async () => {
    await start(['mx.test', {}])
    await deliver(requirement('may'))
    assert.deepEqual(
      (await sightings()).map((one) => one?.failure?.resultType),
      ['starttls-not-supported'],
    )
    told = []
    await current.close()
    await start(['mx.test', { ...good, on: cutsHandshake }])
    await deliver(requirement('may'))
    assert.deepEqual(
      (await sightings()).map((one) => one?.failure?.resultType),
      ['validation-failure', undefined],
    )
    assert.equal((await sightings())[1], undefined, 'the second try in clear text is no TLS session')
  })

  it('where no TLS is wanted, and where nobody answers, there is no session', async () => {
    await start(['mx.test', {}])
    await deliver(requirement('none'))
    assert.deepEqual(await sightings(), [undefined])
    told = []
    current.addresses.set('mx.test', {
      kind: 'addresses',
      addresses: ['192.0.2.200'],
      secure: false,
      secureAlias: false,
      expandedName: 'mx.test',
    })
    await deliver(requirement('encrypt'))
    assert.deepEqual(await sightings(), [undefined])
  })

  it('each certificate fault has the name that RFC 8460 gives it', async () => {
    const faults: [Script['tls'], string][] = [
      [expired(['mx.test']), 'certificate-expired'],
      [selfSigned(['mx.test']), 'certificate-not-trusted'],
      [issued(['other.test']), 'certificate-host-mismatch'],
    ]
    for (const [tls, resultType] of faults) {
      told = []
      await start(['mx.test', { tls: tls! }])
      await deliver(requirement('verify'))
      assert.deepEqual(
        (await sightings()).map((one) => one?.failure?.resultType),
        [resultType],
      )
      await current.close()
    }
    await start(['mx.test', good])
  })

  it('a result type of our own is a validation-failure with its name as the reason', async () => {
    await start(['mx.test', good])
    await deliver(requirement('fingerprint', { fingerprints: ['00'.repeat(32)] }))
    const [sighting] = await sightings()
    assert.equal(sighting?.failure?.resultType, 'validation-failure')
    assert.equal(sighting.failure.reason, 'fingerprint-mismatch')
  })

  describe('DANE', () => {
    const own = make({ name: 'own', ca: false, dns: ['mx.test'] })
    const stranger = make({ name: 'stranger', ca: false })
    const shows = ({ certificate, key }: Made): Script => ({
      tls: { key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }), cert: certificate.toString() },
    })
    const usable = (made: Made): TlsaState => ({
      state: 'usable',
      records: [{ usage: 3, selector: 1, matchingType: 1, data: association(made, 1, 1) }],
      base: 'base.test',
    })
    const policy = {
      type: 'tlsa',
      domain: 'base.test',
      strings: [`_25._tcp.base.test. IN TLSA 3 1 1 ${association(own, 1, 1)}`],
      mxHosts: ['mx.test'],
    }
    const required = decide(inputs({ recipient: `rcpt@${DOMAIN}` }))

    it('counts under the TLSA base domain', async () => {
      await start(['mx.test', shows(own)])
      current.tlsa.set('mx.test', usable(own))
      await deliver(required)
      assert.deepEqual(await sightings(), [{ policy }])
    })

    it('a certificate that no record names fails under the same policy', async () => {
      await start(['mx.test', shows(stranger)])
      current.tlsa.set('mx.test', usable(own))
      await deliver(required)
      const [sighting] = await sightings()
      assert.deepEqual(sighting?.policy, policy)
      assert.ok(sighting.failure !== undefined)
      assert.equal(sighting.failure.mx, 'mx.test')
    })

    it('a look-up that fails counts without a connection', async () => {
      await start(['mx.test', shows(own)])
      current.tlsa.set('mx.test', { state: 'error', detail: 'SERVFAIL' })
      await deliver(required)
      assert.deepEqual(await sightings(), [
        {
          policy: { type: 'tlsa', domain: 'mx.test', strings: [], mxHosts: ['mx.test'] },
          failure: { resultType: 'dnssec-invalid', mx: 'mx.test' },
        },
      ])
      assert.deepEqual(current.dialled, [])
    })
  })

  describe('MTA-STS', () => {
    const sts = (mx: string, mode: 'enforce' | 'testing' = 'enforce'): StsApplied => ({ ...STS, mode, mx: [mx] })
    const decided = (mtaSts: MtaStsState, mode: 'enforce' | 'monitor' = 'enforce') =>
      decide(inputs({ recipient: `rcpt@${DOMAIN}`, mtaSts, mode, dane: false }))

    it('counts under the policy, with its lines', async () => {
      await start(['mx.test', good])
      await deliver(decided(sts('mx.test')))
      assert.deepEqual(await sightings(sts('mx.test')), [
        {
          policy: {
            type: 'sts',
            domain: DOMAIN,
            strings: ['version: STSv1', 'mode: enforce', 'mx: mx.test', 'max_age: 86400'],
            mxHosts: ['mx.test'],
          },
        },
      ])
    })

    it('a host that the policy does not name fails, whether or not it is connected to', async () => {
      await start(['mx.test', good])
      await deliver(decided(sts('elsewhere.test')))
      const [sighting] = await sightings(sts('elsewhere.test'))
      assert.equal(sighting?.failure?.resultType, 'validation-failure')
      assert.match(sighting.failure.reason ?? '', /does not name mx\.test/)
      assert.deepEqual(current.dialled, [])
    })

    it('mode testing: the mail goes, and what enforcing would have failed by is counted', async () => {
      await start(['mx.test', { tls: selfSigned(['mx.test']) }])
      await deliver(decided(sts('mx.test', 'testing')), decided(sts('mx.test')))
      const [sighting] = await sightings(sts('mx.test', 'testing'))
      assert.equal(sighting?.failure?.resultType, 'certificate-not-trusted')
      assert.equal(sighting.policy.strings[1], 'mode: testing')
    })

    it('monitor mode counts what enforcing would have met', async () => {
      await start(['mx.test', {}])
      const required = decided(sts('mx.test'), 'monitor')
      assert.equal(required.level, 'may')
      await deliver(required, decided(sts('mx.test')))
      const [sighting] = await sightings(sts('mx.test'))
      assert.equal(sighting?.failure?.resultType, 'starttls-not-supported')
      assert.equal(sighting.policy.type, 'sts')
    })

    it('monitor mode: a handshake that fails, then clear text, is one session', async () => {
      await start(['mx.test', { ...good, on: cutsHandshake }])
      await deliver(decided(sts('mx.test'), 'monitor'), decided(sts('mx.test')))
      assert.deepEqual(
        (await sightings(sts('mx.test'))).map((one) => one?.failure?.resultType),
        ['validation-failure', undefined],
      )
      assert.equal((await sightings())[1], undefined)
    })

    it('a policy that cannot be had is a failure under a policy without lines', async () => {
      await start(['mx.test', good])
      const sighting = fetchFailure(DOMAIN, 'sts-policy-fetch-error', 'the answer has status 500,\r\nnot 200')
      assert.deepEqual(sighting, {
        policy: { type: 'sts', domain: DOMAIN, strings: [], mxHosts: [] },
        failure: { resultType: 'sts-policy-fetch-error', reason: 'the answer has status 500, not 200' },
      })
    })
  })

  it('an exception in who counts keeps no mail back', async () => {
    await start(['mx.test', good])
    const { outcomes } = await current.deliver(
      request({
        onSession: () => {
          throw new Error('no')
        },
      }),
    )
    assert.equal(outcomes[0]?.result, 'delivered')
    assert.ok(current.log.some((line) => line.includes('session not counted')))
  })

  it('sums are the sums of their sessions', async () => {
    await start(['mx1.test', {}], ['mx2.test', { tls: issued(['mx2.test']) }])
    await deliver(requirement('encrypt'))
    await deliver(requirement('encrypt'))
    const counts = (await sightings()).reduce<DayCounts>(
      (sum, one) => (one === undefined ? sum : addCounts(sum, countsOf(one))),
      noCounts(),
    )
    const [only] = counts.policies
    assert.equal(counts.policies.length, 1)
    // the second mail is put off with what the first one met at mx1, and uses the open connection to mx2
    assert.deepEqual([only?.successes, only && failedSessions(only)], [1, 1])
  })
})

const cutsHandshake: NonNullable<Script['on']> = ({ say, cut, secure }, line) => {
  if (secure || line !== 'STARTTLS') return false
  say('220 go')
  setTimeout(cut, 20)
  return true
}
