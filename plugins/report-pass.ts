/**
 * How the seal knows our own reports: a one-time token in the transaction's notes, redeemed when the mail is queued.
 * A plugin that copies the notes of a report gains nothing; the token is spent.
 */
import { randomUUID } from 'node:crypto'
import type { Notes } from './haraka'

export interface ReportPass {
  kind: 'report' | 'tlsrpt'
  /** Case id of the mail the report is about. */
  caseId: string
  /** RFC 8689 section 5: reports about REQUIRETLS mail keep it. */
  requiretls: boolean
}

const TOKEN_KEY = 'secure_mail_report'
const announced = new Map<string, ReportPass>()

/** @returns the notes to hand to `send_email` */
export function announceReport(pass: ReportPass): Notes {
  const token = randomUUID()
  announced.set(token, pass)
  return { [TOKEN_KEY]: token }
}

/** Redeem and remove the token of a transaction's notes. */
export function redeemReport(notes: Notes): ReportPass | undefined {
  const token = notes[TOKEN_KEY]
  if (typeof token !== 'string') return undefined
  const pass = announced.get(token)
  announced.delete(token)
  // eslint is right that this is a computed delete: the key is ours and must not travel in the queue file
  Reflect.deleteProperty(notes, TOKEN_KEY)
  return pass
}
