/** Putting a certificate into the book, within bounds that strangers cannot use to push out what is trusted. */
import type { CertificateBook } from './book'
import { judge } from './judge'
import type { Scope } from './names'
import type { Holder, StoredCertificate, Trust } from './types'

/** Certificates of one address or domain. */
const MAX_PER_NAME = 8
/** Size of one bucket of the book, in bytes of base64; all of them together are at most 256 MiB. */
const MAX_BUCKET = 256 * 1024
/** `lastSeen` is written again when it is older than this, in milliseconds. */
const SEEN_AGAIN = 86_400_000

/** What became of a certificate that was to be kept. */
export type Kept =
  | 'new'
  /** It was there already. */
  | 'known'
  /** A postmaster does not want it. */
  | 'rejected'
  /** There is no room for what is worth no more than what is there. */
  | 'full'

/** What may push out what: a higher one the lower ones and its equals. What a postmaster said is never pushed out. */
const WORTH = { nothing: 0, candidate: 1, trusted: 2, said: 3 } as const

function worthOf(stored: StoredCertificate, trust: Trust, now: number): number {
  if (stored.source !== 'harvested' || stored.rejected) return WORTH.said
  try {
    const { state, unusable } = judge(stored, trust, now)
    return unusable !== null ? WORTH.nothing : state === 'trusted' ? WORTH.trusted : WORTH.candidate
  } catch {
    return WORTH.nothing
  }
}

/**
 * @param book the store
 * @param name address or domain in the form that is compared
 * @param wanted as it is to be kept when it is new
 * @returns rejects when the store fails
 */
export async function keep(
  book: CertificateBook,
  trust: Trust,
  scope: Scope,
  name: string,
  wanted: StoredCertificate,
): Promise<Kept> {
  const now = wanted.lastSeen
  const there = (await book.of(scope, name)).find(({ fingerprint }) => fingerprint === wanted.fingerprint)
  const isSaid = wanted.source !== 'harvested'
  if (there !== undefined && !isSaid) {
    if (there.rejected) return 'rejected'
    if (now - there.lastSeen < SEEN_AGAIN) return 'known'
  }
  const worth = worthOf(wanted, trust, now)
  if (there === undefined && !(await makeRoom(book, trust, { scope, name }, wanted, worth))) return 'full'
  let kept: Kept = 'new'
  await book.change(scope, name, (old) => {
    const same = old.find(({ fingerprint }) => fingerprint === wanted.fingerprint)
    if (same !== undefined) {
      kept = same.rejected && !isSaid ? 'rejected' : 'known'
      return old.map((one) => (one === same ? seenAgain(same, wanted) : one))
    }
    kept = 'new'
    if (old.length < MAX_PER_NAME) return [...old, wanted]
    const out = leastOf(old, trust, now, worth)
    if (out === undefined) {
      kept = 'full'
      return old
    }
    return [...old.filter((one) => one !== out), wanted]
  })
  return kept
}

/** A postmaster's word lifts what was harvested or rejected; being seen changes nothing but the date. */
function seenAgain(old: StoredCertificate, wanted: StoredCertificate): StoredCertificate {
  const lastSeen = Math.max(old.lastSeen, wanted.lastSeen)
  if (wanted.source === 'harvested') return { ...old, lastSeen }
  return { ...old, source: wanted.source, rejected: wanted.rejected, issuers: wanted.issuers, lastSeen }
}

/** @returns is there room in the bucket, after what is worth less has been taken out? */
async function makeRoom(
  book: CertificateBook,
  trust: Trust,
  { scope, name }: Pick<Holder, 'scope' | 'name'>,
  wanted: StoredCertificate,
  worth: number,
): Promise<boolean> {
  // what a postmaster says has room always
  if (worth === WORTH.said) return true
  const now = wanted.lastSeen
  const neighbours = await book.neighbours(scope, name)
  const all = neighbours.flatMap((holder) => holder.certificates.map((stored) => ({ holder, stored })))
  let excess = all.reduce((sum, { stored }) => sum + sizeOf(stored), sizeOf(wanted)) - MAX_BUCKET
  if (excess <= 0) return true
  const leaving = all
    .map((one) => ({ ...one, worth: worthOf(one.stored, trust, now) }))
    .filter((one) => one.worth <= worth)
    .sort((a, b) => a.worth - b.worth || a.stored.lastSeen - b.stored.lastSeen)
  for (const { holder, stored } of leaving) {
    if (excess <= 0) break
    await book.change(holder.scope, holder.name, (old) =>
      old.filter(({ fingerprint }) => fingerprint !== stored.fingerprint),
    )
    excess -= sizeOf(stored)
  }
  return excess <= 0
}

function leastOf(
  stored: readonly StoredCertificate[],
  trust: Trust,
  now: number,
  worth: number,
): StoredCertificate | undefined {
  const [least] = stored
    .map((one) => ({ one, worth: worthOf(one, trust, now) }))
    .filter((candidate) => candidate.worth <= worth && candidate.worth < WORTH.said)
    .sort((a, b) => a.worth - b.worth || a.one.lastSeen - b.one.lastSeen)
  return least?.one
}

function sizeOf({ certificate, issuers }: StoredCertificate): number {
  return issuers.reduce((sum, one) => sum + one.length, certificate.length + 300)
}
