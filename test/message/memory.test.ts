/** What reading costs in memory at its peak: measured in a process of its own, so that nothing else counts. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = path.join(__dirname, '..', '..')
const MIB = 1024

/**
 * Megabytes by which the process grows while it runs `act`.
 *
 * @param prepare statements that define what `act` needs; not counted
 */
async function growth(prepare: string, act: string): Promise<number> {
  const script = `
    const path = require('node:path')
    const room = (name) => require(path.join(${JSON.stringify(ROOT)}, name))
    const peak = () => process.resourceUsage().maxRSS
    const budget = { part: () => true, bytes: () => true, timeUp: () => false }
    const open = (bytes) => ({ bytes, name: '', where: 'file', type: '' })
    ;(async () => {
      ${prepare}
      const before = peak()
      const result = await (async () => { ${act} })()
      console.log((peak() - before) / ${MIB})
      if (result === null) throw new Error('not read')
    })()`
  const { stdout } = await run(process.execPath, ['-e', script], { maxBuffer: 1024 * 1024 })
  return Number(stdout)
}

const PARTS = `
  const { readMessage } = room('lib/message/read.js')
  const raw = Buffer.from('Content-Type: multipart/mixed; boundary=b\\r\\n\\r\\n' + '--b\\r\\n\\r\\nx\\r\\n'.repeat(10_000) + '--b--\\r\\n')
  const limits = (maxParts) => ({ maxParts, maxDepth: 20, maxBytes: 1e8, maxMillis: 1e6 })
  readMessage(raw.subarray(0, 200), limits(5), Date)`

describe('memory', function () {
  this.timeout(60_000)
  // a peak also counts what the collector has not come to yet, which depends on what else the machine does
  this.retries(2)
  const ROWS: [name: string, limit: number, prepare: string, act: string][] = [
    ['10,000 parts within the default budget', 16, PARTS, 'return readMessage(raw, limits(500), { now: Date.now })'],
    ['10,000 parts, all read', 80, PARTS, 'return readMessage(raw, limits(20_000), { now: Date.now })'],
    [
      '50,000 parts in half a megabyte',
      16,
      `${PARTS}; const many = Buffer.concat(Array.from({ length: 5 }, () => raw))`,
      'return readMessage(many, limits(500), { now: Date.now })',
    ],
    [
      '4 MB of RTF groups',
      200,
      "const { readRtf } = room('lib/message/files/rtf.js'); const bytes = Buffer.from('{\\\\rtf1' + '{\\\\*\\\\x}'.repeat(700_000) + '}')",
      'return readRtf(open(bytes), budget)',
    ],
    [
      'RTF of 8 MB of text',
      200,
      "const { readRtf } = room('lib/message/files/rtf.js'); const bytes = Buffer.from('{\\\\rtf1 ' + 'tekst 12 \\\\par\\n'.repeat(600_000) + '}')",
      'return readRtf(open(bytes), budget)',
    ],
    [
      'a workbook of 200,000 cells',
      200,
      "const { readOle } = room('lib/message/files/ole.js'); const { xlsFile } = room('test/corpus/formats/xls-writer.js'); const bytes = xlsFile({ sheets: [{ name: 'A', rows: Array.from({ length: 20_000 }, (_, n) => Array.from({ length: 10 }, (_, c) => (c < 3 ? 'navn ' + n : n * 10 + c))) }] })",
      'return readOle(open(bytes), budget)',
    ],
    [
      'CSV of 8 MB',
      200,
      "const { readStructured } = room('lib/message/files/structured.js'); const bytes = Buffer.from('navn;tal;by\\n' + 'Anna Hansen;12345;Aalborg\\n'.repeat(310_000))",
      'return readStructured(open(bytes), budget)',
    ],
    [
      'JSON of 8 MB',
      200,
      "const { readStructured } = room('lib/message/files/structured.js'); const bytes = Buffer.from(JSON.stringify(Array.from({ length: 150_000 }, (_, n) => ({ navn: 'Anna Hansen', nummer: n, by: 'Aalborg' }))))",
      'return readStructured(open(bytes), budget)',
    ],
  ]
  for (const [name, limit, prepare, act] of ROWS) {
    it(`${name}: below ${limit} MB`, async () => {
      const grown = await growth(prepare, act)
      assert.ok(grown >= 0 && grown < limit, `${grown} MB`)
    })
  }
})
