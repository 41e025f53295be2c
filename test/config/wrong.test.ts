import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { formatProblem, loadConfig } from '../../lib/config'
import { instance, removeInstances } from './instance'

const GUID = '11111111-2222-3333-4444-555555555555'

/** Name of the mistake, text of secure-mail.ini, where it is told (a line, or a file alone), and what must be said. */
const WRONG: readonly [name: string, ini: string, line: number, said: string][] = [
  ['no key=value', '[main]\nmode', 2, 'neither "[section]" nor "key=value"'],
  ['comment behind a heading', '[main] ; mine\nmode=enforce', 1, 'neither "[section]"'],
  ['key before the first section', 'mode=enforce', 1, 'before the first [section]'],
  ['continued line', '[delivery]\nretry=1m,\\\n 2m', 2, 'cannot be continued'],
  ['unknown section, near', '[delivry]\n', 1, 'unknown section [delivry]; did you mean "delivery"?'],
  ['unknown section, far', '\n[zzzzzzzz]\n', 2, 'there are main, tls'],
  ['section __proto__', '[__proto__]\nx=1', 1, 'unknown section [__proto__]'],
  ['unknown key, near', '[main]\nmod=enforce', 2, 'unknown key "mod" in [main]; did you mean "mode"?'],
  ['unknown key, far', '[main]\n\nqqqqqqq=1', 3, 'there are mode, level, internal_domains'],
  ['key of another section', '[main]\nundeliverable_after=4h', 2, 'it belongs in [ndr]'],
  ['key __proto__', '[main]\n__proto__=1', 2, 'unknown key "__proto__"'],
  ['key constructor', '[main]\nconstructor=1', 2, 'unknown key "constructor"'],
  ['unknown key in [tlsrpt]', '[tlsrpt]\nrua=x', 2, 'unknown key "rua" in [tlsrpt]'],
  ['tlsrpt.window', '[tlsrpt]\nwindow=13h', 2, 'window: at most 12h'],
  ['tlsrpt.from', '[tlsrpt]\nfrom=tls reports', 2, 'is no mail address'],
  ['tlsrpt.enabled without an address', '[tlsrpt]\nenabled=true', 2, 'need from in [tlsrpt]'],
  ['a key twice', '[main]\nmode=enforce\n[tls]\n[main]\nmode=monitor', 5, 'set twice; the other is in line 2'],
  ['list written as one value', '[main]\ninternal_domains=uni.example', 2, 'write internal_domains[]=uni.example'],
  ['one value written as list', '[main]\nmode[]=enforce', 2, 'write mode=enforce'],
  [
    'comment behind a value',
    '[main]\nmode=enforce ; as agreed',
    2,
    '"enforce ; as agreed" is none of enforce, monitor',
  ],
  ['word, near', '[main]\nmode=monitr', 2, 'did you mean "monitor"?'],
  ['word, empty', '[main]\nmode=', 2, '"" is none of'],
  ['level', '[main]\nlevel=encrypted', 2, 'did you mean "encrypt"?'],
  ['level none as default', '[main]\nlevel=none', 2, 'none cannot be the default'],
  ['level fingerprint as default', '[main]\nlevel=fingerprint', 2, 'fingerprint cannot be the default'],
  ['domain', '[main]\ninternal_domains[]=uni example', 2, '"uni example" is no domain name'],
  ['domain with wildcard', '[main]\ninternal_domains[]=*.uni.example', 2, 'is no domain name'],
  ['domain that is an address', '[main]\ninternal_domains[]=192.0.2.1', 2, 'is no domain name'],
  ['domain, empty label', '[main]\ninternal_domains[]=uni..example', 2, 'is no domain name'],
  ['TLS version', '[tls]\nmin_version=1.3', 2, '"1.3" is none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3'],
  ['boolean', '[tls]\ndane=perhaps', 2, 'neither true nor false'],
  ['CA file that is not there', '[tls]\nca_file=no/such.pem', 2, 'no/such.pem: there is no such file'],
  ['CA file that is no PEM', '[tls]\nca_file=config/secure-mail.ini', 2, 'holds no certificate in PEM form'],
  ['CA file that is a folder', '[tls]\nca_file=config', 2, 'cannot be read'],
  ['ciphers', '[tls]\nciphers=NONSENSE', 2, 'no OpenSSL cipher list'],
  ['tag too short', '[override]\ntags[]=[]', 2, 'is no subject tag'],
  [
    'tag with two meanings',
    '[override]\ntags[]=[PUBLIC]',
    2,
    '[public] is in override.tags and in public.subject_tags',
  ],
  ['override mode', '[override]\nmode=plain', 2, 'is none of opportunistic, plaintext'],
  ['override.refused', '[override]\nrefused=bounce', 2, 'is none of enforce, ndr, reject'],
  ['sender', '[override]\nsenders_allow[]=a b@uni.example', 2, 'is no mail address'],
  ['sender without local part', '[override]\nsenders_deny[]=@uni.example', 2, 'is no mail address'],
  ['header', '[public]\nheaders[]=X-Classification', 2, 'is not "Header-Name: value"'],
  ['GUID', '[public]\npurview_labels[]=public', 2, 'is no GUID'],
  ['labels without tenant', `[public]\npurview_labels[]=${GUID}`, 2, 'count only with purview_tenant'],
  ['confidence', '[content]\nblock_at=med', 2, 'is none of low, medium, high'],
  ['number', '[content]\nmax_parts=many', 2, 'is not a whole number'],
  ['number below its least', '[content]\nmax_parts=0', 2, 'is not between 1 and'],
  ['number that is negative', '[content]\nmax_depth=-1', 2, 'is not a whole number'],
  ['size', '[content]\nmax_bytes=200 MiB', 2, 'is no size'],
  ['size of nothing', '[content]\nmax_bytes=0', 2, 'is no size at all'],
  ['seconds', '[content]\nmax_seconds=ten', 2, 'is no duration'],
  ['a certificate without its key', '[category3]\nsign_certificate=own.pem', 2, 'one is no use without the other'],
  ['a signing certificate that is not there', '[category3]\nsign_certificate=a\nsign_key=b', 2, 'ENOENT'],
  ['language', '[ndr]\nlanguages=da,se', 2, '"se" is none of da, en'],
  ['language twice', '[ndr]\nlanguages=da,da', 2, 'names a language twice'],
  ['no language', '[ndr]\nlanguages=', 2, 'is none of da, en'],
  ['postmaster', '[ndr]\npostmaster=postmaster', 2, 'is no mail address'],
  ['duration without unit', '[ndr]\ntls_failure_after=4', 2, 'write a number and a unit'],
  ['duration with unknown unit', '[ndr]\ntls_failure_after=1w', 2, 'is no duration'],
  ['duration of nothing', '[ndr]\ntls_failure_after=0h', 2, 'is no time at all'],
  ['duration of years', '[ndr]\nundeliverable_after=4000d', 2, 'longer than a year'],
  ['later than a day', '[ndr]\nundeliverable_after=25h', 2, 'within a day'],
  [
    'deadlines the wrong way round',
    '[ndr]\ntls_failure_after=5h\nundeliverable_after=4h',
    2,
    'tls_failure_after is later',
  ],
  ['a deadline below a default', '[ndr]\nundeliverable_after=3h', 2, 'tls_failure_after is later'],
  ['notice after the end', '[ndr]\ndelay_notice_after=24h', 2, 'delay_notice_after is later'],
  ['coalescing for hours', '[ndr]\ncoalesce=1h', 2, 'at most 10m'],
  ['port', '[delivery]\nport=65536', 2, 'is not between 1 and 65535'],
  ['retry, empty', '[delivery]\nretry=', 2, 'is no duration'],
  ['retry, hole', '[delivery]\nretry=1m,,2m', 2, 'is no duration'],
  ['retry, Haraka notation', '[delivery]\nretry=1m,5m*2', 2, '"5m*2" is no duration'],
  ['retry, busy loop', '[delivery]\nretry=10ms', 2, 'busy loop'],
  ['retry, one attempt', '[delivery]\nretry=2d', 2, 'one attempt only'],
  ['time-out', '[delivery]\ntimeout_data_end=0s', 2, 'is no time at all'],
  ['DNS server', '[dns]\nservers[]=resolver.example', 2, 'is no address of a server'],
  ['DNS server port', '[dns]\nservers[]=192.0.2.1:0', 2, 'is no address of a server'],
  ['trust_ad', '[dns]\ntrust_ad=yes', 2, 'is none of loopback, always, never'],
  ['store', '[store]\nengine=sqlite', 2, 'is none of lmdb, redis'],
  ['Redis without an address', '[store]\nengine=redis', 2, 'redis needs redis_url'],
  ['store path', '[store]\npath=', 2, 'must not be empty'],
  ['Redis URL', '[store]\nredis_url=localhost', 2, 'no address of a Redis server'],
  ['Redis URL, scheme', '[store]\nredis_url=http://localhost', 2, 'no address of a Redis server'],
  ['Redis URL, database', '[store]\nredis_url=redis://localhost/x', 2, '/x is no number of a database'],
  ['Redis URL, socket', '[store]\nredis_url=unix://', 2, 'names no socket'],
  ['audit.recipients', '[audit]\nrecipients=domain', 2, 'is none of domain+hmac, clear'],
  ['metrics address', '[metrics]\nlisten=9100', 2, 'is no address and port'],
  ['control character', '[support]\nname=IT\u0007', 2, 'control character'],
]

describe('config: every kind of wrong secure-mail.ini', () => {
  afterEach(removeInstances)

  for (const [name, ini, line, said] of WRONG) {
    it(name, () => {
      const { dir } = instance({ 'secure-mail.ini': ini, 'secure-mail.tls_policy': '' })
      const loaded = loadConfig(dir)
      assert.equal(loaded.ok, false)
      const told = loaded.problems.filter(({ severity }) => severity === 'error').map(formatProblem)
      const place = `config/secure-mail.ini:${line}: `
      assert.ok(
        told.some((text) => text.startsWith(place) && text.includes(said)),
        `wanted "${place}...${said}", told:\n${told.join('\n')}`,
      )
      for (const text of told) assert.doesNotMatch(text, /[\r\n]/)
    })
  }

  it('tells every mistake, not only the first', () => {
    const { dir } = instance({ 'secure-mail.ini': '[main]\nmode=x\nlevel=y\n[tsl]\n[ndr]\ncoalesce=z\n' })
    const lines = loadConfig(dir)
      .problems.filter(({ severity }) => severity === 'error')
      .map(({ line }) => line)
    assert.deepEqual(lines.sort(), [2, 3, 4, 6])
  })

  it('a file that is not UTF-8, or cannot be read', () => {
    const { dir, write } = instance()
    write('secure-mail.ini', '')
    const file = `${dir}/config/secure-mail.ini`
    // ISO 8859-1 `ø`
    writeFileSync(file, Buffer.from([0x5b, 0xf8, 0x5d]))
    assert.match(loadConfig(dir).problems.map(formatProblem).join('\n'), /config\/secure-mail\.ini: .*UTF-8/)
  })

  it('warns of what is valid and hardly meant', () => {
    const cases: [string, RegExp][] = [
      ['[main]\nlevel=may', /:2: warning: level: with may/],
      ['[main]\nlevel=encrypt', /secure-mail\.ini: warning: internal_domains is empty/],
      ['[main]\ninternal_domains[]=.uni.example', /postmaster is empty/],
      ['[tls]\nmin_version=TLSv1.1', /:2: warning: min_version: TLSv1\.1 is deprecated/],
      ['[override]\ntags[]=', /:2: warning: tags is empty/],
      ['[public]\nsubject_tags[]=\nheaders[]=\nbody_lines[]=', /:2: warning: \[public\] has no marker/],
      [
        '[override]\nsenders_allow[]=a@x.example\nsenders_deny[]=a@x.example',
        /:3: warning: senders_deny: a@x\.example/,
      ],
      ['[ndr]\ntls_failure_after=1h', /:2: warning: delay_notice_after is later than tls_failure_after/],
      ['[support]\ndigest=daily', /:2: warning: digest: daily needs address=/],
      ['[store]\nredis_url=redis://127.0.0.1/0', /:2: warning: redis_url has no effect/],
      ['[store]\nengine=redis\nredis_url=redis://10.0.0.1/0', /:3: warning: redis_url: keys .* in clear text/],
    ]
    for (const [ini, said] of cases) {
      const loaded = loadConfig(instance({ 'secure-mail.ini': ini }).dir)
      assert.equal(loaded.ok, true, ini)
      assert.match(loaded.problems.map(formatProblem).join('\n'), said, ini)
    }
  })
})
