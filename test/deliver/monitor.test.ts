/** mode=monitor in a delivery: the mail goes as under `may`, and what enforcing would have held against the host is told. */
import assert from 'node:assert/strict'
import { useFakeTimers } from 'sinon'
import { heldAgainst, MONITOR_PATIENCE } from '../../lib/deliver/monitor'
import type { RecipientOutcome } from '../../lib/deliver/types'
import { decide } from '../../lib/policy/decide'
import type { MtaStsState, Requirement, TlsaRecord, TlsaState } from '../../lib/policy/types'
import { inputs, STS } from '../policy/fixtures'
import { issued, selfSigned } from './support/certificates'
import type { Script } from './support/server'
import { mxHosts, request, settings, world, type World } from './support/world'
import { association, make, type Made } from './support/x509'

const own = make({ name: 'own', ca: false, dns: ['elsewhere.test'] })
const stranger = make({ name: 'stranger', ca: false })
const about = (made: Made): TlsaRecord => ({
  usage: 3,
  selector: 1,
  matchingType: 1,
  data: association(made, 1, 1),
})
const usable = (made: Made): TlsaState => ({ state: 'usable', records: [about(made)], base: 'mx.test' })
const shows = ({ certificate, key }: Made): Script => ({
  tls: { key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }), cert: certificate.toString() },
})

const monitored = (mtaSts: MtaStsState = { state: 'absent' }): Requirement =>
  decide(inputs({ recipient: 'rcpt@dest.test', mode: 'monitor', mtaSts }))
const sts = (mx: string): MtaStsState => ({ ...STS, mx: [mx] })

async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('deliver: monitor mode', () => {
  let current: World
  afterEach(() => current.close())

  async function start(script: Script, tlsa?: TlsaState | (() => Promise<TlsaState>)): Promise<void> {
    current = await world(settings(), typeof tlsa === 'function' ? { lookupTlsa: tlsa } : {})
    await current.host('mx.test', script)
    current.mx.set('dest.test', { ...mxHosts('mx.test'), secure: true })
    const found = current.addresses.get('mx.test')
    assert.ok(found?.kind === 'addresses')
    current.addresses.set('mx.test', { ...found, secure: true })
    if (tlsa !== undefined && typeof tlsa !== 'function') current.tlsa.set('mx.test', tlsa)
  }

  const send = async (requirement: Requirement): Promise<Extract<RecipientOutcome, { result: 'delivered' }>> => {
    const { outcomes } = await current.deliver(request({ requirement, beforePlaintext: () => Promise.resolve() }))
    const [outcome] = outcomes
    assert.ok(outcome?.result === 'delivered', JSON.stringify(outcome))
    return outcome
  }

  const cutsHandshake: Script = {
    ...shows(own),
    on: ({ say, cut, secure }, line) => {
      if (secure || line !== 'STARTTLS') return false
      say('220 go')
      setTimeout(cut, 20)
      return true
    },
  }

  const TABLE: [what: string, Script, TlsaState | undefined, MtaStsState | undefined, would: string | undefined][] = [
    ['TLS, nothing published', shows(own), undefined, undefined, undefined],
    ['no TLS', {}, undefined, undefined, 'starttls-not-supported'],
    ['a handshake that fails, then clear text', cutsHandshake, undefined, undefined, 'validation-failure'],
    ['TLSA records that match (RFC 7672 3.1.1)', shows(own), usable(own), undefined, undefined],
    ['TLSA records that do not match (RFC 7672 3.2)', shows(own), usable(stranger), undefined, 'tlsa-invalid'],
    ['TLSA records, no TLS (RFC 7672 2.2)', {}, usable(own), undefined, 'starttls-not-supported'],
    ['no usable record (RFC 7672 2.2)', shows(own), { state: 'unusable' }, undefined, undefined],
    [
      'TLSA look-up failed (RFC 7672 2.1.2)',
      shows(own),
      { state: 'error', detail: 'SERVFAIL' },
      undefined,
      'dnssec-invalid',
    ],
    ['MTA-STS met', { tls: issued(['mx.test']) }, undefined, sts('mx.test'), undefined],
    [
      'MTA-STS, MX not named (RFC 8461 5)',
      { tls: issued(['mx.test']) },
      undefined,
      sts('mx2.test'),
      'validation-failure',
    ],
    [
      'MTA-STS, self-signed (RFC 8461 4.2)',
      { tls: selfSigned(['mx.test']) },
      undefined,
      sts('mx.test'),
      'certificate-not-trusted',
    ],
    [
      'MTA-STS, another name (RFC 8461 4.1)',
      { tls: issued(['no.test']) },
      undefined,
      sts('mx.test'),
      'certificate-host-mismatch',
    ],
    ['MTA-STS not met, but DANE (RFC 8461 2)', shows(own), usable(own), sts('mx2.test'), undefined],
  ]
  for (const [what, script, tlsa, mtaSts, would] of TABLE) {
    it(`${what}: delivered; enforcing: ${would ?? 'delivered as well'}`, async () => {
      await start(script, tlsa)
      const outcome = await send(monitored(mtaSts))
      assert.equal(outcome.wouldFail?.resultType, would)
      assert.deepEqual(current.tlsaAsked, ['mx.test'])
    })
  }

  it('the same over a connection that was open already', async () => {
    await start(shows(own), usable(stranger))
    const first = await send(monitored())
    const second = await send(monitored())
    assert.deepEqual([first.wouldFail?.resultType, second.wouldFail?.resultType], ['tlsa-invalid', 'tlsa-invalid'])
    assert.equal(current.dialled.length, 1)
  })

  it('a look-up that never ends: the outcome is told without it, the verdict follows', async function () {
    this.timeout(10_000)
    await start(shows(own), () => new Promise(() => undefined))
    let told = false
    const delivery = current.deliver(
      request({
        requirement: monitored(),
        onOutcome: () => {
          told = true
          return Promise.resolve()
        },
      }),
    )
    const first = await Promise.race([delivery.then(() => 'result'), until(() => told).then(() => 'told')])
    assert.equal(first, 'told')
    const [outcome] = (await delivery).outcomes
    assert.ok(outcome?.result === 'delivered')
    assert.equal(outcome.wouldFail?.resultType, 'dnssec-invalid')
  })

  it('a look-up that breaks is nothing to the mail', async () => {
    await start(shows(own), () => Promise.reject(new Error('a bug')))
    const { wouldFail } = await send(monitored())
    assert.deepEqual([wouldFail?.resultType, wouldFail?.privateDetail], ['dnssec-invalid', 'a bug'])
  })

  it('where monitor mode relaxes nothing, nobody looks', async () => {
    await start({})
    const relaxed = decide(inputs({ mode: 'monitor', grant: { by: 'subject-tag' } }))
    assert.equal((await send(relaxed)).wouldFail, undefined)
    assert.deepEqual(current.tlsaAsked, [])
  })
})

describe('deliver: monitor mode, patience', () => {
  it(`ends after ${MONITOR_PATIENCE} ms`, async () => {
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      let done = false
      const verdict = heldAgainst(new Promise(() => undefined), { tls: null, presented: null, at: 0 }).finally(() => {
        done = true
      })
      await clock.tickAsync(MONITOR_PATIENCE - 1)
      assert.equal(done, false)
      await clock.tickAsync(1)
      assert.equal((await verdict)?.resultType, 'dnssec-invalid')
    } finally {
      clock.restore()
    }
  })
})
