/** DuckDB is an optional dependency: without it `report` says what to do. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Resolves every package but this one (module customization hooks of Node). */
const HOOK = `export async function resolve(name, context, next) {
  if (name.startsWith('@duckdb/')) throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' })
  return next(name, context)
}`
const asUrl = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`
const REGISTER = `import { register } from 'node:module'; register(${JSON.stringify(asUrl(HOOK))})`

describe('secure-mail report without DuckDB', function () {
  this.timeout(30_000)
  for (const format of [[], ['--json']]) {
    it(`says what to install, exit code 2${format.length > 0 ? ', also with --json' : ''}`, () => {
      const logs = mkdtempSync(path.join(os.tmpdir(), 'secure-mail-report-'))
      try {
        const program = path.join(__dirname, '..', '..', 'bin', 'secure-mail.js')
        const args = ['--import', asUrl(REGISTER), program, 'report', '--logs', logs, ...format]
        const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
        assert.match(stderr, /^secure-mail: the analysis needs DuckDB, .*run: npm install @duckdb\/node-api@\S+ /)
        assert.doesNotMatch(stderr, /^ {4}at /m)
        assert.deepEqual([status, stdout], [2, ''])
      } finally {
        rmSync(logs, { recursive: true })
      }
    })
  }
})
