import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import type { CommonOptions, RegisterCommand } from '../../bin/io'
import { packageRoot } from '../../lib/package-root'
import { ran } from './run'

/** A command that shows what options it was given, as itself and with those of the program. */
const echo: RegisterCommand = (program, io) => {
  program
    .command('echo')
    .option('--own')
    .action((options: CommonOptions, command: Command) => {
      io.out(JSON.stringify([options, command.optsWithGlobals()]))
    })
}

describe('secure-mail: the program', () => {
  const USAGE: readonly [argv: string[], said: RegExp][] = [
    [['xyzzy'], /^secure-mail: unknown command 'xyzzy'\n$/],
    [['ini', 'x'], /^secure-mail: unknown command 'ini' \(Did you mean init\?\)\n$/],
    [['init'], /^secure-mail: missing required argument 'dir'\n$/],
    [['init', 'a', 'b'], /^secure-mail: too many arguments for 'init'\. Expected 1 argument but got 2.*\n$/],
    [['check-config', '--xyzzy'], /^secure-mail: unknown option '--xyzzy'.*\n$/],
    [['check-config', '--config'], /^secure-mail: option '--config <dir>' argument missing\n$/],
    [['--xyzzy'], /^secure-mail: unknown option '--xyzzy'.*\n$/],
  ]
  for (const [argv, said] of USAGE) {
    it(`${argv.join(' ')}: one line, exit code 2`, async () => {
      const { out, err, exitCode } = await ran(argv)
      assert.equal(exitCode, 2)
      assert.match(err, said)
      assert.equal(out, '')
    })
  }

  it('without a command: the help on standard error, exit code 2', async () => {
    const { out, err, exitCode } = await ran([])
    assert.equal(exitCode, 2)
    assert.match(err, /Usage: secure-mail/)
    assert.equal(out, '')
  })

  it('--help and --version', async () => {
    const help = await ran(['--help'])
    assert.equal(help.exitCode, 0)
    for (const name of ['init', 'check-config', 'policy', 'ndr', 'demo'])
      assert.match(help.out, new RegExp(`^  ${name}`, 'm'))
    const { version } = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as {
      version: string
    }
    assert.deepEqual(await ran(['--version']), { out: `${version}\n`, err: '', exitCode: 0 })
  })

  it('--config and --json mean the same before and behind the command', async () => {
    const want = { config: '/x', json: true }
    for (const argv of [
      ['--config', '/x', '--json', 'echo'],
      ['echo', '--config', '/x', '--json'],
      ['--json', 'echo', '--config', '/x'],
    ]) {
      const { out } = await ran(argv, [echo])
      assert.deepEqual(JSON.parse(out), [want, want], argv.join(' '))
    }
    // what stands with the command is nearer to it
    const { out } = await ran(['--config', '/a', 'echo', '--config', '/b'], [echo])
    assert.equal((JSON.parse(out) as CommonOptions[])[0]?.config, '/b')
  })

  it('an exception is one line and exit code 2', async () => {
    const broken: RegisterCommand = (program) => {
      program.command('broken').action(() => Promise.reject(new Error('first\nsecond')))
    }
    assert.deepEqual(await ran(['broken'], [broken]), {
      out: '',
      err: 'secure-mail: unexpected error: first second\n',
      exitCode: 2,
    })
  })
})
