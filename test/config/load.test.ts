import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { formatProblem, loadConfig } from '../../lib/config'
import { parseIni } from '../../lib/config/ini'
import { readValues } from '../../lib/config/read'
import { SCHEMA } from '../../lib/config/schema'
import { packageRoot } from '../../lib/package-root'
import { CERTIFICATE, instance, removeInstances, settingsOf } from './instance'

const DEFAULTS = path.join(packageRoot(), 'config', 'secure-mail.ini')

describe('config: loading', function () {
  // properties take long on a busy machine
  this.timeout(30_000)
  afterEach(removeInstances)

  it('defaults are those of the design', () => {
    const { map, store, audit, ...rest } = settingsOf('')
    assert.equal(map.rows.length, 0)
    assert.equal(store.engine, 'lmdb')
    assert.equal(audit.recipients, 'domain+hmac')
    assert.deepEqual(rest, {
      main: { mode: 'enforce', level: 'encrypt', internalDomains: [] },
      tls: { minVersion: 'TLSv1.2', dane: true, mtaSts: true },
      override: {
        tags: ['[unsecure]'],
        tlsRequiredNo: false,
        mode: 'opportunistic',
        refused: 'enforce',
        stripTag: true,
        stripSigned: false,
        sendersAllow: [],
        sendersDeny: [],
      },
      public: {
        subjectTags: ['[public]', '[offentlig]'],
        headers: [{ name: 'X-Classification', value: 'public' }],
        purviewLabels: [],
        bodyLines: ['Classification: Public', 'Klassifikation: Offentlig'],
      },
      content: {
        blockAt: 'low',
        maxParts: 500,
        maxDepth: 20,
        maxBytes: 200 * 1024 ** 2,
        maxMillis: 10_000,
        workers: 0,
        sensitive: ['private-key', 'password', 'iban', 'card', 'passport', 'classification', 'article9'],
      },
      category3: {
        persons: 5,
        nameRows: true,
        action: 'notify',
        subjectTags: ['[secure]', '[sikker]'],
        withoutCertificate: 'ndr',
        hideSubject: 'findings',
        hiddenSubject: 'Krypteret mail / Encrypted mail',
        protectHeaders: 'rfc9788',
        rsaPadding: 'pkcs1',
        harvest: true,
      },
      metrics: {},
      ndr: {
        languages: ['da', 'en'],
        dsn: 'honour',
        tlsFailureAfter: 4 * 3_600_000,
        undeliverableAfter: 23 * 3_600_000,
        delayNoticeAfter: 2 * 3_600_000,
        style: 'report',
        coalesce: 10_000,
      },
      delivery: {
        port: 25,
        connectionsPerDestination: 20,
        messagesPerConnection: 100,
        idle: 10_000,
        retry: [1, 2, 5, 10, 20, 30].map((minutes) => minutes * 60_000),
        paused: false,
        localMxOk: false,
        inetPrefer: 'default',
        // RFC 5321 section 4.5.3.2.1 to 4.5.3.2.6
        timeouts: {
          connect: 30_000,
          greeting: 300_000,
          helo: 300_000,
          starttls: 120_000,
          mail: 300_000,
          rcpt: 300_000,
          data: 120_000,
          dataBlock: 180_000,
          dataEnd: 600_000,
        },
      },
      support: { name: '', address: '', phone: '', digest: 'off' },
      tlsrpt: { enabled: false, onlyFailures: false, excludeDomains: [], window: 4 * 3_600_000, https: true },
      dns: { servers: [], trustAd: 'loopback', timeout: 5000 },
    })
  })

  it('the package documents every key of the schema where it stands, and no other', () => {
    const text = readFileSync(DEFAULTS, 'utf8')
    const written = new Set(parseIni(text, 'x').entries.map(({ section, key }) => `${section}.${key}`))
    const known = Object.entries(SCHEMA).flatMap(([section, keys]) =>
      Object.keys(keys).map((key) => `${section}.${key}`),
    )
    assert.deepEqual([...written].sort(), known.sort())
    // every block of keys stands under a comment
    for (const block of text.split(/\n\n/)) {
      if (/^[a-z0-9_]+(\[\])?=/m.test(block)) assert.match(block, /^;/m, block)
    }
  })

  it('reads units, IDN and lists', () => {
    const settings = settingsOf(
      [
        '[main]',
        'internal_domains[]=Blåbær.Example.',
        'internal_domains[]=.Uni.Example',
        '[ndr]',
        'delay_notice_after = 90s',
        'tls_failure_after=1.5h',
        'coalesce=500ms',
        '[content]',
        'max_bytes=64k',
        'max_seconds=2m',
        '[delivery]',
        'idle_seconds=7',
        'retry=30s, 1m',
        '[dns]',
        'servers[]=[2001:db8::53]:5353',
        '[public]',
        'purview_tenant={AAAAAAAA-2222-3333-4444-555555555555}',
        '[override]',
        'tags[]=[klartekst]',
        'senders_allow[]=Ida@Blåbær.example',
        '[category3]',
        'subject_tags[]=',
      ].join('\r\n'),
    )
    assert.deepEqual(settings.main.internalDomains, ['xn--blbr-roah.example', '.uni.example'])
    assert.equal(settings.ndr.delayNoticeAfter, 90_000)
    assert.equal(settings.ndr.tlsFailureAfter, 5_400_000)
    assert.equal(settings.ndr.coalesce, 500)
    assert.equal(settings.content.maxBytes, 65_536)
    assert.equal(settings.content.maxMillis, 120_000)
    assert.equal(settings.delivery.idle, 7000)
    assert.deepEqual(settings.delivery.retry, [30_000, 60_000])
    assert.deepEqual(settings.dns.servers, ['[2001:db8::53]:5353'])
    assert.equal(settings.public.purviewTenant, 'aaaaaaaa-2222-3333-4444-555555555555')
    assert.deepEqual(settings.override.tags, ['[klartekst]'], 'replaces the default list')
    assert.deepEqual(settings.override.sendersAllow, ['Ida@xn--blbr-roah.example'])
    assert.deepEqual(settings.category3.subjectTags, [], 'an empty item empties the list')
  })

  it('relative paths are below the instance', () => {
    const { dir, write } = instance({
      'secure-mail.ini': '[tls]\nca_file=config/roots.pem\n[store]\npath=/var/lib/s\n',
    })
    write('roots.pem', CERTIFICATE)
    const loaded = loadConfig(dir)
    assert.ok(loaded.ok)
    assert.equal(loaded.settings.tls.caFile, path.join(dir, 'config/roots.pem'))
    assert.equal(loaded.settings.store.path, '/var/lib/s')
    assert.equal(loaded.settings.audit.dir, path.join(dir, 'audit'))
  })

  it('without files of its own an instance has the defaults, and a warning for each', () => {
    const loaded = loadConfig(instance().dir)
    assert.ok(loaded.ok)
    assert.equal(loaded.settings.main.level, 'encrypt')
    const told = loaded.problems.map(formatProblem).join('\n')
    assert.match(told, /config\/secure-mail\.ini: warning: there is no such file: the defaults are used/)
    assert.match(told, /config\/secure-mail\.tls_policy: warning: there is no such file: there are no policy rows/)
  })

  it('a byte order mark and carriage returns change nothing', () => {
    assert.equal(settingsOf('\uFEFF[main]\r\nmode=monitor\r\n').main.mode, 'monitor')
  })

  it('no text makes the reader throw, and what it refuses it says the line of', () => {
    const defaults = parseIni(readFileSync(DEFAULTS, 'utf8'), 'defaults')
    const names = Object.entries(SCHEMA).flatMap(([section, keys]) => [`[${section}]`, ...Object.keys(keys)])
    const piece = fc.oneof(fc.constantFrom(...names, '[]', '=', '\n', ';', '[', ']'), fc.string({ unit: 'binary' }))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join('')
        const { problems } = readValues(defaults, parseIni(text, 'mine'))
        const lines = text.split(/\r\n|\n|\r/).length
        for (const problem of problems) {
          assert.equal(problem.file, 'mine')
          assert.ok(problem.line >= 1 && problem.line <= lines)
          assert.doesNotMatch(formatProblem(problem), /[\p{Cc}\u2028\u2029]/u)
        }
      }),
      { numRuns: 500 },
    )
  })
})
