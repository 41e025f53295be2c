/** Redis killed, stopped, away, refusing, emptied: what the callers of the store see. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { systemClock } from '../../lib/clock'
import { secretKey } from '../../lib/store/keys'
import { probeRedis } from '../../lib/store/redis-advice'
import { openRedisStore, type RedisOptions } from '../../lib/store/redis'
import type { Store } from '../../lib/store/types'
import { freePort, run, until } from '../../demo/processes'
import { packageRoot } from '../../lib/package-root'
import { createTestCa } from '../internet/ca'
import { requirePackages } from '../internet/packages'
import { startRedis, stopRedisServers, type RedisServer } from './redis-server'
import { removeTempDirs, tempDir } from './temp'

/** No call of the store takes longer than that, in milliseconds: twice the deadline and something for a busy machine. */
const BOUND = 5_000 + 2_000

describe('store: redis in trouble', function () {
  this.timeout(60_000)
  const open: Store[] = []
  const servers: net.Server[] = []
  const rejections: unknown[] = []
  const onRejection = (error: unknown) => void rejections.push(error)

  before(async function () {
    await requirePackages(this)
    process.on('unhandledRejection', onRejection)
  })
  afterEach(async () => {
    await Promise.allSettled(open.splice(0).map((store) => store.close()))
    for (const server of servers.splice(0)) server.close()
    await stopRedisServers()
    removeTempDirs()
    assert.deepEqual(rejections.splice(0), [])
  })
  after(() => process.off('unhandledRejection', onRejection))

  interface Opened {
    store: Store
    path: string
    errors: string[]
    notices: string[]
  }

  async function openStore(url: string, options: Partial<RedisOptions> = {}): Promise<Opened> {
    const [errors, notices]: [string[], string[]] = [[], []]
    const dir = options.path ?? tempDir()
    const store = await openRedisStore({
      url,
      path: dir,
      clock: systemClock,
      onError: ({ message }) => errors.push(message),
      onNotice: (message) => notices.push(message),
      ...options,
    })
    open.push(store)
    return { store, path: dir, errors, notices }
  }

  const flush = async (server: RedisServer) => {
    const connection = await server.connect()
    await connection.send(['FLUSHALL'])
    connection.destroy()
  }

  describe('killed and restarted in the middle of writes', () => {
    it('every write that was acknowledged is there, and writing goes on by itself', async () => {
      const server = await startRedis()
      const stores = await Promise.all([openStore(server.url), openStore(server.url)])
      const acknowledged = new Set<number>()
      let failed = 0
      let stop = false
      let next = 0
      const writing = stores.flatMap(({ store }) =>
        [1, 2, 3].map(async () => {
          while (!stop) {
            const n = next++
            try {
              if (n % 2 === 0) await store.put(['w', n], n)
              else await store.update<number>(['w', n], () => n)
              acknowledged.add(n)
            } catch {
              failed++
              await new Promise((resolve) => setTimeout(resolve, 20))
            }
          }
        }),
      )
      for (let crash = 0; crash < 3; crash++) {
        const target = acknowledged.size + 150
        await until('writes go on', () => acknowledged.size >= target, { every: 1 })
        await server.kill9()
        await server.start()
      }
      const target = acknowledged.size + 150
      await until('writes go on', () => acknowledged.size >= target, { every: 5 })
      stop = true
      await Promise.all(writing)
      const there = new Set((await stores[0].store.list<number>(['w'])).map(({ value }) => value))
      assert.deepEqual(
        [...acknowledged].filter((n) => !there.has(n)),
        [],
      )
      process.stdout.write(`      ${acknowledged.size} acknowledged, ${failed} rejected\n`)
      assert.ok(stores.every(({ errors, notices }) => errors.length > 0 && notices.some((n) => /there again/.test(n))))
    })

    it('counts that were waiting are written when it is back', async () => {
      const server = await startRedis()
      const { store } = await openStore(server.url)
      store.increment(['c'], 5)
      await server.kill9()
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      await server.start()
      await until('it is counted', async () => (await store.get<number>(['c']).catch(() => 0)) === 5)
    })

    it('a short absence is bridged: the call waits for the new connection', async () => {
      const server = await startRedis()
      const { store } = await openStore(server.url)
      await store.put(['k'], 1)
      await server.kill9()
      const reading = Promise.all([store.get(['k']), store.list(['k'])])
      await server.start()
      assert.deepEqual(await reading, [1, [{ key: ['k'], value: 1 }]])
    })
  })

  it('away for longer: every call rejects at once, saying so, and one event a minute', async () => {
    const server = await startRedis()
    const { store, errors } = await openStore(server.url, { deadline: 300 })
    await server.kill9()
    await assert.rejects(store.put(['k'], 1), /the server is away|closed/)
    await assert.rejects(store.get(['k']), /the server is away/)
    const before = performance.now()
    for (let n = 0; n < 20; n++) {
      await assert.rejects(store.get(['k']), /store: unix:.*the server is away: .*(ECONNREFUSED|closed)/)
      await assert.rejects(
        store.update(['k'], () => 1),
        /the server is away/,
      )
      await assert.rejects(store.list(['k']), /the server is away/)
    }
    assert.ok(performance.now() - before < BOUND, 'sixty calls in less time than three deadlines would be')
    assert.equal(errors.length, 1, errors.join('\n'))
  })

  it('stopped (SIGSTOP): calls end in time, the event loop runs, and all is well after SIGCONT', async () => {
    const server = await startRedis()
    const { store, errors } = await openStore(server.url)
    await store.put(['k'], 'before')
    server.signal('SIGSTOP')
    let turns = 0
    const ticking = setInterval(() => turns++, 10)
    const began = performance.now()
    const results = await Promise.allSettled([
      store.get(['k']),
      store.list([]),
      store.put(['k'], 'during'),
      store.update(['u'], () => 1),
      store.putIfAbsent(['p'], 1),
      store.sweep(),
    ])
    assert.ok(performance.now() - began < BOUND)
    clearInterval(ticking)
    assert.ok(turns > 50, `${turns} turns`)
    for (const result of results) {
      assert.equal(result.status, 'rejected')
      assert.match(String(result.reason), /store: .*(no answer within|the server is away|not written within)/)
    }
    await assert.rejects(store.get(['k']))
    server.signal('SIGCONT')
    await until(
      'it is back',
      async () =>
        store.put(['after'], 1).then(
          () => true,
          () => false,
        ),
      { limit: 20_000 },
    )
    assert.match(String(await store.get(['k'])), /before|during/, 'a write given up may appear later, see Store')
    assert.ok(errors.length > 0)
  })

  it('a late write of one machine never undoes what another has written since', async () => {
    const server = await startRedis()
    const { store: slow } = await openStore(server.url, { deadline: 500 })
    const { store: other } = await openStore(server.url)
    await slow.put(['n'], ['first'])
    for (let n = 0; n < 5; n++) {
      server.signal('SIGSTOP')
      const given = assert.rejects(slow.update<string[]>(['n'], (old = []) => [...old, `slow${n}`]))
      const waiting = other.update<string[]>(['n'], (old = []) => [...old, `other${n}`])
      await given
      server.signal('SIGCONT')
      await waiting
      await until('both are connected', async () =>
        slow.get(['n']).then(
          () => true,
          () => false,
        ),
      )
    }
    const found = (await other.get<string[]>(['n'])) ?? []
    for (let n = 0; n < 5; n++) assert.ok(found.includes(`other${n}`), `${n}: ${found.join()}`)
  })

  it('back after a while: whoever needs it has it tried at once, and does not wait for the next attempt', async () => {
    const server = await startRedis()
    const { store } = await openStore(server.url, { deadline: 300 })
    await server.kill9()
    // long enough for the pauses between attempts to be at their longest
    await new Promise((resolve) => setTimeout(resolve, 6_000))
    await assert.rejects(store.get(['k']), /the server is away/)
    await server.start()
    await new Promise((resolve) => setTimeout(resolve, 250))
    assert.equal(await store.get(['k']), undefined)
  })

  describe('data that is lost while the gateway is connected', () => {
    it('FLUSHALL: the keys are put back within seconds, without anybody asking, and it is said once', async () => {
      const server = await startRedis()
      const { store, path: dir, errors } = await openStore(server.url)
      const keys = await Promise.all([secretKey(store, 'seal'), secretKey(store, 'audit')])
      await store.put(['rcpt'], 'served')
      await flush(server)
      await until('it is noticed', () => errors.some((error) => /restored/.test(error)), { limit: 10_000 })
      assert.match(
        errors.join('\n'),
        /has lost its data; the key "(seal|audit)" is restored .*, the key ".*second copy.*docs\/store\.md/,
      )
      // somebody without copies gets the same keys
      const newcomer = await openStore(server.url)
      assert.deepEqual(await Promise.all([secretKey(newcomer.store, 'seal'), secretKey(newcomer.store, 'audit')]), keys)
      await store.put(['rcpt'], 'again')
      assert.equal(await newcomer.store.get(['rcpt']), 'again')
      assert.equal(errors.filter((error) => /lost its data; /.test(error)).length, 1, errors.join('\n'))
      assert.deepEqual(readdirSync(path.join(dir, 'redis')).sort(), ['audit.key', 'seal.key'])
    })

    const commands: [string, (store: Store) => Promise<unknown>][] = [
      ['get', (store) => store.get(['rcpt'])],
      ['list', (store) => store.list(['rcpt'])],
      ['put', (store) => store.put(['rcpt'], 1)],
      ['update', (store) => store.update(['rcpt'], () => 1)],
    ]
    for (const [name, command] of commands) {
      it(`${name} is not answered from an empty server as if nothing had been recorded`, async () => {
        const server = await startRedis()
        const { store } = await openStore(server.url)
        await secretKey(store, 'seal')
        await store.put(['rcpt'], 'served')
        await flush(server)
        await assert.rejects(command(store), /the Redis server has lost its data/)
        await until('it goes on', async () =>
          command(store).then(
            () => true,
            () => false,
          ),
        )
      })
    }

    it('another gateway was faster: its keys are the same, and the loss is said all the same', async () => {
      const server = await startRedis()
      const [one, two] = [await openStore(server.url), await openStore(server.url)]
      const key = await secretKey(one.store, 'seal')
      assert.deepEqual(await secretKey(two.store, 'seal'), key)
      await flush(server)
      await until(
        'both have noticed',
        () => [one, two].every(({ errors }) => errors.some((error) => /lost its data; /.test(error))),
        { limit: 12_000 },
      )
      const told = [...one.errors, ...two.errors].join('\n')
      assert.match(told, /the key "seal" is restored/)
      for (const { store } of [one, two]) assert.deepEqual(await secretKey(store, 'seal'), key)
    })

    it('a stranger was faster and has made new keys: they are not used, and it is said what to do', async () => {
      const server = await startRedis()
      const { store, errors } = await openStore(server.url, { deadline: 300 })
      await secretKey(store, 'seal')
      const connection = await server.connect()
      const flushed = connection.send(['FLUSHALL'])
      const stranger = openStore(server.url).then(({ store: other }) => secretKey(other, 'seal'))
      await Promise.all([flushed, stranger])
      connection.destroy()
      await until('it is said', () => errors.some((error) => /the key "seal" there is not the one/.test(error)), {
        limit: 12_000,
      })
      await assert.rejects(store.put(['k'], 1), /move the file away to go on with the key of the server/)
    })

    it('a server that comes back with older data: how many writes are gone is said', async () => {
      const server = await startRedis()
      const { store, errors } = await openStore(server.url)
      await secretKey(store, 'seal')
      await server.kill9()
      const folder = path.join(server.dir, 'appendonlydir')
      const files = readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name))] as const)
      await server.start()
      for (let n = 0; n < 3; n++) await store.put(['k', n], n)
      await server.kill9()
      for (const [name, data] of files) writeFileSync(path.join(folder, name), data)
      await server.start()
      await until('it is said', () => errors.some((error) => /has lost its last 3 writes/.test(error)), {
        limit: 10_000,
      })
      assert.deepEqual(await store.list(['k']), [])
    })

    it('a restart that loses nothing is not called a loss', async () => {
      const server = await startRedis()
      const { store, errors } = await openStore(server.url)
      await secretKey(store, 'seal')
      await store.put(['k'], 1)
      await server.kill9()
      await server.start()
      await until('it is back', async () => (await store.get(['k']).catch(() => 0)) === 1)
      assert.doesNotMatch(errors.join('\n'), /lost/)
    })

    it('a key that nobody had before is made with a word in the log, and only by one', async () => {
      const server = await startRedis()
      const all = [await openStore(server.url), await openStore(server.url)]
      for (const { store } of all) await secretKey(store, 'seal')
      assert.deepEqual(
        all.map(({ notices }) => notices.filter((notice) => /a new key "seal" was made/.test(notice)).length),
        [1, 0],
      )
    })
  })

  describe('away at the start', () => {
    it('is waited for, and said once', async () => {
      const port = await freePort()
      let opened = false
      const errors: string[] = []
      const opening = openRedisStore({
        url: `redis://127.0.0.1:${port}`,
        path: tempDir(),
        clock: systemClock,
        onError: ({ message }) => errors.push(message),
      })
      void opening.then(() => (opened = true))
      await until('it is said', () => errors.length > 0)
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      assert.equal(opened, false)
      assert.equal(errors.length, 1)
      assert.match(errors[0] ?? '', /^store: redis:\/\/127\.0\.0\.1:\d+\/0: the server is away: .*ECONNREFUSED/)
      await startRedis({ port })
      const store = await opening
      open.push(store)
      await store.put(['k'], 1)
    })

    for (const [what, answer] of [
      ['says nothing', undefined],
      ['speaks something else', '220 mail.example ESMTP\r\n'],
      ['still loads its data', '-LOADING Redis is loading the dataset in memory\r\n'],
    ] as const) {
      it(`a server that ${what} is waited for, too`, async () => {
        const port = await freePort()
        const sockets = new Set<net.Socket>()
        const wrong = net.createServer((socket) => {
          sockets.add(socket)
          socket.on('error', () => undefined)
          socket.on('data', () => {
            if (answer !== undefined) socket.write(answer)
          })
        })
        servers.push(wrong)
        await new Promise<void>((resolve) => wrong.listen(port, '127.0.0.1', resolve))
        const errors: string[] = []
        const opening = openRedisStore({
          url: `redis://127.0.0.1:${port}`,
          path: tempDir(),
          clock: systemClock,
          deadline: 500,
          onError: ({ message }) => errors.push(message),
        })
        await until('it is said', () => errors.length > 0)
        wrong.close()
        for (const socket of sockets) socket.destroy()
        await startRedis({ port })
        open.push(await opening)
      })
    }
  })

  describe('refuses', () => {
    const cases: [string, (server: RedisServer) => string, RegExp][] = [
      ['no password', ({ url }) => url, /store: unix:.*NOAUTH/],
      ['wrong password', ({ url }) => `${url}?password=guess`, /WRONGPASS/],
      ['wrong user', ({ url }) => `${url}?username=anne&password=secret`, /WRONGPASS/],
      ['no such database', ({ url }) => `${url}?password=secret&db=99`, /DB index is out of range/],
    ]
    for (const [what, url, said] of cases) {
      it(`${what}: says so at once, and tells no password`, async () => {
        const server = await startRedis({ args: ['--requirepass', 'secret'] })
        await assert.rejects(openStore(url(server)), (error: Error) => {
          assert.match(error.message, said)
          assert.doesNotMatch(error.message, /guess|secret/)
          return true
        })
      })
    }

    it('takes user, password and database from the address', async () => {
      const port = await freePort()
      await startRedis({ port, args: ['--requirepass', 's:e/c%'] })
      const { store } = await openStore(`redis://default:s%3Ae%2Fc%25@127.0.0.1:${port}/3`)
      await store.put(['k'], 1)
      const { store: elsewhere } = await openStore(`redis://:s%3Ae%2Fc%25@127.0.0.1:${port}/4`)
      assert.deepEqual(await elsewhere.list([]), [])
    })

    it('a user with the rights of docs/store.md, and no more, is enough', async () => {
      const rights = /`(~\{secure-mail\}:\* [^`]+)`/.exec(
        readFileSync(path.join(packageRoot(), 'docs/store.md'), 'utf8'),
      )
      assert.ok(rights?.[1] !== undefined)
      const server = await startRedis()
      const connection = await server.connect()
      await connection.send(['ACL', 'SETUSER', 'gateway', 'reset', 'on', '>pass', ...rights[1].split(' ')])
      await connection.send(['CONFIG', 'SET', 'appendfsync', 'everysec'])
      const { store, notices } = await openStore(`${server.url}?username=gateway&password=pass&db=2`)
      await secretKey(store, 'seal')
      await store.put(['k'], 1, { ttl: 1000 })
      assert.equal(await store.update<number>(['k'], (n = 0) => n + 1), 2)
      store.increment(['n'])
      assert.equal((await store.list([])).length, 2)
      assert.equal(await store.sweep(), 0)
      await store.remove(['k'])
      assert.match(notices.join(), /appendfsync is everysec/)
      await store.close()
      connection.destroy()
    })

    it('TLS: a certificate that is not trusted is refused, one of an own authority is taken', async () => {
      const ca = createTestCa()
      const files = tempDir()
      const { cert, key } = ca.good('localhost')
      writeFileSync(path.join(files, 'cert'), cert)
      writeFileSync(path.join(files, 'key'), key)
      const port = await freePort()
      const tls = ['--tls-port', String(port), '--tls-cert-file', path.join(files, 'cert')]
      await startRedis({
        args: [
          ...tls,
          '--tls-key-file',
          path.join(files, 'key'),
          '--tls-ca-cert-file',
          ca.file,
          '--tls-auth-clients',
          'no',
        ],
      })
      const script = `
        const { openRedisStore } = require(${JSON.stringify(require.resolve('../../lib/store/redis'))})
        openRedisStore({
          url: 'rediss://localhost:${port}', path: ${JSON.stringify(tempDir())}, clock: { now: Date.now },
          onError: (error) => { console.log(error.message); process.exit(1) },
        }).then(async (store) => { await store.put(['k'], 'kept'); console.log(await store.get(['k'])); await store.close() })`
      const untrusted = await run(process.execPath, ['-e', script])
      assert.match(untrusted.stdout, /the server is away: .*certificate/)
      const trusted = await run(process.execPath, ['-e', script], { env: { NODE_EXTRA_CA_CERTS: ca.file } })
      assert.equal(trusted.stdout, 'kept\n', trusted.stderr)
    })

    it('wants TLS of a server that has none: waits, and does not speak in clear', async () => {
      const port = await freePort()
      await startRedis({ port })
      const errors: string[] = []
      const opening = openRedisStore({
        url: `rediss://127.0.0.1:${port}`,
        path: tempDir(),
        clock: systemClock,
        deadline: 500,
        onError: ({ message }) => errors.push(message),
      })
      let opened = false
      void opening.then(
        () => (opened = true),
        () => undefined,
      )
      await until('it is said', () => errors.length > 0)
      assert.equal(opened, false)
    })
  })

  describe('copies of the keys', () => {
    const copy = (dir: string, name = 'seal') => path.join(dir, 'redis', `${name}.key`)

    it('are made with mode 0600 in a folder of mode 0700, and say what the server has', async () => {
      const server = await startRedis()
      const { store, path: dir } = await openStore(server.url)
      const key = await secretKey(store, 'seal')
      assert.equal(readFileSync(copy(dir), 'latin1'), `${key.toString('base64')}\n`)
      assert.equal(statSync(copy(dir)).mode & 0o777, 0o600)
      assert.equal(statSync(path.dirname(copy(dir))).mode & 0o777, 0o700)
      assert.deepEqual(readdirSync(path.dirname(copy(dir))), ['seal.key'])
    })

    it('all machines get the same key, and each has its copy', async () => {
      const server = await startRedis()
      const all = await Promise.all([1, 2, 3, 4].map(() => openStore(server.url)))
      const keys = await Promise.all(all.map(({ store }) => secretKey(store, 'audit')))
      assert.equal(new Set(keys.map((key) => key.toString('hex'))).size, 1)
      assert.equal(new Set(all.map(({ path: dir }) => readFileSync(copy(dir, 'audit'), 'latin1'))).size, 1)
    })

    it('processes of one machine share them', async () => {
      const server = await startRedis()
      const dir = tempDir()
      const all = await Promise.all([1, 2, 3, 4].map(() => openStore(server.url, { path: dir })))
      const keys = await Promise.all(all.map(({ store }) => secretKey(store, 'seal')))
      assert.equal(new Set(keys.map((key) => key.toString('hex'))).size, 1)
      assert.deepEqual(readdirSync(path.dirname(copy(dir))), ['seal.key'])
    })

    it('a server that lost its data while the gateway was down gets the key back', async () => {
      const server = await startRedis()
      const first = await openStore(server.url)
      const key = await secretKey(first.store, 'seal')
      await first.store.close()
      await flush(server)
      const second = await openStore(server.url, { path: first.path })
      assert.deepEqual(await secretKey(second.store, 'seal'), key)
      assert.match(second.errors.join('\n'), /has lost its data; the key "seal" is restored/)
      const newcomer = await openStore(server.url)
      assert.deepEqual(await secretKey(newcomer.store, 'seal'), key)
    })

    it('and one that comes back empty while the gateway runs gets it with the next connection', async () => {
      const server = await startRedis()
      const { store, errors } = await openStore(server.url)
      const key = await secretKey(store, 'seal')
      await server.kill9()
      rmSync(path.join(server.dir, 'appendonlydir'), { recursive: true })
      await server.start()
      await until('it is restored', () => errors.some((error) => /the key "seal" is restored/.test(error)))
      const newcomer = await openStore(server.url)
      assert.deepEqual(await secretKey(newcomer.store, 'seal'), key)
    })

    it('a server with another key is refused at the start', async () => {
      const server = await startRedis()
      const first = await openStore(server.url)
      await secretKey(first.store, 'seal')
      await first.store.close()
      await flush(server)
      await secretKey((await openStore(server.url)).store, 'seal')
      await assert.rejects(openStore(server.url, { path: first.path }), /the key "seal" there is not the one/)
      rmSync(copy(first.path))
      await openStore(server.url, { path: first.path })
    })

    it('and not used when it appears in place of ours', async () => {
      const server = await startRedis()
      const { store, errors } = await openStore(server.url, { deadline: 500 })
      await secretKey(store, 'seal')
      await store.put(['k'], 1)
      await server.kill9()
      await assert.rejects(store.get(['k']))
      rmSync(path.join(server.dir, 'appendonlydir'), { recursive: true })
      const other = await startRedis()
      await secretKey((await openStore(other.url)).store, 'seal')
      await other.kill9()
      mkdirSync(path.join(server.dir, 'appendonlydir'))
      for (const file of readdirSync(path.join(other.dir, 'appendonlydir'))) {
        writeFileSync(
          path.join(server.dir, 'appendonlydir', file),
          readFileSync(path.join(other.dir, 'appendonlydir', file)),
        )
      }
      await server.start()
      await until('it is said', async () =>
        store.get(['k']).then(
          () => assert.fail('answered by a server that is not ours'),
          (error: unknown) => String(error).includes('the key "seal" there is not the one'),
        ),
      )
      assert.equal(errors.length, 2, 'away, and why it is not used')
    })

    it('a damaged copy, or a folder that cannot be used, is said', async () => {
      const server = await startRedis()
      const dir = tempDir()
      mkdirSync(path.join(dir, 'redis'))
      writeFileSync(copy(dir), 'not a key\n')
      await assert.rejects(openStore(server.url, { path: dir }), /seal\.key is damaged/)
      const file = path.join(tempDir(), 'file')
      writeFileSync(file, '')
      await assert.rejects(openStore(server.url, { path: file }), /store: cannot use /)
      const wide = tempDir()
      mkdirSync(path.join(wide, 'redis'))
      chmodSync(path.join(wide, 'redis'), 0o755)
      await openStore(server.url, { path: wide })
      assert.equal(statSync(path.join(wide, 'redis')).mode & 0o777, 0o700)
    })
  })

  describe('advice', () => {
    const cases: [string, readonly string[], RegExp | null][] = [
      ['as recommended', [], null],
      ['without append-only file', ['--appendonly', 'no'], /appendonly is off/],
      ['flushed every second', ['--appendfsync', 'everysec'], /appendfsync is everysec/],
      ['evicting', ['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'], /maxmemory-policy is allkeys-lru/],
    ]
    for (const [what, args, said] of cases) {
      it(`a server ${what}: ${said === null ? 'nothing to say' : 'the log says what could be lost'}`, async () => {
        const server = await startRedis({ args })
        const { notices } = await openStore(server.url)
        const probed = await probeRedis(server.url)
        if (said === null) assert.deepEqual([notices, probed], [[], []])
        else for (const lines of [notices, probed]) assert.match(lines.join('\n'), said)
      })
    }
  })
})
