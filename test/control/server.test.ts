import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { ask, ControlFailure } from '../../lib/control/client'
import { bounceMail, retryMails, tellCertificates, tellProbe } from '../../lib/control/orders'
import type { Reply, Request } from '../../lib/control/protocol'
import { controlSockets, prepareRunDirectory, removeStale } from '../../lib/control/run-directory'
import { openControl, type ControlServer, type Send } from '../../lib/control/server'
import { gatewayState } from '../../lib/control/state'

const identity = (n: number) => `${1_700_000_000_000 + n}_AbCdEf`
const operator = { uid: 0, name: 'root' }

describe('control: the socket', () => {
  let folder: string
  let dir: string
  const servers: ControlServer[] = []
  const reports: unknown[] = []

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-control-'))
    dir = path.join(folder, 'run')
    reports.length = 0
  })
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function open(serve: (request: Request, send: Send) => Promise<void>, pid = process.pid, where = dir) {
    const server = await openControl({ dir: where, pid, serve, report: (error) => reports.push(error) })
    servers.push(server)
    return { pid, name: `control.${pid}.sock` }
  }

  /** Bytes to the socket; what it answers until it ends the connection. */
  function raw(bytes: string | Buffer, name = `control.${process.pid}.sock`): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = ''
      const socket = net.connect(path.join(dir, name))
      socket.on('connect', () => socket.write(bytes))
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
      socket.on('error', reject)
      socket.on('close', () => {
        resolve(text)
      })
    })
  }

  const echo = async (_request: Request, send: Send) => {
    await send({ kind: 'process', pid: 1, label: 'main', version: '1', paused: false })
  }

  it('folder 0700 and socket 0600, whatever the umask is, which stays as it was', async () => {
    const before = process.umask(0)
    try {
      const { name } = await open(echo)
      assert.equal(process.umask(0), 0)
      assert.equal(statSync(dir).mode & 0o777, 0o700)
      assert.equal(statSync(path.join(dir, name)).mode & 0o777, 0o600)
    } finally {
      process.umask(before)
    }
  })

  it('a folder that others may enter is closed', async () => {
    mkdirSync(dir)
    chmodSync(dir, 0o777)
    await open(echo)
    assert.equal(statSync(dir).mode & 0o777, 0o700)
  })

  it('a folder that is a file is refused in plain words', () => {
    writeFileSync(dir, '')
    assert.throws(() => {
      prepareRunDirectory(dir)
    }, /the folder .*run for the control socket cannot be used/)
  })

  it('a path longer than a socket can have', async function () {
    if (process.platform !== 'linux') this.skip()
    const long = path.join(folder, 'x'.repeat(150), 'run')
    const socket = await open(echo, process.pid, long)
    assert.ok(existsSync(path.join(long, socket.name)))
    const replies: Reply[] = []
    await ask(long, socket, { op: 'state' }, (reply) => replies.push(reply))
    assert.equal(replies.length, 1)
    await servers.pop()?.close()
    assert.deepEqual(readdirSync(long), [])
  })

  it('answers, and is gone after the end', async () => {
    const socket = await open(echo)
    const replies: Reply[] = []
    await ask(dir, socket, { op: 'state' }, (reply) => replies.push(reply))
    assert.deepEqual(
      replies.map(({ kind }) => kind),
      ['process'],
    )
    await servers.pop()?.close()
    assert.deepEqual(readdirSync(dir), [])
    await assert.rejects(
      ask(dir, socket, { op: 'state' }, () => undefined),
      (error) => error instanceof ControlFailure && error.reason === 'gone',
    )
  })

  const HOSTILE: [string, string | Buffer, RegExp][] = [
    ['another protocol', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', /"code":"bad-request"/],
    ['an endless line', Buffer.alloc(70_000, 0x7b), /"code":"bad-request"/],
    ['random bytes', Buffer.from([0, 255, 1, 254, 10]), /"code":"bad-request"/],
    ['a version that it does not know', '{"v":99,"op":"state"}\n', /"code":"unknown-version".*version 1/],
    ['an order with a path in it', '{"v":1,"op":"describe","mails":["../x"]}\n', /"code":"bad-request"/],
    ['a deep value', `${'['.repeat(30_000)}\n`, /"code":"bad-request"/],
  ]
  for (const [what, bytes, answer] of HOSTILE) {
    it(`${what}: a refusal, nothing else happens, and the next one is served`, async () => {
      let served = 0
      const socket = await open(async (request, send) => {
        served += 1
        await echo(request, send)
      })
      assert.match(await raw(bytes), answer)
      assert.equal(served, 0)
      await ask(dir, socket, { op: 'state' }, () => undefined)
      assert.equal(served, 1)
      assert.deepEqual(reports, [])
    })
  }

  it('only the first line of a connection counts', async () => {
    const served: string[] = []
    await open(async (request, send) => {
      served.push(request.op)
      await echo(request, send)
    })
    const answer = await raw('{"v":1,"op":"state"}\n{"v":1,"op":"describe","mails":[]}\n')
    assert.match(answer, /"kind":"end"/)
    assert.deepEqual(served, ['state'])
  })

  it('a client that goes away in the middle harms nobody', async () => {
    const socket = await open(async (_request, send) => {
      for (;;) await send({ kind: 'error', code: 'internal', message: 'x'.repeat(2000) })
    })
    await new Promise<void>((resolve) => {
      const client = net.connect(path.join(dir, socket.name))
      client.on('connect', () => client.write('{"v":1,"op":"state"}\n'))
      client.once('data', () => {
        client.destroy()
        resolve()
      })
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepEqual(reports, [])
  })

  it('what fails inside is told to the client and reported', async () => {
    const socket = await open(() => Promise.reject(new Error('disk gone')))
    await assert.rejects(
      ask(dir, socket, { op: 'state' }, () => undefined),
      (error) => error instanceof ControlFailure && error.reason === 'refused' && /disk gone/.test(error.message),
    )
    assert.equal(reports.length, 1)
  })

  it('more connections than it takes are closed, and it goes on', async () => {
    const socket = await open(echo)
    const clients = Array.from({ length: 40 }, () => net.connect(path.join(dir, socket.name)))
    for (const client of clients) client.on('error', () => undefined)
    await Promise.all(clients.slice(20).map((client) => new Promise((resolve) => client.once('close', resolve))))
    for (const client of clients) client.destroy()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await ask(dir, socket, { op: 'state' }, () => undefined)
  })

  it('a server that says nothing is not waited for for ever; one that talks nonsense is told apart', async () => {
    mkdirSync(dir)
    const servers = [
      ['silent', net.createServer()],
      ['broken', net.createServer((socket) => socket.end('{"kind":"held"}\n'))],
      ['broken', net.createServer((socket) => socket.end())],
    ] as const
    for (const [n, [reason, server]] of servers.entries()) {
      const socket = { pid: n, name: `control.${n}.sock` }
      await new Promise<void>((resolve) => server.listen(path.join(dir, socket.name), resolve))
      try {
        await assert.rejects(
          ask(dir, socket, { op: 'state' }, () => undefined, 100),
          (error) => error instanceof ControlFailure && error.reason === reason,
        )
      } finally {
        server.close()
      }
    }
  })

  it('what ended processes left is removed; who lives keeps its socket', async () => {
    prepareRunDirectory(dir)
    // bound once, nobody listens any more
    for (const pid of [4_194_303, process.pid]) writeFileSync(path.join(dir, `control.${pid}.sock`), '')
    const live = await open(echo, process.ppid)
    writeFileSync(path.join(dir, 'control.4194302.sock'), '')
    writeFileSync(path.join(dir, 'haraka.pid'), '')
    await removeStale(dir, 1, Date.now())
    assert.deepEqual(readdirSync(dir).sort(), [live.name, 'haraka.pid', `control.${process.pid}.sock`].sort())
  })

  it('several processes: states are merged, each mail is called once, by whoever holds it', async () => {
    const holds = (mine: readonly string[]) => async (request: Request, send: Send) => {
      switch (request.op) {
        case 'state':
          await send({ kind: 'process', pid: 1, label: 'w', version: '1', paused: false })
          await send({ kind: 'held', state: 'waiting', mails: mine.map((one) => [one, 5]) })
          return
        case 'retry': {
          const started = request.mails.filter((one) => mine.includes(one))
          const unknown = request.mails.filter((one) => !mine.includes(one))
          await send({ kind: 'retried', started, due: [], delivering: [], unknown })
          return
        }
        case 'bounce': {
          const here = mine.includes(request.mail)
          await send({ kind: 'bounced', bounced: here ? { result: 'nothing-open' } : { result: 'unknown' } })
          return
        }
        case 'probed':
        case 'certs':
          told.push(request)
          return
        case 'describe':
        case 'tlsrpt':
        case 'metrics':
      }
    }
    const told: Request[] = []
    const first = Array.from({ length: 1500 }, (_, n) => identity(n))
    const second = Array.from({ length: 700 }, (_, n) => identity(5000 + n))
    await open(holds(first), 11)
    await open(holds(second), 12)
    writeFileSync(path.join(dir, 'control.4194302.sock'), '')
    const lost = identity(9999)
    // answers hold at most MAX_MAILS in a line; this state has more
    await assert.rejects(gatewayStateOf(dir), /answer of process 11 cannot be understood/)
    const retried = await retryMails(dir, [...first, ...second, lost], operator)
    assert.deepEqual(new Set(retried.started), new Set([...first, ...second]))
    assert.equal(retried.started.length, 2200)
    assert.deepEqual(retried.unknown, [lost])
    assert.deepEqual(await bounceMail(dir, second[0]!, null, '', operator), { result: 'nothing-open' })
    assert.deepEqual(await bounceMail(dir, lost, null, '', operator), { result: 'unknown' })
    const probe = { domain: 'x.example', mx: '', verdict: 'fails' as const, resultType: 'certificate-expired' }
    assert.equal(await tellProbe(dir, probe, operator), true)
    assert.deepEqual(told, [{ op: 'probed', probe, operator }], 'one process is told, and no other')
    const long = '"'.repeat(300)
    const change = {
      ...{
        change: 'import' as const,
        done: true,
        holder: `${'"'.repeat(900)}@x.example`,
        fingerprint: 'ab'.repeat(32),
      },
      ...{ subject: long, notAfter: '2027-01-31T00:00:00.000Z', origin: 'PKCS #12', state: 'trusted', why: long },
    }
    const changes = Array.from({ length: 23 }, (_, n) => ({ ...change, done: n % 2 === 0 }))
    assert.equal(await tellCertificates(dir, changes, operator), true)
    const heard = told.flatMap((request) => (request.op === 'certs' ? request.changes : []))
    assert.deepEqual(heard, changes, 'more than a request holds: all of them, in their order')
    assert.equal(await tellCertificates(path.join(dir, 'nobody'), changes, operator), false)
    assert.equal(controlSockets(dir).length, 3)
  })

  /** The first process that did not answer as it should, as an error. */
  async function gatewayStateOf(where: string): Promise<void> {
    const state = await gatewayState(where)
    const [silent] = state?.silent ?? []
    if (silent !== undefined) throw new Error(silent.why)
  }

  it('nobody there: no gateway', async () => {
    assert.equal(await gatewayState(dir), null)
    mkdirSync(dir)
    writeFileSync(path.join(dir, 'control.4194302.sock'), '')
    assert.equal(await gatewayState(dir), null)
  })
})
