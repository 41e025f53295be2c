/** TLS sessions that are resumed: what they may serve, what of them is judged anew, and what a failed one costs. */
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { DeliveryResult } from '../../lib/deliver/types'
import { createTlsSessions, MAX_SESSIONS, SESSION_LIFE, type First } from '../../lib/deliver/tls-sessions'
import type { HostAddresses } from '../../lib/dns/types'
import type { TlsaState } from '../../lib/policy/types'
import { expired, fingerprints, issued, selfSigned } from './support/certificates'
import type { Script } from './support/server'
import { failureOf, MESSAGE, mxHosts, request, requirement, settings, world, type World } from './support/world'

const good = issued(['mx1.test'])
/** Servers of a test make a context for each connection; with the same key they know each other's tickets. */
const ticketKeys = Buffer.alloc(48, 7)
/** Every message on a connection of its own. */
const apart = { messagesPerConnection: 1 }

function tlsa(data: string): TlsaState {
  return { state: 'usable', base: 'mx1.test', records: [{ usage: 3, selector: 0, matchingType: 1, data }] }
}

const certificateOf = (identity: { cert: string }) =>
  createHash('sha256').update(new X509Certificate(identity.cert).raw).digest('hex')

describe('deliver: TLS sessions resumed', () => {
  let current: World
  let now = Date.now()
  beforeEach(() => (now = Date.now()))
  afterEach(() => current.close())

  async function start(script: Script = { tls: { ...good, ticketKeys } }) {
    current = await world(settings(apart), { clock: { now: () => now } })
    const [server] = await current.host('mx1.test', script)
    // signed, so that TLSA records count
    current.mx.set('dest.test', { ...mxHosts('mx1.test'), secure: true })
    current.addresses.set('mx1.test', { ...current.addresses.get('mx1.test')!, secure: true } as HostAddresses)
    return server!
  }

  type More = Parameters<typeof request>[0]
  const deliver = (more: More = {}): Promise<DeliveryResult> => current.deliver(request(more))

  /** Of a delivery: was its session resumed? */
  async function resumed(more: More = {}): Promise<boolean> {
    const { outcomes } = await deliver(more)
    assert.ok(outcomes[0]?.result === 'delivered', JSON.stringify(outcomes))
    return outcomes[0].tls!.resumed
  }

  const pin = fingerprints(good).spki
  const levels: { name: string; more: More }[] = [
    { name: 'encrypt', more: {} },
    { name: 'verify', more: { requirement: requirement('verify') } },
    { name: 'secure', more: { requirement: requirement('secure', { names: ['mx1.test'] }) } },
    { name: 'fingerprint', more: { requirement: requirement('fingerprint', { fingerprints: [pin] }) } },
    { name: 'dane', more: { requirement: requirement('dane') } },
  ]
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const { name, more } of levels) {
      it(`${maxVersion}, ${name}: the second connection resumes, with the facts and the verdict of the first`, async () => {
        const server = await start({ tls: { ...good, ticketKeys, maxVersion } })
        current.tlsa.set('mx1.test', tlsa(certificateOf(good)))
        const [first, second] = [await deliver(more), await deliver(more)]
        const facts = [first, second].map(({ outcomes: [outcome] }) =>
          outcome?.result === 'delivered' ? outcome.tls : undefined,
        )
        assert.equal(facts[0]?.resumed, false)
        assert.deepEqual(facts[1], { ...facts[0], resumed: true })
        assert.equal(facts[1].certificate?.names[0], 'mx1.test')
        assert.equal(facts[1].verified, name !== 'encrypt')
        assert.equal(server.seen.length, 2)
        assert.equal(second.attempts[0]!.tls?.resumed, true)
      })
    }
  }

  const differences: { name: string; first?: More; second: More }[] = [
    { name: 'a stricter level', second: { requirement: requirement('verify') } },
    { name: 'a weaker level', first: { requirement: requirement('verify') }, second: {} },
    { name: 'another minimum version', second: { requirement: requirement('encrypt', { minVersion: 'TLSv1.3' }) } },
    {
      name: 'other names',
      first: { requirement: requirement('secure', { names: ['mx1.test'] }) },
      second: { requirement: requirement('secure', { names: ['mx1.test', '.test'] }) },
    },
    { name: 'another server name', second: { requirement: requirement('encrypt', { servername: 'else.test' }) } },
    {
      name: 'another HELO name',
      second: { routes: [{ host: 'mx1.test', port: 25, lmtp: false, bindHelo: 'b.test' }] },
    },
    {
      name: 'another local address',
      second: { routes: [{ host: 'mx1.test', port: 25, lmtp: false, bind: '127.0.0.1' }] },
    },
    { name: 'clear text allowed', second: { requirement: requirement('may') } },
  ]
  for (const { name, first = {}, second } of differences) {
    it(`not for ${name}`, async () => {
      await start()
      assert.equal(await resumed(first), false)
      assert.equal(await resumed(second), false)
      assert.equal(await resumed(second), true)
    })
  }

  it('attack: a session that was made before the policy grew stricter does not get past it', async () => {
    const self = selfSigned(['mx1.test'])
    const server = await start({ tls: { ...self, ticketKeys } })
    assert.equal(await resumed(), false)
    assert.equal(await resumed(), true, 'there is a session that could be resumed')
    for (const stricter of [
      requirement('verify'),
      requirement('secure', { names: ['mx1.test'] }),
      requirement('fingerprint', { fingerprints: [pin.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))] }),
    ]) {
      const { outcomes } = await deliver({ requirement: stricter })
      assert.match(failureOf(outcomes[0]).resultType, /^(certificate-not-trusted|fingerprint-mismatch)$/)
      assert.equal(failureOf(outcomes[0]).tls?.resumed, false)
    }
    assert.equal(server.seen.flatMap(({ inTls }) => inTls).filter((line) => line.startsWith('MAIL')).length, 2)
    assert.ok(server.seen.every(({ raw }) => !Buffer.concat(raw).includes(MESSAGE.slice(-20).trim())))
  })

  it('attack: TLSA records that changed are held against a full handshake', async () => {
    await start()
    const more = { requirement: requirement('dane') }
    current.tlsa.set('mx1.test', tlsa(certificateOf(good)))
    assert.equal(await resumed(more), false)
    assert.equal(await resumed(more), true)
    current.tlsa.set('mx1.test', tlsa(certificateOf(expired(['mx1.test']))))
    const { outcomes } = await deliver(more)
    assert.equal(failureOf(outcomes[0]).resultType, 'tlsa-invalid')
    assert.equal(failureOf(outcomes[0]).tls?.resumed, false)
  })

  it('a certificate that has expired since ends its session', async () => {
    const short = issued(['mx1.test'], { notAfter: now + 600_000 })
    await start({ tls: { ...short, ticketKeys } })
    const more = { requirement: requirement('verify') }
    assert.equal(await resumed(more), false)
    now += 500_000
    assert.equal(await resumed(more), true)
    now += 200_000
    const { outcomes } = await deliver(more)
    assert.equal(failureOf(outcomes[0]).resultType, 'certificate-expired')
    assert.equal(failureOf(outcomes[0]).tls?.resumed, false)
  })

  it('the session of a handshake that did not meet its requirement is never kept', async () => {
    await start({ tls: { ...issued(['other.test']), ticketKeys } })
    for (let n = 0; n < 2; n += 1) {
      const { outcomes } = await deliver({ requirement: requirement('verify') })
      assert.equal(failureOf(outcomes[0]).resultType, 'certificate-host-mismatch')
      assert.equal(failureOf(outcomes[0]).tls?.resumed, false)
      now += 60_000
    }
  })

  it('an hour after its full handshake a session is not offered any more', async () => {
    await start()
    assert.equal(await resumed(), false)
    now += SESSION_LIFE - 1
    assert.equal(await resumed(), true)
    now += 1
    assert.equal(await resumed(), false)
  })

  it('a server that has lost its keys makes a full handshake; one that breaks off is asked for one', async () => {
    const script: Script = { tls: { ...good, ticketKeys } }
    const server = await start(script)
    await resumed()
    script.tls = { ...good, ticketKeys: Buffer.alloc(48, 8) }
    assert.equal(await resumed(), false)
    assert.equal(server.seen.length, 2)
    let cut = true
    script.on = (conversation, line) => {
      if (line !== 'STARTTLS' || !cut) return false
      cut = false
      conversation.say('220 go')
      conversation.cut()
      return true
    }
    for (const more of [{}, { requirement: requirement('may') }]) {
      cut = false
      await resumed(more)
      cut = true
      assert.equal(await resumed(more), false, 'over a connection of its own, and not in clear')
    }
    assert.deepEqual(
      server.clear().filter((line) => !/^(EHLO|STARTTLS)/.test(line)),
      [],
    )
  })

  it('a session belongs to the roots under which it was made; there is a bound', () => {
    const sessions = createTlsSessions({ now: () => now })
    const [mine, other] = [createSecureContext(), createSecureContext()]
    const leaf = new X509Certificate(good.cert)
    const first: First = { leaf, chain: [leaf], chainError: null, version: 'TLSv1.3' }
    for (let n = 0; n <= MAX_SESSIONS; n += 1) sessions.keep(`k${n}`, mine, { ticket: Buffer.alloc(1), first })
    assert.equal(sessions.of('k0', mine), undefined)
    assert.equal(sessions.of('k1', mine)?.first, first)
    assert.equal(sessions.of('k1', other), undefined)
    assert.equal(sessions.of('k1', mine), undefined, 'and is gone with them')
    // a ticket that a resumed session gave out makes the certificates no younger
    now += SESSION_LIFE - 1
    sessions.keep('k2', mine, { ticket: Buffer.alloc(1), first })
    now += 1
    assert.equal(sessions.of('k2', mine), undefined)
  })
})
