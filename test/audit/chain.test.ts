import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import sinon from 'sinon'
import { CHAIN_START, hashBefore, lastLineHash } from '../../lib/audit/chain'
import { openAudit, type AuditOptions } from '../../lib/audit/open'
import type { Audit, AuditEvent } from '../../lib/audit/types'
import { CONTEXT } from './fixtures'

const NOON = Date.UTC(2026, 10, 23, 12)
const DAY = 24 * 3_600_000
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

describe('the hash chain of the audit log', () => {
  let dir: string
  let now: number
  let errors: Error[]
  let open: Audit[]

  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'secure-mail-chain-'))
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
      dir,
      processLabel: 'main',
      clock: { now: () => now },
      onError: (error) => errors.push(error),
      keepDays: 0,
      ...change,
    })
    open.push(audit)
    return audit
  }
  const file = (day = '2026-11-23', label = 'main') => path.join(dir, `audit-${day}.${label}.ndjson`)
  const event = (message: string): AuditEvent => ({ action: 'message-accepted', message })
  /** What was told so far is in the files, or lost. */
  const written = () => Promise.all(open.map((audit) => audit.written()))

  /** Lines of a file as bytes, and what each says of the one before; null for a line that is no JSON. */
  function read(name = file()): { lines: Buffer[]; named: (string | null)[] } {
    const lines: Buffer[] = []
    let rest = fs.readFileSync(name)
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      lines.push(rest.subarray(0, end))
      rest = rest.subarray(end + 1)
    }
    const named = lines.map((line) => {
      try {
        return (JSON.parse(line.toString()) as { securemail: { prev_hash: string } }).securemail.prev_hash
      } catch {
        return null
      }
    })
    return { lines, named }
  }

  /** @returns numbers (from 0) of the lines that do not name the line before them */
  function broken(first: string, name = file()): number[] {
    const { lines, named } = read(name)
    return named.flatMap((hash, at) =>
      hash === (at === 0 ? first : sha256(lines[at - 1] ?? '')) || hash === null ? [] : [at],
    )
  }

  it('names in each line the one before, from 64 zeros on, also after a restart', async () => {
    const first = start()
    for (const message of ['one', 'tö', 'three\nlines \u2028']) first.tell(event(message))
    await first.close()
    start().tell(event('four'))
    await written()
    assert.equal(read().lines.length, 4)
    assert.deepEqual(broken(CHAIN_START), [])
  })

  it('shows a line that was changed, taken out or put in', async () => {
    const audit = start()
    for (const message of ['one', 'two', 'three', 'four']) audit.tell(event(message))
    await written()
    const { lines } = read()
    const put = (changed: Buffer[]) => {
      fs.writeFileSync(file(), Buffer.concat(changed.flatMap((line) => [line, Buffer.from('\n')])))
      return broken(CHAIN_START)
    }
    assert.deepEqual(put([lines[0]!, Buffer.from(lines[1]!.toString().replace('two', 'owt')), ...lines.slice(2)]), [2])
    assert.deepEqual(put([lines[0]!, lines[2]!, lines[3]!]), [1])
    assert.deepEqual(put([lines[0]!, lines[1]!, lines[1]!, lines[2]!, lines[3]!]), [2])
    assert.deepEqual(put(lines), [])
  })

  it("goes on in a new day's file from the last line of this process' file before", async () => {
    const audit = start()
    const other = start({ processLabel: 'w2' })
    audit.tell(event('a'))
    other.tell(event('of another process'))
    audit.tell(event('b'))
    now += DAY
    audit.tell(event('c'))
    await written()
    assert.deepEqual(broken(sha256(read().lines[1]!), file('2026-11-24')), [])
    await audit.close()
    // days without a file, and a restart
    now += 3 * DAY
    start().tell(event('d'))
    await written()
    assert.deepEqual(broken(sha256(read(file('2026-11-24')).lines[0]!), file('2026-11-27')), [])
    assert.deepEqual(errors, [])
  })

  it('goes on from a compressed file', async () => {
    fs.writeFileSync(`${file('2026-11-20')}.gz`, gzipSync('{"x":1}\n{"y":2}\n'))
    start().tell(event('a'))
    await written()
    assert.deepEqual(broken(sha256('{"y":2}')), [])
  })

  it('begins anew where the file before cannot be read, and says so', async () => {
    fs.writeFileSync(`${file('2026-11-20')}.gz`, 'not compressed')
    start().tell(event('a'))
    await written()
    assert.deepEqual(broken(CHAIN_START), [])
    assert.match(errors[0]!.message, /header/)
  })

  it('passes over an earlier file that is empty', () => {
    fs.writeFileSync(file('2026-11-20'), 'x\n')
    fs.writeFileSync(file('2026-11-21'), '')
    assert.equal(hashBefore(dir, '2026-11-23', 'main'), sha256('x'))
  })

  it('hashes a torn line like every other', async () => {
    const first = start()
    first.tell(event('a'))
    first.tell(event('b'))
    await first.close()
    fs.truncateSync(file(), fs.statSync(file()).size - 40)
    start().tell(event('c'))
    await written()
    assert.equal(read().lines.length, 3)
    assert.deepEqual(broken(CHAIN_START), [])
  })

  it('goes on after a failed write from the last line that stands in the file', async () => {
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
    assert.equal(read().lines.length, 3)
    assert.deepEqual(broken(CHAIN_START), [])
  })

  it('goes on in the file of the day when the clock went back', async () => {
    const audit = start()
    audit.tell(event('a'))
    now += DAY
    audit.tell(event('b'))
    now -= DAY
    audit.tell(event('c'))
    now += DAY
    audit.tell(event('d'))
    await written()
    assert.deepEqual(broken(CHAIN_START), [])
    assert.deepEqual(broken(sha256(read().lines[0]!), file('2026-11-24')), [])
  })

  it('holds within a turn, over turns, midnight and a full disk in the middle of a turn', async () => {
    const audit = start()
    for (const message of ['a', 'bø', 'c']) audit.tell(event(message))
    await written()
    audit.tell(event('d'))
    now += DAY
    for (const message of ['e', 'f'.repeat(30_000), 'g', 'h'.repeat(60_000)]) audit.tell(event(message))
    await written()
    const real = fs.writeSync
    let calls = 0
    const write = sinon.stub(fs, 'writeSync').callsFake(((fd: number, bytes: Buffer) => {
      if (calls++ === 0) return real(fd, bytes, 0, 800)
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    }) as typeof fs.writeSync)
    for (const message of ['i', 'j', 'k']) audit.tell(event(message))
    await written()
    write.restore()
    audit.tell(event('l'))
    await written()
    assert.equal(read().lines.length, 4)
    assert.deepEqual(broken(CHAIN_START), [])
    const last = file('2026-11-24')
    assert.ok(read(last).lines.length >= 6)
    assert.deepEqual(broken(sha256(read().lines[3]!), last), [])
  })

  it('is whole after kill -9 in the middle of writing', async function () {
    this.timeout(20_000)
    const script = `
      const { openAudit } = require(${JSON.stringify(require.resolve('../../lib/audit/open'))})
      const audit = openAudit({ dir: process.argv[1], recipients: 'clear', digestKey: () => ({ id: 'k1', key: Buffer.alloc(32) }), hostname: 'h', version: '0',
        processLabel: 'main', clock: { now: () => ${NOON} }, onError: (e) => { throw e }, mask: (t) => t, keepDays: 0 })
      const some = () => { for (let n = 0; n < 20; n++) audit.tell({ action: 'message-accepted', message: 'x'.repeat(2000) }); setImmediate(some) }
      some()`
    for (let round = 0; round < 2; round++) {
      const child = spawn(process.execPath, ['-e', script, dir], { stdio: 'ignore' })
      const size = () => (fs.existsSync(file()) ? fs.statSync(file()).size : 0)
      const before = size()
      while (size() < before + 200_000) await new Promise((resolve) => setTimeout(resolve, 5))
      child.kill('SIGKILL')
      await new Promise((resolve) => child.on('exit', resolve))
    }
    start().tell(event('after'))
    await written()
    assert.deepEqual(broken(CHAIN_START), [])
  })

  it('is checked by another program with the words of docs/audit-events.md (python3)', async () => {
    const audit = start()
    for (let n = 0; n < 50; n++) audit.tell(event(`æøå ${n}`))
    await written()
    const script = `
import hashlib,json,sys
before=None
for line in open(sys.argv[1],'rb'):
    line=line.rstrip(b'\\n'); said=json.loads(line)['securemail']['prev_hash']
    assert said==('0'*64 if before is None else hashlib.sha256(before).hexdigest())
    before=line
print('whole')`
    assert.equal(execFileSync('python3', ['-c', script, file()]).toString().trim(), 'whole')
  })

  it('finds the last line of bytes with and without a line end', () => {
    assert.equal(lastLineHash(Buffer.from('')), undefined)
    for (const text of ['last', 'last\n', 'first\nlast', '\nlast\n']) {
      assert.equal(lastLineHash(Buffer.from(text)), sha256('last'), JSON.stringify(text))
    }
    assert.equal(lastLineHash(Buffer.from('\n')), sha256(''))
  })
})
