import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { compressOldFiles } from '../../lib/audit/compress'
import { namedFiles, removeOldFiles } from '../../lib/audit/retention'

const NOW = Date.UTC(2026, 10, 23, 12)

describe('compressed audit files', () => {
  let dir: string
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'secure-mail-gz-'))
  })
  afterEach(() => fs.rmSync(dir, { recursive: true, force: true }))
  const put = (name: string, content: string | Buffer = `{"file":"${name}"}\n`) =>
    fs.writeFileSync(path.join(dir, name), content, { mode: 0o600 })
  const names = () => fs.readdirSync(dir).sort()

  it('are those of closed days that are old enough; nothing is lost, and gunzip reads them', async () => {
    const content = '{"event":{"sequence":1}}\n'.repeat(10_000)
    put('audit-2026-11-20.main.ndjson', content)
    for (const name of ['audit-2026-11-21.w1.ndjson', 'audit-2026-11-22.main.ndjson', 'notes.ndjson']) put(name)
    put('audit-2026-11-23.main.ndjson')
    assert.deepEqual(await compressOldFiles(dir, 2, NOW), ['audit-2026-11-20.main.ndjson'])
    assert.deepEqual(names(), [
      'audit-2026-11-20.main.ndjson.gz',
      'audit-2026-11-21.w1.ndjson',
      'audit-2026-11-22.main.ndjson',
      'audit-2026-11-23.main.ndjson',
      'notes.ndjson',
    ])
    const packed = path.join(dir, 'audit-2026-11-20.main.ndjson.gz')
    assert.equal(execFileSync('gunzip', ['-c', packed]).toString(), content)
    assert.equal(fs.statSync(packed).mode & 0o777, 0o600)
    assert.deepEqual(await compressOldFiles(dir, 2, NOW), [])
    assert.deepEqual(await compressOldFiles(dir, 0, NOW), [])
    assert.equal((await compressOldFiles(dir, 1, NOW)).length, 1)
  })

  it('are made by one of two processes', async () => {
    put('audit-2026-11-01.main.ndjson', 'x\n'.repeat(100_000))
    const done = await Promise.all([compressOldFiles(dir, 7, NOW), compressOldFiles(dir, 7, NOW)])
    assert.equal(done.flat().length, 1)
    assert.equal(
      gunzipSync(fs.readFileSync(path.join(dir, 'audit-2026-11-01.main.ndjson.gz'))).toString(),
      'x\n'.repeat(100_000),
    )
    assert.deepEqual(names(), ['audit-2026-11-01.main.ndjson.gz'])
  })

  it('are begun anew where a process died over one, and left where one is at it', async () => {
    put('audit-2026-11-01.main.ndjson')
    put('audit-2026-11-01.main.ndjson.gz.part', 'half')
    assert.deepEqual(await compressOldFiles(dir, 7, NOW), [])
    const old = new Date(Date.now() - 2 * 3_600_000)
    fs.utimesSync(path.join(dir, 'audit-2026-11-01.main.ndjson.gz.part'), old, old)
    assert.deepEqual(await compressOldFiles(dir, 7, NOW), ['audit-2026-11-01.main.ndjson'])
    assert.deepEqual(names(), ['audit-2026-11-01.main.ndjson.gz'])
  })

  it('take the place of the plain one that a process left when it died', async () => {
    put('audit-2026-11-01.main.ndjson')
    put('audit-2026-11-01.main.ndjson.gz', gzipSync('x'))
    assert.deepEqual(
      namedFiles(dir).map(({ name }) => name),
      ['audit-2026-11-01.main.ndjson'],
    )
    await compressOldFiles(dir, 7, NOW)
    assert.deepEqual(names(), ['audit-2026-11-01.main.ndjson.gz'])
  })

  it('are kept as long as the plain ones', () => {
    for (const day of ['2026-11-12', '2026-11-13']) put(`audit-${day}.main.ndjson.gz`)
    assert.deepEqual(removeOldFiles(dir, 10, NOW), ['audit-2026-11-12.main.ndjson.gz'])
  })
})
