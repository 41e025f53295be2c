import assert from 'node:assert/strict'
import { prepareGateway, startGateway } from '../internet/gateway'
import { sendWithPython } from '../internet/clients'
import { keeper } from '../internet/keeper'
import { startMailServer } from '../internet/servers'
import { until } from '../../demo/processes'

/** Files of an instance, by name below config/, and the one line that must say what is wrong. */
const WRONG: { name: string; files: Record<string, string>; line: RegExp }[] = [
  {
    name: 'an unknown key',
    files: { 'secure-mail.ini': '[main]\nmod=enforce\n' },
    line: /config\/secure-mail\.ini:2: .*"mod".*"mode"/,
  },
  {
    name: 'an unknown section',
    files: { 'secure-mail.ini': '[mian]\nmode=enforce\n' },
    line: /config\/secure-mail\.ini:1: .*\[mian\].*main/,
  },
  {
    name: 'a value that is none',
    files: { 'secure-mail.ini': '[main]\nmode=enforced\n' },
    line: /config\/secure-mail\.ini:2: .*enforced.*enforce/,
  },
  {
    name: 'a duration without a unit',
    files: { 'secure-mail.ini': '[ndr]\ntls_failure_after=4\n' },
    line: /config\/secure-mail\.ini:2: .*4h/,
  },
  {
    name: 'more than a day',
    files: { 'secure-mail.ini': '[ndr]\nundeliverable_after=25h\n' },
    line: /config\/secure-mail\.ini:2: .*24h/,
  },
  {
    name: 'no INI at all',
    files: { 'secure-mail.ini': '{"main":{}}\n' },
    line: /config\/secure-mail\.ini:1: /,
  },
  {
    name: 'level none as the default',
    files: { 'secure-mail.ini': '[main]\nlevel=none\n' },
    line: /config\/secure-mail\.ini:2: .*level/,
  },
  {
    name: 'a CA file that is not there',
    files: { 'secure-mail.ini': '[tls]\nca_file=nowhere.pem\n' },
    line: /config\/secure-mail\.ini:2: .*nowhere\.pem/,
  },
  {
    name: 'an unknown level in the map',
    files: { 'secure-mail.tls_policy': '\npartner.dk encrpyt\n' },
    line: /config\/secure-mail\.tls_policy:2: .*encrpyt.*encrypt/,
  },
  {
    name: 'clear text in the map without saying why and until when',
    files: { 'secure-mail.tls_policy': 'partner.dk may\n' },
    line: /config\/secure-mail\.tls_policy:1: .*note=.*expires=/,
  },
  {
    name: 'a fingerprint that is none',
    files: { 'secure-mail.tls_policy': 'partner.dk fingerprint match=abcd\n' },
    line: /config\/secure-mail\.tls_policy:1: .*abcd/,
  },
  {
    name: 'a report text with an unknown placeholder',
    files: { 'secure-mail.ndr/da.txt': '[unreachable.subject]\nHej {recipiant}\n' },
    line: /secure-mail\.ndr\/da\.txt:2: .*recipiant/,
  },
  {
    name: 'TLS NO-GO by Redis',
    files: { 'tls.ini': '[redis]\ndisable_for_failed_hosts=true\n' },
    line: /config\/tls\.ini:2: .*disable_for_failed_hosts/,
  },
  {
    name: 'a log level that writes mail into the log',
    files: { 'log.ini': '[main]\nlevel=protocol\n' },
    line: /config\/log\.ini:2: .*level/,
  },
]

describe('wrong configuration: one clear line, exit code not 0, nothing started', function () {
  this.timeout(60_000)
  const keep = keeper()
  afterEach(() => keep.stop())

  for (const { name, files, line } of WRONG) {
    it(name, async () => {
      const gateway = await keep(prepareGateway())
      for (const [file, text] of Object.entries(files)) gateway.write(file, text)
      const { code, output } = await gateway.startExpectingRefusal()
      assert.notEqual(code, 0)
      assert.notEqual(code, null, 'it must end by itself')
      assert.match(output, line)
      assert.ok(!output.includes('Listening on'), 'nothing listens')
      assert.ok(!/\n\s+at .*\(.*:\d+:\d+\)/.test(output), `no stack trace: ${output}`)
    })
  }

  it('another plugin that queues outbound mail by itself is named', async () => {
    const gateway = await keep(
      prepareGateway({ plugins: [{ name: 'forwarder', source: 'exports.hook_queue_outbound = (next) => next(OK)' }] }),
    )
    const { code, output } = await gateway.startExpectingRefusal()
    assert.notEqual(code, 0)
    assert.match(output, /secure-mail: .*forwarder.*queue_outbound/)
    assert.ok(!output.includes('Listening on'))
  })
})

for (const nodes of [0, 2]) {
  describe(`live reload, nodes=${nodes}`, function () {
    this.timeout(90_000)
    const keep = keeper()
    after(() => keep.stop())

    it('a bad file changes nothing but says so; a good one is in force within seconds', async () => {
      const server = await keep(startMailServer({ address: '127.0.0.1', port: 0, hostname: 'mx.test' }))
      const good = '[main]\ninternal_domains[]=uni.test\n[delivery]\nlocal_mx_ok=true\nretry=1s\n'
      const gateway = await keep(
        startGateway({
          nodes,
          settings: good,
          plugins: [
            {
              name: 'route',
              source: `exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${server.port} })`,
            },
          ],
        }),
      )
      const processes = nodes === 0 ? 1 : nodes
      gateway.write('secure-mail.ini', `${good}[override]\nrefused=mayby\n`)
      await until('the bad file is refused', () => gateway.events('config-rejected').length >= processes, {
        limit: 15_000,
      })
      assert.match(gateway.log(), /config\/secure-mail\.ini:7: .*mayby/)
      assert.match(gateway.log(), /last good one stays/)

      const sent = await sendWithPython({
        server: gateway.server,
        from: 'a@uni.test',
        to: ['b@partner.test'],
        data: 'From: <a@uni.test>\r\nSubject: no TLS there\r\n\r\nx\r\n',
      })
      assert.equal(sent.code, 0, sent.transcript)
      await until('it is deferred: TLS is still required', () => gateway.events('delivery-deferred').length > 0)
      assert.equal(server.mails.length, 0)

      const loaded = gateway.events('config-loaded').length
      gateway.write('secure-mail.tls_policy', '[127.0.0.1] may note="test" expires=2099-01-01\n')
      gateway.write('secure-mail.ini', good)
      await until('the good file is in force', () => gateway.events('config-loaded').length >= loaded + processes, {
        limit: 15_000,
      })
      await until('the waiting mail goes by the new row', () => server.mails.length === 1, {
        limit: 30_000,
        detail: () => gateway.log().slice(-4000),
      })
      await until('it is on record', () => gateway.events('plaintext-delivered').length === 1)
    })
  })
}
