/**
 * TLS reports from end to end: what a day's sessions were is compared with the wire, and the reports with what two
 * workers of one gateway, or two gateways over one Redis, counted together. Postfix and an HTTPS server receive them.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { accepted, letter } from './support-mail'
import { HOSTS, startWorld, type World } from './world'
import { ran, schemaErrors } from '../bin/run'
import { startReportHost, type ReportHost } from '../internet/report-host'
import { prepareGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import type { StoredMail } from '../internet/postfix'
import { goodReports, type JudgedReport } from '../report/tlsrpt/judge'
import { startRedis, stopRedisServers } from '../store/redis-server'
import { until } from '../../demo/processes'
import type { TlsrptPreview } from '../../bin/tlsrpt/preview'
import type { TlsrptSent } from '../../bin/tlsrpt/send'
import { systemClock } from '../../lib/clock'
import { dayOf, DAY } from '../../lib/report/tlsrpt'
import { openStore } from '../../lib/store'
import type { Store } from '../../lib/store/types'

const SUBMITTER = 'uni.test'
const REPORT_HOST = 'reports.expired.test'
const REPORT_ADDRESS = '127.0.0.72'
const PARTNERS = ['good.test', 'notls.test', 'expired.test', 'two.test', 'old.test'] as const
/** The partner whose report goes by HTTPS; all others have a mailbox. */
const BY_HTTPS = 'expired.test'

/** A key for the dkim plugin, and its record in DNS. */
function dkimKey(): { files: Record<string, string>; record: string } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signed =
    'From, To, Subject, Date, Message-ID, MIME-Version, Content-Type, TLS-Report-Domain, TLS-Report-Submitter'
  return {
    files: {
      'dkim.ini': `[sign]\nenabled=true\nheaders=${signed}\n[verify]\nenabled=false\n`,
      [`dkim/${SUBMITTER}/private`]: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      [`dkim/${SUBMITTER}/selector`]: 'tls\n',
    },
    record: `v=DKIM1; k=rsa; s=tlsrpt; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`,
  }
}

interface Setting {
  what: string
  gateways: number
  nodes: number
  redis: boolean
}

const SETTINGS: readonly Setting[] = [
  { what: 'one gateway, nodes=2, LMDB', gateways: 1, nodes: 2, redis: false },
  { what: 'two gateways, one Redis', gateways: 2, nodes: 0, redis: true },
]

for (const { what, gateways: number, nodes, redis } of SETTINGS) {
  describe(`TLS reports: ${what}`, function () {
    this.timeout(150_000)
    const keep = keeper()
    const key = dkimKey()
    let world: World
    let host: ReportHost
    let gateways: Gateway[]
    let store: Store | undefined
    let settings: string
    /** Of the day on which these tests begin, whatever the one is on which they end. */
    let yesterday = ''

    before(async function () {
      yesterday = dayOf(Date.now() - DAY)
      await requirePackages(this)
      world = await keep(startWorld())
      host = await keep(startReportHost({ certificate: world.ca.expired(REPORT_HOST), address: REPORT_ADDRESS }))
      for (const partner of PARTNERS) {
        const rua = partner === BY_HTTPS ? `https://${REPORT_HOST}:${host.port}/tls` : `mailto:tls@${partner}`
        const hosts = partner === 'two.test' ? ['mx1', 'mx2'] : ['mx']
        await world.dns.setRecords(partner, [
          ...hosts.flatMap((name, n) => [
            `@ MX ${10 + n} ${name}`,
            `${name} A ${HOSTS[`${name}.${partner}` as keyof typeof HOSTS]}`,
          ]),
          `_smtp._tls TXT "v=TLSRPTv1; rua=${rua}"`,
          ...(partner === BY_HTTPS ? [`reports A ${REPORT_ADDRESS}`] : []),
        ])
      }
      const server = redis ? await startRedis() : undefined
      const engine = server === undefined ? '' : `[store]\nengine=redis\nredis_url=${server.url}\n`
      settings = world.settings(
        `[tlsrpt]\nenabled=false\norganization=Uni Test\ncontact=tls@uni.test\nfrom=tls@uni.test\nwindow=0s\n${engine}`,
      )
      gateways = await Promise.all(
        Array.from({ length: number }, async () => {
          const gateway = await keep(
            prepareGateway({
              settings,
              nodes,
              files: key.files,
              tlsPolicy: 'expired.test verify\n',
            }),
          )
          appendFileSync(path.join(gateway.dir, 'config', 'plugins'), '\ndkim\n')
          await gateway.start()
          return gateway
        }),
      )
      const { engine: kind, redisUrl } = { engine: redis ? 'redis' : 'lmdb', redisUrl: server?.url } as const
      const at = {
        engine: kind,
        path: path.join(gateways[0]?.dir ?? '', 'store'),
        ...(redisUrl === undefined ? {} : { redisUrl }),
      }
      store = await openStore(at, systemClock)
    })
    after(async () => {
      await store?.close()
      await keep.stop()
      await stopRedisServers()
    })

    const command = async <T>(
      gateway: Gateway,
      schema: string,
      ...args: string[]
    ): Promise<T & { exitCode: number }> => {
      const { out, err, exitCode } = await ran(['tlsrpt', ...args, '--json', '--config', gateway.dir])
      assert.notEqual(out, '', err)
      const value = JSON.parse(out) as T
      assert.deepEqual(schemaErrors(schema, value), [])
      return { ...value, exitCode }
    }
    const preview = (day: string) =>
      command<TlsrptPreview>(gateways[0]!, 'tlsrpt-preview.schema.json', 'preview', '--day', day)
    const events = (action: string) => gateways.flatMap((gateway) => gateway.events(action))
    const dayInHand = () => dayOf(Date.now())
    const reportsIn = (domain: string): StoredMail[] =>
      world.postfix.mails(domain).filter(({ recipient }) => recipient === `tls@${domain}`)

    /** Connections to each partner's hosts, from the wire. */
    async function onTheWire(): Promise<Map<string, number>> {
      const counts = new Map<string, number>()
      for (const { server } of await world.capture.connections()) {
        const name = Object.entries(HOSTS).find(([, address]) => address === server.address)?.[0]
        counts.set(name ?? server.address, (counts.get(name ?? server.address) ?? 0) + 1)
      }
      return counts
    }
    const countsOf = ({ domains }: TlsrptPreview) =>
      Object.fromEntries(domains.map(({ domain, successes, failures }) => [domain, [successes, failures]]))

    let received = new Map<string, JudgedReport>()
    let wire: Map<string, number>

    it('sessions are counted once each, as the wire has them', async () => {
      // Postfix was looked at until it listened
      const others = await onTheWire()
      for (const gateway of gateways) {
        for (let n = 0; n < 3; n++) {
          await accepted(gateway, letter(PARTNERS.map((partner) => `anna@${partner}`)))
        }
      }
      await until('all is delivered or reported', () => gateways.every((gateway) => gateway.queue().length === 0), {
        limit: 60_000,
        every: 300,
        detail: () =>
          gateways.map((gateway) => `${gateway.queue().join('\n')}\n${gateway.log().slice(-2000)}`).join('\n'),
      })
      wire = new Map([...(await onTheWire())].map(([name, n]) => [name, n - (others.get(name) ?? 0)]))
      const to = (name: string) => wire.get(name) ?? 0
      const wanted = {
        'good.test': [to('mx.good.test'), 0],
        'notls.test': [0, to('mx.notls.test')],
        'expired.test': [0, to('mx.expired.test')],
        'old.test': [0, to('mx.old.test')],
        'two.test': [to('mx2.two.test'), to('mx1.two.test')],
      }
      assert.ok(to('mx.good.test') > 0 && to('mx.notls.test') > 0 && to('mx1.two.test') > 0, JSON.stringify([...wire]))
      assert.ok(to('mx.good.test') < 3 * number || nodes > 0, 'a connection served several mails')
      const shown = await until(
        'the counts are written',
        async () => {
          const now = countsOf(await preview(dayInHand()))
          return JSON.stringify(now) === JSON.stringify(sorted(wanted)) ? now : false
        },
        { limit: 10_000, every: 500, detail: () => JSON.stringify([wanted, [...wire]]) },
      )
      assert.deepEqual(shown, sorted(wanted))
    })

    it('nothing goes out while it is off, and the day in hand is not over', async () => {
      const { err, exitCode } = await ran(['tlsrpt', 'send', '--day', dayInHand(), '--config', gateways[0]!.dir])
      assert.equal(exitCode, 2)
      assert.match(err, /not over/)
      assert.deepEqual(events('tlsrpt-sent'), [])
    })

    it('switched on: each report arrives once, whoever sends it', async () => {
      // the sessions of today become those of yesterday
      assert.ok(store !== undefined)
      for (const { key: at, value } of await store.list(['tlsrpt', 'counts'])) {
        await store.put(['tlsrpt', 'counts', yesterday, String(at[3])], value)
        await store.remove(at)
      }
      for (const gateway of gateways) {
        gateway.write('secure-mail.ini', settings.replace('enabled=false', 'enabled=true'))
      }
      const orders = gateways.flatMap((gateway) =>
        [1, 2].map(() => command<TlsrptSent>(gateway, 'tlsrpt-send.schema.json', 'send', '--day', yesterday)),
      )
      await Promise.all(orders)
      await until(
        'every report is there',
        () => PARTNERS.every((one) => (one === BY_HTTPS ? host.bodies : reportsIn(one)).length > 0),
        { limit: 40_000, every: 300, detail: () => gateways.map((gateway) => gateway.log().slice(-3000)).join('\n') },
      )
      // whoever would send again does it now
      const again = await command<TlsrptSent>(gateways.at(-1)!, 'tlsrpt-send.schema.json', 'send', '--day', yesterday)
      assert.equal(again.exitCode, 0)
      assert.deepEqual(
        again.reports.map(({ domain, state }) => [domain, state]),
        [...PARTNERS].sort().map((partner) => [partner, 'sent-before']),
      )
      await wait(2_500)
      for (const partner of PARTNERS) {
        assert.equal((partner === BY_HTTPS ? host.bodies : reportsIn(partner)).length, 1, partner)
      }
      const told = events('tlsrpt-sent') as { securemail?: { report?: { status?: string } } }[]
      assert.deepEqual(
        told.map(({ securemail }) => securemail?.report?.status),
        PARTNERS.map(() => 'sent'),
      )
    })

    it('they are what RFC 8460 asks for: signed, complete, and true', () => {
      const judged = goodReports(
        PARTNERS.map((partner) =>
          partner === BY_HTTPS ? { body: host.bodies[0]! } : { mail: reportsIn(partner)[0]!.message, key: key.record },
        ),
      )
      received = new Map(PARTNERS.map((partner, n) => [partner, judged[n]!]))
      for (const [partner, { report }] of received) {
        assert.equal(report['date-range']['start-datetime'], `${yesterday}T00:00:00Z`)
        assert.equal(report['organization-name'], 'Uni Test')
        assert.ok(report.policies.every(({ policy }) => policy['policy-domain'] === partner))
        assert.match(report['report-id'], new RegExp(`^${yesterday.replaceAll('-', '')}\\.${partner}\\.`))
      }
      const failuresOf = (partner: string) =>
        received
          .get(partner)!
          .report.policies.flatMap(({ 'failure-details': details = [] }) =>
            details.map((one) => ({ ...one, 'sending-mta-ip': typeof one['sending-mta-ip'] })),
          )
      const failure = (mx: keyof typeof HOSTS, type: string, more: object = {}) => ({
        'result-type': type,
        'sending-mta-ip': 'string',
        'receiving-mx-hostname': mx,
        'receiving-ip': HOSTS[mx],
        'failed-session-count': wire.get(mx),
        ...more,
      })
      assert.deepEqual(failuresOf('good.test'), [])
      assert.deepEqual(failuresOf('notls.test'), [failure('mx.notls.test', 'starttls-not-supported')])
      assert.deepEqual(failuresOf('expired.test'), [failure('mx.expired.test', 'certificate-expired')])
      assert.deepEqual(failuresOf('two.test'), [failure('mx1.two.test', 'starttls-not-supported')])
      assert.deepEqual(failuresOf('old.test'), [
        failure('mx.old.test', 'validation-failure', { 'failure-reason-code': 'tls-version-too-low' }),
      ])
    })

    it('by HTTPS: one POST of the right type, although the certificate of the host has expired', () => {
      assert.deepEqual(host.asked, [`POST /tls application/tlsrpt+gzip`])
    })

    it('a partner without TLS gets its report all the same, with the permission on record; nobody else in clear text', () => {
      const [mail] = reportsIn('notls.test')
      assert.equal(mail?.tls, undefined)
      assert.equal(mail?.sender, '')
      assert.match(reportsIn('good.test')[0]?.tls ?? '', /^TLSv1/)
      const permitted = events('plaintext-permitted') as {
        securemail: { policy: { source: string }; report?: { kind: string } }
        destination: { domain?: string; address?: string }
      }[]
      for (const { securemail } of permitted) {
        assert.equal(securemail.policy.source, 'report')
        assert.equal(securemail.report?.kind, 'tlsrpt')
      }
      assert.ok(permitted.length > 0)
      const inClear = events('plaintext-delivered') as { securemail: { recipient?: { domain?: unknown } } }[]
      assert.ok(inClear.length > 0 && inClear.length <= permitted.length)
    })

    it('the sessions that carried reports are in no report, and no person was mailed about them', async () => {
      await wait(2_500)
      assert.deepEqual(countsOf(await preview(dayInHand())), {})
      assert.ok([...(await onTheWire())].some(([name, n]) => name === 'mx.good.test' && n >= (wire.get(name) ?? 0)))
      assert.ok(world.postfix.mails('uni.test').every(({ recipient }) => recipient !== 'tls@uni.test'))
      assert.deepEqual(events('report-undeliverable'), [])
    })

    it('the preview says what became of them', async () => {
      const shown = await preview(yesterday)
      assert.equal(shown.exitCode, 0)
      assert.deepEqual(
        shown.domains.map(({ domain, sent }) => [domain, sent.map(({ state }) => state)]),
        [...PARTNERS].sort().map((partner) => [partner, ['sent']]),
      )
      for (const { domain, report } of shown.domains) assert.deepEqual(report, received.get(domain)?.report)
      const { out } = await ran([
        'tlsrpt',
        'preview',
        '--domain',
        'notls.test',
        '--day',
        yesterday,
        '--config',
        gateways[0]!.dir,
      ])
      assert.match(out, /notls\.test: 0 succeeded, \d+ failed/)
      assert.match(out, /sent at .*mailto:tls@notls\.test/)
    })
  })
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
