import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { accepts, freePort, run, runOk, start, temporaryDirectory, until } from '../../demo/processes'

const MODULE = path.join(__dirname, '..', '..', 'demo', 'processes.js')

/** A process that starts two others (one in the background of a shell) and a directory, and then goes the given way. */
function ending(how: string) {
  const script = `
    const { start, temporaryDirectory } = require(${JSON.stringify(MODULE)})
    const dir = temporaryDirectory('ending').path
    const child = start('sh', ['-c', 'sleep 300 & echo $!; wait'])
    const wait = setInterval(() => {
      if (!child.output().includes('\\n')) return
      clearInterval(wait)
      console.log(JSON.stringify({ dir, pids: [child.pid, Number(child.output())] }))
      ${how}
    }, 10)
    setTimeout(() => {}, 60_000)`
  return spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('internet: processes end with the run that started them', function () {
  this.timeout(20_000)
  for (const [what, how] of [
    ['at its normal end', 'process.exit(0)'],
    ['when it throws', "throw new Error('x')"],
    ['at SIGINT', "process.kill(process.pid, 'SIGINT')"],
    ['at SIGTERM', "process.kill(process.pid, 'SIGTERM')"],
  ] as const) {
    it(what, async () => {
      const child = ending(how)
      const output: string[] = []
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()))
      await new Promise((resolve) => child.on('close', resolve))
      const { dir, pids } = JSON.parse(output.join('')) as { dir: string; pids: number[] }
      await until('both are gone', () => !pids.some(alive))
      assert.equal(existsSync(dir), false)
    })
  }

  it('stop sends the signal, and kills what does not listen', async () => {
    const polite = start('sh', ['-c', "trap 'exit 3' TERM; while :; do sleep 0.05; done"])
    await new Promise((resolve) => setTimeout(resolve, 200))
    await polite.stop()
    assert.equal(polite.ended()?.code, 3)
    const deaf = start('sh', ['-c', "trap '' TERM; while :; do sleep 0.05; done"])
    await new Promise((resolve) => setTimeout(resolve, 200))
    await deaf.stop({ grace: 200 })
    assert.equal(deaf.ended()?.signal, 'SIGKILL')
  })

  it('run gives exit code and both outputs, and ends what takes too long', async () => {
    const { code, stdout, stderr } = await run('sh', ['-c', 'cat; echo err >&2; exit 4'], { input: 'in' })
    assert.deepEqual([code, stdout, stderr], [4, 'in', 'err\n'])
    assert.equal((await run('sleep', ['60'], { limit: 100 })).code, null)
    await assert.rejects(runOk('sh', ['-c', 'echo why; exit 1']), /exit 1\nwhy/)
    await assert.rejects(run('/does/not/exist', []), /ENOENT/)
  })

  it('until gives up with the reason, and hands errors on', async () => {
    await assert.rejects(
      until('pigs fly', () => false, { limit: 50, detail: () => 'no wings' }),
      /waited in vain: pigs fly\nno wings/,
    )
    await assert.rejects(
      until('x', () => {
        throw new Error('broken')
      }),
      /broken/,
    )
  })

  it('a free port accepts nobody', async () => assert.equal(await accepts('127.0.0.1', await freePort()), false))

  it('a temporary directory can be entered by daemons of other users', () => {
    const temporary = temporaryDirectory('x')
    assert.equal(statSync(temporary.path).mode & 0o777, 0o755)
    temporary.remove()
    assert.equal(existsSync(temporary.path), false)
  })
})
