/** DANE with real DNSSEC: one message to a domain of every kind, through the gateway and through Postfix. */
import assert from 'node:assert/strict'
import { CASES, ROWS, startDaneWorld, type DaneWorld, type Verdict } from './dane-cases'
import { startPostfixSender, type PostfixSender } from './postfix-sender'
import { settingsFor, SUPPORT } from './settings'
import { run, until } from '../../demo/processes'
import { assertNothingInClear } from '../internet/capture'
import { sendWithPython } from '../internet/clients'
import { startGateway, type AuditLine, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'

const SECRET = 'DANE keeps this sentence among two'
const RECIPIENTS = CASES.map(({ domain }) => `somebody@${domain}`)
const MESSAGE = `From: <anne@uni.test>\r\nTo: many@example.test\r\nSubject: DANE\r\nMessage-ID: <dane@uni.test>\r\n\r\n${SECRET}\r\n`

describe('DANE, end to end', function () {
  this.timeout(180_000)
  const keep = keeper()
  let world: DaneWorld

  before(async function () {
    await requirePackages(this)
    world = await keep(startDaneWorld())
  })
  after(() => keep.stop())

  describe('the gateway', () => {
    let gateway: Gateway

    before(async () => {
      const rows = Object.entries(ROWS).map(([domain, level]) => `${domain} ${level}\n`)
      gateway = await keep(startGateway({ settings: settings(world), tlsPolicy: rows.join('') }))
      const sent = await sendWithPython({
        server: gateway.server,
        from: 'anne@uni.test',
        to: RECIPIENTS,
        data: MESSAGE,
      })
      assert.equal(sent.code, 0, sent.transcript)
      await until('every recipient has an outcome', () => CASES.every(({ domain }) => outcomeOf(gateway, domain)), {
        limit: 90_000,
        detail: () => gateway.log().slice(-6000),
      })
    })

    for (const { domain, what, wanted } of CASES) {
      it(`${domain}: ${what}`, () => assert.deepEqual(verdictOf(outcomeOf(gateway, domain)), wanted))
    }

    it('log and audit say dane where TLSA records raised the default', () => {
      const line = (domain: string) =>
        gateway
          .log()
          .split('\n')
          .find((one) => one.includes(`to=<${domain}>`))
      assert.match(line('ee.test') ?? '', /relay=mx\.ee\.test.*tls=dane, .*status=sent/)
      assert.match(line('unusable.test') ?? '', /tls=encrypt, .*status=sent/)
      assert.match(line('mismatch.test') ?? '', /tls=dane:encrypt!, .*dsn=4\.7\.5, status=deferred/)
      assert.match(line('onlyok.test') ?? '', /tls=dane-only, .*status=sent/)
      const policy = (domain: string) => field(outcomeOf(gateway, domain), 'securemail', 'policy')
      assert.deepEqual(policy('ee.test'), { source: 'dane', level: 'dane' })
      assert.deepEqual(policy('insecure.test'), { source: 'default', level: 'encrypt' })
      assert.deepEqual(policy('onlyok.test'), { source: 'map', level: 'dane-only' })
    })

    it('the first MX that did not match is told, and the host whose look-up failed was never connected to', async () => {
      const failed = gateway.events('tls-failed').map((event) => field(event, 'destination', 'domain'))
      assert.ok(failed.includes('mx1.next.test'))
      assert.ok(!world.postfix.log().includes('mx1.tlsafail.test'))
      const seen = await world.capture.connections()
      assert.ok(seen.length > 0)
    })

    it('secure-mail policy says the same beforehand', async () => {
      for (const [domain, hosts, deliver] of [
        ['ee.test', 1, true],
        ['next.test', 2, true],
        ['unusable.test', 0, true],
        ['tlsabogus.test', 0, false],
        ['only.test', 0, false],
        ['row.test', 0, true],
      ] as const) {
        const report = await policyOf(gateway, domain)
        assert.deepEqual([domain, report.dane.hosts, report.deliver], [domain, hosts, deliver])
      }
    })

    it('nothing of envelope or content was on the wire in clear text', async () => {
      assertNothingInClear(await world.capture.connections(), [SECRET, ...RECIPIENTS])
    })
  })

  describe('Postfix, smtp_tls_security_level=dane', () => {
    let sender: PostfixSender

    before(async () => {
      sender = await keep(startPostfixSender({ dns: world.dns, port: world.port, rows: ROWS }))
      const sent = await sendWithPython({
        server: sender.server,
        from: 'anne@uni.test',
        to: RECIPIENTS,
        data: MESSAGE,
      })
      assert.equal(sent.code, 0, sent.transcript)
      await until('every recipient has an outcome', () => RECIPIENTS.every((recipient) => sender.outcome(recipient)), {
        limit: 90_000,
        detail: () => sender.log().slice(-6000),
      })
    })

    for (const { domain, wanted, postfix } of CASES) {
      const expected = postfix?.verdict ?? wanted
      it(`${domain}: ${postfix === undefined ? 'the same' : `not the same (${postfix.why})`}`, () => {
        const outcome = sender.outcome(`somebody@${domain}`)
        // Postfix has no names for the reasons: that it waits is what is compared
        assert.deepEqual(outcome, 'waits' in expected ? { waits: 'deferred' } : expected, sender.log().slice(-3000))
      })
    }
  })
})

function settings(world: DaneWorld): string {
  return settingsFor(world, { delivery: { retry: '10m' }, dns: { timeout: '3s' }, support: SUPPORT })
}

/** The first event that says what became of the mail to a domain. */
function outcomeOf(gateway: Gateway, domain: string): AuditLine | undefined {
  return [...gateway.events('delivery-succeeded'), ...gateway.events('delivery-deferred')].find((event) => {
    const domains = field(event, 'securemail', 'recipient', 'domain')
    return Array.isArray(domains) && domains.includes(domain)
  })
}

function verdictOf(event: AuditLine | undefined): Verdict {
  const failed = field(event, 'securemail', 'result_type')
  if (typeof failed === 'string') return { waits: failed }
  const verified = field(event, 'securemail', 'tls', 'verified') === true
  return { by: String(field(event, 'destination', 'domain')), tls: verified ? 'verified' : 'unverified' }
}

function field(event: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined,
    event,
  )
}

async function policyOf(gateway: Gateway, domain: string): Promise<{ dane: { hosts: number }; deliver: boolean }> {
  const command = require.resolve('../../bin/secure-mail.js')
  const { stdout } = await run(process.execPath, [command, 'policy', '--config', gateway.dir, '--json', domain])
  return JSON.parse(stdout) as { dane: { hosts: number }; deliver: boolean }
}
