/**
 * What the command `secure-mail queue` and a delivering process say to each other: one request per connection, answered
 * by lines of which the last is `end` or `error`. Both sides check every field; a version that the other side does not
 * know is refused by name, so that an old command beside a new gateway says so.
 */
import { NotesProblem, Reader } from '../store/notes-reader'
import { isIdentity } from '../queue/file-name'
import { SEND_STATES, type SendResult } from '../report/tlsrpt/result'
import { oneLine } from '../util/one-line'

/** Raised when a field changes its meaning. */
export const PROTOCOL = 1

/** Identities in one request: with room to spare in `MAX_REQUEST`. */
export const MAX_MAILS = 1000
/** Longest reason of an operator, in characters. */
export const MAX_REASON = 300
const MAX_ADDRESS = 1000
const MAX_RECIPIENTS = 50
/** Changes of certificates in one request: with room to spare in `MAX_REQUEST`. */
export const MAX_CHANGES = 10
/** Longest subject of a certificate, or reason, in characters; the command cuts what is longer. */
export const MAX_ABOUT = 300
/** Longest JSON of metrics, in characters: quoted once more it fits into a line. */
const MAX_METRICS = 400_000

/** Who asks, as the command says: only the gateway's own user and root can open the socket. */
export interface Operator {
  /** Null where the system has no user ids. */
  uid: number | null
  /** '' = unknown. */
  name: string
}

export type Request =
  /** Which mails does this process hold, and what is it doing with them? */
  | { op: 'state' }
  /** Envelopes of mails that this process holds. */
  | { op: 'describe'; mails: string[] }
  /** Try them now. */
  | { op: 'retry'; mails: string[]; operator: Operator }
  /** End one, with a report to its sender; `recipients` null = all that are open. */
  | { op: 'bounce'; mail: string; recipients: string[] | null; reason: string; operator: Operator }
  /** Send the TLS reports of a UTC day, `YYYY-MM-DD`; `domain` null = all. */
  | { op: 'tlsrpt'; day: string; domain: string | null; operator: Operator }
  /** Somebody tested a domain: for the audit log. */
  | { op: 'probed'; probe: ToldProbe; operator: Operator }
  /** Somebody changed which certificates are used: for the audit log. */
  | { op: 'certs'; changes: ToldCertificate[]; operator: Operator }
  /** The figures of this process. */
  | { op: 'metrics' }

/** What a test of a domain came to. */
export interface ToldProbe {
  domain: string
  /** '' = all of its MX hosts. */
  mx: string
  verdict: 'ok' | 'at-risk' | 'fails'
  /** '' = nothing failed. */
  resultType: string
}

/** What became of a certificate of a correspondent, by `secure-mail certs`. */
export interface ToldCertificate {
  change: 'import' | 'trust' | 'remove' | 'reject'
  done: boolean
  /** Whose it is: address, `@domain`, '' = not known. */
  holder: string
  /** SHA-256, lower-case hex; '' = not known. */
  fingerprint: string
  subject: string
  /** ISO 8601; '' = not known. */
  notAfter: string
  /** Where it came from: the form of the file, or how it had come into the store. */
  origin: string
  /** What it is from now on; '' = it is not there. */
  state: string
  /** One clause: why it is used or not, or why nothing was done. */
  why: string
}

/** The request is not one that this side serves; `code` goes back with it. */
export class RequestError extends Error {
  constructor(
    readonly code: 'bad-request' | 'unknown-version',
    message: string,
  ) {
    super(message)
  }
}

/**
 * @param value one parsed line
 * @throws RequestError
 */
export function parseRequest(value: object): Request {
  const { v } = value as { v?: unknown }
  if (v !== PROTOCOL) throw new RequestError('unknown-version', `this gateway speaks version ${PROTOCOL}`)
  try {
    const fields = new Reader(value, 'request')
    fields.oneOf('v', [PROTOCOL])
    const request = readRequest(fields)
    fields.end()
    return request
  } catch (error) {
    if (error instanceof NotesProblem) throw new RequestError('bad-request', error.message)
    throw error
  }
}

const IDENTITY = /^\d{1,16}_[A-Za-z0-9]{1,40}$/

function readRequest(fields: Reader): Request {
  const op = fields.oneOf('op', ['state', 'describe', 'retry', 'bounce', 'probed', 'certs', 'tlsrpt', 'metrics'])
  switch (op) {
    case 'state':
    case 'metrics':
      return { op }
    case 'describe':
      return { op, mails: identities(fields) }
    case 'retry':
      return { op, mails: identities(fields), operator: operatorOf(fields) }
    case 'bounce':
      return {
        op,
        mail: fields.text('mail', { max: 60, pattern: IDENTITY }),
        recipients: fields.isNull('recipients')
          ? null
          : fields.texts('recipients', { max: MAX_RECIPIENTS, pattern: ADDRESS }),
        // it goes into a report and into the log
        reason: oneLine(fields.text('reason', { max: MAX_REASON })),
        operator: operatorOf(fields),
      }
    case 'probed':
      return { op, probe: fields.object('probe', toldProbe), operator: operatorOf(fields) }
    case 'certs':
      return { op, changes: fields.objects('changes', MAX_CHANGES, toldCertificate), operator: operatorOf(fields) }
    case 'tlsrpt':
      return {
        op,
        day: fields.text('day', { max: 10, pattern: /^\d{4}-\d{2}-\d{2}$/ }),
        domain: fields.isNull('domain') ? null : fields.text('domain', { min: 1, max: 255 }),
        operator: operatorOf(fields),
      }
  }
}

const ADDRESS = new RegExp(`^[^\\p{Cc}]{1,${MAX_ADDRESS}}$`, 'u')

const HOST = /^[\w.:[\]-]*$/

function toldProbe(fields: Reader): ToldProbe {
  return {
    domain: fields.text('domain', { min: 1, max: 300, pattern: HOST }),
    mx: fields.text('mx', { max: 300, pattern: HOST }),
    verdict: fields.oneOf('verdict', ['ok', 'at-risk', 'fails']),
    resultType: fields.text('resultType', { max: 60, pattern: /^[a-z0-9-]*$/ }),
  }
}

function toldCertificate(fields: Reader): ToldCertificate {
  const about = (name: string) => oneLine(fields.text(name, { max: MAX_ABOUT }))
  return {
    change: fields.oneOf('change', ['import', 'trust', 'remove', 'reject']),
    done: fields.flag('done'),
    holder: fields.text('holder', { max: MAX_ADDRESS, pattern: /^(?:[^\s\p{Cc}]*@[\w.-]+)?$/u }),
    fingerprint: fields.text('fingerprint', { max: 64, pattern: /^(?:[0-9a-f]{64})?$/ }),
    subject: about('subject'),
    notAfter: fields.text('notAfter', { max: 40, pattern: /^[\dTZ:.+-]*$/ }),
    origin: fields.text('origin', { max: 40, pattern: /^[\w #/-]*$/ }),
    state: fields.text('state', { max: 40, pattern: /^[a-z]*$/ }),
    why: about('why'),
  }
}

function identities(fields: Reader): string[] {
  return fields.texts('mails', { max: MAX_MAILS, pattern: IDENTITY })
}

function operatorOf(fields: Reader): Operator {
  return fields.object('operator', (inner) => ({
    uid: inner.isNull('uid') ? null : inner.number('uid', { min: 0, max: 0xffff_ffff }),
    name: inner.text('name', { max: 64, pattern: /^[\w.@$-]*$/ }),
  }))
}

/** The line of a request. */
export function requestLine(request: Request): object {
  return { v: PROTOCOL, ...request }
}

/** How far a mail is in the process that holds it. */
export type HeldState =
  /** An attempt is under way. */
  | 'delivering'
  /** It is its turn, as soon as there is a place. */
  | 'due'
  /** It waits for its time. */
  | 'waiting'

/** A mail that a process holds: identity and next try, milliseconds since the epoch. */
export type HeldMail = readonly [identity: string, nextTry: number]

/** A held mail as its process knows it, for one that has no file to read (yet). */
export interface DescribedMail {
  identity: string
  uuid: string
  domain: string
  sender: string
  recipients: string[]
  queuedAt: number
  kind: 'mail' | 'report' | 'tlsrpt'
  /** Bytes of the message. */
  size: number
  tries: number
  nextTry: number
}

/** How a retry went, by identity. `unknown`: this process does not hold it. */
export interface Retried {
  started: string[]
  due: string[]
  delivering: string[]
  unknown: string[]
}

export type Bounced =
  /** `recipients`: ended and reported; `left`: recipients that are still open, `nextTry` for those. */
  | { result: 'ended'; recipients: string[]; left: number; nextTry: number | null }
  /** It is being delivered, and was not done with that in time. */
  | { result: 'delivering' }
  /** Not held by this process, or gone. */
  | { result: 'unknown' }
  /** None of the recipients is open. */
  | { result: 'nothing-open' }
  /** It is ended, but the report could not be queued: that is tried again, and the mail stays until it is. */
  | { result: 'unreported'; why: string }
  /** Nothing is ended. */
  | { result: 'failed'; why: string }

/** TLS reports of one line of an answer; `refused`: why nothing was begun. */
export interface TlsReportsSent {
  refused: string | null
  reports: SendResult[]
}

/** Reports in one line of an answer. */
export const MAX_REPORTS = 500
const MAX_WHY = 1000

export type Reply =
  | { kind: 'process'; pid: number; label: string; version: string; paused: boolean }
  | { kind: 'held'; state: HeldState; mails: HeldMail[] }
  | { kind: 'mail'; mail: DescribedMail }
  | ({ kind: 'retried' } & Retried)
  | { kind: 'bounced'; bounced: Bounced }
  | ({ kind: 'tlsrpt' } & TlsReportsSent)
  /** JSON of what Prometheus' client gives. */
  | { kind: 'metrics'; json: string }
  /** Still at it. */
  | { kind: 'working' }
  | { kind: 'end' }
  | { kind: 'error'; code: 'bad-request' | 'unknown-version' | 'busy' | 'internal'; message: string }

/**
 * @param value one parsed line of an answer
 * @throws Error naming the field that is not as it should be
 */
export function parseReply(value: object): Reply {
  const fields = new Reader(value, 'answer')
  const reply = readReply(fields)
  fields.end()
  return reply
}

const NUMBER = { min: 0, max: Number.MAX_SAFE_INTEGER }

function readReply(fields: Reader): Reply {
  const kind = fields.oneOf('kind', [
    ...(['process', 'held', 'mail', 'retried', 'bounced', 'tlsrpt', 'metrics', 'working', 'end', 'error'] as const),
  ])
  switch (kind) {
    case 'process':
      return {
        kind,
        pid: fields.number('pid', NUMBER),
        label: fields.text('label', { max: 40 }),
        version: fields.text('version', { max: 40 }),
        paused: fields.flag('paused'),
      }
    case 'held':
      return {
        kind,
        state: fields.oneOf('state', ['delivering', 'due', 'waiting']),
        mails: fields.list('mails', MAX_MAILS, heldMail),
      }
    case 'mail':
      return { kind, mail: fields.object('mail', describedMail) }
    case 'retried': {
      const names = (name: string) => fields.texts(name, { max: MAX_MAILS, pattern: IDENTITY })
      return {
        kind,
        started: names('started'),
        due: names('due'),
        delivering: names('delivering'),
        unknown: names('unknown'),
      }
    }
    case 'bounced':
      return { kind, bounced: fields.object('bounced', readBounced) }
    case 'tlsrpt':
      return {
        kind,
        refused: fields.isNull('refused') ? null : fields.text('refused', { max: MAX_WHY }),
        reports: fields.objects('reports', MAX_REPORTS, readSendResult),
      }
    case 'metrics':
      return { kind, json: fields.text('json', { max: MAX_METRICS }) }
    case 'working':
    case 'end':
      return { kind }
    case 'error':
      return {
        kind,
        code: fields.oneOf('code', ['bad-request', 'unknown-version', 'busy', 'internal']),
        message: fields.text('message', { max: 2000 }),
      }
  }
}

function heldMail(value: unknown): HeldMail | null {
  if (!Array.isArray(value) || value.length !== 2) return null
  const [identity, nextTry] = value as [unknown, unknown]
  if (typeof identity !== 'string' || !isIdentity(identity)) return null
  return typeof nextTry === 'number' && Number.isFinite(nextTry) ? [identity, nextTry] : null
}

function describedMail(fields: Reader): DescribedMail {
  return {
    identity: fields.text('identity', { max: 60, pattern: IDENTITY }),
    uuid: fields.text('uuid', { min: 1, max: 200 }),
    domain: fields.text('domain', { max: 300 }),
    sender: fields.text('sender', { max: MAX_ADDRESS }),
    recipients: fields.texts('recipients', { max: 100_000, pattern: ADDRESS }),
    queuedAt: fields.number('queuedAt', NUMBER),
    kind: fields.oneOf('kind', ['mail', 'report', 'tlsrpt']),
    size: fields.number('size', NUMBER),
    tries: fields.number('tries', NUMBER),
    nextTry: fields.number('nextTry', NUMBER),
  }
}

function readSendResult(fields: Reader): SendResult {
  return {
    domain: fields.text('domain', { max: 255 }),
    state: fields.oneOf('state', SEND_STATES),
    ...(fields.has('to') ? { to: fields.text('to', { max: 2000 }) } : {}),
    ...(fields.has('why') ? { why: fields.text('why', { max: 20_000 }) } : {}),
  }
}

function readBounced(fields: Reader): Bounced {
  const result = fields.oneOf('result', ['ended', 'delivering', 'unknown', 'nothing-open', 'unreported', 'failed'])
  switch (result) {
    case 'ended':
      return {
        result,
        recipients: fields.texts('recipients', { max: 100_000, pattern: ADDRESS }),
        left: fields.number('left', NUMBER),
        nextTry: fields.isNull('nextTry') ? null : fields.number('nextTry', NUMBER),
      }
    case 'unreported':
    case 'failed':
      return { result, why: fields.text('why', { max: 2000 }) }
    default:
      return { result }
  }
}
