/** `secure-mail tlsrpt` called wrongly, without a gateway, and where nothing was counted. */
import assert from 'node:assert/strict'
import { ran, newFolder, removeFolders } from '../../bin/run'
import { assertSchema } from './judge'

describe('report: the tlsrpt command', function () {
  this.timeout(30_000)
  let instance: string
  before(async () => {
    instance = newFolder()
    assert.equal((await ran(['init', instance])).exitCode, 0)
  })
  after(removeFolders)

  const run = (...args: string[]) => ran(['tlsrpt', ...args, '--config', instance])

  it('a day that is none, a domain that is none: exit code 2 and one line', async () => {
    for (const command of ['preview', 'send']) {
      for (const args of [
        ['--day', 'yesterday'],
        ['--day', '2026-02-30'],
        ['--domain', 'a@b.test'],
        ['--domain', '..'],
      ]) {
        const { out, err, exitCode } = await run(command, ...args)
        assert.deepEqual([out, exitCode], ['', 2], `${command} ${args.join(' ')}`)
        assert.match(err, /^secure-mail: [^\n]+\n$/)
      }
    }
  })

  it('nothing counted: exit code 1, said in words and in JSON', async () => {
    const { err, exitCode } = await run('preview', '--day', '2026-11-22')
    assert.equal(exitCode, 1)
    assert.match(err, /no session with any domain was counted on 2026-11-22/)
    const { out } = await run('preview', '--day', '2026-11-22', '--json')
    assert.deepEqual(JSON.parse(out), { day: '2026-11-22', enabled: false, domains: [] })
    assertSchema('tlsrpt-preview.schema.json', JSON.parse(out))
  })

  it('no gateway: nothing is sent', async () => {
    const { err, exitCode } = await run('send')
    assert.equal(exitCode, 2)
    assert.match(err, /does not run/)
  })
})
