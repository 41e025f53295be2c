/** Metrics of a real gateway: scraped after real mails, and equal to what happened. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { accepted, letter, patient } from './support-mail'
import { startWorld, type World } from './world'
import { startGateway, type Gateway } from '../internet/gateway'
import { keeper } from '../internet/keeper'
import { requirePackages } from '../internet/packages'
import { checkWithPromtool, readPage, type Sample } from '../metrics/page'
import { OF_MACHINE, OF_PROCESSES } from '../../lib/metrics/definitions'
import { freePort, until } from '../../demo/processes'

function scrape(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path: '/metrics', agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))))
      })
      .on('error', reject)
  })
}

const sum = (samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number =>
  samples
    .filter((one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value))
    .reduce((total, { value }) => total + value, 0)

for (const nodes of [0, 2]) {
  describe(`metrics, nodes=${nodes}`, function () {
    this.timeout(120_000)
    const keep = keeper()
    let world: World
    let gateway: Gateway
    let port: number
    let settings: string

    before(async function () {
      await requirePackages(this)
      world = await keep(startWorld())
      port = await freePort()
      settings = `${patient(world)}\n[metrics]\nlisten=127.0.0.1:${port}\n`
      gateway = await keep(startGateway({ settings, nodes }))
    })
    after(() => keep.stop())

    const page = () =>
      until('a scrape', () => scrape(port).catch(() => false as const), { limit: 20_000, detail: () => gateway.log() })

    it('counts equal what happened, in the format that Prometheus takes', async () => {
      const processes = Math.max(1, nodes)
      for (let n = 0; n < 3; n++) await accepted(gateway, letter([`bo${n}@good.test`]))
      await accepted(gateway, letter(['eva@notls.test']))
      await until('deliveries', () => gateway.events('delivery-succeeded').length === 5, { limit: 30_000 }).catch(
        () => 0,
      )
      await until('three delivered, one deferred', () => {
        const good = gateway.events('delivery-succeeded').length + gateway.events('delivery-deferred').length
        return good >= 4
      })
      const text = await page()
      checkWithPromtool(text)
      const samples = readPage(text)
      const happened = (action: string) => gateway.events(action).length
      assert.equal(sum(samples, 'securemail_processes', { state: 'answered' }), processes)
      assert.equal(sum(samples, 'securemail_processes', { state: 'silent' }), 0)
      assert.equal(sum(samples, 'securemail_build_info'), processes)
      assert.equal(sum(samples, 'securemail_messages_total', { category: '2' }), 4)
      assert.equal(
        sum(samples, 'securemail_deliveries_total', { outcome: 'delivered' }),
        happened('delivery-succeeded'),
      )
      assert.equal(sum(samples, 'securemail_deliveries_total', { outcome: 'deferred' }), happened('delivery-deferred'))
      assert.equal(sum(samples, 'securemail_sessions_total', { result_type: 'success' }), happened('tls-negotiated'))
      assert.ok(sum(samples, 'securemail_sessions_total', { result_type: 'starttls-not-supported' }) >= 1)
      assert.equal(sum(samples, 'securemail_plaintext_total'), 0)
      assert.equal(sum(samples, 'securemail_cache_lookups_total', { cache: 'tls-session' }), happened('tls-negotiated'))
      assert.ok(sum(samples, 'securemail_cache_lookups_total', { cache: 'dns', result: 'miss' }) >= 2)
      assert.deepEqual(
        samples.filter(({ name }) => name === 'securemail_certificates_expiring').map(({ value }) => value),
        [0, 0, 0],
      )
      assert.equal(sum(samples, 'securemail_queue_mails'), happened('delivery-deferred'))
      assert.ok(
        Math.max(...samples.filter(({ name }) => name === 'securemail_queue_oldest_seconds').map((s) => s.value)) > 0,
      )
      for (const name of Object.keys({ ...OF_PROCESSES, ...OF_MACHINE })) {
        assert.ok(text.includes(`# TYPE ${name} `), `${name} is on the page`)
      }
    })

    it('every scrape says the same, whichever process answers it', async () => {
      const totals = new Set<number>()
      for (let n = 0; n < 4 * Math.max(1, nodes); n++) {
        totals.add(sum(readPage(await scrape(port)), 'securemail_messages_total'))
      }
      assert.deepEqual([...totals], [4])
    })

    it('a rejected configuration and a file set aside show', async () => {
      writeFileSync(path.join(gateway.dir, 'queue', 'error.1_1_0_1_x_1_h'), 'x')
      gateway.write('secure-mail.ini', `${settings}\n[nonsense]\n`)
      const processes = Math.max(1, nodes)
      const seen = await until('both', async () => {
        const samples = readPage(await scrape(port))
        const rejected = sum(samples, 'securemail_config_rejected')
        return rejected === processes && sum(samples, 'securemail_queue_error_files') === 1 ? samples : false
      })
      assert.equal(sum(seen, 'securemail_config_loads_total', { result: 'rejected' }), processes)
    })

    it('moves to another port live; where it cannot listen mail goes on', async () => {
      const other = await freePort()
      const moved = settings.replace(`:${port}`, `:${other}`)
      gateway.write('secure-mail.ini', moved)
      await until('the new port', () => scrape(other).catch(() => false as const), { limit: 20_000 })
      await assert.rejects(scrape(port))
      const taken = await keep(
        new Promise<{ stop(): Promise<void> }>((resolve) => {
          const server = http
            .createServer()
            .listen(port, '127.0.0.1', () =>
              resolve({ stop: () => new Promise((done) => void server.close(() => done())) }),
            )
        }),
      )
      assert.ok(taken)
      gateway.write('secure-mail.ini', settings)
      await until('it says so', () => /cannot listen on 127\.0\.0\.1:/.test(gateway.log()), { limit: 20_000 })
      const before = gateway.events('delivery-succeeded').length
      await accepted(gateway, letter(['late@good.test']))
      await until('mail goes on', () => gateway.events('delivery-succeeded').length > before, { limit: 20_000 })
    })
  })
}
