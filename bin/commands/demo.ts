/** `secure-mail demo`: the gateway on a little Internet, with nothing installed and no network. */
import { runDemo } from '../../demo/run'
import { showResult } from '../../demo/show'
import type { CommonOptions, RegisterCommand } from '../io'

/** Adds `demo`. */
export const registerDemo: RegisterCommand = (program, io) => {
  program
    .command('demo')
    .description(
      'send real mails through a real gateway on a little Internet of its own, and show what becomes of them',
    )
    .option('--json', 'print the result as JSON (progress goes to standard error)')
    .action(async (options: CommonOptions) => {
      const json = options.json === true
      const result = await runDemo((line) => (json ? io.err(`${line}\n`) : io.out(`${line}\n`)))
      if (json) io.out(`${JSON.stringify(result, null, 2)}\n`)
      else
        io.out(
          `\n${showResult(result, { color: io.color, width: process.stdout.isTTY ? process.stdout.columns : 120 })}`,
        )
      io.exitCode = result.ok ? 0 : 1
    })
}
