/** `secure-mail queue`: what waits, why, until when; and what an operator can do about it. */
import type { Command } from 'commander'
import { systemClock, type Clock } from '../../lib/clock'
import { MAX_REASON } from '../../lib/control'
import type { Wanted } from '../../lib/queue/find'
import { parseFileName } from '../../lib/queue/file-name'
import { readMailId } from '../../lib/report'
import { oneLine } from '../../lib/util/one-line'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { bounceFromQueue } from '../queue/bounce'
import { listQueue } from '../queue/list'
import { retryQueue } from '../queue/retry'
import { enterQueue, type QueueRoom } from '../queue/room'
import { fail, readRecipient } from '../ready'

/** Mails shown to people when nothing is said; JSON shows all. */
const SHOWN = 100

/** Adds `queue` with `list`, `retry` and `bounce`; `queue` alone is `queue list`. */
export const registerQueue: RegisterCommand = queueWith(systemClock)

/** @param clock says what is due */
export function queueWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    const queue = program.command('queue').description('what waits, why, until when; try it now, or end it')
    addList(queue, io, clock)
    addRetry(queue, io, clock)
    addBounce(queue, io, clock)
  }
}

function addList(queue: Command, io: Io, clock: Clock): void {
  queue
    .command('list', { isDefault: true })
    .description('queued mails in the order of their next try, what they wait for, and what waits per destination')
    .option('--domain <domain>', 'only mail for this domain')
    .option('--limit <number>', `mails that are shown; 0 = all (default: ${SHOWN}, with --json all)`)
    .addHelpText(
      'after',
      '\nAsks the running gateway what it is doing; without one, reads its queue directory. Nothing is changed.\nExit code: 0 the queue could be read, 2 wrong call or configuration.',
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { domain?: string; limit?: string }>()
      const domain = options.domain === undefined ? undefined : readRecipient(options.domain)
      if (domain === null || (domain !== undefined && !domain.startsWith('@'))) {
        fail(io, [`${JSON.stringify(options.domain)} is no domain`])
        return
      }
      const limit = options.limit === undefined ? (options.json === true ? 0 : SHOWN) : Number(options.limit)
      if (!Number.isSafeInteger(limit) || limit < 0) {
        fail(io, [`--limit ${JSON.stringify(options.limit)} is no number of mails (0 = all)`])
        return
      }
      await inRoom(options, clock, io, (room) =>
        listQueue(
          room,
          {
            ...(domain === undefined ? {} : { domain: domain.slice(1) }),
            limit: limit === 0 ? Infinity : limit,
            json: options.json === true,
          },
          io,
        ),
      )
    })
}

function addRetry(queue: Command, io: Io, clock: Clock): void {
  queue
    .command('retry')
    .description('try waiting mails now; when they are given up does not change')
    .argument('[domain or id]', 'recipient domain; or mail id, queue id, case id')
    .option('--all', 'every waiting mail')
    .addHelpText(
      'after',
      '\nNeeds the running gateway. A mail that is being delivered is left alone.\nExit code: 0 done, 1 no such mail, 2 wrong call or configuration, or no gateway.',
    )
    .action(async (given: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { all?: boolean }>()
      const wanted = readWanted(given, options.all === true)
      if (typeof wanted === 'string') {
        fail(io, [wanted])
        return
      }
      await inRoom(options, clock, io, (room) => retryQueue(room, wanted, options.json === true, io))
    })
}

/** @returns what is wrong with the call, in words */
function readWanted(given: string | undefined, all: boolean): Wanted | string {
  if (given === undefined) return all ? { by: 'all' } : 'say which: a domain, an id, or --all'
  if (all) return 'either a domain or id, or --all'
  const id = readMailId(given)
  if (parseFileName(given) !== null || (id !== null && id.kind !== 'message-id')) return { by: 'id', id: given }
  if (given.includes('@')) {
    return `${JSON.stringify(given)} is neither a domain nor an id; secure-mail why finds the id of a Message-ID`
  }
  const domain = readRecipient(given)
  return domain === null
    ? `${JSON.stringify(given)} is neither a domain nor an id`
    : { by: 'domain', domain: domain.slice(1) }
}

function addBounce(queue: Command, io: Io, clock: Clock): void {
  queue
    .command('bounce')
    .description('end a mail: its sender gets a report, then it leaves the queue')
    .argument('<id>', 'mail id (all its parts), queue id (one part) or case id')
    .option(
      '--recipient <address>',
      'only for this recipient; may be given again',
      (one: string, all: string[] | undefined) => [...(all ?? []), one],
    )
    .option('--reason <text>', 'why; stands in the report and in the audit log', '')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nNeeds the running gateway. A mail that is being delivered is not ended.\nExit code: 0 ended and reported, 1 not ended, 2 wrong call or configuration, or no gateway.',
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { recipient?: string[]; reason: string; yes?: boolean }>()
      const reason = oneLine(options.reason)
      if (reason.length > MAX_REASON) {
        fail(io, [`--reason has ${reason.length} characters; ${MAX_REASON} at most`])
        return
      }
      const recipients = (options.recipient ?? []).map((address) => ({ address, read: readRecipient(address) }))
      const wrong = recipients.find(({ read }) => read === null || read.startsWith('@'))
      if (wrong !== undefined) {
        fail(io, [`${JSON.stringify(wrong.address)} is no address`])
        return
      }
      await inRoom(options, clock, io, (room) =>
        bounceFromQueue(
          room,
          {
            id: id.trim(),
            recipients: recipients.flatMap(({ read }) => read ?? []),
            reason,
            yes: options.yes === true,
            json: options.json === true,
          },
          io,
        ),
      )
    })
}

async function inRoom(
  options: CommonOptions,
  clock: Clock,
  io: Io,
  work: (room: QueueRoom) => Promise<void>,
): Promise<void> {
  const entered = await enterQueue(options, clock)
  if (!entered.ok) {
    fail(io, entered.problems)
    return
  }
  try {
    await work(entered.room)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    fail(io, [`${(error as Error).message}; run this as the user of the gateway or as root`])
  } finally {
    await entered.room.close()
  }
}
