/** `secure-mail why`: what became of one mail, from the audit files and the queue. */
import type { Command } from 'commander'
import { createColors } from 'picocolors'
import { systemClock, type Clock } from '../../lib/clock'
import {
  queueDirectory,
  readMailId,
  whatBecameOf,
  type MailTimeline,
  type RecipientState,
  type Why,
} from '../../lib/report'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { fail, readyInstance } from '../ready'

/** Adds `why`. */
export const registerWhy: RegisterCommand = whyWith(systemClock)

/** @param clock says what is due */
export function whyWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    program
      .command('why')
      .description('the time line of one mail: what was decided, tried and told, and what happens next')
      .argument('<id>', 'queue id, Message-ID, or case id (SM-XXXX-XXXX)')
      .option('--json', 'print JSON')
      .addHelpText(
        'after',
        '\nReads the audit files and the queue of this machine; nothing is changed.\nExit code: 0 found, 1 no such mail, 2 wrong call or configuration.',
      )
      .action(async (given: string, _options: unknown, command: Command) => {
        const options = command.optsWithGlobals<CommonOptions>()
        const id = readMailId(given)
        if (id === null) {
          fail(io, [`${JSON.stringify(given)} is no queue id, Message-ID or case id (SM-XXXX-XXXX)`])
          return
        }
        const ready = readyInstance(options, clock)
        if (!ready.ok) {
          fail(io, ready.problems)
          return
        }
        const { dir } = ready.settings.audit
        const found = await reading(io, () => whatBecameOf(id, dir, queueDirectory(ready.instance)))
        if (found !== undefined) answer(found, dir, ready.settings.audit.keepDays, options, io, clock)
      })
  }
}

/** A file that may not be read is a matter of configuration, not a mail that does not exist. */
async function reading<T>(io: Io, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    fail(io, [`the audit files or the queue cannot be read: ${error instanceof Error ? error.message : String(error)}`])
    return undefined
  }
}

function answer(why: Why, dir: string, keepDays: number, options: CommonOptions, io: Io, clock: Clock): void {
  if (why.mails.length === 0) io.exitCode = 1
  if (options.json === true) {
    io.out(`${JSON.stringify(why)}\n`)
    return
  }
  if (why.mails.length === 0) {
    const kept = keepDays > 0 ? `, which are kept for ${keepDays} days` : ''
    io.err(`secure-mail: no mail with the ${KIND[why.kind]} ${why.id} in the audit files in ${dir}${kept}\n`)
  }
  for (const mail of why.mails) io.out(`${forPeople(mail, io.color, clock.now())}\n`)
  if (why.truncated) io.err('secure-mail: there are more events than are shown\n')
  if (why.unreadableLines > 0) {
    io.err(`secure-mail: ${why.unreadableLines} damaged audit lines were passed over\n`)
  }
}

const KIND: Readonly<Record<Why['kind'], string>> = {
  'case-id': 'case id',
  'message-id': 'Message-ID',
  'queue-id': 'queue id',
}

function forPeople(mail: MailTimeline, color: boolean, now: number): string {
  const paint = createColors(color)
  const title = mail.kind === 'report' ? 'report about it' : 'mail'
  const lines = [
    `${paint.bold(`${title} ${mail.mailId}`)}  case ${mail.caseId}${mail.messageId === null ? '' : `  ${mail.messageId}`}`,
    ...mail.events.map(({ at, text, outcome }) => {
      const line = `  ${at}  ${text}`
      return outcome === 'failure' ? paint.yellow(line) : line
    }),
    ...mail.recipients.map((recipient) => `  now       ${stateWords(recipient)}`),
    ...mail.queue.map((file) => `  next      ${nextWords(file, now)}`),
  ]
  if (mail.queue.length === 0) lines.push('  next      nothing: it is not in the queue any more')
  return `${lines.join('\n')}\n`
}

const STATE: Readonly<Record<RecipientState['state'], string>> = {
  queued: 'not tried yet',
  deferred: 'not delivered so far',
  delivered: 'delivered with TLS',
  'delivered-in-clear': 'delivered in clear text',
  failed: 'not delivered, given up',
}

function stateWords({ recipient, hmac, state, resultType, reported }: RecipientState): string {
  const who = [recipient, hmac].filter((part) => part !== undefined && part !== '').join(' ')
  const why = resultType === null ? '' : ` (${resultType})`
  return `${who}: ${STATE[state]}${why}${reported ? ', reported to the sender' : ''}`
}

function nextWords(
  { domain, recipients, nextAttempt, attempts, name }: MailTimeline['queue'][number],
  now: number,
): string {
  const who = `${recipients} recipient${recipients === 1 ? '' : 's'} at ${domain}`
  if (nextAttempt === null) return `${who}: set aside as ${name}, not tried any more; somebody has to look at it`
  const tried = `${attempts} failed attempt${attempts === 1 ? '' : 's'}`
  if (Date.parse(nextAttempt) <= now) return `${who}: due now, or being tried (${tried})`
  return `${who}: next attempt at ${nextAttempt} (${tried})`
}
