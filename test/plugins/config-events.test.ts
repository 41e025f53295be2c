import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { memoryAudit, type MemoryAudit } from '../../lib/audit/memory'
import { loadConfig } from '../../lib/config'
import type { Settings } from '../../lib/config/settings'
import { openMemoryStore } from '../../lib/store/memory'
import type { Store } from '../../lib/store/types'
import { tellChanges, tellExpired } from '../../plugins/config-events'

describe('what the audit log says about the configuration', () => {
  let dir: string
  let store: Store
  let audit: MemoryAudit
  let now: number
  const clock = { now: () => now }
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'secure-mail-config-events-'))
    fs.mkdirSync(path.join(dir, 'config'))
    now = Date.UTC(2026, 10, 23, 12)
    store = openMemoryStore({ clock })
    audit = memoryAudit()
  })
  afterEach(() => fs.rmSync(dir, { recursive: true, force: true }))

  function settings(ini: string, map: string): Settings {
    fs.writeFileSync(path.join(dir, 'config', 'secure-mail.ini'), ini)
    fs.writeFileSync(path.join(dir, 'config', 'secure-mail.tls_policy'), map)
    const loaded = loadConfig(dir, clock)
    assert.ok(loaded.ok, JSON.stringify(loaded))
    return loaded.settings
  }
  const context = (hostname = 'mx1') => ({ instanceDir: dir, hostname, store, audit, clock })
  const told = () => audit.events.splice(0)

  const INI = '[main]\ninternal_domains[]=uni.test\n'
  const ROW = 'partner.test may note="migration, Anne, until new year" expires=2026-12-31\n'

  it('names each row that is new, changed or gone, with its last day, and who owns the file', async () => {
    await tellChanges(context(), settings(INI, ROW))
    const [added, ...none] = told()
    assert.deepEqual(none, [])
    assert.equal(added!.action, 'config-loaded')
    assert.equal(added!.policy!.rule, 'config/secure-mail.tls_policy:1 partner.test')
    const { file_owner_uid: uid, file_changed: changed, file_owner: owner, ...rest } = added!.extra!
    assert.deepEqual(rest, {
      change: 'added',
      row: 'partner.test',
      value: 'may override=allow expires=2026-12-31 note="migration, Anne, until new year"',
      expires: '2026-12-31',
    })
    assert.equal(uid, process.getuid!())
    assert.equal(typeof owner, 'string')
    assert.match(String(changed), /^\d{4}-\d\d-\d\dT/)

    await tellChanges(
      context(),
      settings(INI, `# moved down\n${ROW.replace('2026-12-31', '2027-06-30')}other.test dane-only\n`),
    )
    assert.deepEqual(
      told().map(({ extra }) => [extra!.change, extra!.row, extra!.expires, extra!.expires_before]),
      [
        ['changed', 'partner.test', '2027-06-30', '2026-12-31'],
        ['added', 'other.test', undefined, undefined],
      ],
    )
    await tellChanges(context(), settings(INI, '\n\nother.test dane-only\n'))
    assert.deepEqual(
      told().map(({ extra }) => [extra!.change, extra!.row, extra!.expires_before]),
      [['removed', 'partner.test', '2027-06-30']],
    )
  })

  it('says a change once, whichever process sees it first, and nothing where a row only moved', async () => {
    await tellChanges(context(), settings(INI, ROW))
    await tellChanges(context(), settings(INI, ROW))
    await tellChanges(context(), settings(INI, `\n${ROW}`))
    assert.equal(told().length, 1)
    // another gateway that shares the store has a configuration of its own
    await tellChanges(context('mx2'), settings(INI, ROW))
    assert.equal(told().length, 1)
  })

  it('names each setting with its values before and now, and no password', async () => {
    await tellChanges(context(), settings(INI, ''))
    assert.deepEqual(told(), [])
    const redis = '[store]\nengine=redis\nredis_url=rediss://user:geheim@redis.test\n'
    await tellChanges(context(), settings(`[main]\nmode=monitor\ninternal_domains[]=uni.test\n${redis}`, ''))
    const events = told()
    assert.deepEqual(
      events.map(({ extra }) => [extra!.setting, extra!.value_before, extra!.value]),
      [
        ['main.mode', 'enforce', 'monitor'],
        ['store.engine', 'lmdb', 'redis'],
        ['store.redisUrl', '', '(secret)'],
      ],
    )
    assert.doesNotMatch(JSON.stringify(events), /geheim/)
  })

  it('counts what is more than anybody reads', async () => {
    const rows = Array.from({ length: 600 }, (_, n) => `d${n}.test encrypt\n`).join('')
    await tellChanges(context(), settings(INI, rows))
    const events = told()
    assert.equal(events.length, 501)
    assert.equal(events.at(-1)!.extra!.more_changes, 100)
  })

  it('tells of the end of a row once, after its last day', async () => {
    const loaded = settings(INI, `${ROW}always.test encrypt\n`)
    now = Date.UTC(2026, 11, 31, 23, 59)
    await tellExpired(context(), loaded)
    assert.deepEqual(told(), [])
    now = Date.UTC(2027, 0, 1)
    await tellExpired(context(), loaded)
    await tellExpired(context(), loaded)
    const [event, ...none] = told()
    assert.deepEqual(none, [])
    assert.equal(event!.action, 'override-expired')
    assert.deepEqual(event!.extra, { row: 'partner.test', expires: '2026-12-31' })
    assert.equal(event!.policy!.reason, 'migration, Anne, until new year')
  })
})
