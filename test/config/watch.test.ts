import assert from 'node:assert/strict'
import { mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { formatProblem, watchConfig, type ConfigWatch, type Settings } from '../../lib/config'
import type { ConfigProblem } from '../../lib/config/settings'
import { CERTIFICATE, instance, removeInstances } from './instance'

type Event = { kind: 'load'; settings: Settings } | { kind: 'reject'; told: string }

/** A watched instance, and what it tells, in order. */
function watched(files: Readonly<Record<string, string>>) {
  const place = instance(files)
  const events: Event[] = []
  const waiting: ((event: Event) => void)[] = []
  const tell = (event: Event) => {
    const first = waiting.shift()
    if (first === undefined) events.push(event)
    else first(event)
  }
  const watch = watchConfig(place.dir, {
    onLoad: (settings) => tell({ kind: 'load', settings }),
    onReject: (problems: ConfigProblem[]) => tell({ kind: 'reject', told: problems.map(formatProblem).join('\n') }),
    settle: 20,
    look: 50,
  })
  const next = (): Promise<Event> => {
    const event = events.shift()
    return event === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(event)
  }
  return { ...place, watch, next, events }
}

describe('config: live reload', function () {
  this.timeout(20_000)
  const open: ConfigWatch[] = []
  const start = (files: Readonly<Record<string, string>>) => {
    const started = watched({ 'secure-mail.tls_policy': '# none\n', ...files })
    open.push(started.watch)
    return started
  }
  afterEach(() => {
    for (const watch of open.splice(0)) watch.close()
    removeInstances()
  })

  it('good, bad, good: the last good settings stay in between', async () => {
    const { watch, write, next } = start({ 'secure-mail.ini': '[main]\nlevel=verify\n' })
    assert.equal(watch.current().main.level, 'verify')

    write('secure-mail.ini', '[main]\nlevel=secure\n')
    const second = await next()
    assert.equal(second.kind, 'load')
    assert.equal(watch.current().main.level, 'secure')

    write('secure-mail.ini', '[main]\nlevel=\n')
    const third = await next()
    assert.ok(third.kind === 'reject')
    assert.match(third.told, /config\/secure-mail\.ini:2: level: "" is none of/)
    assert.equal(watch.current().main.level, 'secure')

    write('secure-mail.ini', '[main]\nlevel=dane-only\n')
    assert.equal((await next()).kind, 'load')
    assert.equal(watch.current().main.level, 'dane-only')
  })

  it('the map, and the report texts', async () => {
    const { dir, watch, write, next } = start({ 'secure-mail.ini': '' })
    write('secure-mail.tls_policy', 'x.example verify\n')
    await next()
    assert.equal(watch.current().map.find('a@x.example', undefined, 0)?.level, 'verify')
    write('secure-mail.tls_policy', 'x.example none\n')
    assert.equal((await next()).kind, 'reject')
    assert.equal(watch.current().map.find('a@x.example', undefined, 0)?.level, 'verify')
    write('secure-mail.tls_policy', 'x.example secure\n')
    assert.equal((await next()).kind, 'load')
    const texts = path.join(dir, 'config', 'secure-mail.ndr')
    mkdirSync(texts)
    writeFileSync(path.join(texts, 'da.txt'), '[no-such-section]\nx\n')
    const last = await next()
    assert.ok(last.kind === 'reject')
    assert.match(last.told, /da\.txt/)
  })

  it('an editor that renames a new file over the old one', async () => {
    const { dir, watch, next } = start({ 'secure-mail.ini': '[main]\nlevel=verify\n' })
    const other = path.join(dir, 'new.tmp')
    writeFileSync(other, '[main]\nlevel=secure\n')
    renameSync(other, path.join(dir, 'config', 'secure-mail.ini'))
    assert.equal((await next()).kind, 'load')
    assert.equal(watch.current().main.level, 'secure')
  })

  for (const name of ['secure-mail.ini', 'secure-mail.tls_policy']) {
    const strict = { 'secure-mail.ini': '[main]\nlevel=verify\n', 'secure-mail.tls_policy': 'x.example secure\n' }
    const stays = (watch: ConfigWatch) => {
      assert.equal(watch.current().main.level, 'verify')
      assert.equal(watch.current().map.find('a@x.example', undefined, 0)?.level, 'secure')
    }

    it(`${name} that vanishes does not fall back to the defaults, and is taken when it is back`, async () => {
      const { watch, write, remove, next } = start(strict)
      remove(name)
      const event = await next()
      assert.ok(event.kind === 'reject')
      assert.match(event.told, new RegExp(`config/${name}: the file is gone`))
      stays(watch)
      write(name, strict[name as keyof typeof strict])
      assert.equal((await next()).kind, 'load')
      stays(watch)
    })

    it(`${name} that is empty (a full disk) is not taken for its defaults`, async () => {
      const { dir, watch, next } = start(strict)
      truncateSync(path.join(dir, 'config', name))
      const event = await next()
      assert.ok(event.kind === 'reject')
      assert.match(event.told, new RegExp(`config/${name}: the file is empty`))
      stays(watch)
    })
  }

  it('a file that appears', async () => {
    const { watch, write, next } = start({})
    assert.match(watch.warnings().map(formatProblem).join('\n'), /secure-mail\.ini: warning: there is no such file/)
    write('secure-mail.ini', '[main]\nmode=monitor\n')
    assert.equal((await next()).kind, 'load')
    assert.equal(watch.current().main.mode, 'monitor')
  })

  it('a certificate file that is named in the settings', async () => {
    const place = instance({ 'secure-mail.ini': '[tls]\nca_file=roots.pem\n', 'secure-mail.tls_policy': '#\n' })
    const file = path.join(place.dir, 'roots.pem')
    writeFileSync(file, CERTIFICATE)
    const rejected = await new Promise<string>((resolve, reject) => {
      const watch = watchConfig(place.dir, {
        onLoad: () => reject(new Error('loaded')),
        onReject: (problems) => resolve(problems.map(formatProblem).join('\n')),
        settle: 20,
        look: 50,
      })
      open.push(watch)
      writeFileSync(file, 'no certificate')
    })
    assert.match(rejected, /config\/secure-mail\.ini:2: ca_file: roots\.pem: the file holds no certificate/)
  })

  it('throws every problem when the first load fails', () => {
    const { dir } = instance({ 'secure-mail.ini': '[main]\nmode=x\nlevel=y\n' })
    const handlers = { onLoad: () => undefined, onReject: () => undefined }
    assert.throws(() => watchConfig(dir, handlers), /secure-mail\.ini:2: .*; config\/secure-mail\.ini:3: /)
  })

  it('tells nothing after it was closed', async () => {
    const { watch, write, events } = start({ 'secure-mail.ini': '' })
    write('secure-mail.ini', '[main]\nmode=monitor\n')
    watch.close()
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.deepEqual(events, [])
    assert.equal(watch.current().main.mode, 'enforce')
  })
})
