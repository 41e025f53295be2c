import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import Ajv2020 from 'ajv/dist/2020'
import type { DemoResult } from '../../demo/run'
import { run, temporaryDirectory, until } from '../../demo/processes'
import { packageRoot } from '../../lib/package-root'

const COMMAND = path.join(__dirname, '..', '..', 'bin', 'secure-mail.js')

/** Processes that work in a folder; empty where there is no /proc. */
function workingIn(dir: string): number[] {
  const entries = process.platform === 'linux' ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : []
  return entries.map(Number).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(dir)
    } catch {
      return false // it has just ended
    }
  })
}

describe('secure-mail demo', function () {
  this.timeout(90_000)
  const temporary = temporaryDirectory('demo-test')
  after(() => temporary.remove())
  const env = { TMPDIR: temporary.path }
  const nothingLeft = () => {
    assert.deepEqual(readdirSync(temporary.path), [])
    assert.deepEqual(workingIn(temporary.path), [])
  }

  it('all outcomes are as they should be, told as JSON that keeps to its schema', async () => {
    const { code, stdout, stderr } = await run(process.execPath, [COMMAND, 'demo', '--json'], { env, limit: 80_000 })
    assert.notEqual(stdout, '', stderr)
    const result = JSON.parse(stdout) as DemoResult
    assert.deepEqual(result.problems, [])
    assert.equal(code, 0, stderr)
    const schema = readFileSync(path.join(packageRoot(), 'docs', 'schema', 'demo.schema.json'), 'utf8')
    const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(JSON.parse(schema) as object)
    assert.ok(validate(result), JSON.stringify(validate.errors))
    assert.match(stderr, /the gateway listens on 127\.0\.0\.1:/)

    // What the design promises a newcomer, whatever the table's own expectations say.
    const seen = new Set(result.rows.map(({ happened, report }) => report ?? happened))
    for (const kind of [
      'tls-not-offered',
      'certificate-expired',
      'unreachable',
      'domain-unknown',
      'encrypted',
      'clear',
    ])
      assert.ok(seen.has(kind), kind)
    assert.deepEqual(result.clearText, { envelopes: 1, expected: 1 })
    // No CPR number, in any report.
    for (const { text } of result.reports) assert.doesNotMatch(text, /070761-?4285/)
    nothingLeft()
  })

  it('leaves nothing behind at ctrl-c', async () => {
    const child = spawn(process.execPath, [COMMAND, 'demo'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, ...env },
    })
    const output: string[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()))
    const exit = new Promise<number | null>((resolve) => child.on('close', resolve))
    await until('the gateway runs', () => output.join('').includes('the gateway listens'), {
      limit: 40_000,
      detail: () => output.join(''),
    })
    assert.equal(readdirSync(temporary.path).length, 2)
    child.kill('SIGINT')
    assert.equal(await exit, 130)
    await until('no process is left', () => workingIn(temporary.path).length === 0)
    nothingLeft()
  })
})
