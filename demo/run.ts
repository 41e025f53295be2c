/** The demo itself: a little Internet, the real gateway, real mails, and what became of them. */
import nodemailer from 'nodemailer'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { createGateway, type Gateway } from './gateway'
import { MAILS, messageIdOf, type DemoMail } from './mails'
import { judge, look, reportsIn, type DemoRow, type SentReport } from './observe'
import { HOME, startPartners, TLS_POLICY, type Partners } from './partners'
import { temporaryDirectory } from './processes'

export interface DemoResult {
  /** Everything came out as expected. */
  ok: boolean
  /** How long it took, in seconds. */
  seconds: number
  rows: DemoRow[]
  /** Mails whose envelope went over the wire in clear text, as the partners' servers saw it. */
  clearText: { envelopes: number; expected: number }
  /** Text of each report that a sender got, in order. */
  reports: { mail: number | null; to: string; kind: string; subject: string; text: string }[]
  /** What is wrong, one sentence each. */
  problems: string[]
}

/** Longest that the mails and reports may take, in milliseconds; the whole stays under a minute. */
const PATIENCE = 40_000

/**
 * Run it all and clean up again, whatever happens.
 *
 * @param progress told one line at a time, as it happens
 * @throws Error when the gateway or the little Internet cannot be started
 */
export async function runDemo(progress: (line: string) => void): Promise<DemoResult> {
  const started = Date.now()
  const say = (line: string) => progress(`[${((Date.now() - started) / 1000).toFixed(1).padStart(4)} s] ${line}`)
  const temporary = temporaryDirectory('demo')
  const cleanup: (() => Promise<void> | void)[] = [() => temporary.remove()]
  try {
    say('making a little Internet: a name server, mail servers of partners, good and bad')
    const partners = await startPartners()
    cleanup.push(() => partners.stop())
    say(`${partners.servers.size} mail servers listen on port ${partners.port} of 127.0.0.10 and up`)
    const root = path.join(temporary.path, 'root.pem')
    writeFileSync(root, partners.trustedRoot)
    say('making an instance with `secure-mail init`, and starting Haraka on it')
    const gateway = await createGateway({
      settings: settingsFor(partners, root),
      tlsPolicy: TLS_POLICY,
      files: { me: `gateway.${HOME}\n` },
    })
    cleanup.push(() => gateway.stop())
    await gateway.start()
    say(`the gateway listens on ${gateway.server}; tls_failure_after is 8 seconds here instead of 4 hours`)
    const refused = await submitAll(gateway, say)
    const rows = await watch(partners, gateway, say)
    return conclude(partners, gateway, rows, refused, started)
  } finally {
    say('cleaning up')
    for (const undo of cleanup.reverse()) await undo()
  }
}

/** As on a real gateway, but for: where the Internet is, whom to trust, and deadlines that nobody has to wait for. */
function settingsFor(partners: Partners, trustedRoot: string): string {
  return `[main]
mode=enforce
level=encrypt
internal_domains[]=${HOME}

[tls]
ca_file=${trustedRoot}

[dns]
servers[]=${partners.dns.server}

[delivery]
port=${partners.port}
local_mx_ok=true
retry=2s

[ndr]
tls_failure_after=8s
undeliverable_after=10s
delay_notice_after=10s
coalesce=1s

[support]
name=IT Support
address=it-support@${HOME}
phone=+45 55 50 10 10
`
}

/** @returns what the gateway would not accept */
async function submitAll(gateway: Gateway, say: (line: string) => void): Promise<string[]> {
  const { address, port } = gateway
  const transport = nodemailer.createTransport({ host: address, port, ignoreTLS: true, name: `client.${HOME}` })
  const refused: string[] = []
  for (const mail of MAILS) {
    const to = mail.to.map((recipient) => recipient.address)
    try {
      await transport.sendMail({
        from: mail.from,
        to,
        subject: mail.subject,
        messageId: `<${messageIdOf(mail)}>`,
        textEncoding: 'base64',
        ...mail.body,
      })
      say(`mail ${mail.number} accepted: "${mail.subject}" to ${to.join(', ')}`)
    } catch (error) {
      refused.push(`mail ${mail.number} was not accepted: ${error instanceof Error ? error.message : String(error)}`)
      say(`mail ${mail.number} NOT accepted: "${mail.subject}"`)
    }
  }
  transport.close()
  return refused
}

/** Look until every copy has arrived or is reported, the queue is empty, or the patience is at its end. */
async function watch(partners: Partners, gateway: Gateway, say: (line: string) => void): Promise<DemoRow[]> {
  const end = Date.now() + PATIENCE
  const told = new Set<string>()
  for (;;) {
    const rows = observe(partners)
    for (const row of rows) {
      const key = `${row.mail} ${row.to}`
      if (row.happened === 'nothing' || told.has(key)) continue
      told.add(key)
      say(`mail ${row.mail} to ${row.to}: ${outcomeText(row)}`)
    }
    const settled = told.size === rows.length && gateway.queue().length === 0
    if (settled || Date.now() > end) return observe(partners)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

function observe(partners: Partners): DemoRow[] {
  const reports = reportsOf(partners)
  return MAILS.flatMap((mail) =>
    mail.to.map((recipient) => judge(mail, recipient, look(mail, recipient, partners.servers, reports))),
  )
}

function reportsOf(partners: Partners): SentReport[] {
  const home = partners.servers.get(`mail.${HOME}`)
  return home ? reportsIn(home) : []
}

/** One row's outcome in a few words. */
export function outcomeText(row: Pick<DemoRow, 'happened' | 'at' | 'tls' | 'report'>): string {
  switch (row.happened) {
    case 'encrypted':
      return `delivered to ${row.at ?? '?'} with ${row.tls ?? '?'}`
    case 'clear':
      return `delivered to ${row.at ?? '?'} in clear text`
    case 'reported':
      return `not sent; the sender has a report (${row.report ?? '?'})`
    case 'contradictory':
      return 'more than one thing'
    case 'nothing':
      return 'nothing yet'
  }
}

function conclude(
  partners: Partners,
  gateway: Gateway,
  rows: DemoRow[],
  refused: readonly string[],
  started: number,
): DemoResult {
  const problems = [...refused]
  for (const row of rows) if (row.problem !== null) problems.push(`mail ${row.mail} to ${row.to}: ${row.problem}`)
  const envelopes = [...partners.servers.values()]
    .flatMap(({ commands }) => commands)
    .filter(({ line, tls }) => tls === undefined && /^MAIL FROM:/i.test(line)).length
  const expected = MAILS.flatMap(({ to }) => to).filter((recipient) => recipient.expected.happens === 'clear').length
  if (envelopes !== expected) problems.push(`${envelopes} envelopes went in clear text, expected: ${expected}`)
  const recorded = gateway.events('plaintext-delivered').length
  if (recorded !== expected)
    problems.push(`${recorded} plaintext-delivered events are in the audit log, expected: ${expected}`)
  const waiting = gateway.queue().length
  if (waiting > 0) problems.push(`${waiting} mails are still in the queue`)
  const reports = reportsOf(partners).map(({ to, kind, subject, text, about }) => ({
    mail: numberOf(about),
    to,
    kind,
    subject,
    text,
  }))
  const seconds = Math.round((Date.now() - started) / 100) / 10
  return { ok: problems.length === 0, seconds, rows, clearText: { envelopes, expected }, reports, problems }
}

function numberOf(messageId: string): number | null {
  return MAILS.find((mail: DemoMail) => messageIdOf(mail) === messageId)?.number ?? null
}
