/**
 * What the gate tells delivery through the queue file: `SecureMailNotes`, version 1, under `notes.secure_mail`. The
 * same in words is docs/schema/secure-mail-notes.schema.json.
 *
 * Whoever can write to the queue directory can write this record, and any plugin can: so it is read as hostile input,
 * and means something only after `checkSeal`.
 */
import { REFUSAL_CODES, type Refusal } from '../gate/types'
import type { Grant } from '../policy/types'
import { NotesProblem, Reader } from './notes-reader'

/** RFC 3461 parameters as the client gave them. */
export interface DsnParameters {
  ret?: 'FULL' | 'HDRS'
  envid?: string
  /** By envelope address. */
  rcpt: Record<string, { notify?: string; orcpt?: string }>
}

/** Strings and arrays longer than this are no notes of ours. */
export const LIMITS = {
  id: 200,
  address: 1000,
  recipients: 100_000,
  refusals: 500,
  where: 500,
  detail: 1000,
  dsnValue: 1000,
} as const

export interface SecureMailNotes {
  v: 1
  /** Transaction uuid, without the suffix of a queue file. */
  mailId: string
  /** '' = null sender; domain in lower case. */
  sender: string
  /**
   * Every recipient of the transaction, sorted, each as 16 characters: `recipientHash`. A queue file names the
   * recipients of one domain; the hashes of all the others cost each file little and tell its reader nothing.
   */
  recipients: string[]
  kind: 'mail' | 'report' | 'tlsrpt'
  caseId: string
  /** null: nobody asked, so nobody looked. */
  category: 1 | 2 | 3 | null
  grant: Grant | null
  requiretls: boolean
  /** `forbidden`: what is in the mail forbids an opt-out (`Verdict.contentForbids`); absent = it does not. */
  optOut: { requested: boolean; refusals: Refusal[]; forbidden?: boolean }
  /** SHA-256 (hex) of what a grant or REQUIRETLS is about, as queued; null exactly where there is neither. */
  digest: string | null
  dsn?: DsnParameters
  /** Milliseconds. */
  acceptedAt: number
  /** Who submitted it. */
  source?: { ip: string; user?: string }
  /** HMAC-SHA256 (hex) over all of the above. */
  seal: string
}

/** Notes before sealing: recipients are plain addresses. */
export type UnsealedNotes = Omit<SecureMailNotes, 'seal' | 'recipients'> & { recipients: readonly string[] }

const HASH = /^[A-Za-z0-9_-]{16}$/
const SHA256_HEX = /^[0-9a-f]{64}$/

/**
 * Read notes of unknown origin. Never throws; accepts exactly what the schema describes, no field more; gives a new
 * plain object, whatever class or prototype the given one had. An accepted record is well-formed, not trustworthy.
 *
 * @returns `why` names the first field that is wrong, and never repeats its value
 */
export function parseNotes(value: unknown): { ok: true; notes: SecureMailNotes } | { ok: false; why: string } {
  try {
    return { ok: true, notes: readNotes(value) }
  } catch (error) {
    // Anything else than our own finding is a getter or a proxy that threw: not JSON, and so not notes.
    return { ok: false, why: error instanceof NotesProblem ? error.message : 'it is no plain JSON' }
  }
}

function readNotes(value: unknown): SecureMailNotes {
  const fields = new Reader(value, 'notes')
  const notes: SecureMailNotes = {
    v: fields.oneOf('v', [1]),
    mailId: fields.text('mailId', { min: 1, max: LIMITS.id }),
    sender: fields.text('sender', { max: LIMITS.address }),
    recipients: readRecipients(fields),
    kind: fields.oneOf('kind', ['mail', 'report', 'tlsrpt']),
    caseId: fields.text('caseId', { min: 1, max: LIMITS.id }),
    category: fields.oneOf('category', [1, 2, 3, null]),
    grant: fields.orNull('grant', (grant) => ({ by: grant.oneOf('by', ['subject-tag', 'tls-required-no']) })),
    requiretls: fields.flag('requiretls'),
    optOut: fields.object('optOut', (optOut) => ({
      requested: optOut.flag('requested'),
      refusals: optOut.objects('refusals', LIMITS.refusals, readRefusal),
      ...(optOut.has('forbidden') ? { forbidden: optOut.flag('forbidden') } : {}),
    })),
    digest: fields.isNull('digest') ? null : fields.text('digest', { pattern: SHA256_HEX, max: 64 }),
    ...(fields.has('dsn') ? { dsn: fields.object('dsn', readDsn) } : {}),
    acceptedAt: fields.time('acceptedAt'),
    ...(fields.has('source') ? { source: fields.object('source', readSource) } : {}),
    seal: fields.text('seal', { pattern: SHA256_HEX, max: 64 }),
  }
  fields.end()
  // What needs protecting has a digest; a digest without anything to protect was put there by somebody else.
  if ((notes.digest !== null) !== (notes.grant !== null || notes.requiretls)) throw new NotesProblem('notes.digest')
  return notes
}

/** Sorted and without doubles, so that one set has one form. */
function readRecipients(fields: Reader): string[] {
  const hashes = fields.texts('recipients', { max: LIMITS.recipients, pattern: HASH })
  if (hashes.length === 0) throw new NotesProblem('notes.recipients')
  for (let i = 1; i < hashes.length; i++) {
    if ((hashes[i - 1] ?? '') >= (hashes[i] ?? '')) throw new NotesProblem('notes.recipients: not sorted')
  }
  return hashes
}

function readRefusal(refusal: Reader): Refusal {
  return {
    code: refusal.oneOf('code', REFUSAL_CODES),
    where: refusal.text('where', { max: LIMITS.where }),
    detail: refusal.text('detail', { max: LIMITS.detail }),
  }
}

function readDsn(dsn: Reader): DsnParameters {
  const value = { min: 1, max: LIMITS.dsnValue }
  return {
    ...(dsn.has('ret') ? { ret: dsn.oneOf('ret', ['FULL', 'HDRS']) } : {}),
    ...(dsn.has('envid') ? { envid: dsn.text('envid', value) } : {}),
    rcpt: dsn.map('rcpt', { max: LIMITS.recipients, key: LIMITS.address }, (one) => ({
      ...(one.has('notify') ? { notify: one.text('notify', value) } : {}),
      ...(one.has('orcpt') ? { orcpt: one.text('orcpt', value) } : {}),
    })),
  }
}

function readSource(source: Reader): { ip: string; user?: string } {
  return {
    ip: source.text('ip', { max: LIMITS.id }),
    ...(source.has('user') ? { user: source.text('user', { max: LIMITS.address }) } : {}),
  }
}
