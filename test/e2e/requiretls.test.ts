/** RFC 8689 from a submitting client through a real gateway to servers that keep REQUIRETLS, and to those that do not. */
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { readReports, type ReadReport } from './reports'
import { letter, type Letter } from './support-mail'
import { createTestCa, type CertificateFiles, type TestCa } from '../internet/ca'
import { assertNothingInClear, clearTextDeliveries, startCapture, type Capture } from '../internet/capture'
import { sendWithPython, type Sent } from '../internet/clients'
import { startDns, type Dns, type Zone } from '../internet/dns'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { policyText, sendPolicy, startPolicyHosts, type PolicyHosts } from '../internet/policy-hosts'
import { startMailServer, type MailServer } from '../internet/servers'
import { freePort, until } from '../../demo/processes'

/** A published example, no real person's number (python-stdnum, stdnum/dk/cpr.py). */
const CPR = '211062-5629'
const SECRET = 'Nobody else may read this.'
const FOR_ALL = 'The open day is on Thursday at ten.\r\n'

/** Every mail server; `keeps` = it offers REQUIRETLS. */
const HOSTS = {
  'mx.sts.test': { address: '127.0.0.121', keeps: true },
  'mx.dane.test': { address: '127.0.0.122', keeps: true },
  'mx.nokey.test': { address: '127.0.0.123', keeps: false },
  'mx.unproven.test': { address: '127.0.0.124', keeps: true },
  'mx.badcert.test': { address: '127.0.0.125', keeps: true },
  'mx1.two.test': { address: '127.0.0.126', keeps: false },
  'mx2.two.test': { address: '127.0.0.127', keeps: true },
  'mx.notls.test': { address: '127.0.0.128', keeps: false },
  'mx.moved.test': { address: '127.0.0.129', keeps: true },
  'mx.uni.test': { address: '127.0.0.130', keeps: true },
  'mx.college.test': { address: '127.0.0.131', keeps: false },
} as const
type Host = keyof typeof HOSTS
const POLICY_HOST = '127.0.0.132'

const EXTENSIONS = ['PIPELINING', '8BITMIME', 'SIZE 104857600', 'DSN']
const REQUIRETLS = ['REQUIRETLS'] as const

interface Net {
  ca: TestCa
  dns: Dns
  capture: Capture
  port: number
  policyHosts: PolicyHosts
  servers: ReadonlyMap<string, MailServer>
  /** What the policy host of a domain says. */
  policies: Map<string, string>
  /** Domains whose policy cannot be had the next time it is asked for. */
  failOnce: Set<string>
}

describe('REQUIRETLS end to end (RFC 8689)', function () {
  this.timeout(180_000)
  const keep = keeper()
  let net: Net

  before(async function () {
    await requirePackages(this)
    net = await startNet(keep)
  })
  after(() => keep.stop())

  const server = (host: Host): MailServer => {
    const found = net.servers.get(host)
    assert.ok(found)
    return found
  }
  /** What a server was given of a letter. */
  const got = (host: Host, mail: Letter) =>
    server(host).mails.filter(({ message }) => message.includes(`the end of ${mail.token}`))
  const gatewayWith = (more: { main?: string; override?: string } = {}) =>
    keep(
      startGateway({
        settings: settings(net, more),
        env: { SECURE_MAIL_STS_PORT: String(net.policyHosts.port) },
        files: submissionTls(net.ca),
      }),
    )

  /** Submit inside TLS. */
  const submit = (gateway: Gateway, mail: Letter, mailOptions: readonly string[] = REQUIRETLS): Promise<Sent> =>
    sendWithPython({
      server: gateway.server,
      from: mail.from,
      to: mail.to,
      data: mail.message,
      tls: 'starttls',
      mailOptions,
    })

  async function taken(gateway: Gateway, mail: Letter, mailOptions: readonly string[] = REQUIRETLS): Promise<Letter> {
    const sent = await submit(gateway, mail, mailOptions)
    assert.match(sent.reply, /^250 /, sent.transcript)
    return mail
  }

  const queueIsEmpty = (gateway: Gateway) =>
    until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 60_000,
      detail: () => gateway.log().slice(-6_000),
    })

  /** The one report about a letter that has come to the sender's server, and the parameters that it came with. */
  async function reportAbout(mail: Letter, at: Host = 'mx.uni.test'): Promise<ReadReport & { parameters: string }> {
    const about = () =>
      server(at).mails.filter(({ sender, message }) => sender === '' && message.includes(`<${mail.token}@uni.test>`))
    const [found, ...more] = await until(`a report about ${mail.token}`, () => about().length > 0 && about(), {
      limit: 30_000,
    })
    assert.ok(found)
    assert.deepEqual(more, [])
    const [report] = await readReports([{ ...found, recipient: mail.from, by: at } as never])
    assert.ok(report)
    return { ...report, parameters: found.parameters }
  }

  const eventsAbout = (gateway: Gateway, action: string, mail: Letter) => {
    const id = gateway.events('message-accepted').find((event) => JSON.stringify(event).includes(`<${mail.token}@`))
    const local = JSON.stringify((id?.email as { local_id?: string } | undefined)?.local_id)
    return gateway.events(action).filter((event) => JSON.stringify(event).includes(`"local_id":${local}`))
  }

  describe('submission (sections 2, 4.1 and 4.3)', () => {
    let gateway: Gateway
    before(async () => {
      gateway = await gatewayWith()
    })

    it('is offered after STARTTLS and not before', async () => {
      const mail = letter(['anna@nokey.test'])
      const { transcript } = await submit(gateway, mail, [])
      const [before = '', after = ''] = transcript.split(/send: 'STARTTLS/i)
      assert.match(before, /STARTTLS/)
      assert.doesNotMatch(before, /REQUIRETLS/)
      assert.match(after, /250[ -]REQUIRETLS/)
      await queueIsEmpty(gateway)
    })

    const REFUSED: [what: string, tls: 'no' | 'starttls', options: readonly string[], reply: RegExp][] = [
      ['in clear text', 'no', REQUIRETLS, /^530 5\.7\.10 /],
      ['with a value', 'starttls', ['REQUIRETLS=yes'], /^501 5\.5\.4 /],
      ['with a value, among others', 'starttls', ['RET=HDRS', 'REQUIRETLS=1', 'ENVID=x'], /^501 5\.5\.4 /],
      ['with an equals sign and nothing behind it', 'starttls', ['REQUIRETLS='], /^501 /],
    ]
    for (const [what, tls, mailOptions, reply] of REFUSED) {
      it(`${what}: ${String(reply)}`, async () => {
        const mail = letter(['anna@sts.test'])
        const { server: to } = gateway
        const sent = await sendWithPython({
          server: to,
          from: mail.from,
          to: mail.to,
          data: mail.message,
          tls,
          mailOptions,
        })
        assert.match(sent.reply, reply, sent.transcript)
        assert.deepEqual(gateway.queue(), [])
      })
    }

    it('the next mail on another connection is none', async () => {
      const mail = await taken(gateway, letter(['bo@nokey.test']), [])
      await queueIsEmpty(gateway)
      assert.deepEqual(
        got('mx.nokey.test', mail).map(({ parameters }) => parameters.includes('REQUIRETLS')),
        [false],
      )
    })
  })

  describe('sending (section 4.2.1)', () => {
    let gateway: Gateway
    before(async () => {
      gateway = await gatewayWith()
    })

    /** Not one envelope command came to that server since. */
    const untouched = (host: Host, since: number) =>
      assert.ok(
        !server(host)
          .commands.slice(since)
          .some(({ line }) => /^(MAIL|RCPT|DATA)/.test(line)),
      )

    for (const [what, domain, host] of [
      ['MTA-STS enforce', 'sts.test', 'mx.sts.test'],
      ['DNSSEC and DANE, the certificate is nobody’s', 'dane.test', 'mx.dane.test'],
    ] as const) {
      it(`${what}: delivered with the keyword on MAIL FROM`, async () => {
        const mail = await taken(gateway, letter([`anna@${domain}`]), ['RET=FULL', 'ENVID=e17', 'REQUIRETLS'])
        await queueIsEmpty(gateway)
        const [arrived, ...more] = got(host, mail)
        assert.deepEqual(more, [])
        assert.ok(arrived)
        assert.match(arrived.parameters, /(^| )REQUIRETLS( |$)/)
        // section 5: RET=FULL is disregarded
        assert.match(arrived.parameters, /RET=HDRS ENVID=e17/)
        assert.ok(arrived.tls)
        const [accepted] = eventsAbout(gateway, 'message-accepted', mail)
        assert.equal((accepted?.securemail as Record<string, unknown> | undefined)?.requiretls, true)
        const [delivered] = eventsAbout(gateway, 'delivery-succeeded', mail)
        assert.match(JSON.stringify(delivered), /"tls_token":"tls=(verify|dane)\/requiretls"/)
      })
    }

    it('the first MX does not keep it, the second does: delivered by the second', async () => {
      const since = server('mx1.two.test').commands.length
      const mail = await taken(gateway, letter(['bo@two.test']))
      await queueIsEmpty(gateway)
      assert.equal(got('mx2.two.test', mail).length, 1)
      untouched('mx1.two.test', since)
      assert.deepEqual(
        server('mx1.two.test')
          .commands.slice(since)
          .map(({ line }) => line.split(' ', 1)[0]),
        ['EHLO', 'STARTTLS', 'EHLO', 'QUIT'],
      )
    })

    const FAILING: [
      what: string,
      domain: string,
      host: Host,
      kind: string,
      status: string,
      connects: boolean,
      said: RegExp,
    ][] = [
      [
        'no keyword',
        'nokey.test',
        'mx.nokey.test',
        'requiretls-not-supported',
        '5.7.30',
        true,
        /cannot promise|promise that/,
      ],
      [
        'neither DNSSEC nor MTA-STS',
        'unproven.test',
        'mx.unproven.test',
        'requiretls-not-supported',
        '5.7.30',
        false,
        /promise that/,
      ],
      [
        'a certificate of nobody',
        'badcert.test',
        'mx.badcert.test',
        'certificate-not-trusted',
        '5.7.10',
        true,
        /certificate/,
      ],
      ['no TLS at all', 'notls.test', 'mx.notls.test', 'tls-not-offered', '5.7.10', true, /encrypt/],
    ]
    for (const [what, domain, host, kind, status, connects, said] of FAILING) {
      it(`${what}: reported at once with ${status}, and the report asks for REQUIRETLS itself`, async () => {
        const since = { commands: server(host).commands.length, connections: server(host).connections() }
        const mail = await taken(gateway, letter([`carl@${domain}`]), ['RET=FULL', 'REQUIRETLS'])
        const report = await reportAbout(mail)
        await queueIsEmpty(gateway)
        assert.deepEqual(got(host, mail), [])
        untouched(host, since.commands)
        assert.equal(server(host).connections() > since.connections, connects)
        assert.equal(report.status(`carl@${domain}`), status)
        assert.equal(report.action(`carl@${domain}`), 'failed')
        assert.match(report.text, said)
        // section 5: protected in the same manner, and never with the content
        assert.match(report.parameters, /(^| )REQUIRETLS( |$)/)
        assert.ok(!report.raw.includes(SECRET) && report.raw.includes(`<${mail.token}@uni.test>`))
        // who demanded encryption is not told to do without
        assert.doesNotMatch(report.text, /\[unsecure\]/)
        assert.deepEqual(eventsAbout(gateway, 'delivery-deferred', mail), [])
        assert.equal(eventsAbout(gateway, 'delivery-failed', mail).length, 1)
        assert.ok(JSON.stringify(eventsAbout(gateway, 'report-sent', mail)).includes(`"${kind}"`))
      })
    }

    it('a report goes out without it where the sender’s own server does not keep it (section 5)', async () => {
      const mail = await taken(gateway, letter(['dorte@nokey.test'], { from: 'anne@college.test' }))
      const report = await reportAbout(mail, 'mx.college.test')
      await queueIsEmpty(gateway)
      assert.equal(report.status('dorte@nokey.test'), '5.7.30')
      assert.doesNotMatch(report.parameters, /REQUIRETLS/)
    })

    it('the null sender’s mail is not lost for want of it, and still goes inside TLS', async () => {
      const mail = letter(['emil@nokey.test'])
      await taken(gateway, { ...mail, from: '' })
      await queueIsEmpty(gateway)
      const [arrived] = got('mx.nokey.test', mail)
      assert.ok(arrived?.tls)
      assert.equal(arrived.sender, '')
      assert.doesNotMatch(arrived.parameters, /REQUIRETLS/)
    })

    it('RFC 8461 section 5.1: a newer policy is looked for before the mail is given up at once', async () => {
      net.policies.set('moved.test', policyText('enforce', 'old.moved.test'))
      const first = await taken(gateway, letter(['freja@moved.test']))
      assert.equal((await reportAbout(first)).status('freja@moved.test'), '5.7.10')
      // the new policy cannot be had when it is first asked for, so the old one stays in force
      net.policies.set('moved.test', policyText('enforce', 'mx.moved.test'))
      net.failOnce.add('moved.test')
      await net.dns.setRecords('moved.test', moved('two'))
      // forget what DNS said before, as the TTL would have it
      await gateway.restart()
      const second = await taken(gateway, letter(['freja@moved.test']))
      await queueIsEmpty(gateway)
      assert.equal(got('mx.moved.test', second).length, 1)
      assert.deepEqual(eventsAbout(gateway, 'delivery-failed', second), [])
    })
  })

  describe('TLS-Required (sections 3, 4.1, 4.2.2 and 8.4)', () => {
    const NO = 'TLS-Required: No\r\n'
    const open = (to: readonly string[], headers: string, body = FOR_ALL) =>
      letter(to, { subject: '[public] Open day', headers, body })
    const headerIn = (host: Host, mail: Letter) =>
      got(host, mail).map(({ message }) => /^tls-required/im.test(message.toString('latin1')))
    const fate = (gateway: Gateway, mail: Letter) =>
      (eventsAbout(gateway, 'message-accepted', mail)[0]?.securemail as Record<string, unknown> | undefined)
        ?.tls_required
    let gateway: Gateway
    before(async () => {
      gateway = await gatewayWith({ override: 'tls_required_no=true' })
    })

    it('allowed and granted: clear text where there is no TLS, TLS where there is, and the field stays', async () => {
      const mail = await taken(gateway, open(['gerda@notls.test', 'hans@badcert.test'], NO), [])
      await queueIsEmpty(gateway)
      assert.deepEqual(
        got('mx.notls.test', mail).map(({ tls }) => tls),
        [undefined],
      )
      assert.ok(got('mx.badcert.test', mail)[0]?.tls)
      assert.deepEqual([...headerIn('mx.notls.test', mail), ...headerIn('mx.badcert.test', mail)], [true, true])
      assert.equal(fate(gateway, mail), 'granted')
      assert.equal(eventsAbout(gateway, 'optout-granted', mail).length, 1)
    })

    it('a CPR number: refused, TLS stays required, and the field is taken out', async () => {
      const mail = await taken(gateway, open(['ida@nokey.test', 'jens@notls.test'], NO, `CPR ${CPR}\r\n`), [])
      await until('the outcome of both', () => eventsAbout(gateway, 'tls-failed', mail).length > 0)
      await until('delivered', () => got('mx.nokey.test', mail).length > 0)
      assert.deepEqual(got('mx.notls.test', mail), [])
      assert.deepEqual(headerIn('mx.nokey.test', mail), [false])
      assert.ok(got('mx.nokey.test', mail)[0]?.tls)
      assert.equal(fate(gateway, mail), 'removed')
      assert.match(JSON.stringify(eventsAbout(gateway, 'optout-refused', mail)), /"cpr"/)
    })

    it('refused, and a signature covers the field: it stays, which is recorded', async () => {
      const signature = 'DKIM-Signature: v=1; a=rsa-sha256; d=uni.test; s=x; h=From:TLS-Required; bh=x; b=x\r\n'
      const mail = await taken(gateway, open(['karen@nokey.test'], signature + NO, `CPR ${CPR}\r\n`), [])
      await until('delivered', () => got('mx.nokey.test', mail).length > 0)
      assert.deepEqual(headerIn('mx.nokey.test', mail), [true])
      assert.equal(fate(gateway, mail), 'signed')
    })

    for (const [what, headers] of [
      ['twice', NO + NO],
      ['another value', 'TLS-Required: Maybe\r\n'],
    ] as const) {
      it(`${what}: no request, so nothing is asked, and the field is taken out`, async () => {
        const mail = await taken(gateway, open(['lars@nokey.test'], headers), [])
        await until('delivered', () => got('mx.nokey.test', mail).length > 0)
        assert.deepEqual(headerIn('mx.nokey.test', mail), [false])
        assert.deepEqual(eventsAbout(gateway, 'optout-requested', mail), [])
      })
    }

    it('with REQUIRETLS the field is ignored', async () => {
      const mail = await taken(gateway, open(['mette@notls.test'], NO))
      assert.equal((await reportAbout(mail)).status('mette@notls.test'), '5.7.10')
      assert.deepEqual(got('mx.notls.test', mail), [])
      assert.deepEqual(eventsAbout(gateway, 'optout-requested', mail), [])
    })

    it('with REQUIRETLS the tag is refused as secure-requested', async () => {
      const mail = await taken(
        gateway,
        letter(['niels@notls.test'], { subject: '[unsecure] [public] Open day', body: FOR_ALL }),
      )
      assert.equal((await reportAbout(mail)).status('niels@notls.test'), '5.7.10')
      assert.deepEqual(got('mx.notls.test', mail), [])
      const refused = eventsAbout(gateway, 'optout-refused', mail)
      assert.deepEqual(
        refused.map(
          ({ securemail }) => (securemail as { optout?: { refusals?: unknown } } | undefined)?.optout?.refusals,
        ),
        [['secure-requested']],
      )
    })

    it('mode=plaintext: TLS is tried all the same (section 4.2.2)', async () => {
      const plaintext = await gatewayWith({ override: 'tls_required_no=true\nmode=plaintext' })
      const mail = await taken(plaintext, open(['oda@badcert.test'], NO), [])
      await queueIsEmpty(plaintext)
      assert.ok(got('mx.badcert.test', mail)[0]?.tls)
    })

    it('not allowed here: not asked, TLS stays required, and the field is taken out', async () => {
      const strict = await gatewayWith()
      const mail = await taken(strict, open(['per@nokey.test', 'rie@notls.test'], NO), [])
      await until('the outcome of both', () => eventsAbout(strict, 'tls-failed', mail).length > 0)
      await until('delivered', () => got('mx.nokey.test', mail).length > 0)
      assert.deepEqual(got('mx.notls.test', mail), [])
      assert.deepEqual(headerIn('mx.nokey.test', mail), [false])
      assert.equal(fate(strict, mail), 'removed')
      assert.deepEqual(eventsAbout(strict, 'optout-requested', mail), [])
    })

    it('monitor mode changes no mail, and holds REQUIRETLS to all of it', async () => {
      const monitor = await gatewayWith({ main: 'mode=monitor' })
      const plain = await taken(monitor, open(['stine@nokey.test'], NO), [])
      const required = await taken(monitor, letter(['tom@nokey.test']))
      assert.equal((await reportAbout(required)).status('tom@nokey.test'), '5.7.30')
      await queueIsEmpty(monitor)
      assert.deepEqual(headerIn('mx.nokey.test', plain), [true])
      assert.equal(fate(monitor, plain), 'monitored')
      assert.deepEqual(got('mx.nokey.test', required), [])
    })
  })

  describe('on the wire', () => {
    it('the one granted mail in clear text, and nothing else', async () => {
      const connections = await net.capture.connections()
      const clear = clearTextDeliveries(connections)
      assert.deepEqual(
        clear.map(({ server: { address } }) => address),
        [HOSTS['mx.notls.test'].address],
      )
      const rest = connections.filter((connection) => !clear.includes(connection))
      assertNothingInClear(rest, [
        SECRET,
        CPR,
        'anna@',
        'carl@',
        'dorte@',
        'emil@',
        'freja@',
        'jens@',
        'mette@',
        'niels@',
      ])
    })
  })
})

async function startNet(keep: ReturnType<typeof keeper>): Promise<Net> {
  const ca = await keep(createTestCa())
  const own = ca.selfSigned('elsewhere.test')
  const port = await freePort(Object.values(HOSTS).map(({ address }) => address))
  const capture = await keep(startCapture([port]))
  const dns = await keep(startDns({ zones: zones(port, own) }))
  const servers = new Map<string, MailServer>()
  for (const [hostname, { address, keeps }] of Object.entries(HOSTS)) {
    const certificate =
      hostname === 'mx.dane.test' ? own : hostname === 'mx.badcert.test' ? ca.selfSigned(hostname) : ca.good(hostname)
    const extensions = keeps ? [...EXTENSIONS, 'REQUIRETLS'] : EXTENSIONS
    const options = { address, port, hostname, extensions, ...(hostname === 'mx.notls.test' ? {} : { certificate }) }
    servers.set(hostname, await keep(startMailServer(options)))
  }
  const policies = new Map([['sts.test', policyText('enforce', '*.sts.test')]])
  const failOnce = new Set<string>()
  const policyHosts = await keep(
    startPolicyHosts({
      ca,
      address: POLICY_HOST,
      domains: ['sts.test', 'moved.test'],
      answer(domain, response) {
        const text = policies.get(domain)
        if (text === undefined || failOnce.delete(domain)) response.writeHead(500).end()
        else sendPolicy(response, text)
      },
    }),
  )
  return { ca, dns, capture, port, policyHosts, servers, policies, failOnce }
}

function zones(port: number, own: CertificateFiles): Zone[] {
  const simple = (name: string, state: Zone['state'] = 'secure', more: readonly string[] = []): Zone => ({
    name: `${name}.test`,
    state,
    records: ['@ MX 10 mx', `mx A ${HOSTS[`mx.${name}.test` as Host].address}`, ...more],
  })
  const spki = new X509Certificate(own.cert).publicKey.export({ type: 'spki', format: 'der' })
  const digest = createHash('sha256').update(spki).digest('hex')
  return [
    simple('sts', 'insecure', ['_mta-sts TXT "v=STSv1; id=one;"', `mta-sts A ${POLICY_HOST}`]),
    { name: 'moved.test', state: 'insecure', records: moved('one') },
    simple('dane', 'secure', [`_${port}._tcp.mx TLSA 3 1 1 ${digest}`]),
    simple('nokey'),
    simple('unproven', 'insecure'),
    simple('badcert'),
    simple('notls'),
    simple('uni'),
    simple('college'),
    {
      name: 'two.test',
      records: [
        '@ MX 10 mx1',
        '@ MX 20 mx2',
        `mx1 A ${HOSTS['mx1.two.test'].address}`,
        `mx2 A ${HOSTS['mx2.two.test'].address}`,
      ],
    },
  ]
}

function moved(id: string): string[] {
  return [
    '@ MX 10 mx',
    `mx A ${HOSTS['mx.moved.test'].address}`,
    `_mta-sts TXT "v=STSv1; id=${id};"`,
    `mta-sts A ${POLICY_HOST}`,
  ]
}

/** Deadlines are hours away: what is reported within the test is reported at once. */
function settings({ ca, dns, port }: Net, { main = '', override = '' }: { main?: string; override?: string }): string {
  return `[main]
internal_domains[]=uni.test
internal_domains[]=college.test
${main}
[override]
${override}
[tls]
ca_file=${ca.file}
[delivery]
port=${port}
local_mx_ok=true
retry=10m
timeout_connect=3s
[ndr]
coalesce=1s
[dns]
servers[]=${dns.server}
timeout=2s
[support]
name=IT support
address=support@uni.test
phone=+45 1234 5678
`
}

/** What lets clients say STARTTLS to the gateway. */
function submissionTls(ca: TestCa): Record<string, string> {
  const { key, cert } = ca.good('gateway.uni.test')
  return {
    plugins: 'tls\nrelay\nsecure-mail\n',
    'tls.ini': '[main]\nkey=tls_key.pem\ncert=tls_cert.pem\n',
    'tls_key.pem': key,
    'tls_cert.pem': cert,
  }
}
