/**
 * A day of partners that fail, on real processes with every deadline shortened: the gateway is restarted once and
 * killed once on the way. The same with the shipped deadlines and a turned clock: test/plugins/day.test.ts.
 */
import assert from 'node:assert/strict'
import { letter, type Letter } from './support-mail'
import { pump } from './support-pump'
import { settingsFor } from './settings'
import { freePort, until } from '../../demo/processes'
import { createTestCa, type TestCa } from '../internet/ca'
import { assertNothingInClear, startCapture, type Capture } from '../internet/capture'
import { startDns, type Dns } from '../internet/dns'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { startBadServer, type MailServer } from '../internet/servers'

/** By domain; nobody listens for `gone`. */
const HOSTS = {
  uni: '127.0.3.10',
  good: '127.0.3.11',
  notls: '127.0.3.12',
  gone: '127.0.3.13',
  back: '127.0.3.14',
} as const
type Domain = keyof typeof HOSTS
/** Mails to each domain. */
const EACH = 3
/** Seconds: the notice of delay, the end of a TLS failure, the end of any other. */
const [NOTICE, TLS_END, END] = [8, 20, 35]

interface Report {
  action: string | undefined
  status: string | undefined
}

describe('a day of partners that fail, on real processes', function () {
  this.timeout(120_000)
  const keep = keeper()
  let ca: TestCa
  let dns: Dns
  let capture: Capture
  let port: number
  let gateway: Gateway
  let home: MailServer
  let back: MailServer
  let letters: Map<Domain, Letter[]>

  before(async function () {
    await requirePackages(this)
    ca = createTestCa()
    await keep(ca)
    port = await freePort(Object.values(HOSTS))
    capture = await keep(startCapture([port]))
    home = await serve('uni', 'none')
    await serve('good', 'none')
    await serve('notls', 'strippedStarttls')
    const busy = await serve('back', 'greeting421')
    const zones = Object.entries(HOSTS).map(([name, address]) => ({
      name: `${name}.test`,
      records: ['@ MX 10 mx', `mx A ${address}`],
    }))
    dns = await keep(startDns({ zones }))
    gateway = await keep(startGateway({ settings: settings() }))

    const failing: readonly Domain[] = ['notls', 'gone', 'back']
    letters = await post(['good', ...failing])
    await until('each was tried', () => deferred().length >= EACH * failing.length, { detail })
    await gateway.restart()
    const late = failing.flatMap(lettersTo)
    await until('the notices are there', () => late.every((mail) => reportsOf(mail).length > 0), {
      limit: 30_000,
      detail,
    })
    await gateway.kill9()
    await busy.stop()
    back = await serve('back', 'none')
    await gateway.start()
    await until('the queue is empty', () => gateway.queue().length === 0, { limit: 80_000, detail })
    const given = [...lettersTo('notls'), ...lettersTo('gone')]
    await until('the reports are there', () => given.every((mail) => reportsOf(mail).length > 1), { detail })
  })
  after(() => keep.stop())

  const detail = () => gateway.log().slice(-6_000)
  const deferred = () => gateway.events('delivery-deferred')
  const lettersTo = (domain: Domain): Letter[] => letters.get(domain) ?? []

  function serve(name: Domain, fault: Parameters<typeof startBadServer>[0]): Promise<MailServer> {
    const hostname = `mx.${name}.test`
    return keep(startBadServer(fault, { address: HOSTS[name], port, hostname, certificate: ca.good(hostname) }))
  }

  async function post(domains: readonly Domain[]): Promise<Map<Domain, Letter[]>> {
    const posted = new Map<Domain, Letter[]>()
    for (const domain of domains) {
      posted.set(
        domain,
        Array.from({ length: EACH }, (_, n) => letter([`somebody${n}@${domain}.test`])),
      )
    }
    const all = [...posted.values()].flat()
    const pumping = pump(gateway.address, gateway.port, all)
    await pumping.done
    assert.equal(pumping.accepted.length, all.length)
    return posted
  }

  /** What a mail's sender was told of it, in order. */
  const reportsOf = (mail: Letter): Report[] =>
    home.mails
      .filter(({ sender, message }) => sender === '' && message.includes(`<${mail.token}@uni.test>`))
      .map(({ message }) => {
        const text = message.toString('latin1')
        const field = (name: string) => new RegExp(`^${name}: (\\S+)\\r$`, 'm').exec(text)?.[1]
        return { action: field('Action'), status: field('Status') }
      })
  /** Seconds that mails to a domain had been queued when an event of an action was told about them. */
  const agesAt = (action: string, domain: Domain): number[] =>
    gateway.events(action).flatMap((event) => {
      const { recipient, queue_age_s: age } = event.securemail as {
        recipient?: { domain?: string[] }
        queue_age_s?: number
      }
      return recipient?.domain?.includes(`${domain}.test`) ? [age ?? NaN] : []
    })

  for (const [domain, what, status] of [
    ['notls', 'no TLS', '5.7.4'],
    ['gone', 'away', '5.4.7'],
  ] as const) {
    it(`${what}: of each mail one notice of delay and one report, across a restart and a kill -9`, () => {
      for (const mail of lettersTo(domain)) {
        const [notice, report, ...more] = reportsOf(mail)
        assert.deepEqual([notice?.action, report, more], ['delayed', { action: 'failed', status }, []])
      }
    })
  }

  it('each at its time: the notice, TLS failures at theirs, others at the end', () => {
    for (const domain of ['notls', 'gone', 'back'] as const) {
      const ages = agesAt('delay-notice-sent', domain)
      assert.equal(ages.length, EACH)
      assert.ok(
        ages.every((age) => age >= NOTICE && age < TLS_END),
        `${domain}: ${ages.join(', ')}`,
      )
    }
    const [notls, gone] = [agesAt('report-sent', 'notls'), agesAt('report-sent', 'gone')]
    assert.ok(notls.length === EACH && notls.every((age) => age >= TLS_END && age < END), notls.join(', '))
    assert.ok(gone.length === EACH && gone.every((age) => age >= END), gone.join(', '))
  })

  it('back in time: delivered once, one notice of delay, no report', () => {
    for (const mail of lettersTo('back')) {
      assert.equal(back.mails.filter(({ message }) => message.includes(mail.token)).length, 1)
      assert.deepEqual(
        reportsOf(mail).map(({ action }) => action),
        ['delayed'],
      )
    }
  })

  it('nothing of envelope or content was on the wire in clear text', async () => {
    const tokens = [...letters.values()].flat().map(({ token }) => token)
    assertNothingInClear(await capture.connections(), ['Nobody else may read this', 'somebody', ...tokens])
  })

  function settings(): string {
    const ndr = {
      tls_failure_after: `${TLS_END}s`,
      undeliverable_after: `${END}s`,
      delay_notice_after: `${NOTICE}s`,
      coalesce: '1s',
    }
    return settingsFor({ ca, dns, port }, { delivery: { retry: '1s,2s,3s' }, ndr })
  }
})
