/** What became of each mail, told by those outside the gateway: the partners' servers and the senders' mailbox. */
import { parseHeader, fieldsNamed } from '../lib/message/header'
import { decodeWords } from '../lib/message/encoded-words'
import type { MailServer, ReceivedMail } from './mail-server'
import { messageIdOf, type DemoMail, type DemoRecipient } from './mails'
import { readReport, type ReadReport } from './report-reader'

/** One copy that arrived somewhere. */
export interface Arrival {
  /** Name of the server that took it. */
  at: string
  /** TLS version, undefined = clear text. */
  tls?: string
  /** Decoded. */
  subject: string
}

/** All that was seen of one recipient's copy. */
export interface Sighting {
  arrivals: readonly Arrival[]
  reports: readonly ReadReport[]
}

/** A report with the mailbox that got it. */
export interface SentReport extends ReadReport {
  to: string
}

/** Reports in the mailbox of the senders' own mail server, oldest first. */
export function reportsIn(home: Pick<MailServer, 'mails'>): SentReport[] {
  return home.mails.flatMap(({ message, recipients, sender }) => {
    // RFC 3461 section 6.1: a report comes from the null sender.
    const report = sender === '' ? readReport(message) : undefined
    return report ? [{ ...report, to: recipients.join(', ') }] : []
  })
}

/** What was seen so far of one recipient's copy. */
export function look(
  mail: DemoMail,
  { address }: DemoRecipient,
  servers: ReadonlyMap<string, Pick<MailServer, 'mails'>>,
  reports: readonly SentReport[],
): Sighting {
  const id = messageIdOf(mail)
  const arrivals: Arrival[] = []
  for (const [at, server] of servers)
    for (const received of server.mails)
      if (received.recipients.includes(address) && headerField(received, 'message-id') === `<${id}>`) {
        const subject = decodeWords(headerField(received, 'subject')).text
        arrivals.push({ at, subject, ...(received.tls === undefined ? {} : { tls: received.tls }) })
      }
  const about = reports.filter(
    (report) => report.about === id && report.recipients.some((recipient) => recipient.address === address),
  )
  return { arrivals, reports: about }
}

function headerField({ message }: ReceivedMail, name: string): string {
  return fieldsNamed(parseHeader(message), name)[0]?.value ?? ''
}

/** One line of the demo's table. */
export interface DemoRow {
  mail: number
  subject: string
  from: string
  to: string
  asked: string
  happened: 'encrypted' | 'clear' | 'reported' | 'nothing' | 'contradictory'
  /** Server that took it. */
  at: string | null
  /** TLS version under which it arrived. */
  tls: string | null
  /** Kind of the report that the sender got. */
  report: string | null
  why: string
  ok: boolean
  /** What is wrong, when not ok. */
  problem: string | null
}

/** Judge one recipient's copy: is what was seen what was expected, and nothing besides? */
export function judge(mail: DemoMail, recipient: DemoRecipient, { arrivals, reports }: Sighting): DemoRow {
  const [arrival] = arrivals
  const [report] = reports
  const happened =
    arrivals.length + reports.length > 1
      ? 'contradictory'
      : arrival
        ? arrival.tls === undefined
          ? 'clear'
          : 'encrypted'
        : report
          ? 'reported'
          : 'nothing'
  const seen = { happened, at: arrival?.at ?? null, tls: arrival?.tls ?? null, report: report?.kind ?? null } as const
  const problem = problemOf(recipient, seen, arrivals, reports)
  return {
    mail: mail.number,
    subject: mail.subject,
    from: mail.from,
    to: recipient.address,
    asked: mail.asked,
    ...seen,
    why: recipient.why,
    ok: problem === null,
    problem,
  }
}

function problemOf(
  { expected }: DemoRecipient,
  seen: Pick<DemoRow, 'happened' | 'at' | 'report'>,
  arrivals: readonly Arrival[],
  reports: readonly ReadReport[],
): string | null {
  if (seen.happened === 'contradictory')
    return `${arrivals.length} copies arrived and ${reports.length} reports were sent`
  if (seen.happened !== expected.happens) return `expected: ${expected.happens}, seen: ${seen.happened}`
  switch (expected.happens) {
    case 'reported':
      return seen.report === expected.kind ? null : `expected report ${expected.kind}, seen: ${seen.report ?? 'none'}`
    case 'clear':
      if (arrivals.some(({ subject }) => /unsecure/i.test(subject))) return 'the tag is still in the subject'
      return seen.at === expected.at ? null : `expected at ${expected.at}`
    case 'encrypted':
      return seen.at === expected.at ? null : `expected at ${expected.at}`
  }
}
