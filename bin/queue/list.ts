/** `secure-mail queue list`: read, filtered and written one mail at a time, whatever the length of the queue. */
import { createColors } from 'picocolors'
import { listDirectory, strayFile } from '../../lib/queue/directory'
import { createSummary } from '../../lib/queue/summary'
import type { DestinationSummary, QueueMail, QueueRecipient, StrayFile } from '../../lib/queue/types'
import { oneLine } from '../../lib/util/one-line'
import type { Io } from '../io'
import { everyMail } from './every-mail'
import type { QueueRoom } from './room'
import { columns, count, sizeOf, spanOf, untilOf } from './words'

export interface ListOptions {
  /** Only mail for this domain, A-labels. */
  domain?: string
  /** Mails that are shown; all are counted. */
  limit: number
  json: boolean
}

/** Where the list goes, piece by piece. */
interface Printer {
  begin(room: QueueRoom): void
  mail(mail: QueueMail): void
  end(end: ListEnd): void
}

interface ListEnd {
  strays: StrayFile[]
  destinations: DestinationSummary[]
  total: { mails: number; shown: number; bytes: number }
}

/** Files that are told of as not being tried; more are only counted by the file system. */
const MAX_STRAYS = 1000

/** @throws Error of the file system (rejects) */
export async function listQueue(room: QueueRoom, options: ListOptions, io: Io): Promise<void> {
  const printer = options.json ? jsonPrinter(io) : textPrinter(io, room.sources.clock.now(), options)
  const summary = createSummary()
  const strays: StrayFile[] = []
  let shown = 0
  const take = (mail: QueueMail) => {
    if (options.domain !== undefined && mail.domain !== options.domain) return
    summary.add(mail)
    if (shown >= options.limit) return
    shown += 1
    printer.mail(mail)
  }
  const directory = await listDirectory(room.queueDir)
  printer.begin(room)
  for await (const entry of everyMail(room, directory.mails)) {
    if ('mail' in entry) take(entry.mail)
    else if (options.domain === undefined) strays.push(entry.stray)
  }
  for (const name of directory.others) {
    if (strays.length >= MAX_STRAYS) break
    const stray = await strayFile(room.queueDir, name, room.sources.clock.now())
    if (stray !== undefined && concerns(stray, options.domain)) strays.push(stray)
  }
  printer.end({
    strays,
    destinations: summary.destinations(),
    total: { mails: summary.mails(), shown, bytes: summary.bytes() },
  })
}

function concerns({ recipients }: StrayFile, domain: string | undefined): boolean {
  return domain === undefined || recipients.some((address) => address.endsWith(`@${domain}`))
}

/** One JSON document, written as it comes. */
function jsonPrinter(io: Io): Printer {
  let before = ''
  return {
    begin({ gateway, storeProblem }) {
      const about =
        gateway === null
          ? { running: false, processes: [], silent: [] }
          : { running: true, processes: gateway.processes, silent: gateway.silent }
      io.out(`{"gateway":${JSON.stringify(about)},"storeProblem":${JSON.stringify(storeProblem)},"mails":[`)
    },
    mail(mail) {
      io.out(`${before}\n${JSON.stringify(mail)}`)
      before = ','
    },
    end({ strays, destinations, total }) {
      io.out(
        `\n],"files":${JSON.stringify(strays)},"destinations":${JSON.stringify(destinations)},"total":${JSON.stringify(total)}}\n`,
      )
    },
  }
}

/** Recipients of one mail that are shown to people. */
const MAX_RECIPIENTS = 10
/** Destinations that are shown to people. */
const MAX_DESTINATIONS = 20

function textPrinter(io: Io, now: number, { domain }: ListOptions): Printer {
  const paint = createColors(io.color)
  return {
    begin(room) {
      for (const line of gatewayLines(room)) io.err(`secure-mail: ${line}\n`)
    },
    mail(mail) {
      const { queueId, caseId, kind, sender, size, ageSeconds } = mail
      const what = kind === 'mail' ? '' : `  ${kind}`
      io.out(`${paint.bold(oneLine(queueId))}  ${caseId}${what}  ${stateWords(mail, now)}\n`)
      const from = sender === '' ? 'the null sender' : oneLine(sender)
      io.out(`  from ${from}, ${sizeOf(size)}, queued ${mail.queuedAt} (${spanOf(ageSeconds)} ago)\n`)
      for (const recipient of mail.recipients.slice(0, MAX_RECIPIENTS)) {
        const line = `  to   ${recipientWords(recipient)}\n`
        io.out(recipient.lastFailure !== null && recipient.state === 'open' ? paint.yellow(line) : line)
      }
      const more = mail.recipients.length - MAX_RECIPIENTS
      if (more > 0) io.out(`  to   ${count(more, 'more recipient')}\n`)
      if (mail.recordProblem !== null) {
        io.out(paint.red(`  !    what was tried so far cannot be read: ${oneLine(mail.recordProblem)}\n`))
      }
      io.out('\n')
    },
    end({ strays, destinations, total }) {
      if (total.mails === 0) io.out(`the queue is empty${domain === undefined ? '' : ` for ${domain}`}\n`)
      else io.out(`${totalWords(total)}\n\n${destinationTable(destinations, now).join('\n')}\n`)
      if (strays.length > 0) io.out(`\n${paint.bold('files in the queue directory that are not tried:')}\n`)
      for (const stray of strays) io.out(paint.yellow(strayWords(stray)))
    },
  }
}

function gatewayLines({ gateway, storeProblem, instance }: QueueRoom): string[] {
  const lines: string[] = []
  if (gateway === null) lines.push(`the gateway of ${instance} does not run; this is what lies in its queue directory`)
  else if (gateway.processes.some(({ paused }) => paused)) lines.push('delivery is paused ([delivery] paused=true)')
  for (const { why } of gateway?.silent ?? []) lines.push(`${why}; its mails are shown as far as their files tell`)
  if (storeProblem !== null) lines.push(`what was tried so far cannot be read: ${storeProblem}`)
  return lines
}

function stateWords({ state, nextTryAt, tries }: QueueMail, now: number): string {
  const tried = tries === 0 ? 'not tried yet' : count(tries, 'failed attempt')
  const next = nextTryAt === null ? '' : untilOf(nextTryAt, now)
  switch (state) {
    case 'delivering':
      return `being delivered now, ${tried}`
    case 'due':
      return `due, waits for its turn, ${tried}`
    case 'waiting':
      return `next try ${next}, ${tried}`
    case 'not-held':
      return `held by no process: taken up at the next start, ${tried}`
    case 'unknown':
      return `next try ${next} if its process is well, ${tried}`
    case 'stopped':
      return `next try ${next} when the gateway runs, ${tried}`
  }
}

function recipientWords({ address, state, reported, tries, lastFailure, finalAt }: QueueRecipient): string {
  const who = oneLine(address)
  switch (state) {
    case 'delivered':
      return `${who}: delivered`
    case 'failed':
      return `${who}: given up${reported ? ', reported to the sender' : ', its report is still to be sent'}${causeOf(lastFailure)}`
    case 'open': {
      const final = finalAt === null ? '' : `; given up at ${finalAt}`
      return `${who}: ${tries === 0 ? 'not tried yet' : 'open'}${causeOf(lastFailure)}${final}`
    }
  }
}

function causeOf(failure: QueueRecipient['lastFailure']): string {
  if (failure === null) return ''
  const { resultType, enhancedCode, text, mx, address, reply } = failure
  const where = mx === null ? '' : ` at ${mx}${address === null || address === mx ? '' : ` [${address}]`}`
  const said = reply === null ? '' : ` (it said: ${reply})`
  return oneLine(`; last: ${resultType} ${enhancedCode}${where}: ${text}${said}`)
}

function totalWords({ mails, shown, bytes }: ListEnd['total']): string {
  const rest = mails > shown ? ` (${shown} shown; --limit 0 shows all)` : ''
  return `${count(mails, 'mail')}, ${sizeOf(bytes)}${rest}`
}

function destinationTable(destinations: readonly DestinationSummary[], now: number): string[] {
  const rows = destinations
    .slice(0, MAX_DESTINATIONS)
    .map(({ domain, mails, recipients, bytes, oldestAt, nextTryAt, finalAt, cause, delivering }) => [
      oneLine(domain),
      String(mails),
      String(delivering),
      String(recipients),
      sizeOf(bytes),
      spanOf((now - Date.parse(oldestAt)) / 1000),
      nextTryAt === null ? '-' : untilOf(nextTryAt, now),
      finalAt === null ? '-' : untilOf(finalAt, now),
      cause ?? '-',
    ])
  const head = ['destination', 'mails', 'now', 'open', 'size', 'oldest', 'next try', 'given up', 'cause']
  const more = destinations.length - rows.length
  return [...columns([head, ...rows]), ...(more > 0 ? [`... and ${count(more, 'more destination')}`] : [])]
}

function strayWords({ file, detail, advice, sender, recipients }: StrayFile): string {
  const whose =
    sender === null ? '' : `    from ${oneLine(sender) || 'the null sender'} to ${oneLine(recipients.join(', '))}\n`
  return `  ${oneLine(file)}: ${oneLine(detail)}\n${whose}    do: ${advice}\n`
}
