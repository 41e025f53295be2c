/** What an operator did with certificates of correspondents (`secure-mail certs`), for the audit log. */
import type { Audit, AuditEvent } from '../lib/audit/types'
import type { Operator, ToldCertificate } from '../lib/control'
import { nameOf, operatorFields } from './ending'

const DONE = { import: 'imported', trust: 'approved', remove: 'removed', reject: 'rejected' } as const
const NOT_DONE = { import: 'import', trust: 'approve', remove: 'remove', reject: 'reject' } as const

/** Digits of a fingerprint in a sentence, as `certs list` shows them. */
const SHOWN_DIGITS = 16

/**
 * Record changes in their order.
 *
 * @throws (rejects) when it is not certain that they are on the disk
 */
export async function tellCertificates(
  audit: Pick<Audit, 'tell' | 'tellDurably'>,
  changes: readonly ToldCertificate[],
  operator: Operator,
): Promise<void> {
  const events = changes.map((change) => certificateEvent(change, operator))
  for (const event of events.slice(0, -1)) audit.tell(event)
  // one fsync for all of them: it covers what was written before
  const last = events.at(-1)
  if (last !== undefined) await audit.tellDurably(last)
}

/** The event of one change. Addresses stand in it as a recipient only, so that the log shows them as it is set to. */
export function certificateEvent(told: ToldCertificate, operator: Operator): AuditEvent {
  const { change, done, holder, fingerprint, notAfter, origin, state } = told
  const why = withoutPersons(told.why)
  const subject = withoutPersons(told.subject)
  const which = fingerprint === '' ? 'a certificate' : `certificate ${fingerprint.slice(0, SHOWN_DIGITS)}`
  const of = holder === '' ? '' : ` of ${holder.slice(holder.lastIndexOf('@') + 1)}`
  const what = done ? DONE[change] : `could not ${NOT_DONE[change]}`
  return {
    action: 'certificate-changed',
    message: `${nameOf(operator)} ${what} ${which}${of}${why === '' ? '' : `: ${why}`}`,
    outcome: done ? 'success' : 'failure',
    ...(holder === '' ? {} : { recipients: [holder] }),
    extra: {
      ...operatorFields(operator),
      certificate_change: change,
      ...present({ fingerprint, subject, not_after: notAfter, origin, state, why }),
    },
  }
}

/** Subjects and reasons may name the mailbox. */
function withoutPersons(text: string): string {
  return text.replace(/[^\s=,;<>]+@(?=[\p{L}\p{N}])/gu, '…@')
}

function present(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}
