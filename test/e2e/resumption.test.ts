/** TLS sessions against Postfix and its session tickets: resumed by Postfix' own account, and under their key only. */
import assert from 'node:assert/strict'
import { settingsFor } from './settings'
import { accepted, letter } from './support-mail'
import { createTestCa } from '../internet/ca'
import { assertNothingInClear, startCapture, type Capture } from '../internet/capture'
import { startDns } from '../internet/dns'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { startPostfix, type Postfix } from '../internet/postfix'
import { freePort, until } from '../../demo/processes'

const ADDRESSES = { 'tls13.test': '127.0.0.141', 'tls12.test': '127.0.0.142' } as const
const SECRET = 'Only for you.'

describe('TLS session resumption, end to end', function () {
  this.timeout(60_000)
  const keep = keeper()
  let postfix: Postfix
  let gateway: Gateway
  let capture: Capture
  let port: number

  before(async function () {
    await requirePackages(this)
    const ca = createTestCa()
    port = await freePort(Object.values(ADDRESSES))
    capture = await keep(startCapture([port]))
    const domains = Object.entries(ADDRESSES)
    const dns = await keep(
      startDns({ zones: domains.map(([name, address]) => ({ name, records: ['@ MX 10 mx', `mx A ${address}`] })) }),
    )
    postfix = await keep(
      startPostfix({
        port,
        listeners: domains.map(([domain, address]) => ({
          ...{ address, hostname: `mx.${domain}`, domains: [domain], logSessions: true },
          profile: domain === 'tls12.test' ? 'tls12only' : 'tls',
          certificate: ca.good(`mx.${domain}`),
        })),
      }),
    )
    gateway = await keep(
      startGateway({
        settings: settingsFor({ ca, dns, port }, { delivery: { messages_per_connection: '1', retry: '10m' } }),
        tlsPolicy: 'tls13.test verify\n',
      }),
    )
  })
  after(() => keep.stop())

  /** Deliver one mail, and say whether the audit log has its session as resumed. */
  async function deliver(domain: string): Promise<boolean> {
    const before = gateway.events('tls-negotiated').length
    await accepted(gateway, letter([`a@${domain}`], { body: `${SECRET}\r\n` }))
    const event = await until('the handshake is on record', () => gateway.events('tls-negotiated')[before], {
      detail: () => gateway.log().slice(-4_000),
    })
    await until('it is delivered', () => gateway.queue().length === 0)
    return (event as unknown as { tls: { resumed: boolean } }).tls.resumed
  }

  /** How often Postfix says that a session was resumed. */
  const resumedSoFar = (): number => (postfix.log().match(/postfix\/smtpd.*: Reusing old session/g) ?? []).length

  for (const [domain, version] of [
    ['tls13.test', 'TLSv1.3'],
    ['tls12.test', 'TLSv1.2'],
  ] as const) {
    it(`${version}: the second connection resumes the session of the first, says Postfix`, async () => {
      const before = resumedSoFar()
      assert.equal(await deliver(domain), false)
      assert.equal(resumedSoFar(), before)
      assert.equal(await deliver(domain), true)
      await until('Postfix says so', () => resumedSoFar() === before + 1, { detail: () => postfix.log().slice(-3_000) })
      assert.equal((await postfix.waitFor(domain, 2)).at(-1)?.tls, version)
      assert.match(
        gateway.log(),
        new RegExp(`relay=mx.${domain}.*session=${version}/[A-Z0-9_-]+/resumed, cert=[0-9a-f]{16}, .*sent`),
      )
    })
  }

  it('after the policy grew stricter the handshake is a full one, and what it shows counts', async () => {
    const loads = gateway.events('config-loaded').length
    const before = resumedSoFar()
    gateway.write('secure-mail.tls_policy', 'tls12.test secure match=other.example\n')
    await until('the map is in force', () => gateway.events('config-loaded').length > loads)
    await accepted(gateway, letter(['b@tls12.test'], { body: `${SECRET}\r\n` }))
    const [failed] = await until('it has failed', () => {
      const events = gateway.events('tls-failed')
      return events.length > 0 && events
    })
    const { tls, securemail } = failed as unknown as { tls: { resumed: boolean }; securemail: { result_type: string } }
    assert.deepEqual([tls.resumed, securemail.result_type], [false, 'certificate-host-mismatch'])
    assert.equal(resumedSoFar(), before)
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    assertNothingInClear(await capture.connections(), [SECRET, 'a@tls13.test', 'b@tls12.test'])
  })
})
