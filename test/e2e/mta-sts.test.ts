import assert from 'node:assert/strict'
import type http from 'node:http'
import path from 'node:path'
import { readReports, reportFor } from './reports'
import { accepted, letter, type Letter } from './support-mail'
import { settingsFor, SOON } from './settings'
import { createTestCa, type TestCa } from '../internet/ca'
import { assertNothingInClear, startCapture, type Capture } from '../internet/capture'
import { startDns, type Dns } from '../internet/dns'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { policyText as policy, sendPolicy, startPolicyHosts, type PolicyHosts } from '../internet/policy-hosts'
import { startPostfix, type Postfix } from '../internet/postfix'
import { freePort, run, until } from '../../demo/processes'

/** Mail servers; every one has TLS. `mx*` have a good certificate of their own name unless said otherwise. */
const HOSTS = {
  'mx.match.test': '127.0.0.81',
  'mx1.mismatch.test': '127.0.0.82',
  'mx2.mismatch.test': '127.0.0.83',
  'mx.unnamed.test': '127.0.0.84',
  'mx.wrongname.test': '127.0.0.85',
  'mx.testing.test': '127.0.0.86',
  'mx.redirect.test': '127.0.0.87',
  'mx.cached.test': '127.0.0.88',
  'mx.forged.test': '127.0.0.89',
  'old.moved.test': '127.0.0.90',
  'new.moved.test': '127.0.0.91',
  'mx.unknown.test': '127.0.0.92',
  'mx.uni.test': '127.0.0.93',
} as const
type Host = keyof typeof HOSTS

const POLICY_HOST = '127.0.0.94'
const PUBLISHERS = ['match', 'mismatch', 'unnamed', 'wrongname', 'testing', 'redirect', 'cached', 'moved'] as const

describe('MTA-STS end to end', function () {
  this.timeout(180_000)
  const keep = keeper()
  let dns: Dns
  let postfix: Postfix
  let capture: Capture
  let gateway: Gateway
  let hosts: PolicyHosts
  /** What the policy host of each domain answers; absent = 500. */
  const policies = new Map<string, string>([
    ['match.test', policy('enforce', '*.match.test')],
    ['mismatch.test', policy('enforce', 'mx2.mismatch.test')],
    ['unnamed.test', policy('enforce', 'mx.elsewhere.test', '*.mx.unnamed.test')],
    ['wrongname.test', policy('enforce', 'mx.wrongname.test')],
    ['testing.test', policy('testing', 'mx.elsewhere.test')],
    ['cached.test', policy('enforce', 'mx.cached.test')],
    ['moved.test', policy('enforce', 'old.moved.test')],
    ['elsewhere.test', policy('enforce', 'mx.elsewhere.test')],
  ])

  before(async function () {
    await requirePackages(this)
    const ca = await keep(createTestCa())
    const port = await freePort(Object.values(HOSTS))
    capture = await keep(startCapture([port]))
    const domains = [...PUBLISHERS, 'elsewhere'].map((name) => `${name}.test`)
    hosts = await keep(startPolicyHosts({ ca, address: POLICY_HOST, domains, answer }))
    dns = await keep(
      startDns({
        zones: [
          ...PUBLISHERS.filter((name) => name !== 'mismatch' && name !== 'moved').map((name) => ({
            name: `${name}.test`,
            records: published(`mx A ${HOSTS[`mx.${name}.test`]}`, '@ MX 10 mx'),
          })),
          {
            name: 'mismatch.test',
            records: published(
              '@ MX 10 mx1',
              '@ MX 20 mx2',
              `mx1 A ${HOSTS['mx1.mismatch.test']}`,
              `mx2 A ${HOSTS['mx2.mismatch.test']}`,
            ),
          },
          { name: 'moved.test', records: moved('one', 'old') },
          { name: 'forged.test', records: [`mx A ${HOSTS['mx.forged.test']}`] },
          { name: 'unknown.test', records: ['@ MX 10 mx', `mx A ${HOSTS['mx.unknown.test']}`] },
          { name: '_mta-sts.unknown.test', state: 'servfail', records: [] },
          { name: 'elsewhere.test', records: [`mta-sts A ${POLICY_HOST}`] },
          { name: 'uni.test', records: ['@ MX 10 mx', `mx A ${HOSTS['mx.uni.test']}`] },
        ],
      }),
    )
    postfix = await keep(
      startPostfix({ port, listeners: (Object.keys(HOSTS) as Host[]).map((host) => listener(ca, host)) }),
    )
    gateway = await keep(
      startGateway({ settings: settings(ca, dns, port), env: { SECURE_MAIL_STS_PORT: String(hosts.port) } }),
    )
  })
  after(() => keep.stop())

  function answer(domain: string, response: http.ServerResponse, stsPort: number): void {
    const text = policies.get(domain)
    if (domain === 'redirect.test') {
      response.writeHead(301, { location: `https://mta-sts.elsewhere.test:${stsPort}/.well-known/mta-sts.txt` }).end()
    } else if (text === undefined) {
      response.writeHead(500).end()
    } else {
      sendPolicy(response, text)
    }
  }

  const queueIsEmpty = () =>
    until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 60_000,
      detail: () => gateway.log().slice(-6_000),
    })

  async function mailTo(address: string): Promise<Letter> {
    const sent = await accepted(gateway, letter([address]))
    await queueIsEmpty()
    // what was accepted by a server is in its mailbox a moment later
    const domain = address.slice(address.indexOf('@') + 1)
    const delivered = () =>
      gateway.events('delivery-succeeded').filter((event) => JSON.stringify(event).includes(`"${domain}"`)).length
    await until(`what ${domain} took is in its mailbox`, () => postfix.mails(domain).length >= delivered())
    return sent
  }

  /** Names of the servers that took mail for a domain. */
  const takenBy = (domain: string) => postfix.mails(domain).map((mail) => mail.by)

  /** The last event of an action about a domain, as text. */
  const lastEvent = (action: string, domain: string) =>
    gateway
      .events(action)
      .map((event) => JSON.stringify(event))
      .filter((line) => line.includes(domain))
      .at(-1) ?? ''

  async function reportTo(recipient: string) {
    const mails = await until(`a report about ${recipient}`, () => {
      const found = postfix.mails('uni.test').filter((mail) => mail.message.toString().includes(recipient))
      return found.length > 0 && found
    })
    return reportFor(await readReports(mails), recipient)
  }

  it('enforce, the MX is named: delivered, its certificate verified', async () => {
    await mailTo('anna@match.test')
    assert.deepEqual(takenBy('match.test'), ['mx.match.test'])
    const resolved = lastEvent('policy-resolved', '"route"')
    assert.match(resolved, /"source":"mta-sts"/)
    assert.match(resolved, /"sts_mode":"enforce"/)
    const delivered = lastEvent('delivery-succeeded', 'mx.match.test')
    assert.match(delivered, /tls=verify"/)
    // RFC 8461 section 7.1: SNI is the MX host name
    assert.match(delivered, /"server_name":"mx\.match\.test"/)
    assert.ok(hosts.asked.includes('mta-sts.match.test/.well-known/mta-sts.txt'))
  })

  it('enforce, the first MX is not named: not tried, the second one takes the mail', async () => {
    await mailTo('bo@mismatch.test')
    assert.deepEqual(takenBy('mismatch.test'), ['mx2.mismatch.test'])
    assert.match(lastEvent('tls-failed', 'mx1.mismatch.test'), /"validation-failure"/)
    // Postfix' own start-up looks at each listener, and says nothing
    const toFirst = (await capture.connections()).filter(
      ({ server, toServer }) => server.address === HOSTS['mx1.mismatch.test'] && toServer.length > 0,
    )
    assert.deepEqual(toFirst, [])
  })

  it('enforce, no MX is named (a wildcard covers one label): not delivered, reported', async () => {
    await mailTo('carl@unnamed.test')
    assert.deepEqual(takenBy('unnamed.test'), [])
    assert.equal((await reportTo('carl@unnamed.test')).status('carl@unnamed.test'), '5.7.5')
  })

  it('enforce, the certificate has another name: not delivered, reported', async () => {
    await mailTo('dorte@wrongname.test')
    assert.deepEqual(takenBy('wrongname.test'), [])
    assert.match(lastEvent('tls-failed', 'mx.wrongname.test'), /"certificate-host-mismatch"/)
    assert.equal((await reportTo('dorte@wrongname.test')).status('dorte@wrongname.test'), '5.7.5')
  })

  it('testing changes nothing, and is recorded', async () => {
    await mailTo('emil@testing.test')
    assert.deepEqual(takenBy('testing.test'), ['mx.testing.test'])
    const resolved = gateway.events('policy-resolved').map((event) => JSON.stringify(event))
    assert.ok(resolved.some((line) => line.includes('"sts_mode":"testing"') && line.includes('"level":"encrypt"')))
  })

  it('a redirect is no policy, wherever it leads', async () => {
    await mailTo('freja@redirect.test')
    assert.deepEqual(takenBy('redirect.test'), ['mx.redirect.test'])
    assert.match(lastEvent('policy-resolved', '"sts-policy-fetch-error"'), /status 301/)
    assert.ok(!hosts.asked.some((url) => url.startsWith('mta-sts.elsewhere.test')))
  })

  it('cached: TXT gone, HTTPS down, MX forged, gateway restarted: the policy holds', async () => {
    await mailTo('gerda@cached.test')
    assert.deepEqual(takenBy('cached.test'), ['mx.cached.test'])
    policies.delete('cached.test')
    await dns.setRecords('cached.test', ['@ MX 10 mx.forged.test.', `mx A ${HOSTS['mx.cached.test']}`])
    await gateway.restart()
    await mailTo('hans@cached.test')
    assert.deepEqual(takenBy('cached.test'), ['mx.cached.test'])
    assert.equal((await reportTo('hans@cached.test')).status('hans@cached.test'), '5.7.5')
  })

  it('RFC 8461 section 5.1: a newer policy is looked for before a mail is given up', async () => {
    await mailTo('ida@moved.test')
    assert.deepEqual(takenBy('moved.test'), ['old.moved.test'])
    // the domain moves and its new policy cannot be had at first, so the next fetch of it is five minutes away
    policies.delete('moved.test')
    await dns.setRecords('moved.test', moved('two', 'new'))
    // forget what DNS said before, as the TTL would have it
    await gateway.restart()
    await accepted(gateway, letter(['jens@moved.test']))
    await until(
      'the fetch of the new policy failed',
      () => lastEvent('policy-resolved', 'policy two of moved.test') !== '',
      { detail: () => gateway.log().slice(-6_000) },
    )
    policies.set('moved.test', policy('enforce', 'new.moved.test'))
    await queueIsEmpty()
    assert.deepEqual(takenBy('moved.test'), ['old.moved.test', 'new.moved.test'])
  })

  it('it cannot be found out whether there is a policy: nothing is sent for now', async () => {
    await accepted(gateway, letter(['karen@unknown.test']))
    await until('deferred', () => lastEvent('delivery-deferred', 'unknown.test').includes('"dns-error"'))
    await queueIsEmpty()
    assert.deepEqual(takenBy('unknown.test'), [])
    assert.match((await reportTo('karen@unknown.test')).status('karen@unknown.test'), /^5\.4\.7$/)
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    const recipients = ['anna', 'bo', 'carl', 'dorte', 'emil', 'freja', 'gerda', 'hans', 'ida', 'jens', 'karen']
    assertNothingInClear(await capture.connections(), [
      'Nobody else may read this',
      ...recipients.map((name) => `${name}@`),
    ])
  })

  describe('secure-mail policy', () => {
    async function ask(
      domain: string,
    ): Promise<{ code: number | null; report: Record<string, unknown>; mx: unknown[] }> {
      const command = path.join(__dirname, '..', '..', 'bin', 'secure-mail.js')
      const { code, stdout, stderr } = await run(
        process.execPath,
        [command, 'policy', '--config', gateway.dir, '--json', domain],
        { env: { SECURE_MAIL_STS_PORT: String(hosts.port) } },
      )
      assert.equal(stderr, '')
      const report = JSON.parse(stdout) as Record<string, unknown> & { mx: { host: string; stsMatch: unknown }[] }
      return { code, report, mx: report.mx.map(({ host, stsMatch }) => [host, stsMatch]) }
    }

    it('tells the policy and which MX hosts it names', async () => {
      const { code, report, mx } = await ask('mismatch.test')
      assert.equal(code, 0)
      assert.deepEqual([report.level, report.source, report.auth], ['verify', 'mta-sts', 'pkix'])
      assert.deepEqual(report.mtaSts, {
        enabled: true,
        lookedUp: true,
        state: 'policy',
        mode: 'enforce',
        id: 'one',
        mx: ['mx2.mismatch.test'],
        maxAge: 86_400,
      })
      assert.deepEqual(mx, [
        ['mx1.mismatch.test', false],
        ['mx2.mismatch.test', true],
      ])
    })

    it('no MX named: would not be delivered', async () => {
      const { code, mx } = await ask('unnamed.test')
      assert.equal(code, 1)
      assert.deepEqual(mx, [['mx.unnamed.test', false]])
    })

    it('tells why there is none', async () => {
      const { report } = await ask('redirect.test')
      const { state, resultType } = report.mtaSts as Record<string, unknown>
      assert.deepEqual([state, resultType, report.level], ['error', 'sts-policy-fetch-error', 'encrypt'])
    })
  })
})

/** Records of a domain with a policy. */
function published(...records: string[]): string[] {
  return [...records, '_mta-sts TXT "v=STSv1; " "id=one;"', `mta-sts A ${POLICY_HOST}`]
}

function moved(id: string, mx: 'old' | 'new'): string[] {
  return [
    `@ MX 10 ${mx}`,
    `${mx} A ${HOSTS[`${mx}.moved.test`]}`,
    `_mta-sts TXT "v=STSv1; id=${id};"`,
    `mta-sts A ${POLICY_HOST}`,
  ]
}

function listener(ca: TestCa, hostname: Host) {
  const certificate =
    hostname === 'mx.wrongname.test'
      ? ca.wrongName()
      : hostname === 'mx.testing.test' || hostname === 'mx.redirect.test'
        ? ca.selfSigned(hostname)
        : ca.good(hostname)
  const domain = hostname.split('.').slice(1).join('.')
  const domains = hostname === 'mx.forged.test' ? ['cached.test'] : [domain]
  return { address: HOSTS[hostname], hostname, profile: 'tls' as const, certificate, domains }
}

function settings(ca: TestCa, dns: Dns, port: number): string {
  const ndr = { ...SOON, undeliverable_after: '8s', delay_notice_after: '8s' }
  return settingsFor({ ca, dns, port }, { delivery: { retry: '2s,2s' }, ndr })
}
