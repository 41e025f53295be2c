/** `secure-mail policy`: which protection a recipient's mail gets, why, and which servers it would go to. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { createColors } from 'picocolors'
import { systemClock, type Clock } from '../../lib/clock'
import { formatProblem, loadConfig } from '../../lib/config'
import type { Settings } from '../../lib/config/settings'
import {
  addressLiteral,
  createResolver,
  isLocalAddress,
  lookupAddresses,
  lookupMx,
  lookupTlsa,
  normaliseName,
} from '../../lib/dns'
import {
  decide,
  explain,
  explainFindings,
  lookUp,
  type LookUps,
  type PolicyReport,
  type Requirement,
} from '../../lib/policy'
import { lookUpPublished, stsFetchOptions } from '../../lib/policy/sts'
import { findInstance } from '../instance'
import type { CommonOptions, Io, RegisterCommand } from '../io'

/** How the command reaches DNS and policy hosts: look-ups for one run, and their end. */
export type Connect = (settings: Settings) => { lookUps: LookUps; close: () => Promise<void> }

const throughDns: Connect = (settings) => {
  const resolver = createResolver(settings.dns)
  return {
    lookUps: {
      mx: (domain) => lookupMx(resolver, domain),
      addresses: (host) => lookupAddresses(resolver, host, { inetPrefer: settings.delivery.inetPrefer }),
      isLocal: (address) => isLocalAddress(address),
      published: {
        tlsa: (question) => lookupTlsa(resolver, question),
        // live, not from the cache of the running gateway: what the domain publishes now
        mtaSts: (domain) =>
          lookUpPublished(domain, resolver, stsFetchOptions(settings, process.env.SECURE_MAIL_STS_PORT)),
      },
    },
    close: () => resolver.close(),
  }
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
      .addHelpText(
        'after',
        '\nDNS and the policy host of MTA-STS are asked; no mail server is connected to.\nExit code: 0 would be delivered, 1 would not, 2 wrong call or configuration.',
      )
      .action(async (recipients: string[], _options: unknown, command: Command) => {
        const options = command.optsWithGlobals<CommonOptions>()
        const ready = prepare(recipients, options, clock)
        if (ready.ok) await answer(ready.recipients, ready.settings, options, io, connect, clock)
        else fail(io, ready.problems)
      })
  }
}

type Ready = { ok: true; recipients: string[]; settings: Settings } | { ok: false; problems: string[] }

function prepare(given: readonly string[], options: CommonOptions, clock: Clock): Ready {
  const recipients: string[] = []
  for (const text of given) {
    const recipient = readRecipient(text)
    if (recipient === null) {
      return { ok: false, problems: [`${JSON.stringify(text)} is neither a mail address nor a domain`] }
    }
    recipients.push(recipient)
  }
  const instance = findInstance(options)
  if (instance === undefined) {
    const cure = 'name one with --config DIR, or make one with: secure-mail init DIR'
    return { ok: false, problems: [`there is no instance here; ${cure}`] }
  }
  if (!existsSync(path.join(instance, 'config'))) {
    return { ok: false, problems: [`${instance} is no instance directory (it has no config/)`] }
  }
  const loaded = loadConfig(instance, clock)
  if (!loaded.ok) return { ok: false, problems: loaded.problems.map(formatProblem) }
  return { ok: true, recipients, settings: loaded.settings }
}

function fail(io: Io, problems: readonly string[]): void {
  for (const problem of problems) io.err(`secure-mail: ${problem}\n`)
  io.exitCode = 2
}

/**
 * @returns `local@domain`, or `@domain` for a domain, the domain in A-labels and lower case; null when it is neither
 */
function readRecipient(text: string): string | null {
  const at = text.lastIndexOf('@')
  if (at === 0 || /[\s<>\p{Cc}]/u.test(text)) return null
  const given = text.slice(at + 1)
  const literal = addressLiteral(given)
  const domain = literal === undefined ? normaliseName(given) : literal === null ? null : given.toLowerCase()
  return domain === null || domain === '' ? null : `${at < 0 ? '' : text.slice(0, at)}@${domain}`
}

async function answer(
  recipients: readonly string[],
  settings: Settings,
  options: CommonOptions,
  io: Io,
  connect: Connect,
  clock: Clock,
): Promise<void> {
  const { lookUps, close } = connect(settings)
  try {
    for (const recipient of recipients) {
      const findings = await lookUp(settings, recipient, lookUps, clock.now())
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
