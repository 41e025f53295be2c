/** `secure-mail tlsrpt`: what was counted for TLS reports (RFC 8460), where it goes, and sending it now. */
import type { Command } from 'commander'
import { systemClock, type Clock } from '../../lib/clock'
import { DAY, dayOf, startOf } from '../../lib/report/tlsrpt'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { fail, readRecipient } from '../ready'
import { previewReports } from '../tlsrpt/preview'
import { sendReports } from '../tlsrpt/send'

/** What both commands are about. */
export interface WantedReports {
  /** `YYYY-MM-DD`, UTC. */
  day: string
  /** A-labels; absent = all. */
  domain?: string
  json: boolean
}

/** Adds `tlsrpt preview` and `tlsrpt send`. */
export const registerTlsrpt: RegisterCommand = tlsrptWith(systemClock)

/** @param clock says which day is over */
export function tlsrptWith(clock: Clock): RegisterCommand {
  return (program, io) => {
    const tlsrpt = program.command('tlsrpt').description('TLS reports to other domains (RFC 8460)')
    withOptions(tlsrpt.command('preview'))
      .description('what was counted for the reports of a day, where they go, and the reports themselves')
      .addHelpText(
        'after',
        '\nNothing is sent. The day is yesterday, whose reports are the next ones; today shows what is counted so far.\nExit code: 0 shown, 1 nothing was counted, 2 wrong call or configuration, or the store cannot be read.',
      )
      .action(async (_options: unknown, command: Command) => {
        await run(command, clock, io, previewReports)
      })
    withOptions(tlsrpt.command('send'))
      .description('have the running gateway send the reports of a day now, whatever enabled says; each goes out once')
      .addHelpText(
        'after',
        '\nNeeds the running gateway. Reports that went out already are not sent again.\nExit code: 0 all that is wanted is sent, 1 something is not, 2 wrong call or configuration, or no gateway.',
      )
      .action(async (_options: unknown, command: Command) => {
        await run(command, clock, io, sendReports)
      })
  }
}

function withOptions(command: Command): Command {
  return command
    .option('--day <YYYY-MM-DD>', 'day in UTC (default: yesterday)')
    .option('--domain <domain>', 'only the report about this policy domain')
}

async function run(
  command: Command,
  clock: Clock,
  io: Io,
  work: (options: CommonOptions, wanted: WantedReports, clock: Clock, io: Io) => Promise<void>,
): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions & { day?: string; domain?: string }>()
  const day = options.day ?? dayOf(clock.now() - DAY)
  if (startOf(day) === undefined) {
    fail(io, [`--day ${JSON.stringify(day)} is no day; write it like ${dayOf(clock.now() - DAY)}`])
    return
  }
  const domain = options.domain === undefined ? undefined : readRecipient(options.domain)
  if (domain === null || (domain !== undefined && !domain.startsWith('@'))) {
    fail(io, [`${JSON.stringify(options.domain)} is no domain`])
    return
  }
  const wanted = { day, json: options.json === true, ...(domain === undefined ? {} : { domain: domain.slice(1) }) }
  await work(options, wanted, clock, io)
}
