import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import sinon from 'sinon'
import { openAudit, type AuditOptions } from '../../lib/audit/open'
import { memoryAudit } from '../../lib/audit/memory'
import { removeOldFiles } from '../../lib/audit/retention'
import type { Audit, AuditEvent } from '../../lib/audit/types'
import { CONTEXT, fullEvent } from './fixtures'

const NOON = Date.UTC(2026, 10, 23, 12)
const DAY = 24 * 3_600_000

interface Line {
  '@timestamp': string
  log: { level: string }
  message: string
  event: { action: string; sequence: number }
  securemail?: Record<string, unknown>
}

describe('the audit log', () => {
  let dir: string
  let now: number
  let errors: Error[]
  let open: Audit[]

  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'secure-mail-audit-'))
    now = NOON
    errors = []
    open = []
  })
  afterEach(async () => {
    sinon.restore()
    for (const audit of open) await audit.close()
    fs.rmSync(dir, { recursive: true, force: true })
  })

  function start(change: Partial<AuditOptions> = {}): Audit {
    const audit = openAudit({
      ...CONTEXT,
      dir: path.join(dir, 'audit'),
      processLabel: 'main',
      clock: { now: () => now },
      onError: (error) => errors.push(error),
      keepDays: 0,
      ...change,
    })
    open.push(audit)
    return audit
  }
  const file = (day = '2026-11-23', label = 'main') => path.join(dir, 'audit', `audit-${day}.${label}.ndjson`)
  const lines = (name = file()) =>
    fs
      .readFileSync(name, 'utf8')
      .trimEnd()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line)
  const sequences = (name = file()) => lines(name).map((line) => line.event.sequence)
  const event = (message: string): AuditEvent => ({ action: 'message-accepted', message })
  /** What was told so far is in the files, or lost. */
  const written = () => Promise.all(open.map((audit) => audit.written()))

  it('writes one line per event before the turn is over, numbered from 1, in a file for nobody else', async () => {
    const audit = start()
    for (const message of ['one', 'two', 'three\nlines']) audit.tell(event(message))
    await written()
    assert.deepEqual(
      lines().map((line) => [line.event.sequence, line.message, line.log.level]),
      [
        [1, 'one', 'info'],
        [2, 'two', 'info'],
        [3, 'three\nlines', 'info'],
      ],
    )
    assert.equal(fs.readFileSync(file(), 'utf8').split('\n').length, 4)
    assert.equal(fs.statSync(file()).mode & 0o777, 0o600)
    assert.equal(fs.statSync(path.dirname(file())).mode & 0o777, 0o700)
    assert.deepEqual(errors, [])
  })

  it('has a file per UTC day and process', async () => {
    const audit = start()
    const other = start({ processLabel: 'w2' })
    audit.tell(event('a'))
    now = Date.UTC(2026, 10, 23, 23, 59, 59, 999)
    audit.tell(event('b'))
    now += 1
    audit.tell(event('c'))
    other.tell(event('d'))
    await written()
    assert.deepEqual(sequences(), [1, 2])
    assert.deepEqual(sequences(file('2026-11-24')), [1])
    assert.deepEqual(sequences(file('2026-11-24', 'w2')), [1])
  })

  it('goes on counting after a restart, and when the clock went back a day and forth', async () => {
    const first = start()
    first.tell(event('a'))
    first.tell(event('b'))
    await first.close()
    const second = start()
    second.tell(event('c'))
    now += DAY
    second.tell(event('d'))
    now -= DAY
    second.tell(event('e'))
    await written()
    assert.deepEqual(sequences(), [1, 2, 3, 4])
    assert.deepEqual(sequences(file('2026-11-24')), [1])
  })

  it('ends a torn last line and does not give its number out again', async () => {
    const first = start()
    first.tell(event('a'))
    first.tell(event('b'))
    await first.close()
    fs.truncateSync(file(), fs.statSync(file()).size - 40)
    start().tell(event('c'))
    await written()
    const text = fs.readFileSync(file(), 'utf8').split('\n')
    assert.equal(text.length, 4)
    assert.throws(() => void JSON.parse(text[1]!))
    assert.equal((JSON.parse(text[2]!) as Line).event.sequence, 3)
    await open[1]!.close()
    // and the next start counts past the torn line in the middle
    start().tell(event('d'))
    await written()
    assert.equal((JSON.parse(fs.readFileSync(file(), 'utf8').split('\n')[3]!) as Line).event.sequence, 4)
  })

  it('takes a file that holds only rubbish, or is empty', async () => {
    fs.mkdirSync(path.dirname(file()), { recursive: true })
    fs.writeFileSync(file(), 'rubbish')
    start().tell(event('a'))
    await written()
    assert.equal(fs.readFileSync(file(), 'utf8').split('\n')[0], 'rubbish')
    assert.equal((JSON.parse(fs.readFileSync(file(), 'utf8').split('\n')[1]!) as Line).event.sequence, 2)
    fs.writeFileSync(file('2026-11-23', 'w1'), '')
    start({ processLabel: 'w1' }).tell(event('b'))
    await written()
    assert.deepEqual(sequences(file('2026-11-23', 'w1')), [1])
  })

  it('survives kill -9 in the middle of writing: every line whole but the last, no number twice', async function () {
    this.timeout(20_000)
    const script = `
      const { openAudit } = require(${JSON.stringify(require.resolve('../../lib/audit/open'))})
      const audit = openAudit({ dir: process.argv[1], recipients: 'clear', digestKey: () => ({ id: 'k1', key: Buffer.alloc(32) }), hostname: 'h', version: '0',
        processLabel: 'main', clock: { now: () => ${NOON} }, onError: (e) => { throw e }, mask: (t) => t, keepDays: 0 })
      const some = () => { for (let n = 0; n < 20; n++) audit.tell({ action: 'message-accepted', message: 'x'.repeat(2000) }); setImmediate(some) }
      some()`
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, ['-e', script, path.join(dir, 'audit')], { stdio: 'ignore' })
      const size = () => (fs.existsSync(file()) ? fs.statSync(file()).size : 0)
      const before = size()
      while (size() < before + 200_000) await new Promise((resolve) => setTimeout(resolve, 5))
      child.kill('SIGKILL')
      await new Promise((resolve) => child.on('exit', resolve))
    }
    start().tell(event('after'))
    await written()
    const whole = fs
      .readFileSync(file(), 'utf8')
      .split('\n')
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as Line]
        } catch {
          return []
        }
      })
    const numbers = whole.map((line) => line.event.sequence)
    assert.equal(new Set(numbers).size, numbers.length)
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
    assert.equal(whole.at(-1)!.message, 'after')
  })

  it('never throws from tell when the disk is full, counts what is lost, and says so in the next line', async () => {
    const audit = start()
    audit.tell(event('a'))
    await written()
    const write = sinon
      .stub(fs, 'writeSync')
      .throws(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
    audit.tell(event('b'))
    await written()
    audit.tell(event('c'))
    await written()
    assert.equal(errors.length, 2)
    assert.match(errors[0]!.message, /ENOSPC/)
    write.restore()
    audit.tell(event('d'))
    await written()
    assert.deepEqual(
      lines().map((line) => [line.event.sequence, line.event.action, line.message]),
      [
        [1, 'message-accepted', 'a'],
        // a line that spoke of the loss had a number, and was lost itself
        [5, 'plugin-error', '2 audit events could not be written before this line'],
        [6, 'message-accepted', 'd'],
      ],
    )
    assert.equal(lines()[1]!.securemail!.lost_events, 2)
  })

  it('leaves no half line when the disk fills in the middle of one', async () => {
    const audit = start()
    audit.tell(event('a'))
    await written()
    const real = fs.writeSync
    let calls = 0
    const write = sinon.stub(fs, 'writeSync').callsFake(((fd: number, bytes: Buffer) => {
      if (calls++ === 0) return real(fd, bytes, 0, 20)
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    }) as typeof fs.writeSync)
    audit.tell(event('b'))
    await written()
    write.restore()
    audit.tell(event('c'))
    await written()
    assert.deepEqual(
      lines().map((line) => line.message),
      ['a', '1 audit event could not be written before this line', 'c'],
    )
  })

  it('writes the lines of a turn with one call, in order, before anybody who waits for them goes on', async () => {
    const audit = start()
    const write = sinon.spy(fs, 'writeSync')
    for (const message of ['a', 'b', 'c']) audit.tell(event(message))
    assert.equal(write.callCount, 0)
    const order: string[] = []
    void audit.written().then(() => order.push(`written ${lines().length}`))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(order, ['written 3'])
    assert.equal(write.callCount, 1)
    await audit.written()
    audit.tell(event('d'))
    await audit.written()
    assert.deepEqual(sequences(), [1, 2, 3, 4])
    assert.equal(write.callCount, 2)
  })

  it('does not let a turn without an end keep more than so many lines', () => {
    const audit = start()
    for (let n = 0; n < 2500; n++) audit.tell(event(`line ${n}`))
    assert.equal(lines().length, 2000)
  })

  it('writes what was told before an event that has to be on the disk, in front of it', async () => {
    const audit = start()
    audit.tell(event('a'))
    const durable = audit.tellDurably(event('b'))
    audit.tell(event('c'))
    await durable
    await written()
    assert.deepEqual(
      lines().map((line) => [line.event.sequence, line.message]),
      [
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
      ],
    )
  })

  it('parts the lines of a turn at midnight by when they were told', async () => {
    const audit = start()
    now = Date.UTC(2026, 10, 23, 23, 59, 59, 999)
    audit.tell(event('a'))
    now += 1
    audit.tell(event('b'))
    now += DAY
    await written()
    assert.deepEqual(
      [lines(), lines(file('2026-11-24'))].map((day) => day.map((line) => [line.message, line['@timestamp']])),
      [[['a', '2026-11-23T23:59:59.999Z']], [['b', '2026-11-24T00:00:00.000Z']]],
    )
  })

  it('keeps of a turn on a full disk the lines that are whole, and counts the others', async () => {
    const audit = start()
    audit.tell(event('a'))
    await written()
    const real = fs.writeSync
    let room = 2 * fs.statSync(file()).size + 100
    const write = sinon.stub(fs, 'writeSync').callsFake(((fd: number, bytes: Buffer, from: number) => {
      const taken = Math.min(room, bytes.length - from)
      if (taken === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
      room -= taken
      return real(fd, bytes, from, taken)
    }) as typeof fs.writeSync)
    for (const message of ['b', 'c', 'd', 'e']) audit.tell(event(message))
    await written()
    assert.equal(errors.length, 1)
    write.restore()
    audit.tell(event('f'))
    await written()
    assert.deepEqual(
      lines().map((line) => line.message),
      ['a', 'b', 'c', '2 audit events could not be written before this line', 'f'],
    )
    const numbers = sequences()
    assert.deepEqual(numbers.slice(0, 3), [1, 2, 3])
    assert.ok((numbers[3] ?? 0) > 4, 'the loss shows as a gap')
  })

  it('does not forget what was lost when the line that speaks of it is lost, too', async () => {
    const audit = start()
    const write = sinon.stub(fs, 'writeSync').throws(new Error('ENOSPC'))
    for (const message of ['a', 'b']) audit.tell(event(message))
    await written()
    audit.tell(event('c'))
    await written()
    await assert.rejects(audit.tellDurably(event('d')), /ENOSPC/)
    write.restore()
    audit.tell(event('e'))
    await written()
    assert.deepEqual(
      lines().map((line) => line.message),
      ['4 audit events could not be written before this line', 'e'],
    )
  })

  describe('when the process ends in the turn in which something was told', () => {
    const ending = (how: string) => `
      const { openAudit } = require(${JSON.stringify(require.resolve('../../lib/audit/open'))})
      const audit = openAudit({ dir: process.argv[1], recipients: 'clear', digestKey: () => ({ id: 'k1', key: Buffer.alloc(32) }), hostname: 'h', version: '0',
        processLabel: 'main', clock: { now: () => ${NOON} }, onError: (e) => { throw e }, mask: (t) => t, keepDays: 0 })
      const tell = (message) => audit.tell({ action: 'message-accepted', message })
      tell('turn before')
      setImmediate(() => { tell('last'); tell('words'); ${how} })`
    const end = async (how: string) => {
      const child = spawn(process.execPath, ['-e', ending(how), path.join(dir, 'audit')], { stdio: 'ignore' })
      await new Promise((resolve) => child.on('exit', resolve))
      return lines().map((line) => line.message)
    }

    it('has the lines after an exception and after process.exit', async () => {
      const all = ['turn before', 'last', 'words']
      assert.deepEqual(await end("throw new Error('nobody catches this')"), all)
      assert.deepEqual(await end('process.exit(0)'), [...all, ...all])
    })

    it('lacks only lines of that turn after kill -9, and none is torn', async () => {
      assert.deepEqual(await end("process.kill(process.pid, 'SIGKILL')"), ['turn before'])
      start().tell(event('after'))
      await written()
      assert.deepEqual(sequences(), [1, 2])
    })
  })

  it('really meets a full device (/dev/full)', async function () {
    if (!fs.existsSync('/dev/full')) throw new Error('/dev/full is missing')
    fs.mkdirSync(path.dirname(file()), { recursive: true })
    fs.symlinkSync('/dev/full', file())
    const audit = start()
    audit.tell(event('a'))
    await written()
    assert.match(errors[0]!.message, /ENOSPC/)
    await assert.rejects(audit.tellDurably(event('b')), /ENOSPC/)
    fs.rmSync(file())
    await audit.tellDurably(event('c'))
    assert.deepEqual(
      lines().map((line) => line.message),
      ['2 audit events could not be written before this line', 'c'],
    )
  })

  it('resolves tellDurably only after fsync, and rejects when fsync fails', async () => {
    const audit = start()
    const order: string[] = []
    const sync = sinon.stub(fs, 'fsync').callsFake((_fd: number, done: (error: Error | null) => void) => {
      setImmediate(() => {
        order.push('synced')
        done(null)
      })
    })
    await audit.tellDurably({ ...fullEvent('plaintext-permitted') })
    order.push('resolved')
    assert.deepEqual(order, ['synced', 'resolved'])
    assert.equal(lines()[0]!.event.action, 'plaintext-permitted')
    sync.callsFake((_fd: number, done: (error: Error | null) => void) => done(new Error('EIO')))
    await assert.rejects(audit.tellDurably(event('x')), /EIO/)
  })

  it('has what was told on the disk within its time, and at its end', async () => {
    let synced = 0
    const sync = sinon.stub(fs, 'fsync').callsFake((_fd: number, done: (error: Error | null) => void) => {
      synced++
      setImmediate(() => done(synced === 1 ? new Error('EIO') : null))
    })
    const audit = start({ syncWithin: 20 })
    audit.tell(event('a'))
    audit.tell(event('b'))
    assert.equal(synced, 0)
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal(synced, 1, 'many lines, one fsync')
    assert.match(errors[0]!.message, /EIO/)
    audit.tell(event('c'))
    now += DAY
    audit.tell(event('d'))
    await written()
    assert.equal(synced, 2, 'the day before')
    await audit.close()
    assert.equal(synced, 3)
    sync.restore()
  })

  it('keeps a file open until an fsync under way has ended, across midnight', async () => {
    const audit = start()
    const durable = audit.tellDurably(event('a'))
    now += DAY
    audit.tell(event('b'))
    await durable
    await written()
    assert.deepEqual(sequences(), [1])
    assert.deepEqual(sequences(file('2026-11-24')), [1])
  })

  it("does not open when today's file cannot be opened", () => {
    fs.writeFileSync(path.join(dir, 'audit'), 'a file, not a folder')
    assert.throws(() => start())
    assert.throws(() => start({ dir: path.join(dir, 'ok'), processLabel: '../../etc/x' }), /no label/)
  })

  it('after close tells nobody but the error callback, and rejects durable events', async () => {
    const audit = start()
    await audit.close()
    audit.tell(event('a'))
    await written()
    assert.equal(errors.length, 1)
    await assert.rejects(audit.tellDurably(event('b')), /closed/)
  })

  it('removes files that are older than keepDays, and nothing else', () => {
    const folder = path.dirname(file())
    fs.mkdirSync(folder, { recursive: true })
    const names = [
      'audit-2026-11-12.main.ndjson',
      'audit-2026-11-13.w1.ndjson',
      'audit-2026-11-12.main.ndjson.gz',
      'notes.txt',
      'audit-2026-01-01.txt',
    ]
    for (const name of names) fs.writeFileSync(path.join(folder, name), 'x')
    start({ keepDays: 10 })
    assert.deepEqual(fs.readdirSync(folder).sort(), [
      'audit-2026-01-01.txt',
      'audit-2026-11-13.w1.ndjson',
      'audit-2026-11-23.main.ndjson',
      'notes.txt',
    ])
    assert.deepEqual(removeOldFiles(folder, 0, now), [])
  })

  it('makes lines that another JSON reader takes (python3)', async () => {
    const audit = start()
    audit.tell({ ...fullEvent('tls-failed'), message: 'æøå \u2028 \u0000 \ud800 "quoted" \\ \u001b[31m' })
    await written()
    const script = 'import json,sys\nfor l in open(sys.argv[1],"rb"):\n print(json.loads(l)["event"]["action"])'
    assert.equal(execFileSync('python3', ['-c', script, file()]).toString().trim(), 'tls-failed')
  })

  it('in memory remembers what was told', async () => {
    const audit = memoryAudit()
    audit.tell(event('a'))
    await audit.tellDurably(event('b'))
    audit.failWith = new Error('full')
    await assert.rejects(audit.tellDurably(event('c')), /full/)
    assert.deepEqual(
      audit.events.map((one) => one.message),
      ['a', 'b'],
    )
    await audit.close()
  })
})
