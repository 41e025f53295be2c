/** What the gate said about each transaction; without an entry nothing is queued. */
import type { UnsealedNotes } from '../lib/store/notes'
import type { Transaction } from './haraka'
import type { TlsRequiredFate } from './tls-required-edit'

export interface GateDecision {
  /** Ready to be sealed. */
  notes: Omit<UnsealedNotes, 'digest'>
  /** Digest of the mail the verdict was about, where there is a grant to protect. */
  digestAtVerdict: string | null
  /** The mail is dealt with: the sender's report is queued, nothing else is to be. */
  reportedInstead: boolean
  /** What the reading said, for the record; absent = the mail does not go outside, and was not read. */
  content?: { persons: number; inspected: boolean }
  /** Recipients about whom the sender is to be advised, once the mail is queued. */
  advise?: readonly string[]
  /** What became of the header field TLS-Required; absent = there is none, or the mail does not go outside. */
  tlsRequired?: TlsRequiredFate
  /** The gateway has encrypted this message; absent = it has not. */
  encrypted?: EncryptionFacts
  /** Further messages, for other recipients of the same mail, that are to be queued before it. */
  copies?: readonly PendingCopy[]
}

export interface EncryptionFacts {
  /** Of the certificates it was encrypted to: SHA-256, lower-case hex. */
  fingerprints: readonly string[]
  signed: boolean
  subjectHidden: boolean
}

/** A message that is made when it is queued, so that only one of them is in memory. */
export interface PendingCopy {
  /** @throws (rejects) when it cannot be made; nothing of the mail may then be queued any more */
  make: () => Promise<Transaction>
}

const decisions = new WeakMap<Transaction, GateDecision>()

export function decisionOn(transaction: Transaction): GateDecision | undefined {
  return decisions.get(transaction)
}

export function decide(transaction: Transaction, decision: GateDecision): void {
  decisions.set(transaction, decision)
}

export function undecide(transaction: Transaction): void {
  decisions.delete(transaction)
}
