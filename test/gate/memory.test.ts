/** What messages hold in memory while they are read: the account of it, and the pool's growth under every kind of bomb. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { deflateSync, gzipSync } from 'node:zlib'
import { accountOf, createLedger } from '../../lib/gate/memory'
import { readWithin } from '../../lib/gate/reading'
import { createBudget } from '../../lib/message/files/budget'
import { docxBody } from '../corpus/formats/office'
import { pdf, pdfFile } from '../corpus/formats/pdf'
import { name, ref } from '../corpus/formats/pdf-writer'
import { withFile } from '../corpus/formats/wrappers'
import { writeZip } from '../corpus/formats/zip-writer'
import { settingsWith } from './support'

const MIB = 1024 * 1024
/** What the pool may grow by, in MiB: what messages hold, and the heaps of two threads. */
const POOL_LIMIT = 200
const clock = { now: () => Date.UTC(2026, 10, 23) }
const { content } = settingsWith({})

describe('memory of all messages that are read at one time', () => {
  it('one alone takes what its own budgets allow; beside another there is room for both, or none', () => {
    const ledger = createLedger(2)
    const [a, b] = [ledger.open(), ledger.open()]
    assert.ok(a !== null && b !== null)
    assert.equal(ledger.open(), null)
    const [one, other] = [accountOf(ledger.shared, a), accountOf(ledger.shared, b)]
    assert.equal(one.take(300 * MIB), true)
    assert.equal(other.take(1), false)
    ledger.close(a)
    assert.equal(other.take(100 * MIB), true)
    const again = ledger.open()
    assert.ok(again !== null)
    assert.equal(accountOf(ledger.shared, again).take(59 * MIB), true)
    assert.equal(accountOf(ledger.shared, again).take(2 * MIB), false)
  })

  it('no room ends the reading as the deadline does', () => {
    const budget = createBudget(content, clock, { take: (bytes) => bytes < 1000 })
    // once as bytes, once as text
    assert.equal(budget.bytes(499), true)
    assert.equal(budget.timeUp(), false)
    assert.equal(budget.bytes(500), false)
    assert.equal(budget.timeUp(), true)
  })

  it('an engine is counted once, however often it is asked for', () => {
    const taken: number[] = []
    const budget = createBudget(content, clock, { take: (bytes) => taken.push(bytes) > 0 })
    for (const total of [16, 16, 20, 18, 20]) assert.equal(budget.engine?.(total), true)
    assert.deepEqual(taken, [16, 4])
  })

  it('a message for which there is no room is not read, and never clean', async () => {
    const settings = settingsWith({})
    const raw = () => withFile('a.pdf', 'application/pdf', pdf('x'.repeat(3000)))
    const size = raw().length
    await assert.rejects(readWithin(raw(), settings, clock, { take: (bytes) => bytes < size }))
    for (const room of [1, 500, 2000, size]) {
      let left = room + size
      const found = await readWithin(raw(), settings, clock, { take: (bytes) => (left -= bytes) >= 0 })
      assert.equal(found.timeUp, true, `${room}`)
      assert.notDeepEqual(found.uninspected, [])
    }
    const found = await readWithin(raw(), settings, clock, { take: () => true })
    assert.deepEqual([found.timeUp, found.uninspected], [false, []])
  })
})

const zeros = (size: number) => Buffer.alloc(size)
const nested = (depth: number, inner: Buffer): Buffer =>
  depth === 0 ? inner : writeZip([{ name: `${depth}.zip`, data: nested(depth - 1, inner) }])

/** A file that unpacks to far more than it is; `beyond`: to more than is read of any. */
const BOMBS: [name: string, file: () => Buffer, beyond: boolean][] = [
  ['a zip of 120 MB in one member', () => writeZip([{ name: 'a.txt', data: Buffer.alloc(120e6, 'tekst ') }]), true],
  ['a zip of 66 MB in one member', () => writeZip([{ name: 'a.txt', data: Buffer.alloc(66e6, 'tekst ') }]), false],
  [
    'a zip of ten members of 30 MB',
    () => writeZip(Array.from({ length: 10 }, (_, n) => ({ name: `${n}.txt`, data: Buffer.alloc(30e6, 'tekst ') }))),
    true,
  ],
  ['zips in each other around 60 MB', () => nested(4, writeZip([{ name: 'a', data: zeros(60e6) }])), true],
  ['gzip of 400 MB', () => gzipSync(zeros(400e6)), true],
  ['a document of 60 MB of XML', () => docxBody('<w:p><w:r><w:t>tekst</w:t></w:r></w:p>'.repeat(1_550_000)), false],
  ['a PDF with 300 MB in an object', () => pdfBomb(300e6), true],
  ['32 MB of table in text', () => Buffer.alloc(32e6, 'Anna Hansen;12345;Aalborg\n'), false],
  ['20 MB of text with CRLF', () => Buffer.alloc(20e6, 'Kære Anna, vi ses på fredag.\r\n'), false],
  ['24 MB of JSON', () => Buffer.from(`[${'{"navn":"Anna","nr":12345},'.repeat(920_000)}{}]`), false],
  ['24 MB of vCards', () => Buffer.alloc(24e6, 'BEGIN:VCARD\nVERSION:4.0\nFN:Anna Hansen\nEND:VCARD\n'), false],
  ['24 MB of HTML', () => Buffer.alloc(24e6, '<p>Anna <b>Hansen</b></p>\n'), false],
]

function pdfBomb(size: number): Buffer {
  const packed = deflateSync(Buffer.alloc(size, ' '), { level: 9 })
  return pdfFile({
    pages: [{ lines: ['x'] }],
    catalog: (objects) => ({
      Held: ref(objects.add({ Type: name('Metadata'), Filter: name('FlateDecode'), Length: packed.length }, packed)),
    }),
  })
}

/** Reads the same mail in all threads at once; tells by how many megabytes the process grew, and what was found. */
const CHILD = `
  const { readFileSync } = require('node:fs')
  const { createReaderPool } = require(process.argv[1] + '/lib/gate/pool.js')
  const { loadConfig } = require(process.argv[1] + '/lib/config/index.js')
  const clock = { now: Date.now }
  const { settings } = loadConfig(undefined, clock)
  const pool = createReaderPool({ workers: () => 2 })
  // each of them is handed over, as the gate does it: no third one stays behind
  const both = (file) => Promise.allSettled([0, 1].map(() => pool.read(readFileSync(file), settings, clock)))
  ;(async () => {
    for (let n = 0; n < 2; n++) await both(process.argv[2])
    const before = process.resourceUsage().maxRSS
    const results = await both(process.argv[3])
    const clean = results.filter(({ value }) => value !== undefined && !value.timeUp && value.uninspected.length === 0)
    console.log(JSON.stringify({ grown: (process.resourceUsage().maxRSS - before) / 1024, clean: clean.length }))
    await pool.close()
  })()`

describe('memory of the pool', function () {
  this.timeout(60_000)
  // a peak also counts what the collector has not come to yet, which depends on what else the machine does
  this.retries(2)
  let folder = ''
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-memory-'))
    writeFileSync(path.join(folder, 'warm'), withFile('a.pdf', 'application/pdf', pdf('warm')))
  })
  after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  for (const [what, file, beyond] of BOMBS) {
    it(`${what}, twice at the same time: less than ${POOL_LIMIT} MB`, async () => {
      const bomb = path.join(folder, 'bomb')
      writeFileSync(bomb, withFile('a.bin', 'application/octet-stream', file()))
      const args = ['-e', CHILD, path.join(__dirname, '..', '..'), path.join(folder, 'warm'), bomb]
      const { stdout } = await promisify(execFile)(process.execPath, args)
      const { grown, clean } = JSON.parse(stdout) as { grown: number; clean: number }
      assert.ok(grown >= 0 && grown < POOL_LIMIT, `${grown} MB`)
      if (beyond) assert.equal(clean, 0)
    })
  }
})
