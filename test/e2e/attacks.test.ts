/**
 * Every attack that a delivery must stand, through the whole gateway, with every byte on the wire: nothing of envelope
 * or content is ever readable, and each mail is delivered under its requirement, still queued, or reported.
 *
 * Four of the list are about this machine and have suites of their own: a second plugin that answers OK in `send_email`
 * (hostile-plugins.test.ts), a queue file whose notes were edited (seal.test.ts), a crash between DATA and its reply
 * (crash.test.ts), an exception in any of our hooks (own-failures.test.ts). A session that is resumed after the policy
 * grew stricter is the last case here for an open connection; for a TLS session it is in resumption.test.ts.
 */
import assert from 'node:assert/strict'
import {
  ATTACKER,
  ATTACKS,
  HOME,
  hostsOf,
  REUSED,
  rows,
  startAttackWorld,
  STS_ATTACKS,
  stsDomain,
  type AttackWorld,
} from './attack-cases'
import { journalTexts, letter, queueFiles, type Letter } from './support-mail'
import { pump } from './support-pump'
import { assertNothingInClear } from '../internet/capture'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { until } from '../../demo/processes'

const SECRET = 'Nobody else may read this.'
/** DNS answers are remembered for five seconds at least. */
const FORGOTTEN = 6_000

describe('attacks, end to end', function () {
  this.timeout(120_000)
  const keep = keeper()
  let world: AttackWorld
  let gateway: Gateway
  const letters = new Map<string, Letter[]>()

  before(async function () {
    await requirePackages(this)
    world = await keep(startAttackWorld())
    gateway = await keep(
      startGateway({
        settings: world.settings,
        tlsPolicy: world.tlsPolicy,
        env: { SECURE_MAIL_STS_PORT: String(world.policyHosts.port) },
      }),
    )
    await post([...STS_ATTACKS.map(stsDomain), 'reuse.test'])
    await until('the first mails are delivered', () => queued().length === 0, { limit: 20_000, detail })
    await world.attackPolicies('two')
    const forgotten = pause(FORGOTTEN)

    // while the resolver still remembers, everybody else
    const loads = gateway.events('config-loaded').length
    gateway.write('secure-mail.tls_policy', [...rows(), 'reuse.test verify', ''].join('\n'))
    await until('the map is in force', () => gateway.events('config-loaded').length > loads, { detail })
    await post([...ATTACKS.map(({ name }) => `${name}.test`), 'reuse.test'])
    await forgotten
    await post(STS_ATTACKS.map(stsDomain))
    await until('those with a policy have been tried', () => fetchesOf('flip') > 1, { limit: 20_000, detail })
    await world.attackPolicies('three')
    await pause(FORGOTTEN)
    await post([stsDomain('flip')])
    await until(
      'all but the one that drips have come to their end',
      () => queued().every((text) => text.includes(stsDomain('drip'))),
      { limit: 40_000, detail },
    )
    await until('the reports are there', () => unreported().length === 0, { limit: 15_000, detail }).catch(
      () => undefined,
    )
  })
  after(() => keep.stop())

  const detail = () => gateway.log().slice(-6_000)
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const queued = () => [...queueFiles(gateway).map(({ text }) => text), ...journalTexts(gateway)]
  const fetchesOf = (attack: (typeof STS_ATTACKS)[number]) =>
    world.policyHosts.asked.filter((url) => url.startsWith(`mta-sts.${stsDomain(attack)}/`)).length
  const tokenIn = (mail: Letter) => `<${mail.token}@uni.test>`

  /** One letter to each domain. */
  async function post(domains: readonly string[]): Promise<void> {
    const posted = domains.map((domain) => letter([`somebody@${domain}`], { body: `${SECRET}\r\n` }))
    const pumping = pump(gateway.address, gateway.port, posted)
    await pumping.done
    assert.deepEqual([pumping.accepted.length, pumping.refused], [posted.length, []])
    for (const [index, domain] of domains.entries()) {
      letters.set(domain, [...(letters.get(domain) ?? []), ...posted.slice(index, index + 1)])
    }
  }

  /** Names of the hosts that took a letter, and how. */
  const takenBy = (mail: Letter) =>
    [...world.servers].flatMap(([host, { mails }]) =>
      mails
        .filter(({ sender, message }) => sender !== '' && message.includes(tokenIn(mail)))
        .map(({ tls }) => `${host} ${tls === undefined ? 'in clear' : 'over TLS'}`),
    )
  /** Reports about a letter. */
  const reportsOf = (mail: Letter) =>
    world
      .server(HOME)
      .mails.filter(({ sender, message }) => sender === '' && message.includes(tokenIn(mail)))
      .map(({ message }) => message.toString('latin1'))
  const statusOf = (report: string) => /^Status: (\S+)\r$/m.exec(report)?.[1]
  const resultOf = (domain: string) =>
    gateway
      .events('report-sent')
      .map((event) => event.securemail as { result_type?: string; recipient?: { domain?: string[] } })
      .find(({ recipient }) => recipient?.domain?.includes(domain))?.result_type
  const lettersTo = (domain: string): Letter[] => letters.get(domain) ?? []
  const unreported = () =>
    [...letters.values()]
      .flat()
      .filter((mail) => takenBy(mail).length === 0 && reportsOf(mail).length === 0 && !waits(mail))
  const waits = (mail: Letter) => queued().some((text) => text.includes(tokenIn(mail)))

  for (const attack of ATTACKS) {
    const { name, what, ends } = attack
    const domain = `${name}.test`
    if ('deliveredBy' in ends) {
      it(`${what}: delivered over TLS by MX ${ends.deliveredBy}`, () => {
        const host = hostsOf(attack)[ends.deliveredBy - 1] ?? ''
        for (const mail of lettersTo(domain)) assert.deepEqual(takenBy(mail), [`${host} over TLS`])
      })
      continue
    }
    it(`${what}: not delivered, reported ${ends.reported} (${ends.resultType})`, () => {
      assert.equal(lettersTo(domain).length, 1)
      for (const mail of lettersTo(domain)) {
        assert.deepEqual(takenBy(mail), [])
        assert.deepEqual(reportsOf(mail).map(statusOf), [ends.reported])
      }
      assert.equal(resultOf(domain), ends.resultType)
    })
  }

  it('a host whose TLSA records cannot be looked up is not even connected to', () => {
    assert.equal(world.server('mx1.tlsafail.test').connections(), 0)
  })

  for (const attack of STS_ATTACKS) {
    const domain = stsDomain(attack)
    it(`a policy is cached, then its host answers: ${attack}; the MX is forged: not delivered there`, () => {
      const [before, ...under] = lettersTo(domain)
      assert.ok(before)
      assert.deepEqual(takenBy(before), ['mx.sts.test over TLS'])
      assert.equal(under.length, attack === 'flip' ? 2 : 1)
      assert.ok(fetchesOf(attack) >= 1 + under.length, 'each new id was asked for')
      for (const mail of under) {
        assert.deepEqual(takenBy(mail), [])
        // the deadline of a fetch is a minute: as long as it drips, the mail waits
        if (attack === 'drip') assert.ok(waits(mail))
        else assert.deepEqual(reportsOf(mail).map(statusOf), ['5.7.5'])
      }
    })
  }

  it('no forged MX record or policy got a mail, nor did the redirect lead anywhere', () => {
    assert.deepEqual(world.server(ATTACKER).mails, [])
    assert.ok(!world.policyHosts.asked.some((url) => url.startsWith('mta-sts.elsewhere.test')))
  })

  it('an open connection is not used again once the map asks for more', () => {
    const [first, second] = lettersTo('reuse.test')
    assert.ok(first && second)
    assert.deepEqual(takenBy(first), [`${REUSED} over TLS`])
    assert.deepEqual(takenBy(second), [])
    assert.deepEqual(reportsOf(second).map(statusOf), ['5.7.5'])
    const { commands } = world.server(REUSED)
    const withMail = new Set(commands.filter(({ line }) => line.startsWith('MAIL')).map(({ connection }) => connection))
    assert.deepEqual([...withMail], [1])
  })

  it('every mail is delivered, queued or reported', () => {
    assert.deepEqual(unreported(), [])
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    const all = [...letters.values()].flat()
    const needles = all.flatMap(({ token, to }) => [token, ...to])
    assertNothingInClear(await world.capture.connections(), [SECRET, 'anne@uni.test', ...needles])
  })

  it('and nothing was ever permitted to be', () => {
    assert.deepEqual(gateway.events('plaintext-permitted'), [])
  })
})
