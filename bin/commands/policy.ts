/** `secure-mail policy`: which protection a recipient's mail gets, why, and which servers it would go to. */
import type { Command } from 'commander'
import { createColors } from 'picocolors'
import { systemClock, type Clock } from '../../lib/clock'
import type { Settings } from '../../lib/config/settings'
import { decide, explain, explainFindings, lookUp, type PolicyReport, type Requirement } from '../../lib/policy'
import type { CommonOptions, Io, RegisterCommand } from '../io'
import { throughDns, type Connect } from '../look-ups'
import { fail, readRecipient, readyInstance } from '../ready'

interface PolicyOptions extends CommonOptions {
  requiretls?: boolean
}

/** Adds `policy`. */
export const registerPolicy: RegisterCommand = policyWith(throughDns, systemClock)

/** @param clock says which rows have expired */
export function policyWith(connect: Connect, clock: Clock): RegisterCommand {
  return (program, io) => {
    program
      .command('policy')
      .description('which protection applies to a recipient and why, and MX by MX what would happen')
      .argument('<recipient...>', 'mail addresses or domains')
      .option('--json', 'print one line of JSON per recipient')
      .option('--requiretls', 'as for a mail that asks for TLS at every hop (RFC 8689)')
      .addHelpText(
        'after',
        '\nDNS and the policy host of MTA-STS are asked; no mail server is connected to.\nExit code: 0 would be delivered, 1 would not, 2 wrong call or configuration.',
      )
      .action(async (recipients: string[], _options: unknown, command: Command) => {
        const options = command.optsWithGlobals<PolicyOptions>()
        const read = readRecipients(recipients, io)
        if (read === undefined) return
        const ready = readyInstance(options, clock)
        if (ready.ok) await answer(read, ready.settings, options, io, connect, clock)
        else fail(io, ready.problems)
      })
  }
}

/** @returns undefined when one of them is neither a mail address nor a domain, which has been told */
function readRecipients(given: readonly string[], io: Io): string[] | undefined {
  const recipients: string[] = []
  for (const text of given) {
    const recipient = readRecipient(text)
    if (recipient === null) {
      fail(io, [`${JSON.stringify(text)} is neither a mail address nor a domain`])
      return undefined
    }
    recipients.push(recipient)
  }
  return recipients
}

async function answer(
  recipients: readonly string[],
  settings: Settings,
  options: PolicyOptions,
  io: Io,
  connect: Connect,
  clock: Clock,
): Promise<void> {
  const { lookUps, close } = connect(settings)
  try {
    for (const recipient of recipients) {
      const findings = await lookUp(settings, recipient, lookUps, clock.now(), {
        requiretls: options.requiretls === true,
      })
      const report = explainFindings(findings)
      if (!report.deliver) io.exitCode = 1
      if (options.json === true) io.out(`${JSON.stringify(report)}\n`)
      else io.out(`${forPeople(report, decide(findings.inputs), io.color)}\n`)
    }
  } finally {
    await close()
  }
}

function forPeople(report: PolicyReport, requirement: Requirement, color: boolean): string {
  const paint = createColors(color)
  const [first = '', ...more] = explain(requirement)
  const lines = [
    paint.bold(report.recipient.replace(/^@/, '')),
    ...block('requires', [paint.cyan(first), ...more]),
    ...block('looked at', table(report.sources.map(({ source, says }) => [source, says]))),
    ...block('MX', report.mx.length > 0 ? mxLines(report) : ['none']),
    ...block('verdict', [report.deliver ? paint.green(report.verdict) : paint.red(report.verdict)]),
  ]
  return `${lines.join('\n')}\n`
}

function mxLines(report: PolicyReport): string[] {
  return table(
    report.mx.map((mx) => [
      String(mx.preference),
      mx.host,
      mx.usable ? 'try' : 'skip',
      mx.secure ? 'DNSSEC' : 'no DNSSEC',
      mx.resultType === undefined ? mx.why : `${mx.why} (${mx.resultType})`,
    ]),
  )
}

function block(title: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => `  ${(i === 0 ? title : '').padEnd(10)}  ${line}`)
}

/** Columns as wide as their widest cell; the last one as it is. */
function table(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(width(i)))).join('  '))
}
