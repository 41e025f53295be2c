import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { initWith, type InitResult } from '../../bin/commands/init'
import { formatProblem, loadConfig, replacedSettings, undermining } from '../../lib/config'
import { parseIni } from '../../lib/config/ini'
import { run } from '../../demo/processes'
import { packageRoot } from '../../lib/package-root'
import { newFolder, ran, removeFolders, schemaErrors } from './run'

const NOW = Date.UTC(2026, 10, 30)

/** Run `init DIR ...` with a clock that stands still. */
const init = (dir: string, ...options: string[]) => ran(['init', dir, ...options], [initWith({ now: () => NOW })])
const text = (dir: string, name: string) => readFileSync(path.join(dir, 'config', name), 'utf8')

describe('secure-mail init', () => {
  afterEach(removeFolders)

  it('makes an instance that is complete, valid and safe', async () => {
    const dir = newFolder()
    const { exitCode, err, out } = await init(
      dir,
      '--internal-domain',
      'uni.example',
      '--internal-domain',
      '.uni.example',
    )
    assert.deepEqual([exitCode, err], [0, ''])
    assert.match(out, /check-config --config/)
    for (const folder of ['queue', 'store', 'audit', 'run']) {
      assert.equal(statSync(path.join(dir, folder)).mode & 0o777, 0o700, folder)
    }
    const loaded = loadConfig(dir)
    assert.ok(loaded.ok, loaded.problems.map(formatProblem).join('\n'))
    assert.deepEqual(loaded.settings.main.internalDomains, ['uni.example', '.uni.example'])
    assert.deepEqual(undermining(dir), [])
    assert.deepEqual(replacedSettings(dir), [])
    assert.match(text(dir, 'smtp.ini'), /^listen=127\.0\.0\.1:2525$/m)
    assert.match(text(dir, 'outbound.ini'), /dead-man's switch[^]*^disabled=true$/m)
    const link = path.join(dir, 'node_modules', 'haraka-plugin-secure-mail')
    assert.ok(existsSync(path.join(dir, 'node_modules', '.bin', 'secure-mail')), 'npx finds the command')
    assert.equal(readlinkSync(link), packageRoot())
  })

  it('every default stands in the new secure-mail.ini, switched off', async () => {
    const dir = newFolder()
    await init(dir)
    assert.deepEqual(parseIni(text(dir, 'secure-mail.ini'), 'x').entries, [])
    const switchedOn = text(dir, 'secure-mail.ini').replace(/^;(?=[a-z0-9_]+(\[\])?=)/gm, '')
    const defaults = parseIni(readFileSync(path.join(packageRoot(), 'config', 'secure-mail.ini'), 'utf8'), 'x')
    const plain = (entries: typeof defaults.entries) =>
      entries
        .map(({ section, key, value }) => `${section}.${key}=${value}`)
        .filter((one) => !one.includes('internal_domains'))
    assert.deepEqual(plain(parseIni(switchedOn, 'x').entries), plain(defaults.entries))
  })

  it('haraka-config of the repository is what init writes', async () => {
    const dir = newFolder()
    await init(dir, '--hostname', 'localhost')
    const kept = path.join(packageRoot(), 'haraka-config')
    const names = readdirSync(path.join(dir, 'config'))
    assert.deepEqual(readdirSync(path.join(kept, 'config')).sort(), names.sort())
    for (const name of names) assert.equal(text(kept, name), text(dir, name), name)
    const hooks = path.join('docs', 'Plugins.md')
    assert.equal(readFileSync(path.join(kept, hooks), 'utf8'), readFileSync(path.join(dir, hooks), 'utf8'))
  })

  it('haraka -o shows the hooks of the instance', async () => {
    const dir = newFolder()
    await init(dir)
    const haraka = require.resolve('haraka/bin/haraka', { paths: [packageRoot()] })
    const { code, stdout } = await run(process.execPath, [haraka, '-o', '-c', dir])
    assert.equal(code, 0, stdout)
    for (const hook of ['queue_outbound', 'pre_send_trans_email']) {
      assert.match(stdout, new RegExp(`^Hook: ${hook} [^]*?^secure-mail `, 'm'))
    }
  })

  it('--listen and --hostname', async () => {
    const dir = newFolder()
    await init(dir, '--listen', '[::1]:2600', '--hostname', 'mx.uni.example')
    assert.match(text(dir, 'smtp.ini'), /^listen=\[::1\]:2600$/m)
    assert.equal(text(dir, 'me'), 'mx.uni.example\n')
  })

  it('refuses a folder that is not empty, and changes nothing in it', async () => {
    const dir = newFolder()
    mkdirSync(dir)
    writeFileSync(path.join(dir, 'mine'), 'x')
    const { exitCode, err } = await init(dir)
    assert.equal(exitCode, 2)
    assert.match(err, /^secure-mail: .* is not empty; name another folder, or add --force.*\n$/)
    assert.deepEqual(readdirSync(dir), ['mine'])
  })

  it('a folder where npm has just installed the package counts as empty', async () => {
    const dir = newFolder()
    const installed = path.join(dir, 'node_modules', 'haraka-plugin-secure-mail')
    mkdirSync(installed, { recursive: true })
    writeFileSync(path.join(installed, 'package.json'), '{}')
    writeFileSync(path.join(dir, 'package.json'), '{}')
    assert.equal((await init(dir)).exitCode, 0)
    assert.ok(lstatSync(installed).isDirectory(), 'what npm installed stays')
  })

  it('--force renames what is there, and keeps what is the same', async () => {
    const dir = newFolder()
    await init(dir, '--hostname', 'localhost')
    writeFileSync(path.join(dir, 'config', 'relay_acl_allow'), 'mine 1')
    assert.equal((await init(dir, '--hostname', 'localhost', '--force')).exitCode, 0)
    writeFileSync(path.join(dir, 'config', 'relay_acl_allow'), 'mine 2')
    const { out } = await init(dir, '--hostname', 'localhost', '--force', '--json')
    const result = JSON.parse(out) as InitResult
    assert.deepEqual(schemaErrors('init.schema.json', result), [])
    const to = path.join('config', 'relay_acl_allow.old2')
    assert.deepEqual(result.renamed, [{ from: path.join('config', 'relay_acl_allow'), to }])
    assert.ok(result.kept.includes(path.join('config', 'secure-mail.ini')))
    assert.equal(text(dir, 'relay_acl_allow.old'), 'mine 1')
    assert.equal(text(dir, 'relay_acl_allow.old2'), 'mine 2')
    assert.match(text(dir, 'relay_acl_allow'), /^127\.0\.0\.0\/8$/m)
  })

  it('--force moves a link that points nowhere out of the way', async () => {
    const dir = newFolder()
    mkdirSync(path.join(dir, 'node_modules'), { recursive: true })
    const link = path.join(dir, 'node_modules', 'haraka-plugin-secure-mail')
    symlinkSync('/nowhere/at/all', link)
    assert.equal((await init(dir, '--force')).exitCode, 0)
    assert.equal(readlinkSync(link), packageRoot())
  })

  const MISTAKES: readonly [options: string[], said: RegExp][] = [
    [['--listen', '2525'], /--listen 2525 is not an address and a port/],
    [['--listen', '127.0.0.1:0'], /is not an address and a port/],
    [['--listen', '::1:25'], /is not an address and a port/],
    [['--listen', 'localhost:25'], /is not an address and a port/],
    [['--hostname', 'a b'], /is no host name/],
    [['--internal-domain', '*.uni.example'], /--internal-domain: "\*\.uni\.example" is no domain name/],
    [['--internal-domain', 'x.example\nmode=monitor'], /is no domain name/],
    [['--import', '/nowhere/at/all'], /there is no config\/tls\.ini in it/],
  ]
  for (const [options, said] of MISTAKES) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      const dir = newFolder()
      const { exitCode, err } = await init(dir, ...options)
      assert.equal(exitCode, 2)
      assert.match(err, said)
      assert.equal(existsSync(dir), false)
    })
  }

  it('--import makes rows of what stock Haraka had lists for', async () => {
    const old = newFolder()
    mkdirSync(path.join(old, 'config'), { recursive: true })
    writeFileSync(
      path.join(old, 'config', 'tls.ini'),
      [
        'force_tls_hosts[]=Bank.example',
        '[no_tls_hosts]',
        '127.0.0.1',
        '[outbound]',
        'force_tls_hosts[]=blåbær.example',
        'force_tls_hosts[]=192.0.2.7',
        'no_tls_hosts[]=printer.example',
        'no_tls_hosts[]=192.0.2.8',
        'no_tls_hosts[]=172.16.0.0/16',
        'no_tls_hosts[]=bank.example',
        'no_tls_hosts[]=',
      ].join('\n'),
    )
    const dir = newFolder()
    const { out, exitCode } = await init(dir, '--import', old, '--json')
    assert.equal(exitCode, 0)
    const result = JSON.parse(out) as InitResult
    assert.deepEqual(schemaErrors('init.schema.json', result), [])
    assert.equal(result.imported?.rows, 5)
    assert.equal(result.imported.notImported.length, 2)
    assert.match(
      result.imported.notImported[0]!,
      /^tls\.ini:9 no_tls_hosts\[\]=172\.16\.0\.0\/16: .*write a row by hand/,
    )
    assert.match(result.imported.notImported[1]!, /^tls\.ini:10 .*there is a row for it already, from tls\.ini:1 /)
    const loaded = loadConfig(dir, { now: () => NOW })
    assert.ok(loaded.ok, loaded.problems.map(formatProblem).join('\n'))
    const note = 'imported from no_tls_hosts'
    assert.deepEqual(
      loaded.settings.map.rows.map((row) => [row.pattern, row.level, row.override, row.note, row.expires]),
      [
        ['bank.example', 'verify', 'never', undefined, undefined],
        ['xn--blbr-roah.example', 'verify', 'never', undefined, undefined],
        ['[192.0.2.7]', 'encrypt', 'never', undefined, undefined],
        // three months after 30 November: February has 28 days
        ['printer.example', 'none', 'allow', note, '2027-02-28'],
        ['[192.0.2.8]', 'none', 'allow', note, '2027-02-28'],
      ],
    )
    assert.match((await init(newFolder(), '--import', old)).out, /5 rows of .* not imported: tls\.ini:9/s)
  })
})
