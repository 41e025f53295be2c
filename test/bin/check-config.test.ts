import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { checkConfigWith, type CheckResult, type Probe } from '../../bin/commands/check-config'
import { newFolder, ran, removeFolders, schemaErrors } from './run'

const NOW = Date.UTC(2026, 10, 23)
const GOOD: Probe = () => Promise.resolve({ validates: true, detail: 'It validates.' })
const BAD: Probe = () => Promise.resolve({ validates: false, detail: 'It does not validate.' })

async function instance(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const dir = newFolder()
  await ran(['init', dir, '--internal-domain', 'uni.example'])
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(dir, 'config', name), text)
  return dir
}

const INI = '[main]\ninternal_domains[]=uni.example\n[support]\nphone=99 40 20 20\n'

async function check(dir: string, probe: Probe = GOOD, ...options: string[]) {
  const command = checkConfigWith(probe, { now: () => NOW })
  const human = await ran(['check-config', '--config', dir, ...options], [command])
  const { out, exitCode } = await ran(['check-config', '--config', dir, '--json', ...options], [command])
  assert.equal(exitCode, human.exitCode)
  const json = JSON.parse(out) as CheckResult
  assert.deepEqual(schemaErrors('check-config.schema.json', json), [])
  assert.equal(json.ok, exitCode === 0)
  return { ...human, json }
}

describe('secure-mail check-config', () => {
  afterEach(removeFolders)

  it('good: exit code 0', async () => {
    const { exitCode, json, out } = await check(await instance({ 'secure-mail.ini': INI }))
    assert.equal(exitCode, 0, out)
    assert.deepEqual(json.problems, [])
    assert.deepEqual(json.resolver, { validates: true, detail: 'It validates.' })
    assert.match(out, /^resolver {4}It validates\.$/m)
    assert.match(out, /^verdict {5}good$/m)
  })

  it('settings that are not valid: exit code 2, a line with file and line for each', async () => {
    const dir = await instance({
      'secure-mail.ini': '[main]\nmod=enforce\n',
      'secure-mail.tls_policy': 'x.example none\n',
    })
    const { exitCode, json, out } = await check(dir)
    assert.equal(exitCode, 2)
    assert.equal(json.resolver, null)
    assert.match(out, /^config\/secure-mail\.ini:2: unknown key "mod" in \[main\]; did you mean "mode"\?$/m)
    assert.match(out, /^config\/secure-mail\.tls_policy:1: a row with level none/m)
    assert.match(out, /^verdict {5}NOT VALID/m)
  })

  it('a Redis server that cannot be reached is warned of, and not asked with --offline', async () => {
    const ini = `${INI}[store]\nengine=redis\nredis_url=unix:///nowhere/redis.sock\n`
    const dir = await instance({ 'secure-mail.ini': ini })
    const asked = await check(dir)
    assert.equal(asked.exitCode, 0, asked.out)
    assert.match(asked.out, /warning: unix:\/\/\/nowhere\/redis\.sock\?db=0 gives no access: .*ENOENT/)
    assert.deepEqual((await check(dir, GOOD, '--offline')).json.problems, [])
  })

  it('no instance: exit code 2 and one line', async () => {
    const dir = newFolder()
    const { exitCode, err, out } = await ran(['check-config', '--config', dir])
    assert.deepEqual([exitCode, out], [2, ''])
    assert.match(err, /^secure-mail: .* is no instance directory.*\n$/)
  })

  const UNSAFE: readonly [name: string, files: Readonly<Record<string, string>>, said: RegExp][] = [
    ['the plugin line is missing', { plugins: 'relay\n' }, /^config\/plugins: the line "secure-mail" is missing/m],
    ['TLS NO-GO', { 'tls.ini': '[redis]\ndisable_for_failed_hosts=true\n' }, /^config\/tls\.ini:2: /m],
    [
      'the dead-man’s switch is off',
      { 'outbound.ini': '' },
      /^config\/outbound\.ini: warning: disabled=true is missing/m,
    ],
  ]
  for (const [name, files, said] of UNSAFE) {
    it(`${name}: exit code 1`, async () => {
      const { exitCode, out } = await check(await instance({ 'secure-mail.ini': INI, ...files }))
      assert.equal(exitCode, 1)
      assert.match(out, said)
      assert.match(out, /^verdict {5}UNSAFE/m)
    })
  }

  it('a queue directory that is open: exit code 1', async () => {
    const dir = await instance({ 'secure-mail.ini': INI })
    chmodSync(path.join(dir, 'queue'), 0o755)
    assert.equal((await check(dir)).exitCode, 1)
  })

  it('a resolver that does not validate is said; unsafe only where a row insists on DANE', async () => {
    const without = await check(await instance({ 'secure-mail.ini': INI }), BAD)
    assert.equal(without.exitCode, 0)
    assert.equal(without.json.resolver?.validates, false)
    const map = { 'secure-mail.ini': INI, 'secure-mail.tls_policy': 'x.example encrypt\ny.example dane-only\n' }
    const insisting = await check(await instance(map), BAD)
    assert.equal(insisting.exitCode, 1)
    assert.match(
      insisting.out,
      /^config\/secure-mail\.tls_policy:2: y\.example asks for dane-only.*It does not validate/m,
    )
    const ini = { 'secure-mail.ini': `${INI}[main]\nlevel=dane-only\n` }
    assert.equal((await check(await instance(ini), BAD)).exitCode, 1)
  })

  it('--offline asks nobody', async () => {
    const never: Probe = () => Promise.reject(new Error('asked'))
    const { exitCode, json, out } = await check(await instance({ 'secure-mail.ini': INI }), never, '--offline')
    assert.equal(exitCode, 0)
    assert.equal(json.resolver, null)
    assert.match(out, /^resolver {4}not asked$/m)
  })

  it('rows that have expired, and that will within 30 days', async () => {
    const map = [
      'old.example none note="was" expires=2026-11-22',
      'today.example none note="is" expires=2026-11-23',
      'soon.example may note="soon" expires=2026-12-22',
      'later.example may note="later" expires=2026-12-24',
      'ever.example verify',
    ].join('\n')
    const { exitCode, json, out } = await check(
      await instance({ 'secure-mail.ini': INI, 'secure-mail.tls_policy': map }),
    )
    assert.equal(exitCode, 0)
    assert.equal(json.rows.total, 5)
    assert.deepEqual(
      json.rows.expired.map(({ pattern, line }) => [pattern, line]),
      [['old.example', 1]],
    )
    assert.deepEqual(
      json.rows.expiringSoon.map(({ pattern, expires, note }) => [pattern, expires, note]),
      [
        ['today.example', '2026-11-23', 'is'],
        ['soon.example', '2026-12-22', 'soon'],
      ],
    )
    assert.match(out, /^config\/secure-mail\.tls_policy:1: warning: the row old\.example expired/m)
    assert.match(out, /^config\/secure-mail\.tls_policy:3: warning: the row soon\.example may expires on 2026-12-22$/m)
    assert.match(out, /^policy map {2}5 rows, 1 expired, 2 expire within 30 days$/m)
  })

  it('lists the stock settings that have no effect', async () => {
    const dir = await instance({ 'secure-mail.ini': INI, 'tls.ini': '[outbound]\nforce_tls_hosts[]=x.example\n' })
    const { exitCode, json, out } = await check(dir)
    assert.equal(exitCode, 0)
    assert.equal(json.replaced.length, 1)
    assert.match(out, /^config\/tls\.ini:2: warning: \[outbound\] force_tls_hosts has no effect.*--import/m)
  })
})
