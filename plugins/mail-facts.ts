/** What is certain about a queued mail before its delivery: who, to whom, and what its sealed record still proves. */
import { createHash } from 'node:crypto'
import { contentDigestOfWire } from '../lib/message/digest'
import { caseId } from '../lib/notify/case-id'
import type { Grant } from '../lib/policy/types'
import { mailIdOf } from '../lib/store/recipients'
import { checkSeal } from '../lib/store/seal'
import type { SecureMailNotes } from '../lib/store/notes'
import { asciiDomain } from '../lib/util/address'
import type { HarakaAddress, HMailItem, Todo } from './haraka'
import { NOTES_KEY } from './notes-key'
import { openWire } from './queued-mail'

export interface MailFacts {
  /** Transaction uuid: the id of the mail in all its queue files. */
  mailId: string
  /** Id of this queue file: Final-Log-ID of reports. */
  logId: string
  caseId: string
  /** '' = null sender. */
  sender: string
  /** As delivery knows them, `local@a-label-domain`; the n-th belongs to the n-th of `todo.rcpt_to`. */
  recipients: string[]
  domain: string
  queuedAt: number
  /** `null`: no record that proves anything; then there is no grant, and the mail is treated as an ordinary one. */
  notes: SecureMailNotes | null
  sealProblem: { reason: string; detail: string } | null
  kind: 'mail' | 'report' | 'tlsrpt'
  grant: Grant | null
  requiretls: boolean
}

/** The envelope address as this house writes it: domain in A-labels, lower case; local part untouched. */
export function envelopeAddress(address: HarakaAddress): string {
  if (address.isNull()) return ''
  return `${address.user}@${asciiDomain(address.host)}`
}

/**
 * Check the seal on the queued mail. The digest of the message is computed only when there is a grant or REQUIRETLS to
 * protect.
 *
 * @throws Error when the queue file cannot be read
 */
export async function examine(item: HMailItem, todo: Todo, sealKey: Buffer): Promise<MailFacts> {
  const mailId = mailIdOf(todo.uuid)
  const sender = envelopeAddress(todo.mail_from)
  const recipients = todo.rcpt_to.map(envelopeAddress)
  const claimed = todo.notes[NOTES_KEY]
  const digest = claimsProtection(claimed) ? await contentDigestOfWire(openWire(item)) : null
  const check = checkSeal(claimed, sealKey, { mailId, sender, recipients, digest })
  const notes = check.ok ? check.notes : null
  return {
    mailId,
    logId: todo.uuid,
    // a report carries the case of the mail that it is about
    caseId: notes?.caseId ?? caseId(mailId),
    sender,
    recipients,
    domain: asciiDomain(todo.domain),
    queuedAt: todo.queue_time,
    notes,
    sealProblem: check.ok ? null : { reason: check.reason, detail: check.detail },
    kind: notes?.kind ?? 'mail',
    grant: notes?.grant ?? null,
    // a record that proves nothing can grant nothing; that it asks for more is believed all the same
    requiretls: notes?.requiretls ?? claims(claimed).requiretls === true,
  }
}

function claimsProtection(claimed: unknown): boolean {
  const { grant, requiretls } = claims(claimed)
  return (grant !== null && grant !== undefined) || requiretls === true
}

/** What a record says before anything of it is checked. */
function claims(claimed: unknown): { grant?: unknown; requiretls?: unknown } {
  return typeof claimed === 'object' && claimed !== null ? claimed : {}
}

/** Short stable label for a set of recipients, for ids that must be the same after a restart. */
export function recipientsLabel(recipients: readonly string[]): string {
  return createHash('sha256')
    .update([...recipients].sort().join('\0'))
    .digest('hex')
    .slice(0, 12)
}
