/** `secure-mail certs trust` and `remove`: a postmaster's word. */
import type { StoredCertificate } from '../../lib/encrypt/certificates/types'
import type { Io } from '../io'
import { fail } from '../ready'
import { findCertificate, type Found } from './find'
import { toldCertificate } from './record'
import { describe, type CertificateRoom, type ListedCertificate } from './room'

/** What is done with a certificate; null = it is taken out. */
type Change = (old: StoredCertificate) => StoredCertificate | null

const CHANGES = {
  /** From now on mail is encrypted to it. */
  trust: (old) => ({ ...old, source: old.source === 'imported' ? 'imported' : 'confirmed', rejected: false }),
  /** It can come back with the next signed mail. */
  remove: () => null,
  /** It stays, so that it cannot come back. */
  reject: (old) => ({ ...old, rejected: true }),
} satisfies Record<string, Change>

const WORDS = { trust: 'approved', remove: 'removed', reject: 'rejected, and not taken again' } as const

/** @param digits of `readFingerprint` */
export async function changeCertificate(
  room: CertificateRoom,
  what: keyof typeof CHANGES,
  digits: string,
  json: boolean,
  io: Io,
): Promise<void> {
  const found = await findCertificate(room, digits)
  if (typeof found === 'string') {
    fail(io, [found])
    return
  }
  const changed: ListedCertificate[] = []
  for (const one of found) changed.push(await apply(room, what, one))
  if (changed.length === 0) io.exitCode = 1
  if (json) {
    io.out(`${JSON.stringify({ certificates: changed })}\n`)
    return
  }
  if (changed.length === 0) io.err(`secure-mail: there is no certificate with the fingerprint ${digits}\n`)
  for (const { holder, scope, fingerprint, subject, state, usable, why } of changed) {
    const whose = scope === 'domain' ? `all of ${holder}` : holder
    io.out(`${WORDS[what]}: ${fingerprint.slice(0, 16)} of ${whose} (${subject})\n`)
    if (state === 'trusted' && !usable) io.err(`secure-mail: mail is not encrypted to it all the same: ${why}\n`)
  }
}

async function apply(
  room: CertificateRoom,
  what: keyof typeof CHANGES,
  { scope, holder, stored }: Found,
): Promise<ListedCertificate> {
  const change: Change = CHANGES[what]
  let left: readonly StoredCertificate[]
  try {
    left = await room.book.change(scope, holder, (old) =>
      old.flatMap((one) => (one.fingerprint === stored.fingerprint ? (change(one) ?? []) : one)),
    )
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const about = { ...describe(scope, holder, stored, room), why }
    room.told.push(toldCertificate(what, false, stored.source, about))
    throw error
  }
  const kept = left.find(({ fingerprint }) => fingerprint === stored.fingerprint)
  const now = describe(scope, holder, kept ?? stored, room)
  const about = kept === undefined ? { ...now, state: '', why: '' } : now
  room.told.push(toldCertificate(what, true, stored.source, about))
  return now
}
