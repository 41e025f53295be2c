/** What became of one mail: its audit events of all processes and days, in order, and what still waits in the queue. */
import { maskCpr } from '../classify/cpr'
import { caseId } from '../notify/case-id'
import { eventsOf, textAt, textsAt, type AuditLine, type Unreadable } from './audit-lines'
import { logFiles, type LogFile } from './log-files'
import { queuedFiles, type QueuedFile } from './queue-files'
import { wordsOf } from './words'

/** How a mail can be asked for. */
export type MailId =
  | { kind: 'case-id'; id: string }
  /** With its angle brackets. */
  | { kind: 'message-id'; id: string }
  /** Upper case. A bare UUID is a connection: all of its mails. */
  | { kind: 'queue-id'; id: string }

export interface TimelineEvent {
  /** ISO 8601. */
  at: string
  action: string
  outcome: string
  text: string
}

/** Where one recipient stands; `reported`: a report about it went out. */
export interface RecipientState {
  /** Address, or domain where the log holds no addresses. */
  recipient: string
  /** Keyed digest; absent where the log holds addresses. */
  hmac?: string
  state: 'queued' | 'deferred' | 'delivered' | 'delivered-in-clear' | 'failed'
  /** When it came to that; null = nothing has been tried. */
  at: string | null
  attempts: number
  resultType: string | null
  reported: boolean
}

export interface MailTimeline {
  mailId: string
  caseId: string
  messageId: string | null
  sender: string | null
  /** `report`: one of our own about the mail that was asked for. */
  kind: 'mail' | 'report'
  events: TimelineEvent[]
  recipients: RecipientState[]
  queue: QueuedFile[]
}

export interface Why {
  id: string
  kind: MailId['kind']
  mails: MailTimeline[]
  /** Audit lines that could not be read, among those that were looked at. */
  unreadableLines: number
  /** true: there are more events than are shown. */
  truncated: boolean
}

/** Events that are kept: a mail to thousands of recipients, tried for a day, is told up to here. */
const MAX_EVENTS = 20_000
/** Mails of one answer: a Message-ID can be used again and again. */
const MAX_MAILS = 100

const UUID = /^[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}((?:\.\d+)*)$/

/** @returns null when the text is none of the three kinds of id */
export function readMailId(text: string): MailId | null {
  const upper = text.trim().toUpperCase()
  if (/^SM-[0-9A-Z]{4}-[0-9A-Z]{4}$/.test(upper)) return { kind: 'case-id', id: upper }
  const suffix = UUID.exec(upper)?.[1]
  // Queue files are `UUID.n.m`, the mail is `UUID.n`.
  if (suffix !== undefined) return { kind: 'queue-id', id: upper.split('.').slice(0, 2).join('.') }
  const inner = text.trim().replace(/^<|>$/g, '')
  return /^[^\s<>]+@[^\s<>]+$/.test(inner) ? { kind: 'message-id', id: `<${inner}>` } : null
}

/**
 * @param auditDir `audit.dir`
 * @param queueDir see `queueDirectory`
 * @throws Error of the file system (rejects)
 */
export async function whatBecameOf(id: MailId, auditDir: string, queueDir: string): Promise<Why> {
  const unreadable: Unreadable = { lines: 0 }
  const files = logFiles(auditDir)
  const found = await findMails(id, files)
  const { events, truncated } = await collect(found, files, unreadable)
  // A mail can lie in the queue when its audit files are gone.
  const asked = id.kind === 'queue-id' ? [id.id] : []
  const queued = await queuedFiles(queueDir, new Set([...asked, ...found.mails, ...events.keys()]))
  const mailIds = new Set([...events.keys(), ...queued.map(({ mailId }) => mailId)])
  const mails = [...mailIds].map((mailId) => mailOf(mailId, events.get(mailId) ?? [], queued))
  mails.sort((a, b) => (a.events[0]?.at ?? '').localeCompare(b.events[0]?.at ?? ''))
  return { id: id.id, kind: id.kind, mails, unreadableLines: unreadable.lines, truncated }
}

interface Found {
  mails: Set<string>
  /** Reports about a mail carry its case id. */
  cases: Set<string>
}

/** First reading: which mails are meant? */
async function findMails(id: MailId, files: readonly LogFile[]): Promise<Found> {
  const found: Found = { mails: new Set(), cases: new Set() }
  // Its digits may have been masked in the log.
  const spellings = new Set([id.id, maskCpr(id.id)].map((one) => one.toLowerCase()))
  const needles = [...spellings].map((one) => JSON.stringify(one).slice(1, -1))
  const wanted = (text: string): boolean => {
    const lower = text.toLowerCase()
    return needles.some((needle) => lower.includes(needle))
  }
  for (const file of files) {
    for await (const event of eventsOf(file, wanted, { lines: 0 })) {
      if (found.mails.size >= MAX_MAILS) return found
      const mailId = textAt(event, 'email.local_id')
      if (mailId === '' || !matches(event, id, spellings)) continue
      found.mails.add(mailId)
      found.cases.add(textAt(event, 'securemail.case_id') || caseId(mailId))
    }
  }
  return found
}

function matches(event: AuditLine, id: MailId, spellings: ReadonlySet<string>): boolean {
  switch (id.kind) {
    case 'case-id':
      return textAt(event, 'securemail.case_id') === id.id
    case 'message-id':
      return spellings.has(textAt(event, 'email.message_id').trim().toLowerCase())
    case 'queue-id': {
      const mailId = textAt(event, 'email.local_id').toUpperCase()
      return mailId === id.id || (!id.id.includes('.') && mailId.startsWith(`${id.id}.`))
    }
  }
}

/** Second reading: all about these mails, and the reports about them, by mail id. */
async function collect(
  { mails, cases }: Found,
  files: readonly LogFile[],
  unreadable: Unreadable,
): Promise<{ events: Map<string, AuditLine[]>; truncated: boolean }> {
  const events = new Map<string, AuditLine[]>()
  if (mails.size === 0) return { events, truncated: false }
  const needles = [...mails, ...cases]
  let count = 0
  for (const file of files) {
    // A line without its end cannot be looked at for ids: it is counted as what it is.
    const wanted = (text: string): boolean => needles.some((needle) => text.includes(needle)) || !text.endsWith('}')
    for await (const event of eventsOf(file, wanted, unreadable)) {
      const mailId = textAt(event, 'email.local_id')
      if (mailId === '') continue
      if (!mails.has(mailId) && !cases.has(textAt(event, 'securemail.case_id'))) continue
      count += 1
      if (count > MAX_EVENTS) return { events: inOrder(events), truncated: true }
      const list = events.get(mailId)
      if (list === undefined) events.set(mailId, [event])
      else list.push(event)
    }
  }
  return { events: inOrder(events), truncated: false }
}

/** By time; events of one file and millisecond keep their order. */
function inOrder(events: Map<string, AuditLine[]>): Map<string, AuditLine[]> {
  for (const list of events.values()) {
    list.sort((a, b) => textAt(a, '@timestamp').localeCompare(textAt(b, '@timestamp')) || sequence(a) - sequence(b))
  }
  return events
}

function sequence(event: AuditLine): number {
  return Number(textAt(event, 'event.sequence')) || 0
}

function mailOf(mailId: string, lines: readonly AuditLine[], queued: readonly QueuedFile[]): MailTimeline {
  const first = (dotted: string): string | null => lines.map((line) => textAt(line, dotted)).find(Boolean) ?? null
  return {
    mailId,
    caseId: first('securemail.case_id') ?? caseId(mailId),
    messageId: first('email.message_id'),
    sender: first('email.sender.address'),
    kind: isReport(mailId, lines) ? 'report' : 'mail',
    events: lines.map((line) => ({
      at: textAt(line, '@timestamp'),
      action: textAt(line, 'event.action'),
      outcome: textAt(line, 'event.outcome'),
      text: wordsOf(line),
    })),
    recipients: statesOf(lines),
    queue: queued.filter((file) => file.mailId === mailId),
  }
}

/** A report has the case id of the mail that it is about, which does not follow from its own id. */
function isReport(mailId: string, lines: readonly AuditLine[]): boolean {
  const named = lines.map((line) => textAt(line, 'securemail.case_id')).find(Boolean)
  return named !== undefined && named !== caseId(mailId)
}

const STATE: Readonly<Record<string, RecipientState['state']>> = {
  'delivery-succeeded': 'delivered',
  'delivery-deferred': 'deferred',
  'delivery-failed': 'failed',
  'plaintext-delivered': 'delivered-in-clear',
}

/** The last word about each recipient. */
function statesOf(lines: readonly AuditLine[]): RecipientState[] {
  const states = new Map<string, RecipientState>()
  for (const line of lines) {
    const action = textAt(line, 'event.action')
    const reported = action === 'report-sent' || action === 'report-undeliverable'
    const state = STATE[action]
    if (state === undefined && !reported && action !== 'message-accepted') continue
    for (const [key, shown] of recipientsOf(line)) {
      const known = states.get(key) ?? { ...shown, state: 'queued', at: null, attempts: 0, resultType: null, reported }
      const attempts = Number(textAt(line, 'securemail.attempt')) || known.attempts
      const recipient = known.recipient === '' ? shown.recipient : known.recipient
      const next = { ...known, recipient, attempts, reported: known.reported || reported }
      if (givesUp(line) && (known.state === 'deferred' || known.state === 'queued')) {
        states.set(key, { ...next, state: 'failed', at: textAt(line, '@timestamp') })
        continue
      }
      const now = { state, at: textAt(line, '@timestamp'), resultType: textAt(line, 'securemail.result_type') || null }
      states.set(key, now.state === undefined ? next : { ...next, ...now, state: now.state })
    }
  }
  return [...states.values()]
}

/** A deadline that has passed has no attempt of its own: the report is the last word, unless it is mere advice. */
function givesUp(line: AuditLine): boolean {
  const action = textAt(line, 'event.action')
  if (action !== 'report-sent' && action !== 'report-undeliverable') return false
  const kind = textAt(line, 'securemail.report.kind')
  return kind !== 'category3-advice' && kind !== 'delayed'
}

/** Which recipients a line is about: addresses, else digests with the domain where it is certain. */
function recipientsOf(line: AuditLine): [string, Pick<RecipientState, 'recipient' | 'hmac'>][] {
  const clear = textsAt(line, 'email.to.address')
  if (clear.length > 0) return clear.map((address) => [address.toLowerCase(), { recipient: address }])
  const domains = textsAt(line, 'securemail.recipient.domain')
  const domain = domains.length === 1 ? (domains[0] ?? '') : ''
  return textsAt(line, 'securemail.recipient.hmac').map((hmac) => [hmac, { recipient: domain, hmac }])
}
