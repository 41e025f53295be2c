/** The command `secure-mail`: its sub-commands, the options that all of them have, and how mistakes are told. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import { packageRoot } from '../lib/package-root'
import { registerAudit } from './commands/audit'
import { registerCerts } from './commands/certs'
import { registerCheckConfig } from './commands/check-config'
import { registerDemo } from './commands/demo'
import { registerDigest } from './commands/digest'
import { registerInit } from './commands/init'
import { registerNdr } from './commands/ndr'
import { registerPolicy } from './commands/policy'
import { registerProbe } from './commands/probe'
import { registerQueue } from './commands/queue'
import { registerReport } from './commands/report'
import { registerScan } from './commands/scan'
import { registerTlsrpt } from './commands/tlsrpt'
import { registerWhy } from './commands/why'
import type { Io, RegisterCommand } from './io'

const COMMANDS: readonly RegisterCommand[] = [
  registerInit,
  registerCheckConfig,
  registerPolicy,
  registerProbe,
  registerWhy,
  registerReport,
  registerQueue,
  registerAudit,
  registerScan,
  registerCerts,
  registerNdr,
  registerTlsrpt,
  registerDigest,
  registerDemo,
]

/** Options of every command; they may stand before or behind its name. */
const COMMON: readonly Option[] = [
  new Option('--config <dir>', 'instance directory (holds config/)'),
  new Option('--json', 'print JSON'),
]

/**
 * Run one command line; `io.exitCode` says how it ended. Never rejects: a mistake in the call and an unexpected error
 * are one line on standard error and exit code 2.
 *
 * @param argv without the names of interpreter and script
 */
export async function run(
  argv: readonly string[],
  io: Io,
  commands: readonly RegisterCommand[] = COMMANDS,
): Promise<void> {
  try {
    await createProgram(io, commands).parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      // asking for help or the version is no mistake; calling without a command is
      io.exitCode = error.exitCode === 0 ? 0 : 2
      return
    }
    io.err(`secure-mail: unexpected error: ${oneLine(error instanceof Error ? error.message : String(error))}\n`)
    io.exitCode = 2
  }
}

function createProgram(io: Io, commands: readonly RegisterCommand[]): Command {
  const program = new Command('secure-mail')
    .description('mail leaves encrypted, or its sender hears why not')
    .version(packageVersion(), '-V, --version')
    // so that an option behind a sub-command is that command's own
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      outputError: (text, write) => write(`secure-mail: ${oneLine(text.replace(/^error: /, ''))}\n`),
      getOutHasColors: () => io.color,
      getErrHasColors: () => false,
    })
  for (const register of commands) register(program, io)
  for (const option of COMMON) {
    program.addOption(option)
    for (const command of leaves(program)) {
      if (!command.options.some((own) => own.long === option.long)) command.addOption(option)
    }
  }
  return program.hook('preAction', (_program, action) => inherit(program, action))
}

/** What stands before the command's name holds for the command as well. */
function inherit(program: Command, action: Command): void {
  for (const option of COMMON) {
    const name = option.attributeName()
    if (program.getOptionValueSource(name) !== undefined && action.getOptionValueSource(name) === undefined) {
      action.setOptionValueWithSource(name, program.getOptionValue(name), 'cli')
    }
  }
}

/** Commands that do something, as against groups of commands. */
function leaves(command: Command): Command[] {
  return command.commands.flatMap((child) => (child.commands.length === 0 ? [child] : leaves(child)))
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*[\r\n]+\s*/g, ' ')
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string }
  return version
}
