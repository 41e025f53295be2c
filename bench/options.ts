/** Command line of the benchmark. */
import { parseArgs } from 'node:util'

export interface Options {
  rounds: number
  messages: number
  /** Messages that each relay gets before the first that counts. */
  warmUp: number
  quick: boolean
  only: string | undefined
  json: boolean
  /** Folder for V8 CPU profiles; absent = not profiled. */
  profile: string | undefined
  help: boolean
}

export const USAGE = `npm run bench -- [options]

  --rounds N      interleaved rounds (default 3; 1 with --quick)
  --messages N    messages of the main group; other groups take a share of it (default 800; 300 with --quick)
  --warm-up N     messages that each relay gets before the first that counts (default 1000; 150 with --quick)
  --quick         only what the ratios need, in under 90 s
  --only TEXT     groups or rows whose name has this text, e.g. split, rsa, gateway, postfix, micro;
                  GROUP/ROW for rows in groups, e.g. split/haraka;
                  or one of the parts that run only when asked for: scan, detection, formats, content, encrypt, queue,
                  report
  --json          the result as JSON on standard output
  --profile DIR   also write V8 CPU profiles of the relays built on Haraka (costs them a few per cent)
`

/** A positive whole number within bounds, or an error that names the option. */
function count(name: string, text: string | undefined, fallback: number, max: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new RangeError(`--${name} must be a whole number from 1 to ${max}, not "${text}"`)
  return value
}

/**
 * @param args as after the program's name
 * @throws Error with one line for the user when an option is unknown or out of bounds
 */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      messages: { type: 'string' },
      'warm-up': { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return {
    rounds: count('rounds', values.rounds, values.quick ? 1 : 3, 20),
    messages: count('messages', values.messages, values.quick ? 300 : 800, 20_000),
    warmUp: count('warm-up', values['warm-up'], values.quick ? 150 : 1000, 20_000),
    quick: values.quick,
    only: values.only,
    json: values.json,
    profile: values.profile,
    help: values.help,
  }
}
