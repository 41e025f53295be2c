/**
 * The seal on `SecureMailNotes`: an HMAC whose key is in the store and never in the queue directory. It binds the
 * verdict to one mail (id, sender, recipients) and, where there is something to gain by exchanging the content, to
 * that content. Pure: the caller brings the key and the facts.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import type { Refusal } from '../gate/types'
import { comparableAddress } from './address'
import { LIMITS, parseNotes, type SecureMailNotes, type UnsealedNotes } from './notes'

/** What the queue file that is about to be delivered really is. */
export interface SealFacts {
  /** Without the suffix of the queue file: `mailIdOf(todo.uuid)`. */
  mailId: string
  /** '' = null sender. */
  sender: string
  /** Those of this queue file. */
  recipients: readonly string[]
  /** SHA-256 (hex) of the mail as it is now; needed only where the notes claim a grant or REQUIRETLS, else null. */
  digest: string | null
}

export type SealCheck =
  | { ok: true; notes: SecureMailNotes }
  | {
      ok: false
      reason: 'absent' | 'unparsable' | 'forged' | 'other-mail' | 'changed-after-verdict'
      /** For the log: which field, never its value. */
      detail: string
    }

/**
 * 96 bits of SHA-256 over (purpose, mail id, address), base64url. The mail id is in it so that a hash means nothing
 * for any other mail, and nobody can look for two addresses with one hash before the mail is accepted; to find an
 * address that fits a given hash is 2^96 work.
 */
export function recipientHash(mailId: string, address: string): string {
  // JSON keeps the parts apart, and halves of characters, which UTF-8 would make equal.
  const input = JSON.stringify(['secure-mail recipient v1', mailId, comparableAddress(address)])
  // 16 characters of base64url are 12 bytes
  return hash('sha256', input, 'base64url').slice(0, 16)
}

/**
 * @param unsealed recipients as plain addresses, in any order; texts of refusals are cut to the limits of notes.ts
 * @param key 32 bytes
 * @throws Error when the notes are not as notes.ts says (e.g. a grant without a digest): nothing must be queued then
 */
export function sealNotes(unsealed: UnsealedNotes, key: Buffer): SecureMailNotes {
  const hashes = unsealed.recipients.map((address) => recipientHash(unsealed.mailId, address))
  const draft = Object.assign({}, unsealed, {
    sender: comparableAddress(unsealed.sender),
    recipients: [...new Set(hashes)].sort(),
    optOut: {
      ...unsealed.optOut,
      refusals: unsealed.optOut.refusals.slice(0, LIMITS.refusals).map(cutRefusal),
    },
    seal: '0'.repeat(64),
  })
  // Through JSON, as the queue file will take them: what is undefined here is absent there.
  const parsed = parseNotes(JSON.parse(JSON.stringify(draft)))
  if (!parsed.ok) throw new Error(`notes cannot be sealed: ${parsed.why}`)
  const sealed = deepFreeze({ ...parsed.notes, seal: macOf(parsed.notes, key).toString('hex') })
  sealedHere.set(sealed, { key, recipients: new Set(unsealed.recipients) })
  return sealed
}

/**
 * The very objects that this process sealed, with which key and for whom. They cannot be changed: no second look is
 * needed.
 */
const sealedHere = new WeakMap<object, { key: Buffer; recipients: ReadonlySet<string> }>()

/** Was this object, and no copy of it, sealed by this process? */
export function isSealedHere(notes: unknown): notes is SecureMailNotes {
  return typeof notes === 'object' && notes !== null && sealedHere.has(notes)
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner as object)
  return Object.freeze(value)
}

function cutRefusal({ code, where, detail }: Refusal): Refusal {
  return { code, where: where.slice(0, LIMITS.where), detail: detail.slice(0, LIMITS.detail) }
}

/** Never throws for anything in `notes`. */
export function checkSeal(notes: unknown, key: Buffer, facts: SealFacts): SealCheck {
  if (notes === undefined || notes === null) return { ok: false, reason: 'absent', detail: 'there are no notes' }
  let read: SecureMailNotes
  const own = typeof notes === 'object' ? sealedHere.get(notes) : undefined
  if (isSealedHere(notes) && own?.key.equals(key) === true) {
    read = notes
  } else {
    const parsed = parseNotes(notes)
    if (!parsed.ok) return { ok: false, reason: 'unparsable', detail: parsed.why }
    read = parsed.notes
    if (!timingSafeEqual(macOf(read, key), Buffer.from(read.seal, 'hex'))) {
      return { ok: false, reason: 'forged', detail: 'the seal does not fit the notes' }
    }
  }
  const foreign = differentMail(read, facts, read === notes ? own?.recipients : undefined)
  if (foreign !== null) return { ok: false, reason: 'other-mail', detail: foreign }
  if (read.digest !== null && !sameText(read.digest, facts.digest)) {
    return { ok: false, reason: 'changed-after-verdict', detail: 'the mail is not the one that the notes are about' }
  }
  return { ok: true, notes: read }
}

/** @param known recipients that are surely among the sealed ones; for the others their hashes say it */
function differentMail(notes: SecureMailNotes, facts: SealFacts, known?: ReadonlySet<string>): string | null {
  if (notes.mailId !== facts.mailId) return 'the mail id is another'
  if (notes.sender !== comparableAddress(facts.sender)) return 'the sender is another'
  if (facts.recipients.length === 0) return 'there is no recipient'
  const unsure = known === undefined ? facts.recipients : facts.recipients.filter((address) => !known.has(address))
  const sealed = new Set(unsure.length === 0 ? [] : notes.recipients)
  const added = unsure.filter((address) => !sealed.has(recipientHash(notes.mailId, address))).length
  return added === 0 ? null : `${added} recipient(s) were not in the envelope`
}

function sameText(a: string, b: string | null): boolean {
  return b !== null && a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function macOf(notes: SecureMailNotes, key: Buffer): Buffer {
  const sealed = { ...notes, seal: undefined }
  return createHmac('sha256', key)
    .update(`secure-mail notes v${notes.v}\n${JSON.stringify(sorted(sealed))}`)
    .digest()
}

/**
 * With sorted keys, so that there is one JSON text for one value, whatever order the fields came in (the idea of RFC
 * 8785). Only strings, safe integers, booleans and null occur, and no name is a number, so `JSON.stringify` is
 * unambiguous for each and keeps the order.
 */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  // without a prototype no name has a meaning of its own
  const copy = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(value).sort()) copy[name] = sorted((value as Record<string, unknown>)[name])
  return copy
}
