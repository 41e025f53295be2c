import assert from 'node:assert/strict'
import { chmodSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { formatProblem, replacedSettings, undermining } from '../../lib/config'
import { readStockSettings } from '../../lib/config/stock'
import { instance, removeInstances } from './instance'

/** An instance that nothing undermines. */
const SAFE: Readonly<Record<string, string>> = {
  plugins: '# comment\nrelay\nsecure-mail\n',
  'connection.ini': '[main]\n',
  'outbound.ini': 'disabled=true\n',
  'log.ini': '[main]\nlevel=notice\n',
}

const told = (files: Readonly<Record<string, string>>) => undermining(instance(files).dir).map(formatProblem)

describe('config: stock settings that undermine', () => {
  afterEach(removeInstances)

  it('none in a safe instance', () => assert.deepEqual(told(SAFE), []))

  const without = (name: string) => Object.fromEntries(Object.entries(SAFE).filter(([file]) => file !== name))
  /** What it is, what the files are, the one thing that must be told. */
  const CASES: readonly [name: string, files: Readonly<Record<string, string>>, said: RegExp][] = [
    ['no plugins file', without('plugins'), /^config\/plugins: there is no such file/],
    [
      'no plugin line',
      { ...SAFE, plugins: 'relay\n#secure-mail\n' },
      /^config\/plugins: the line "secure-mail" is missing/,
    ],
    [
      'two plugin lines',
      { ...SAFE, plugins: 'secure-mail\nharaka-plugin-secure-mail\n' },
      /^config\/plugins:2: .*twice/,
    ],
    [
      'smtp_proxy',
      { ...SAFE, plugins: 'secure-mail\nqueue/smtp_proxy' },
      /^config\/plugins:2: queue\/smtp_proxy takes/,
    ],
    [
      'smtp_forward for outbound mail',
      { ...SAFE, plugins: 'secure-mail\nqueue/smtp_forward', 'smtp_forward.ini': 'enable_outbound=true' },
      /^config\/plugins:2: queue\/smtp_forward takes/,
    ],
    [
      'no connection.ini',
      without('connection.ini'),
      /^config\/connection\.ini: there is no such file: Haraka 3\.3 crashes/,
    ],
    [
      'TLS NO-GO',
      { ...SAFE, 'tls.ini': 'key=x\n[redis]\n; comment\ndisable_for_failed_hosts=true\n' },
      /^config\/tls\.ini:4: \[redis\] disable_for_failed_hosts/,
    ],
    ['log level data', { ...SAFE, 'log.ini': 'level=DATA' }, /^config\/log\.ini:1: level=DATA writes the content/],
    ['log level protocol', { ...SAFE, 'log.ini': '[main]\nlevel=LOGPROTOCOL' }, /^config\/log\.ini:2: /],
    ['log level as number', { ...SAFE, 'log.ini': 'level=9' }, /^config\/log\.ini:1: level=9/],
    ['loglevel file', { ...SAFE, loglevel: '# x\nprotocol\n' }, /^config\/loglevel:2: level=protocol/],
    [
      'no dead-man’s switch',
      without('outbound.ini'),
      /^config\/outbound\.ini: warning: disabled=true is missing: .*clear/,
    ],
    [
      'switch off',
      { ...SAFE, 'outbound.ini': 'x=1\ndisabled=false' },
      /^config\/outbound\.ini:2: warning: disabled=true/,
    ],
    [
      'ignore_bad_plugins',
      { ...SAFE, 'smtp.ini': 'ignore_bad_plugins=1' },
      /^config\/smtp\.ini:1: warning: ignore_bad/,
    ],
  ]
  for (const [name, files, said] of CASES) {
    it(name, () => {
      const lines = told(files)
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0]!, said)
    })
  }

  it('harmless neighbours are let be', () => {
    assert.deepEqual(
      told({
        ...SAFE,
        plugins: 'secure-mail\nqueue/smtp_forward\nqueue/smtp_proxy\n',
        'smtp_proxy.ini': 'enable_outbound=false',
        'tls.ini': '[redis]\ndisable_for_failed_hosts=false\n[other]\ndisable_for_failed_hosts=true',
        'log.ini': '[main]\nlevel=debug\n[other]\nlevel=data',
      }),
      [],
    )
  })

  it('content in the log is an error while enforcing, a warning while watching', () => {
    const { dir, write } = instance({ ...SAFE, 'log.ini': 'level=data' })
    const severity = () => undermining(dir).map((problem) => problem.severity)
    assert.deepEqual(severity(), ['error'])
    write('secure-mail.ini', '[main]\nmode=monitor\n')
    assert.deepEqual(severity(), ['warning'])
  })

  it('a queue directory that others may enter, also a named one', () => {
    const { dir, write } = instance(SAFE)
    mkdirSync(path.join(dir, 'queue'))
    chmodSync(path.join(dir, 'queue'), 0o755)
    assert.match(undermining(dir).map(formatProblem).join(), /^queue: warning: others may enter .*mode 0755/)
    chmodSync(path.join(dir, 'queue'), 0o700)
    assert.deepEqual(undermining(dir), [])
    mkdirSync(path.join(dir, 'spool'))
    chmodSync(path.join(dir, 'spool'), 0o770)
    write('queue_dir', 'spool\n')
    assert.match(undermining(dir).map(formatProblem).join(), /^spool: warning: .*mode 0770/)
  })

  it('lists what the plugin replaces', () => {
    const { dir } = instance({
      'outbound.ini': 'disabled=true\ntemp_fail_intervals=1m\nmaxTempFailures=3\nenable_tls=true\nconcurrency_max=9',
      'outbound.inet_prefer': 'v4',
      'outbound.bounce_message': 'x',
      'tls.ini': 'key=k\nforce_tls_hosts[]=a.example\n[outbound]\nno_tls_hosts[]=b.example\nciphers=X',
    })
    const lines = replacedSettings(dir).map((problem) => formatProblem(problem).replace(/ has no effect.*/, ''))
    assert.deepEqual(lines, [
      'config/outbound.ini:2: warning: temp_fail_intervals',
      'config/outbound.ini:3: warning: maxTempFailures',
      'config/outbound.ini:4: warning: enable_tls',
      'config/outbound.inet_prefer:1: warning: inet_prefer',
      'config/tls.ini:2: warning: force_tls_hosts',
      'config/tls.ini:4: warning: [outbound] no_tls_hosts',
      'config/tls.ini:5: warning: [outbound] ciphers',
      'config/outbound.bounce_message: warning: this text',
    ])
  })

  it('reads stock files as haraka-config does', () => {
    const { dir } = instance({ 'x.ini': 'a=1 \n b [] = 2\nc[]=3\n[s]\nlong=one,\\\n two\nflag\n; no=1\n!bad=1' })
    const read = readStockSettings(dir, 'x.ini').map(({ section, key, value, line }) => [section, key, value, line])
    assert.deepEqual(read, [
      ['main', 'a', '1', 1],
      ['main', 'c', '3', 3],
      ['s', 'long', 'one, two', 5],
      ['s', 'flag', '', 7],
    ])
  })
})
