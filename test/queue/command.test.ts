import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Io } from '../../bin/io'
import { run } from '../../bin/program'
import { columns, sizeOf, spanOf, untilOf } from '../../bin/queue/words'
import { openControl, type ControlServer } from '../../lib/control'
import type { Request } from '../../lib/control'
import type { QueueMail } from '../../lib/queue/types'
import { openLmdbStore } from '../../lib/store/lmdb'
import { freshRecord } from '../../lib/store/recipient-record'
import { recipientRecords } from '../../lib/store/recipients'
import { ran, schemaErrors } from '../bin/run'
import { writeQueueFile } from './files'

const UUID = '0F3A7C11-82DF-489A-B731-8587E5178118.1'

describe('secure-mail queue', () => {
  let dir: string
  let queue: string
  let gateway: ControlServer | undefined

  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-queue-'))
    queue = path.join(dir, 'queue')
    for (const folder of ['config', 'queue']) mkdirSync(path.join(dir, folder))
    writeFileSync(path.join(dir, 'config', 'plugins'), 'secure-mail\n')
    writeFileSync(
      path.join(dir, 'config', 'secure-mail.ini'),
      '[main]\ninternal_domains[]=own.test\n[store]\npath=store\n',
    )
  })
  afterEach(async () => {
    await gateway?.close()
    gateway = undefined
    rmSync(dir, { recursive: true, force: true })
  })

  const command = (...args: string[]) => ran(['queue', ...args, '--config', dir])

  async function list(...args: string[]): Promise<{
    gateway: { running: boolean }
    mails: QueueMail[]
    files: unknown[]
    destinations: { domain: string; mails: number }[]
    total: { mails: number; shown: number }
  }> {
    const { out, err, exitCode } = await command('list', '--json', ...args)
    assert.equal(exitCode, 0, err)
    const value = JSON.parse(out) as Awaited<ReturnType<typeof list>>
    assert.deepEqual(schemaErrors('queue-list.schema.json', value), [])
    return value
  }

  it('without a gateway: from the files and the store, and it says so', async () => {
    const now = Date.now()
    writeQueueFile(queue, {
      uuid: `${UUID}.1`,
      to: ['a@p.test', 'b@p.test'],
      queuedAt: now - 60_000,
      nextTry: now + 60_000,
    })
    const store = await openLmdbStore({ path: path.join(dir, 'store'), clock: { now: () => now } })
    await recipientRecords(store).save(UUID, 'a@p.test', {
      ...freshRecord(now - 60_000),
      attempts: 3,
      lastFailure: { resultType: 'connection-failed', enhancedCode: '4.4.1', publicText: 'timed out', mx: 'mx.p.test' },
    })
    await recipientRecords(store).save(UUID, 'b@p.test', {
      ...freshRecord(now - 60_000),
      state: 'delivered',
      attempts: 1,
    })
    await store.close()
    const found = await list()
    assert.equal(found.gateway.running, false)
    assert.deepEqual(
      found.mails.map(({ state, recipients }) => [state, recipients.map((one) => [one.address, one.state, one.tries])]),
      [
        [
          'stopped',
          [
            ['a@p.test', 'open', 3],
            ['b@p.test', 'delivered', 1],
          ],
        ],
      ],
    )
    const people = await command()
    assert.equal(people.exitCode, 0)
    assert.match(people.err, /does not run/)
    assert.match(
      people.out,
      /to {3}a@p\.test: open; last: connection-failed 4\.4\.1 at mx\.p\.test: timed out; given up at 20/,
    )
    assert.match(people.out, /to {3}b@p\.test: delivered/)
    assert.match(people.out, /^1 mail, /m)
    assert.match(people.out, /^p\.test +1 +0 +1 .*connection-failed$/m)
  })

  it('an empty queue, and no store made by looking', async () => {
    const { out, exitCode } = await command('list')
    assert.equal(exitCode, 0)
    assert.equal(out, 'the queue is empty\n')
    assert.deepEqual((await list()).total, { mails: 0, shown: 0, bytes: 0 })
    assert.throws(() => rmSync(path.join(dir, 'store')))
  })

  it('the limit holds for what is shown, not for what is counted; a domain for both', async () => {
    for (let n = 0; n < 130; n++) {
      writeQueueFile(queue, { arrival: 1000 + n, uuid: `${UUID}.${n}`, to: [`x@${n % 2 === 0 ? 'even' : 'odd'}.test`] })
    }
    assert.deepEqual((await list()).total.shown, 130)
    const few = await list('--limit', '3')
    assert.deepEqual([few.mails.length, few.total.mails], [3, 130])
    assert.deepEqual(
      few.destinations.map(({ domain, mails }) => [domain, mails]),
      [
        ['even.test', 65],
        ['odd.test', 65],
      ],
    )
    const odd = await list('--domain', 'ODD.test')
    assert.deepEqual([odd.total.mails, odd.destinations.length], [65, 1])
    const people = await command()
    assert.equal(people.out.match(/^ {2}from /gm)?.length, 100)
    assert.match(people.out, /130 mails, .*100 shown; --limit 0 shows all/)
  })

  it('what stands in a file cannot steer the terminal', async () => {
    writeQueueFile(queue, { from: 'a\u001b[2J\u202e@x.test', to: ['b\r\nc@x.test'] })
    const { out } = await command()
    assert.doesNotMatch(out, /[\p{Cf}\p{Zl}\p{Zp}]|(?!\n)\p{Cc}/u)
  })

  const WRONG: [string[], RegExp][] = [
    [['list', '--limit', '-1'], /--limit "-1" is no number/],
    [['list', '--domain', 'a b'], /is no domain/],
    [['list', '--domain', 'a@b.test'], /is no domain/],
    [['retry'], /say which/],
    [['retry', '--all', 'x.test'], /either/],
    [['retry', 'a@b.test'], /neither a domain nor an id/],
    [['bounce', UUID, '--reason', 'x'.repeat(301)], /300 at most/],
    [['bounce', UUID, '--recipient', 'b.test'], /"b\.test" is no address/],
    [['bounce', UUID, '--yes'], /does not run/],
    [['retry', 'p.test'], /does not run/],
  ]
  for (const [args, said] of WRONG) {
    it(`${args.join(' ').slice(0, 60)}: exit code 2, and why`, async () => {
      const { exitCode, err } = await command(...args)
      assert.equal(exitCode, 2)
      assert.match(err, said)
    })
  }

  /** A gateway that holds every mail and notes what it is told to do. */
  async function standIn(orders: Request[]): Promise<void> {
    gateway = await openControl({
      dir: path.join(dir, 'run'),
      pid: 1,
      report: (error) => assert.fail(String(error)),
      async serve(request, send) {
        orders.push(request)
        switch (request.op) {
          case 'state':
            await send({ kind: 'process', pid: 1, label: 'main', version: '1', paused: false })
            await send({ kind: 'held', state: 'waiting', mails: [['1000000_AbCdEf', 2_000_000]] })
            return
          case 'bounce':
            await send({
              kind: 'bounced',
              bounced: { result: 'ended', recipients: request.recipients ?? [], left: 0, nextTry: null },
            })
            return
          default:
        }
      },
    })
  }

  /** With a person at the terminal who answers this. */
  async function asked(
    answer: string,
    ...args: string[]
  ): Promise<{ exitCode: number; err: string; questions: number }> {
    let err = ''
    let questions = 0
    const io: Io = {
      out: () => undefined,
      err: (text) => void (err += text),
      color: false,
      stdin: () => Promise.resolve(Buffer.alloc(0)),
      ask: () => {
        questions += 1
        return Promise.resolve(answer)
      },
      exitCode: 0,
    }
    await run(['queue', ...args, '--config', dir], io)
    return { exitCode: io.exitCode, err, questions }
  }

  for (const [answer, ended] of [
    ['y', true],
    ['Ja', true],
    ['', false],
    ['n', false],
    ['yesterday', false],
  ] as const) {
    it(`bounce at a terminal, answer ${JSON.stringify(answer)}: ${ended ? 'ended' : 'nothing happens'}`, async () => {
      writeQueueFile(queue)
      const orders: Request[] = []
      await standIn(orders)
      const { exitCode, err, questions } = await asked(answer, 'bounce', UUID)
      assert.equal(questions, 1)
      assert.match(err, /anne@own\.test: ends for bo@partner\.test/)
      assert.equal(exitCode, ended ? 0 : 1)
      assert.equal(orders.filter(({ op }) => op === 'bounce').length, ended ? 1 : 0)
    })
  }

  it('a recipient that is not there: the nearest is named, and nothing happens', async () => {
    writeQueueFile(queue)
    const orders: Request[] = []
    await standIn(orders)
    const { exitCode, err } = await command('bounce', UUID, '--recipient', 'bo@parner.test', '--yes')
    assert.equal(exitCode, 1)
    assert.match(err, /did you mean bo@partner\.test\?/)
    assert.ok(orders.every(({ op }) => op === 'state'))
  })
})

describe('queue: times and sizes for people', () => {
  const SPANS: [number, string][] = [
    [-5, '0 s'],
    [99, '99 s'],
    [120, '2 min'],
    [3 * 3600, '3 h'],
    [47 * 3600, '47 h'],
    [72 * 3600, '3 d'],
  ]
  for (const [seconds, text] of SPANS) it(`${seconds} s: ${text}`, () => assert.equal(spanOf(seconds), text))

  const SIZES: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1500, '2 KB'],
    [3_400_000, '3.4 MB'],
    [2_000_000_000, '2.0 GB'],
  ]
  for (const [bytes, text] of SIZES) it(`${bytes} bytes: ${text}`, () => assert.equal(sizeOf(bytes), text))

  it('a time that has passed is now', () => {
    assert.equal(untilOf('2026-01-01T00:00:00.000Z', Date.parse('2026-01-02T00:00:00.000Z')), 'now')
    assert.equal(untilOf('2026-01-01T00:10:00.000Z', Date.parse('2026-01-01T00:00:00.000Z')), 'in 10 min')
  })

  it('columns are as wide as their widest cell', () => {
    assert.deepEqual(
      columns([
        ['a', 'bb'],
        ['ccc', 'd'],
      ]),
      ['a    bb', 'ccc  d'],
    )
  })
})
