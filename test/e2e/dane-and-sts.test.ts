/**
 * DANE and MTA-STS published at once, and saying different things; what a lasting DANE failure comes to; and what
 * monitor mode makes of both. Real DNSSEC; scripted servers.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readReports, reportFor, type ReadReport } from './reports'
import { accepted, letter } from './support-mail'
import { settingsFor, SOON, SUPPORT } from './settings'
import { freePort, until } from '../../demo/processes'
import { association, make } from '../deliver/support/x509'
import { createTestCa, type CertificateFiles, type TestCa } from '../internet/ca'
import { assertNothingInClear, startCapture, type Capture } from '../internet/capture'
import { startDns, type Dns, type Zone } from '../internet/dns'
import { startGateway, type AuditLine, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { policyText, sendPolicy, startPolicyHosts, type PolicyHosts } from '../internet/policy-hosts'
import { startMailServer, type MailServer } from '../internet/servers'

type TlsaKind = 'own key' | 'other key' | 'unusable' | 'servfail' | 'silent' | 'none'

interface Case {
  name: string
  what: string
  /** Per MX host, in order: what its TLSA records say, and whether its certificate is from a trusted CA. */
  hosts: readonly [tlsa: TlsaKind, certificate: 'trusted' | 'self-signed'][]
  /** MX patterns of the MTA-STS policy (mode enforce); absent = none is published. */
  sts?: readonly string[]
  /** Number of the host that takes it, from 1, or the result type of the report. */
  enforced: number | string
  /** The same in monitor mode, where the first host always takes it: what enforcing would have held against that. */
  monitored?: string
}

const CASES: readonly Case[] = [
  {
    name: 'danefails',
    what: 'DANE fails, MTA-STS is met: not delivered (RFC 8461 section 2)',
    hosts: [['other key', 'trusted']],
    sts: ['mx1.danefails.test'],
    enforced: 'tlsa-invalid',
    monitored: 'tlsa-invalid',
  },
  {
    name: 'danegood',
    what: 'DANE succeeds, MTA-STS names another MX and the certificate is self-signed: delivered (RFC 8461 section 2)',
    hosts: [['own key', 'self-signed']],
    sts: ['mx.elsewhere.test'],
    enforced: 1,
  },
  {
    name: 'danenext',
    what: 'DANE fails on the first MX; the second has no TLSA records and meets MTA-STS: the second takes it',
    hosts: [
      ['other key', 'trusted'],
      ['none', 'trusted'],
    ],
    sts: ['*.danenext.test'],
    enforced: 2,
    monitored: 'tlsa-invalid',
  },
  {
    name: 'danebroken',
    what: 'the TLSA look-up fails, MTA-STS is met: not delivered (RFC 7672 section 2.1.2)',
    hosts: [['servfail', 'trusted']],
    sts: ['mx1.danebroken.test'],
    enforced: 'dnssec-invalid',
    monitored: 'dnssec-invalid',
  },
  {
    name: 'daneunusable',
    what: 'no usable TLSA record, so MTA-STS holds, and is not met: not delivered',
    hosts: [['unusable', 'self-signed']],
    sts: ['mx1.daneunusable.test'],
    enforced: 'certificate-not-trusted',
    monitored: 'certificate-not-trusted',
  },
  {
    name: 'stsalone',
    what: 'no TLSA records, MTA-STS is met: delivered',
    hosts: [['none', 'trusted']],
    sts: ['mx1.stsalone.test'],
    enforced: 1,
  },
  {
    name: 'lasting',
    what: 'no MX matches its TLSA records until the time is up: reported with 5.7.5',
    hosts: [
      ['other key', 'self-signed'],
      ['other key', 'self-signed'],
    ],
    enforced: 'tlsa-invalid',
    monitored: 'tlsa-invalid',
  },
  {
    name: 'silent',
    what: 'nobody answers for the TLSA records: not delivered',
    hosts: [['silent', 'trusted']],
    enforced: 'dnssec-invalid',
    monitored: 'dnssec-invalid',
  },
]

const HOME = 'mx.uni.test'
const POLICY_HOST = '127.0.2.9'
const SECRET = 'Nobody else may read this.'
const hostsOf = ({ name, hosts }: Case): string[] => hosts.map((_, index) => `mx${index + 1}.${name}.test`)
const recipientOf = ({ name }: Case): string => `somebody@${name}.test`

describe('DANE and MTA-STS at once, end to end', function () {
  this.timeout(120_000)
  const keep = keeper()
  let ca: TestCa
  let dns: Dns
  let capture: Capture
  let policyHosts: PolicyHosts
  let port: number
  let home: MailServer
  const servers = new Map<string, MailServer>()

  before(async function () {
    await requirePackages(this)
    ca = createTestCa()
    await keep(ca)
    const names = [HOME, ...CASES.flatMap(hostsOf)]
    const addresses = new Map(names.map((name, index) => [name, `127.0.2.${10 + index}`]))
    const at = (host: string) => addresses.get(host) ?? ''
    port = await freePort([...addresses.values()])
    capture = await keep(startCapture([port]))
    const serve = async (hostname: string, certificate: CertificateFiles): Promise<MailServer> => {
      const server = await keep(startMailServer({ address: at(hostname), port, hostname, certificate }))
      servers.set(hostname, server)
      return server
    }
    home = await serve(HOME, ca.good(HOME))
    const certificates = new Map<string, CertificateFiles>()
    for (const one of CASES) {
      for (const [index, host] of hostsOf(one).entries()) {
        const certificate = one.hosts[index]?.[1] === 'trusted' ? ca.good(host) : ca.selfSigned(host)
        certificates.set(host, certificate)
        await serve(host, certificate)
      }
    }
    const publishers = CASES.filter(({ sts }) => sts !== undefined)
    policyHosts = await keep(
      startPolicyHosts({
        ca,
        address: POLICY_HOST,
        domains: publishers.map(({ name }) => `${name}.test`),
        answer(domain, response) {
          const sts = publishers.find(({ name }) => `${name}.test` === domain)?.sts ?? []
          sendPolicy(response, policyText('enforce', ...sts))
        },
      }),
    )
    const uni: Zone = { name: 'uni.test', records: ['@ MX 10 mx', `mx A ${at(HOME)}`] }
    dns = await keep(startDns({ zones: [uni, ...CASES.flatMap((one) => zonesOf(one, port, at, certificates))] }))
  })
  after(() => keep.stop())

  const settings = (mode: 'enforce' | 'monitor') =>
    settingsFor({ ca, dns, port }, { main: { mode }, ndr: SOON, dns: { timeout: '1s' }, support: SUPPORT })
  /** One letter to each domain; resolves when the queue is empty. */
  async function run(mode: 'enforce' | 'monitor'): Promise<Gateway> {
    const env = { SECURE_MAIL_STS_PORT: String(policyHosts.port) }
    const gateway = await keep(startGateway({ settings: settings(mode), env }))
    for (const one of CASES) await accepted(gateway, letter([recipientOf(one)], { body: `${SECRET}\r\n` }))
    await until('the queue is empty', () => gateway.queue().length === 0, {
      limit: 60_000,
      detail: () => gateway.log().slice(-6_000),
    })
    return gateway
  }
  /** Hosts that took a mail for this case since it began. */
  const takenBy = (one: Case, before: ReadonlyMap<string, number>) =>
    hostsOf(one).filter((host) => (servers.get(host)?.mails.length ?? 0) > (before.get(host) ?? 0))
  const counts = () => new Map([...servers].map(([host, { mails }]) => [host, mails.length]))
  const eventAbout = ({ name }: Case, gateway: Gateway, action: string): Record<string, unknown> => {
    const found = gateway.events(action).find((event) => domainsOf(event).includes(`${name}.test`))
    return (found?.securemail ?? {}) as Record<string, unknown>
  }

  describe('enforced', () => {
    let gateway: Gateway
    let before_: ReadonlyMap<string, number>
    let reports: ReadReport[]

    before(async () => {
      before_ = counts()
      gateway = await run('enforce')
      const expected = CASES.filter(({ enforced }) => typeof enforced === 'string').length
      await until('the reports are there', () => home.mails.length >= expected)
      reports = await readReports(home.mails)
    })
    after(() => gateway.stop())

    for (const one of CASES) {
      it(one.what, () => {
        const { enforced } = one
        if (typeof enforced === 'number') {
          assert.deepEqual(takenBy(one, before_), [hostsOf(one)[enforced - 1]])
          const { tls } = eventAbout(one, gateway, 'delivery-succeeded')
          assert.equal((tls as { verified?: boolean } | undefined)?.verified, true)
          return
        }
        assert.deepEqual(takenBy(one, before_), [])
        assert.equal(eventAbout(one, gateway, 'report-sent').result_type, enforced)
        assert.equal(reportFor(reports, recipientOf(one)).status(recipientOf(one)), '5.7.5')
      })
    }

    it('log and audit name the one that counted', () => {
      const policyOf = (name: string) => {
        const one = CASES.find((candidate) => candidate.name === name)
        assert.ok(one)
        const { source, level } = eventAbout(one, gateway, 'delivery-succeeded').policy as Record<string, unknown>
        return [source, level]
      }
      assert.deepEqual(policyOf('danegood'), ['dane', 'dane'])
      assert.deepEqual(policyOf('danenext'), ['mta-sts', 'verify'])
      assert.deepEqual(policyOf('stsalone'), ['mta-sts', 'verify'])
    })

    it('a lasting DANE failure: the report says so in both languages, with every host that was tried', () => {
      const report = reportFor(reports, 'somebody@lasting.test')
      assert.equal(report.action('somebody@lasting.test'), 'failed')
      const text = report.text.replace(/\s+/g, ' ')
      assert.match(text, /has published how their mail server can be recognised, but the server that answered does not/)
      assert.match(text, /har offentliggjort, hvordan deres mailserver kan kendes, men den server, der svarede, passer/)
      assert.match(report.text, /tlsa-invalid/)
      for (const host of ['mx1.lasting.test', 'mx2.lasting.test']) assert.ok(report.text.includes(host), host)
      assert.deepEqual(report.defects, [])
    })

    it('nothing of envelope or content was on the wire in clear text', async () => {
      assertNothingInClear(await capture.connections(), [SECRET, ...CASES.map(recipientOf)])
    })
  })

  describe('monitored', () => {
    let gateway: Gateway
    let before_: ReadonlyMap<string, number>

    before(async () => {
      before_ = counts()
      gateway = await run('monitor')
    })

    for (const one of CASES) {
      const { monitored } = one
      it(`${one.name}: delivered by the first host; would have ${monitored ?? 'been delivered'}`, () => {
        assert.deepEqual(takenBy(one, before_), hostsOf(one).slice(0, 1))
        const event = eventAbout(one, gateway, 'delivery-succeeded')
        assert.deepEqual(event.attempt, 1)
        const { would_have: wouldHave } = event.policy as Record<string, unknown>
        assert.equal(wouldHave, monitored === undefined ? 'delivered' : 'deferred')
        assert.equal(event.would_result_type, monitored)
      })
    }

    it('nobody was told anything', () => {
      assert.deepEqual(gateway.events('report-sent'), [])
      assert.deepEqual(gateway.events('delivery-deferred'), [])
    })
  })
})

function domainsOf(event: AuditLine): readonly string[] {
  const { recipient } = (event.securemail ?? {}) as { recipient?: { domain?: string[] } }
  return recipient?.domain ?? []
}

const stranger = make({ name: 'stranger', ca: false })

function zonesOf(
  one: Case,
  port: number,
  address: (host: string) => string,
  certificates: ReadonlyMap<string, CertificateFiles>,
): Zone[] {
  const name = `${one.name}.test`
  const broken: Zone[] = []
  const records = hostsOf(one).flatMap((host, index) => {
    const label = `mx${index + 1}`
    const kind = one.hosts[index]?.[0] ?? 'none'
    if (kind === 'servfail' || kind === 'silent') broken.push({ name: `_tcp.${host}`, state: kind, records: [] })
    const tlsa = tlsaRecord(kind, certificates.get(host))
    return [
      `@ MX ${10 * (index + 1)} ${label}`,
      `${label} A ${address(host)}`,
      ...(tlsa === undefined ? [] : [`_${port}._tcp.${label} TLSA ${tlsa}`]),
    ]
  })
  const policy = one.sts === undefined ? [] : ['_mta-sts TXT "v=STSv1; id=one;"', `mta-sts A ${POLICY_HOST}`]
  return [{ name, records: [...records, ...policy] }, ...broken]
}

function tlsaRecord(kind: TlsaKind, certificate: CertificateFiles | undefined): string | undefined {
  switch (kind) {
    case 'own key':
      return certificate && `3 0 1 ${createHash('sha256').update(certificate.der).digest('hex')}`
    case 'other key':
      return `3 1 1 ${association(stranger, 1, 1)}`
    case 'unusable':
      return `1 1 1 ${association(stranger, 1, 1)}`
    default:
      return undefined
  }
}
