import assert from 'node:assert/strict'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { systemClock } from '../../lib/clock'
import { createReaderPool, inspect, type ReaderPool } from '../../lib/gate'
import type { Inspection } from '../../lib/gate/types'
import { pdf } from '../corpus/formats/pdf'
import { base64, CPR, mail, multipart, settingsWith, SUBMISSION } from './support'

const BAD_WORKER = path.join(__dirname, 'bad-worker.js')

/** A mail that is not read where it stands: too large for that. */
const order = (what: string) => mail({}, `${what} ${'x'.repeat(140_000)}`)

function withFile(bytes: Buffer, name = 'file.pdf'): Buffer {
  const [type, body] = multipart('mixed', [
    'Content-Type: text/plain\n\nThe canteen is open.',
    `Content-Type: application/octet-stream; name="${name}"\nContent-Transfer-Encoding: base64\n\n${base64(bytes)}`,
  ])
  return mail({ 'Content-Type': type }, body)
}

describe('pool of readers', function () {
  // threads start slowly where the machine has other work
  this.timeout(60_000)
  let pool: ReaderPool | undefined
  const failures: string[] = []
  const start = (workers: number, workerFile?: string): ReaderPool => {
    failures.length = 0
    pool = createReaderPool({
      workers: () => workers,
      onFailure: ({ message }) => failures.push(message),
      ...(workerFile === undefined ? {} : { workerFile }),
    })
    return pool
  }
  afterEach(async () => {
    await pool?.close()
    pool = undefined
  })
  const look = (raw: Buffer, readers: ReaderPool, maxMillis = 30_000): Promise<Inspection> =>
    inspect(raw, SUBMISSION, settingsWith({ content: { maxMillis } }), systemClock, readers.read)
  const codes = ({ verdict }: Inspection) => [...new Set(verdict.refusals.map(({ code }) => code))].sort()

  it('reads files in a worker and comes to the same verdict', async () => {
    const readers = start(1)
    const clean = await look(withFile(pdf('Opening hours of the canteen')), readers)
    assert.deepEqual(codes(clean), [])
    assert.equal(clean.verdict.granted, true)
    const found = await look(withFile(pdf(`CPR ${CPR}`)), readers)
    assert.deepEqual(codes(found), ['cpr'])
    assert.equal(found.verdict.findings[0]?.where, 'attachment file.pdf > page 1 line 1')
    assert.deepEqual(failures, [])
  })

  it('leaves the caller’s memory alone where a message shares it with something else', async () => {
    const whole = Buffer.concat([Buffer.from('before'), withFile(pdf('clean'))])
    const copy = Buffer.from(whole)
    const { verdict } = await look(whole.subarray(6), start(1))
    assert.equal(verdict.granted, true)
    assert.ok(whole.equals(copy))
  })

  for (const [what, name] of [
    ['throw', 'a reader that breaks'],
    ['exit', 'a worker that ends'],
    ['hoard', 'a worker that runs out of memory'],
  ] as const) {
    it(`${name}: refused as cannot-inspect-now, and the next mail is read`, async () => {
      const readers = start(1, BAD_WORKER)
      const broken = await look(order(what), readers)
      assert.deepEqual(codes(broken), ['cannot-inspect-now', 'no-public-marker', 'uninspected'])
      assert.equal(broken.verdict.granted, false)
      assert.equal(failures.length > 0, true)
      const next = await look(order('read'), readers)
      assert.deepEqual(next.verdict.uninspected, [])
    })
  }

  it('a reader that hangs is ended at the deadline and replaced', async () => {
    const readers = start(1, BAD_WORKER)
    const hung = await look(order('hang'), readers, 50)
    assert.deepEqual(codes(hung), ['cannot-inspect-now', 'no-public-marker', 'uninspected'])
    const next = await look(order('read'), readers)
    assert.deepEqual(next.verdict.uninspected, [])
  })

  it('more mails than may wait: the rest is refused at once, none is taken for clean', async () => {
    const readers = start(1, BAD_WORKER)
    const all = await Promise.all(Array.from({ length: 14 }, () => look(order('wait'), readers)))
    const refused = all.filter((one) => codes(one).includes('cannot-inspect-now'))
    // one is read, eight wait
    assert.equal(refused.length, 5)
    for (const { verdict } of refused) assert.notDeepEqual(verdict.uninspected, [])
  })

  it('more bytes than may wait: refused at once, but one mail alone is read however large it is', async () => {
    const readers = start(1, BAD_WORKER)
    const large = (size: number) => Buffer.concat([mail({}, 'wait\n'), Buffer.alloc(size)])
    const [first, second, third] = await Promise.all([40e6, 40e6, 40e6].map((size) => look(large(size), readers)))
    assert.deepEqual(first?.verdict.uninspected, [])
    assert.deepEqual(second?.verdict.uninspected, [])
    assert.ok(third !== undefined && codes(third).includes('cannot-inspect-now'))
    assert.deepEqual(failures, ['too many bytes wait to be read'])
    assert.deepEqual((await look(large(210e6), readers)).verdict.uninspected, [])
  })

  it('follows the configured number of workers, and finishes what the old ones have', async () => {
    let workers = 1
    pool = createReaderPool({ workers: () => workers, workerFile: BAD_WORKER })
    const readers = pool
    const before = look(order('wait'), readers)
    workers = 2
    const after = look(order('read'), readers)
    assert.deepEqual((await before).verdict.uninspected, [])
    assert.deepEqual((await after).verdict.uninspected, [])
  })

  it('answers after its end that it cannot read', async () => {
    const readers = start(1)
    await readers.close()
    assert.ok(codes(await look(order('read'), readers)).includes('cannot-inspect-now'))
  })

  it('holds the event loop for less than 50 ms while large mails are read', async () => {
    const readers = start(1)
    // the worker starts and warms up
    await look(withFile(pdf('warm')), readers)
    const lines = Array.from({ length: 3_000 }, (_, n) => `Line ${n} of a long report about nothing`).join('\n')
    const mails: [name: string, raw: Buffer][] = [
      ['PDF', withFile(pdf(lines))],
      ['text', mail({}, `${lines}\n`.repeat(10))],
      ['attached log', withFile(Buffer.from(lines), 'log.txt')],
      ['20 MB', withFile(Buffer.from(lines.repeat(120)), 'log.txt')],
    ]
    for (const [name, raw] of mails) {
      // what the gate itself does in this thread takes as long each time; what others do on the machine does not
      const longest: number[] = []
      while (longest.length < 8 && !longest.some((delay) => delay < 50)) {
        const delay = monitorEventLoopDelay({ resolution: 1 })
        const copy = Buffer.from(raw)
        delay.enable()
        await look(copy, readers)
        delay.disable()
        longest.push(delay.max / 1e6)
      }
      assert.ok(Math.min(...longest) < 50, `${name}: ${longest.join(', ')} ms`)
    }
  })
})
