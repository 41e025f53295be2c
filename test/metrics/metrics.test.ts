import assert from 'node:assert/strict'
import http from 'node:http'
import { freePort } from '../../demo/processes'
import type { AuditAction, AuditEvent } from '../../lib/audit/types'
import { ACTIONS } from '../../lib/audit/actions'
import { OF_PROCESSES } from '../../lib/metrics/definitions'
import { exposition } from '../../lib/metrics/exposition'
import { createMetrics, type Metrics } from '../../lib/metrics/metrics'
import { serveMetrics, type MetricsServer } from '../../lib/metrics/server'
import { fullEvent, TLS } from '../audit/fixtures'
import { readPage, type Sample } from './page'

const failure = { resultType: 'certificate-expired' as const, enhancedCode: '4.7.5', publicText: 'expired' }
const policy = { source: 'override' as const, level: 'may' as const }

async function samplesOf(...all: Metrics[]): Promise<Sample[]> {
  return readPage(await exposition(await Promise.all(all.map((one) => one.values())), []))
}
const valueOf = (samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number | undefined =>
  samples.find((one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value))
    ?.value

describe('metrics', () => {
  it('count what the audit events say', async () => {
    const metrics = createMetrics('main')
    const events: AuditEvent[] = [
      { action: 'message-accepted', message: '', extra: { category: 2 } },
      { action: 'message-accepted', message: '', extra: { category: 2 } },
      { action: 'message-accepted', message: '' },
      { action: 'optout-requested', message: '' },
      {
        action: 'optout-refused',
        message: '',
        optOut: { by: null, granted: false, refusals: ['cpr', 'no-public-marker'] },
      },
      { action: 'tls-negotiated', message: '', tls: TLS, policy: { ...policy, source: 'dane' } },
      { action: 'tls-failed', message: '', failure, policy: { ...policy, source: 'default' } },
      { action: 'delivery-succeeded', message: '', tls: TLS, policy: { ...policy, source: 'dane' } },
      { action: 'delivery-succeeded', message: '', tls: null, policy },
      { action: 'delivery-deferred', message: '', failure },
      { action: 'plaintext-permitted', message: '', policy },
      { action: 'plaintext-delivered', message: '', tls: null, policy },
      { action: 'report-sent', message: '', report: { kind: 'certificate-expired', status: '5.7.5' }, queueAge: 80e6 },
      { action: 'report-sent', message: '', report: { kind: 'category3-advice', status: '2.0.0' }, queueAge: 5 },
      { action: 'delay-notice-sent', message: '', report: { kind: 'delayed', status: '4.0.0' }, queueAge: 5 },
      { action: 'config-rejected', message: '' },
      { action: 'plugin-error', message: '', extra: { what: 'store' } },
      { action: 'plugin-error', message: '', extra: { what: 'anything\n"that somebody wrote' } },
      { action: 'override-expired', message: '' },
    ]
    for (const event of events) metrics.told(event)
    metrics.auditFailed()
    metrics.lookedUp('dns', true)
    metrics.lookedUp('dns', false)
    metrics.lookedUp('mta-sts', false)
    metrics.told({ action: 'tls-negotiated', message: '', tls: { ...TLS, resumed: !TLS.resumed } })
    const samples = await samplesOf(metrics)
    const rows: [string, Record<string, string>, number][] = [
      ['securemail_messages_total', { category: '2', process: 'main' }, 2],
      ['securemail_messages_total', { category: 'none' }, 1],
      ['securemail_optout_total', { result: 'requested' }, 1],
      ['securemail_optout_total', { result: 'granted' }, 0],
      ['securemail_optout_refusals_total', { code: 'cpr' }, 1],
      ['securemail_optout_refusals_total', { code: 'no-public-marker' }, 1],
      ['securemail_sessions_total', { result_type: 'success', policy: 'dane' }, 1],
      ['securemail_sessions_total', { result_type: 'certificate-expired', policy: 'default' }, 1],
      ['securemail_deliveries_total', { outcome: 'delivered', tls_version: 'TLSv1.3', policy_source: 'dane' }, 1],
      ['securemail_deliveries_total', { outcome: 'delivered', tls_version: 'none', policy_source: 'override' }, 1],
      ['securemail_deliveries_total', { outcome: 'deferred' }, 1],
      ['securemail_plaintext_total', { reason: 'override' }, 1],
      ['securemail_plaintext_permitted_total', { reason: 'override' }, 1],
      ['securemail_reports_total', { kind: 'certificate-expired', status: 'sent' }, 1],
      ['securemail_reports_total', { kind: 'delayed', status: 'sent' }, 1],
      ['securemail_report_age_seconds_count', {}, 1],
      ['securemail_report_age_seconds_bucket', { le: '72000' }, 0],
      ['securemail_report_age_seconds_bucket', { le: '82800' }, 1],
      ['securemail_config_rejected', {}, 1],
      ['securemail_hook_errors_total', { what: 'store' }, 1],
      ['securemail_hook_errors_total', { what: 'other' }, 1],
      ['securemail_policy_rows_expired_total', {}, 1],
      ['securemail_audit_write_errors_total', {}, 1],
      ['securemail_audit_events_total', { action: 'report-sent' }, 2],
      ['securemail_cache_lookups_total', { cache: 'dns', result: 'hit' }, 1],
      ['securemail_cache_lookups_total', { cache: 'dns', result: 'miss' }, 1],
      ['securemail_cache_lookups_total', { cache: 'mta-sts', result: 'hit' }, 0],
      ['securemail_cache_lookups_total', { cache: 'mta-sts', result: 'miss' }, 1],
      ['securemail_cache_lookups_total', { cache: 'tls-session', result: 'hit' }, 1],
      ['securemail_cache_lookups_total', { cache: 'tls-session', result: 'miss' }, 1],
    ]
    for (const [name, labels, expected] of rows) {
      assert.equal(valueOf(samples, name, labels), expected, `${name} ${JSON.stringify(labels)}`)
    }
    metrics.told({ action: 'config-loaded', message: '' })
    metrics.told({ action: 'config-loaded', message: '', extra: { change: 'added' } })
    const later = await samplesOf(metrics)
    assert.equal(valueOf(later, 'securemail_config_rejected'), 0)
    assert.equal(valueOf(later, 'securemail_config_loads_total', { result: 'loaded' }), 1)
  })

  it('take every action, and put nothing that others choose into a label', async () => {
    const metrics = createMetrics('main')
    for (const action of Object.keys(ACTIONS) as AuditAction[]) {
      metrics.told(fullEvent(action))
      metrics.told({ action, message: 'x' })
    }
    const samples = await samplesOf(metrics)
    assert.doesNotMatch(JSON.stringify(samples), /partner\.example|uni\.example|anne/)
    for (const action of Object.keys(ACTIONS)) {
      assert.equal(valueOf(samples, 'securemail_audit_events_total', { action }), 2)
    }
  })

  it('of several processes stand beside each other, each under its own name', async () => {
    const [one, two] = [createMetrics('w1'), createMetrics('w2')]
    one.told({ action: 'probe-run', message: '' })
    two.told({ action: 'probe-run', message: '' })
    two.told({ action: 'probe-run', message: '' })
    const samples = await samplesOf(one, two)
    const name = 'securemail_audit_events_total'
    assert.equal(valueOf(samples, name, { action: 'probe-run', process: 'w1' }), 1)
    assert.equal(valueOf(samples, name, { action: 'probe-run', process: 'w2' }), 2)
  })

  it('are refused when a process answers with something else', async () => {
    await assert.rejects(exposition([[{ name: 'x' }]], []), /no metrics/)
    await assert.rejects(exposition([[null]], []), /no metrics/)
  })

  it('have machine-wide values, with HELP and TYPE', async () => {
    const text = await exposition(
      [],
      [
        { name: 'securemail_processes', labels: { state: 'silent' }, value: 1 },
        { name: 'securemail_queue_error_files', value: 3 },
      ],
    )
    assert.match(text, /# TYPE securemail_processes gauge\nsecuremail_processes\{state="silent"\} 1\n/)
    assert.match(text, /# HELP securemail_queue_error_files .+\n.*\nsecuremail_queue_error_files 3\n/)
  })

  it('are defined once, with a unit or _total as Prometheus names them', () => {
    for (const [name, { type, help }] of Object.entries(OF_PROCESSES)) {
      assert.match(name, /^securemail_[a-z0-9_]+$/)
      assert.equal(name.endsWith('_total'), type === 'counter', name)
      assert.match(help, /\.$/, name)
    }
  })
})

describe('the endpoint of the metrics', () => {
  let servers: MetricsServer[] = []
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.close()))
    servers = []
  })
  function serve(listen: string, page: () => Promise<string>, errors: Error[] = []): MetricsServer {
    const server = serveMetrics({ listen, page, onError: (error) => errors.push(error) })
    servers.push(server)
    return server
  }
  const ask = (port: number, path: string, method = 'GET') =>
    new Promise<{ code: number; type: string; text: string }>((resolve, reject) => {
      const request = http.request({ port, path, method, host: '127.0.0.1', agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () =>
          resolve({ code: response.statusCode ?? 0, type: String(response.headers['content-type']), text }),
        )
      })
      request.on('error', reject).end()
    })

  it('answers GET /metrics, and nothing else', async () => {
    const port = await freePort()
    serve(`127.0.0.1:${port}`, () => Promise.resolve('a 1\n'))
    assert.deepEqual(await ask(port, '/metrics'), {
      code: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      text: 'a 1\n',
    })
    assert.equal((await ask(port, '/metrics', 'HEAD')).text, '')
    assert.equal((await ask(port, '/')).code, 404)
    assert.equal((await ask(port, '/metrics', 'POST')).code, 405)
  })

  it('says why a page cannot be made, and goes on', async () => {
    const port = await freePort()
    const errors: Error[] = []
    let broken = true
    serve(`127.0.0.1:${port}`, () => (broken ? Promise.reject(new Error('store')) : Promise.resolve('a 1\n')), errors)
    assert.equal((await ask(port, '/metrics')).code, 500)
    assert.equal(errors[0]!.message, 'store')
    broken = false
    assert.equal((await ask(port, '/metrics')).code, 200)
  })

  it('says that a port is taken, and throws nothing', async () => {
    const port = await freePort()
    const errors: Error[] = []
    serve(`127.0.0.1:${port}`, () => Promise.resolve(''))
    await ask(port, '/metrics')
    serve(`127.0.0.1:${port}`, () => Promise.resolve(''), errors)
    const until = Date.now() + 5000
    while (errors.length === 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.match(errors[0]!.message, /cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/)
  })
})
