/** `secure-mail audit`: the keys of the audit log's recipients, and the digests of one of them. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { allKeys, digestsOf, keyInUse, rotateKey } from '../../lib/audit/keys'
import { maskCpr } from '../../lib/classify/cpr'
import { systemClock, type Clock } from '../../lib/clock'
import type { Settings } from '../../lib/config/settings'
import { openStore } from '../../lib/store'
import type { Store } from '../../lib/store/types'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { fail, readRecipient, readyInstance } from '../ready'

/** Adds `audit` with `digests` and `rotate-key`. */
export const registerAudit: RegisterCommand = auditWith(systemClock)

export function auditWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    const audit = program
      .command('audit')
      .description('find a recipient in the audit log; change the key of its digests')
    audit
      .command('digests')
      .description('the digests that stand for a recipient, one per key: search the log for any of them')
      .argument('<address>', 'mail address of the recipient')
      .addHelpText('after', '\nNothing is changed.\nExit code: 0 ok, 2 wrong call or configuration, or no store.')
      .action(async (given: string, _options: unknown, command: Command) => {
        const address = readRecipient(given)
        if (address === null || address.startsWith('@')) {
          fail(io, [`${JSON.stringify(given)} is no mail address`])
          return
        }
        await inStore(command, io, clock, async (store, json) => {
          const digests = digestsOf(address, await allKeys(store, clock), maskCpr)
          io.out(json ? `${JSON.stringify({ address, digests })}\n` : `${digests.join('\n')}\n`)
        })
      })
    audit
      .command('rotate-key')
      .description('take the next key for the digests of recipients; the old ones are kept')
      .addHelpText(
        'after',
        '\nA running gateway uses it within ten minutes. From then on a person has another digest than before.\nExit code: 0 done, 2 wrong call or configuration, or no store.',
      )
      .action(async (_options: unknown, command: Command) => {
        await inStore(command, io, clock, async (store, json) => {
          const before = await keyInUse(store, clock)
          const after = await rotateKey(store, clock, 0)
          const answer = {
            before: `k${before.number}`,
            key: `k${after.number}`,
            since: new Date(after.since).toISOString(),
          }
          io.out(json ? `${JSON.stringify(answer)}\n` : `the key was ${answer.before} and is ${answer.key} now\n`)
        })
      })
  }
}

async function inStore(
  command: Command,
  io: Io,
  clock: Clock,
  work: (store: Store, json: boolean) => Promise<void>,
): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>()
  const ready = readyInstance(options, clock)
  if (!ready.ok) {
    fail(io, ready.problems)
    return
  }
  let store: Store
  try {
    store = await openExisting(ready.settings, clock)
  } catch (error) {
    fail(io, [`the store cannot be used: ${error instanceof Error ? error.message : String(error)}`])
    return
  }
  try {
    await work(store, options.json === true)
  } finally {
    await store.close()
  }
}

/** The command makes no store of its own: its owner would be whoever runs the command. */
async function openExisting({ store: settings }: Settings, clock: Clock): Promise<Store> {
  if (settings.engine === 'lmdb' && !existsSync(path.join(settings.path, 'data.mdb'))) {
    throw new Error(`there is none in ${settings.path}; start the gateway once`)
  }
  return await openStore(settings, clock)
}
